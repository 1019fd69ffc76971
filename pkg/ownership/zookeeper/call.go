package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-zookeeper/zk"

	"tributary/pkg/ownership/coord"
)

var (
	errUnknown = errors.New("outcome unknown")
	errOver    = errors.New("session ended before the write was sent")
)

// ready waits for a connection.
func (c *Client) ready(ctx context.Context) (coord.Session, error) {
	for {
		s, changed := c.session.state()
		switch {
		case s.Phase == coord.Closed:
			return s, coord.ErrClosed
		case ctx.Err() != nil:
			return s, context.Cause(ctx)
		case s.Phase == coord.Connected:
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, fmt.Errorf("wait for ZooKeeper: %w (%w)", context.Cause(ctx), c.session.why())
		}
	}
}

// ask runs one request of the library, which knows no contexts. One that is given up goes on in its goroutine until it is
// answered, the connection breaks or the client closes.
func ask[T any](ctx context.Context, c *Client, request func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1) // so that nobody need wait for it
	var none T
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return none, coord.ErrClosed
	}
	c.calls.Go(func() {
		value, err := request()
		done <- outcome{value, err}
	})
	c.mu.Unlock()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-done: // just in time
		return o.value, o.err
	default:
		return none, fmt.Errorf("%w: %w", errUnknown, context.Cause(ctx))
	}
}

// translate turns an error of the library into one of coord. All others mean that the outcome is unknown.
func translate(err error) error {
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return coord.ErrNoNode
	case errors.Is(err, zk.ErrNodeExists):
		return coord.ErrNodeExists
	case errors.Is(err, zk.ErrBadVersion):
		return coord.ErrVersion
	case errors.Is(err, zk.ErrNotEmpty):
		return coord.ErrNotEmpty
	case errors.Is(err, zk.ErrNoAuth):
		return coord.ErrNoAuth
	}
	return err
}

// lost says whether an error tells of the connection, and not of the request.
func lost(err error) bool {
	var network net.Error
	for _, of := range []error{zk.ErrConnectionClosed, zk.ErrSessionExpired, zk.ErrSessionMoved, zk.ErrNoServer, zk.ErrClosing,
		errGivenUp, net.ErrClosed, io.EOF} {
		if errors.Is(err, of) {
			return true
		}
	}
	return errors.As(err, &network)
}
