package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/znode"
)

// noSession is for how long Drain waits for a session where there is none: one that is being renewed is back by then, and who asks
// should learn of an outage at once.
const noSession = 2 * time.Second

// Drain lets this member hand everything over and take nothing, or with on false take its share again. It returns when the
// pool knows; the handing over follows. A process that starts anew does not drain any more.
func (p *Pool) Drain(ctx context.Context, on bool) error {
	answer := make(chan error, 1) // the answer waits for nobody
	p.mu.Lock()
	p.member.draining = on
	p.member.asked = append(p.member.asked, answer)
	p.mu.Unlock()
	p.mail.post(func() {})
	if session, _ := p.client.Session(); session.Phase != coord.Connected {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, noSession, fmt.Errorf("there is no session with the coordination service, which is %s", session.Phase))
		defer cancel()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("tell the pool of link %s that this member drains: %w; it is told as soon as the coordination service answers", p.cfg.Link, context.Cause(ctx))
	}
}

// Pin lets a topic be owned by an instance whenever that is a member, until Unpin. The topic moves in a moment.
func (p *Pool) Pin(ctx context.Context, topic, instance string) error {
	data, err := znode.Pin{Instance: instance}.Encode()
	if err == nil && !znode.ValidTopic(topic) {
		err = errors.New("this is not the name of a topic")
	}
	if err != nil {
		return fmt.Errorf("pin topic %.300q: %w", topic, err)
	}
	path := p.paths.Pin(topic)
	err = p.writeGuarded(ctx, coord.Op{Kind: coord.OpSet, Path: path, Data: data, Version: coord.AnyVersion})
	if errors.Is(err, coord.ErrNoNode) {
		err = p.writeGuarded(ctx, coord.Op{Kind: coord.OpCreate, Path: path, Data: data})
	}
	if err != nil {
		return fmt.Errorf("pin topic %s to %s: %w; look at status, and try again", topic, instance, err)
	}
	return nil
}

// Unpin ends Pin. A topic that is not pinned is nothing to do.
func (p *Pool) Unpin(ctx context.Context, topic string) error {
	if !znode.ValidTopic(topic) {
		return fmt.Errorf("unpin topic %.300q: this is not the name of a topic", topic)
	}
	path := p.paths.Pin(topic)
	err := p.writeGuarded(ctx, coord.Op{Kind: coord.OpDelete, Path: path, Version: coord.AnyVersion})
	if errors.Is(err, coord.ErrNoNode) {
		_, _, err = p.client.Get(ctx, path, false)
		if errors.Is(err, coord.ErrNoNode) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("unpin topic %s: %w; look at status, and try again", topic, err)
	}
	return nil
}

// writeGuarded writes as a member.
func (p *Pool) writeGuarded(ctx context.Context, op coord.Op) error {
	self := p.incarnation()
	if self == "" {
		return errNotJoined
	}
	_, err := p.client.Write(ctx, check(p.paths.Member(self)), op)
	return err
}
