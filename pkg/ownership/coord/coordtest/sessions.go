package coordtest

import (
	"context"
	"errors"
	"time"

	"tributary/pkg/ownership/coord"
)

func sessions() map[string]func(*bench) {
	return map[string]func(*bench){
		"ephemeral nodes name their session and go with it": ephemeralNodes,
		"a session is described":                            described,
		"a closed client is closed":                         closed,
		"calls end with their context":                      contexts,
		"the lease is ahead while there is a connection":    leaseAhead,
		"an expired session takes everything along":         expiry,
	}
}

func ephemeralNodes(b *bench) {
	c, other := b.client(), b.client()
	b.write(c, ephemeral(b.at("a")))
	s, _ := c.Session()
	if n := b.get(c, b.at("a")); n.Owner != s.ID {
		b.Errorf("got %+v in session %#x", n, s.ID)
	}
	b.eventually("another sees it", func() bool { return !b.gone(other, b.at("a"))() })
	begin := time.Now()
	if err := c.Close(); err != nil {
		b.Fatalf("close: %v", err)
	}
	b.eventually("it goes with its session", b.gone(other, b.at("a")))
	if took := time.Since(begin); took >= s.Timeout {
		b.Errorf("that took %v, as long as an expiry", took)
	}
}

func described(b *bench) {
	begin := time.Now()
	c, other := b.client(), b.client()
	s, changed := c.Session()
	if s.Phase != coord.Connected || s.ID == 0 || s.Generation == 0 || s.Timeout <= 0 || s.Since.Before(begin) || s.Since.After(time.Now()) {
		b.Errorf("got %+v", s)
	}
	if o, _ := other.Session(); o.ID == s.ID {
		b.Errorf("two clients have the session %#x", s.ID)
	}
	b.silent("the session did not change", changed)
}

func closed(b *bench) {
	c := b.client()
	_, changed := c.Session()
	watch := b.watch(c, b.root, true)
	for range 2 {
		if err := c.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
	}
	b.fires("the session", changed)
	b.fires("a watch", watch)
	if s, _ := c.Session(); s.Phase != coord.Closed {
		b.Errorf("got %+v", s)
	}
	if lease := c.Lease(); !lease.IsZero() {
		b.Errorf("there is a lease until %v", lease)
	}
	_, err := c.Write(b.limit(), create(b.at("a")))
	_, _, get := c.Get(b.limit(), b.root, true)
	_, _, list := c.Children(b.limit(), b.root, true)
	for _, err := range []error{err, get, list} {
		if !errors.Is(err, coord.ErrClosed) {
			b.Errorf("got %v, want %v", err, coord.ErrClosed)
		}
	}
}

func contexts(b *bench) {
	c := b.client()
	ended, cancel := context.WithCancel(b.Context())
	cancel()
	b.Cut(b.T, c)
	b.phase(c, coord.Suspended)
	soon, cancel := context.WithTimeout(b.Context(), 20*time.Millisecond)
	defer cancel()
	for _, ctx := range []context.Context{ended, soon} {
		_, err := c.Write(ctx, create(b.at("a")))
		_, _, get := c.Get(ctx, b.root, true)
		_, _, list := c.Children(ctx, b.root, true)
		for _, err := range []error{err, get, list} {
			if err == nil || known(err) {
				b.Errorf("got %v, want an error that tells nothing of the outcome", err)
			}
		}
	}
	b.Heal(b.T, c)
	b.phase(c, coord.Connected)
	b.get(c, b.root)
}

func leaseAhead(b *bench) {
	c := b.client()
	s, _ := c.Session()
	first := c.Lease()
	if now := time.Now(); !first.After(now) || first.After(now.Add(s.Timeout)) {
		b.Errorf("at %v the lease ends at %v, with a timeout of %v", now, first, s.Timeout)
	}
	b.eventually("the lease moves", func() bool { return c.Lease().After(first) })
}

func expiry(b *bench) {
	c, other := b.client(), b.client()
	b.write(c, ephemeral(b.at("member")), create(b.at("kept")))
	before, _ := c.Session()
	node, list := b.watch(c, b.at("kept"), false), b.watch(c, b.root, true)
	b.Expire(b.T, c)
	b.eventually("the node is gone", b.gone(other, b.at("member")))
	b.fires("a watch of a node", node)
	b.fires("a watch of a list", list)
	after := b.session(c, func(s coord.Session) bool { return s.Phase == coord.Connected && s.Generation > before.Generation })
	if after.ID == before.ID {
		b.Errorf("before %+v, after %+v", before, after)
	}
	if lease, now := c.Lease(), time.Now(); lease.After(now.Add(after.Timeout)) {
		b.Errorf("at %v the new session's lease ends at %v", now, lease)
	}
	if _, err := c.Write(b.limit(), check(b.at("member"), coord.AnyVersion), create(b.at("late"))); !errors.Is(err, coord.ErrNoNode) {
		b.Errorf("a write of the former session: got %v, want %v", err, coord.ErrNoNode)
	}
	b.write(c, ephemeral(b.at("member")))
	if n := b.get(c, b.at("member")); n.Owner != after.ID {
		b.Errorf("got %+v in session %#x", n, after.ID)
	}
}
