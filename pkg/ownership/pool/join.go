package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/znode"
)

// ownNode is what this member's own node says.
type ownNode struct {
	draining bool // as written
	spoilt   bool // somebody else wrote to it
	writing  bool
	due      time.Time
	failed   int
}

// joinRetry is how long to wait before another attempt.
func joinRetry(attempts int) time.Duration {
	if attempts == 0 {
		return 0
	}
	return backoff(attempts)
}

// join makes the own member node.
func (m *member) join() {
	l := m.life
	if l.joining || m.quitting || !m.ripe(l.joinDue) {
		return
	}
	l.joining = true
	draining, session := m.draining, m.session
	m.do(func(ctx context.Context) func() {
		self, err := m.makeSelf(ctx, draining, session.Timeout)
		return func() {
			l.joining = false
			l.joins++
			m.trouble("join the pool", err)
			if err != nil {
				l.joinDue = time.Now().Add(joinRetry(l.joins))
				return
			}
			l.self, l.own.draining = self, draining
			l.since[self] = time.Now()
			m.log.Info("joined the pool", "incarnation", self, "session", fmt.Sprintf("%#x", session.ID), "timeout", session.Timeout.String())
			m.publish()
		}
	})
}

// makeSelf creates the member node, and the nodes above it where they are missing. It returns the name. What is done under a
// later session than that of this life is no node of its, but by then there is another life, which removes it.
func (m *member) makeSelf(ctx context.Context, draining bool, session time.Duration) (string, error) {
	data, err := m.selfData(draining, session)
	if err != nil {
		return "", err
	}
	prefix := m.paths.MemberPrefix(m.cfg.Instance, rand.Uint32())
	op := coord.Op{Kind: coord.OpCreate, Path: prefix, Data: data, Ephemeral: true, Sequential: true}
	paths, err := m.client.Write(ctx, op)
	if errors.Is(err, coord.ErrNoNode) {
		if err := m.makePaths(ctx); err != nil {
			return "", err
		}
		paths, err = m.client.Write(ctx, op)
	}
	if err == nil {
		return path.Base(paths[0]), nil
	}
	if o, _ := judge(err); o != unknown {
		return "", err
	}
	return m.findSelf(ctx, prefix, err)
}

// findSelf looks for a node whose creation was not answered.
func (m *member) findSelf(ctx context.Context, prefix string, cause error) (string, error) {
	names, _, err := m.client.Children(ctx, m.paths.Members(), false)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if strings.HasPrefix(m.paths.Member(name), prefix) {
			return name, nil
		}
	}
	return "", cause
}

func (m *member) selfData(draining bool, session time.Duration) ([]byte, error) {
	return znode.Member{Instance: m.cfg.Instance, Zone: m.cfg.Zone, Capacity: m.cfg.Capacity, Peer: m.cfg.PeerAddress, Draining: draining, SessionMillis: session.Milliseconds()}.Encode()
}

// makePaths creates what must be there before members join.
func (m *member) makePaths(ctx context.Context) error {
	for _, p := range m.paths.Persistent() {
		_, err := m.client.Write(ctx, coord.Op{Kind: coord.OpCreate, Path: p})
		if errors.Is(err, coord.ErrNoAuth) { // it may be there: what is above the root is often somebody else's
			if _, _, missing := m.client.Get(ctx, p, false); missing == nil {
				continue
			}
		}
		if err != nil && !errors.Is(err, coord.ErrNodeExists) {
			return fmt.Errorf("make %s: %w", p, err)
		}
	}
	return nil
}

// writeOwn lets the own node say whether this member drains.
func (m *member) writeOwn() {
	o := &m.life.own
	want := m.draining || m.quitting
	if o.draining == want && !o.spoilt {
		for _, answer := range m.asked {
			answer <- nil // it holds one
		}
		m.asked = nil
		return
	}
	if o.writing || !m.ripe(o.due) {
		return
	}
	o.writing = true
	self, session := m.life.self, m.session.Timeout
	m.do(func(ctx context.Context) func() {
		data, err := m.selfData(want, session)
		if err == nil {
			_, err = m.client.Write(ctx, coord.Op{Kind: coord.OpSet, Path: m.paths.Member(self), Data: data, Version: coord.AnyVersion})
		}
		return func() {
			o.writing = false
			m.trouble("change the own member node", err)
			if err == nil {
				o.draining, o.spoilt, o.failed = want, false, 0
			} else {
				o.due = time.Now().Add(backoff(o.failed))
				o.failed++
			}
			if result, _ := judge(err); result == nobody {
				m.ownGone()
			}
		}
	})
}

// checkSelf sees whether the own member node is still there.
func (m *member) checkSelf() {
	if f := m.life.members; f.issued != 0 && f.entries[m.life.self] == nil {
		m.ownGone()
	}
}
