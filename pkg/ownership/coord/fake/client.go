package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tributary/pkg/ownership/coord"
)

// Client is a coord.Client on which faults are injected. All its fields but the first two are guarded by the ensemble's mu.
type Client struct {
	ensemble *Ensemble
	timeout  time.Duration

	state   coord.Session
	changed chan struct{} // closed when state changes
	reach   chan struct{} // closed when calls that wait should look again
	heard   time.Time     // when the newest answered request was sent; pings are reckoned with
	watches map[*watch]bool
	late    []func() // writes whose callers gave up before they were sent

	cut, frozen, killed bool
	delay               func() time.Duration
	refuse              error
	drops               []bool // of the next writes: whether one is done before its answer is lost
}

// watch is one that is armed.
type watch struct {
	path  string
	list  bool // for the children, else for the node
	fired bool // while the client was not reached
	ch    chan struct{}
}

// ErrLost is returned by a call whose connection was lost: its outcome is unknown.
var ErrLost = errors.New("connection lost")

// Session implements coord.Client.
func (c *Client) Session() (coord.Session, <-chan struct{}) {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	return c.state, c.changed
}

// Lease implements coord.Client. A client that is reached pings three times in a timeout.
func (c *Client) Lease() time.Time {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	if c.state.Phase != coord.Connected && c.state.Phase != coord.Suspended {
		return time.Time{}
	}
	c.ping()
	return c.heard.Add(c.timeout)
}

// Get implements coord.Client.
func (c *Client) Get(ctx context.Context, path string, watched bool) (n coord.Node, ch <-chan struct{}, err error) {
	err = c.call(ctx, false, func() error {
		at := c.ensemble.tree.nodes[path]
		if watched {
			ch = c.arm(path, false)
		}
		if at == nil {
			return coord.ErrNoNode
		}
		n = at.Node
		n.Data = slices.Clone(at.Data)
		return nil
	})
	if err != nil {
		return coord.Node{}, ch, fmt.Errorf("read %s: %w", path, err)
	}
	return n, ch, nil
}

// Children implements coord.Client.
func (c *Client) Children(ctx context.Context, path string, watched bool) (names []string, ch <-chan struct{}, err error) {
	err = c.call(ctx, false, func() error {
		at := c.ensemble.tree.nodes[path]
		if at == nil {
			return coord.ErrNoNode
		}
		if watched {
			ch = c.arm(path, true)
		}
		names = slices.Collect(maps.Keys(at.children))
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list %s: %w", path, err)
	}
	return names, ch, nil
}

// Write implements coord.Client.
func (c *Client) Write(ctx context.Context, ops ...coord.Op) ([]string, error) {
	if len(ops) == 0 {
		return nil, errors.New("write: no ops")
	}
	if err := coord.CheckSize(ops); err != nil {
		return nil, fmt.Errorf("write %s: %w", ops[len(ops)-1].Path, err)
	}
	var paths []string // by a call that gave up it is not read
	err := c.call(ctx, true, func() error {
		made, changes, err := c.ensemble.tree.write(c.state.ID, ops)
		paths = made
		c.ensemble.fire(changes)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", ops[len(ops)-1].Path, err)
	}
	return paths, nil
}

// Close implements coord.Client. Where the service is not reached the session lives on there until it expires.
func (c *Client) Close() error {
	e := c.ensemble
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.state.Phase == coord.Closed {
		return nil
	}
	if c.reached() {
		e.end(c.state.ID)
	}
	c.part(false)
	c.killed = true
	c.forget()
	c.become(coord.Closed)
	e.clients = slices.DeleteFunc(e.clients, func(o *Client) bool { return o == c })
	return nil
}

// call runs one request at the service, once it is reached. What is run holds the ensemble's mu.
func (c *Client) call(ctx context.Context, write bool, run func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sent := time.Now()
	err, ran := c.sleep(ctx), false
	c.ensemble.mu.Lock()
	for err == nil && !c.reached() && c.state.Phase != coord.Closed && !c.killed {
		reach := c.reach
		c.ensemble.mu.Unlock()
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-reach:
		}
		c.ensemble.mu.Lock()
	}
	if err == nil {
		err, ran = c.run(write, run, sent), true
	} else if write {
		c.giveUp(run)
	}
	c.ensemble.mu.Unlock()
	if ran {
		if late := c.sleep(ctx); late != nil {
			return late
		}
	}
	return err
}

// giveUp leaves a write behind that its caller does not wait for any more: it is done nevertheless, when the service is
// reached, be it under a later session.
func (c *Client) giveUp(run func() error) {
	once := func() { _ = run() } // nobody asks
	if c.reached() {
		once()
		return
	}
	c.late = append(c.late, once)
}

// run does one request that was sent at that time, and judges its answer. The caller holds mu.
func (c *Client) run(write bool, run func() error, sent time.Time) error {
	switch {
	case c.state.Phase == coord.Closed:
		return coord.ErrClosed
	case c.killed:
		return ErrLost
	case c.refuse != nil:
		return c.refuse
	case write && len(c.drops) > 0:
		done := c.drops[0]
		c.drops = c.drops[1:]
		if done {
			_ = run() // its answer is what is lost
		}
		return ErrLost
	}
	if sent.After(c.heard) {
		c.heard = sent
	}
	return run()
}

func (c *Client) sleep(ctx context.Context) error {
	c.ensemble.mu.Lock()
	delay := c.delay
	c.ensemble.mu.Unlock()
	if delay == nil {
		return nil
	}
	t := time.NewTimer(delay())
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
