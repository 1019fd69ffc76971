package zookeeper

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"tributary/pkg/ownership/coord"
)

// Write implements coord.Client. It waits for a connection, and is sent once.
func (c *Client) Write(ctx context.Context, ops ...coord.Op) ([]string, error) {
	paths, err := c.write(ctx, ops)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", failed(ops, err), err)
	}
	return paths, nil
}

// failed returns the path of the op that an error is about, or of the last.
func failed(ops []coord.Op, err error) string {
	if len(ops) == 0 {
		return "nothing"
	}
	if of, ok := errors.AsType[*coord.OpError](err); ok {
		return ops[of.Op].Path
	}
	return ops[len(ops)-1].Path
}

func (c *Client) write(ctx context.Context, ops []coord.Op) ([]string, error) {
	if len(ops) == 0 {
		return nil, errors.New("no ops")
	}
	if err := coord.CheckSize(ops); err != nil {
		return nil, err
	}
	decided, _ := c.session.state()
	s, err := c.ready(ctx)
	if err != nil {
		return nil, err
	}
	if decided.Generation != 0 && s.Generation != decided.Generation {
		return nil, errOver
	}
	requests := make([]any, len(ops))
	for i, op := range ops {
		if requests[i], err = c.request(op); err != nil {
			return nil, err
		}
	}
	type answers = []zk.MultiResponse
	done, err := ask(ctx, c, func() (answers, error) { return c.library.Multi(requests...) })
	if err != nil {
		return nil, opError(done, err)
	}
	if len(done) != len(ops) {
		return nil, fmt.Errorf("%w: %d answers to %d ops", errUnknown, len(done), len(ops))
	}
	paths := make([]string, len(ops))
	for i := range done {
		paths[i] = done[i].String
	}
	return paths, nil
}

func (c *Client) request(op coord.Op) (any, error) {
	switch op.Kind {
	case coord.OpCreate:
		var flags int32
		if op.Ephemeral {
			flags |= zk.FlagEphemeral
		}
		if op.Sequential {
			flags |= zk.FlagSequence
		}
		return &zk.CreateRequest{Path: op.Path, Data: op.Data, Acl: c.acl, Flags: flags}, nil
	case coord.OpSet:
		return &zk.SetDataRequest{Path: op.Path, Data: op.Data, Version: op.Version}, nil
	case coord.OpDelete:
		return &zk.DeleteRequest{Path: op.Path, Version: op.Version}, nil
	case coord.OpCheck:
		return &zk.CheckVersionRequest{Path: op.Path, Version: op.Version}, nil
	}
	return nil, fmt.Errorf("op of kind %d: %w", op.Kind, errors.ErrUnsupported)
}

// opError says which op failed: the first with an error of its own.
func opError(done []zk.MultiResponse, err error) error {
	for i := range done {
		if done[i].Error != nil {
			return &coord.OpError{Op: i, Err: translate(done[i].Error)}
		}
	}
	if errors.Is(err, coord.ErrClosed) || errors.Is(err, errUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", errUnknown, err)
}
