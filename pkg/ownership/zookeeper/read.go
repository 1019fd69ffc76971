package zookeeper

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"tributary/pkg/ownership/coord"
)

// Get implements coord.Client. It is sent again where the connection breaks.
func (c *Client) Get(ctx context.Context, path string, watched bool) (coord.Node, <-chan struct{}, error) {
	n, watch, err := read(ctx, c, arming{path: path, of: ofNode, wanted: watched}, func() (coord.Node, error) { return c.get(path, watched) })
	if err != nil {
		return coord.Node{}, watch, fmt.Errorf("read %s: %w", path, err)
	}
	return n, watch, nil
}

// get reads a node. Where it does not exist its data cannot be watched, but its existence can.
func (c *Client) get(path string, watched bool) (coord.Node, error) {
	for {
		data, stat, err := c.library.Get(path)
		if err == nil {
			return coord.Node{Data: data, Version: stat.Version, Owner: stat.EphemeralOwner, Created: stat.Czxid}, nil
		}
		if !watched || !errors.Is(err, zk.ErrNoNode) {
			return coord.Node{}, err
		}
		appeared, _, err := c.library.Exists(path)
		if err != nil {
			return coord.Node{}, err
		}
		if !appeared {
			return coord.Node{}, zk.ErrNoNode
		}
	}
}

// Children implements coord.Client. It is sent again where the connection breaks.
func (c *Client) Children(ctx context.Context, path string, watched bool) ([]string, <-chan struct{}, error) {
	names, watch, err := read(ctx, c, arming{path: path, of: ofChildren, wanted: watched}, func() ([]string, error) {
		names, _, err := c.library.Children(path)
		return names, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list %s: %w", path, err)
	}
	return names, watch, nil
}

// arming is what a read is to arm.
type arming struct {
	path   string
	of     kind
	wanted bool
}

// read runs a request until it is answered. The watch is armed where the answer holds, be it that there is no node.
func read[T any](ctx context.Context, c *Client, w arming, request func() (T, error)) (T, <-chan struct{}, error) {
	var none T
	for {
		if _, err := c.ready(ctx); err != nil {
			return none, nil, err
		}
		var armed <-chan struct{}
		if w.wanted {
			armed = c.session.watches.arm(w.path, w.of)
		}
		value, err := ask(ctx, c, request)
		switch {
		case err == nil:
			return value, armed, nil
		case errors.Is(err, zk.ErrNoNode):
			return none, armed, coord.ErrNoNode
		case !lost(err) || ctx.Err() != nil:
			return none, nil, translate(err)
		}
	}
}
