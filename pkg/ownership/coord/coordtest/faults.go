package coordtest

import (
	"context"
	"errors"
	"time"

	"tributary/pkg/ownership/coord"
)

func faults() map[string]func(*bench) {
	return map[string]func(*bench){
		"a connection that breaks leaves the session":       broken,
		"what changed while cut off is learnt afterwards":   learnt,
		"a write whose answer is lost is found to be one's": lostAnswer,
		"a write that is lost was not done":                 lostRequest,
		"a service that restarts forgets nothing":           restarted,
		"a session that expires while cut off":              expiredUnseen,
	}
}

func broken(b *bench) {
	c, other := b.client(), b.client()
	b.write(c, ephemeral(b.at("a")))
	before, changed := c.Session()
	b.Cut(b.T, c)
	s := b.phase(c, coord.Suspended)
	b.fires("the session's change", changed)
	if s.ID != before.ID || s.Generation != before.Generation || s.Since.Before(before.Since) {
		b.Errorf("before %+v, cut %+v", before, s)
	}
	lease := c.Lease()
	if now := time.Now(); !lease.After(now) {
		b.Errorf("at %v, right after the cut, the lease ended at %v", now, lease)
	}
	ctx, cancel := context.WithTimeout(b.Context(), s.Timeout/10)
	defer cancel()
	if _, _, err := c.Get(ctx, b.at("a"), false); err == nil || known(err) {
		b.Errorf("a read without a connection: got %v", err)
	}
	if later := c.Lease(); later.After(lease) {
		b.Errorf("the lease moved by %v without a connection", later.Sub(lease))
	}
	b.Heal(b.T, c)
	after := b.phase(c, coord.Connected)
	if after.ID != before.ID || after.Generation != before.Generation || !after.Since.After(s.Since) {
		b.Errorf("before %+v, after %+v", before, after)
	}
	if n := b.get(other, b.at("a")); n.Owner != before.ID {
		b.Errorf("got %+v", n)
	}
	b.eventually("the lease goes on", func() bool { return c.Lease().After(lease) })
}

func learnt(b *bench) {
	c, other := b.client(), b.client()
	b.write(c, create(b.at("a")))
	b.eventually("it is there", func() bool { return !b.gone(other, b.at("a"))() })
	node, list, missing := b.watch(c, b.at("a"), false), b.watch(c, b.at("a"), true), b.watch(c, b.at("b"), false)
	b.Cut(b.T, c)
	b.phase(c, coord.Suspended)
	b.write(other, set(b.at("a"), "x", 0), create(b.at("a/child")), create(b.at("b")))
	b.Heal(b.T, c)
	b.fires("the node", node)
	b.fires("the list", list)
	b.fires("the node that was missing", missing)
	b.eventually("it reads what is new", func() bool { return string(b.get(c, b.at("a")).Data) == "x" })

	// Watches made after it work.
	node = b.watch(c, b.at("a"), false)
	b.silent("nothing changed since", node)
	b.write(other, set(b.at("a"), "y", 1))
	b.fires("the node again", node)
}

func lostAnswer(b *bench) {
	c := b.client()
	b.write(c, ephemeral(b.at("member")))
	b.Lose(b.T, c, true)
	_, err := c.Write(b.limit(), check(b.at("member"), coord.AnyVersion), ephemeral(b.at("a")))
	if err == nil || known(err) {
		b.Fatalf("got %v, want an error that tells nothing of the outcome", err)
	}
	n := b.get(c, b.at("a"))
	if s := b.phase(c, coord.Connected); n.Owner != s.ID || s.Generation != 1 {
		b.Errorf("got %+v in session %+v, want it to be one's own", n, s)
	}
	if _, err := c.Write(b.limit(), check(b.at("member"), coord.AnyVersion), ephemeral(b.at("a"))); !errors.Is(err, coord.ErrNodeExists) {
		b.Errorf("written again: got %v, want %v", err, coord.ErrNodeExists)
	}
}

func lostRequest(b *bench) {
	c := b.client()
	b.Lose(b.T, c, false)
	if _, err := c.Write(b.limit(), create(b.at("a"))); err == nil || known(err) {
		b.Fatalf("got %v, want an error that tells nothing of the outcome", err)
	}
	if _, _, err := c.Get(b.limit(), b.at("a"), false); !errors.Is(err, coord.ErrNoNode) {
		b.Errorf("got %v, want %v", err, coord.ErrNoNode)
	}
	b.write(c, create(b.at("a")))
}

func restarted(b *bench) {
	c, other := b.client(), b.client()
	b.write(c, ephemeral(b.at("a")), create(b.at("kept")))
	watch := b.watch(c, b.at("kept"), false)
	before, _ := c.Session()
	b.Restart(b.T)
	b.write(other, set(b.at("kept"), "x", 0))
	b.fires("the watch", watch)
	if n := b.get(c, b.at("a")); n.Owner != before.ID {
		b.Errorf("got %+v, want it to belong to %#x", n, before.ID)
	}
	if s := b.phase(c, coord.Connected); s.ID != before.ID || s.Generation != before.Generation {
		b.Errorf("before %+v, after %+v", before, s)
	}
}

func expiredUnseen(b *bench) {
	c, other := b.client(), b.client()
	b.write(c, ephemeral(b.at("a")))
	before, _ := c.Session()
	watch := b.watch(c, b.at("a"), false)
	b.Cut(b.T, c)
	b.phase(c, coord.Suspended)
	b.eventually("the node is gone", b.gone(other, b.at("a")))
	if lease, now := c.Lease(), time.Now(); lease.After(now) {
		b.Errorf("at %v the session is over, and the lease goes on until %v", now, lease)
	}
	if s, _ := c.Session(); s.Phase != coord.Suspended {
		b.Errorf("nobody told the client, and it knows: %+v", s)
	}
	b.Heal(b.T, c)
	b.fires("the watch", watch)
	after := b.session(c, func(s coord.Session) bool { return s.Phase == coord.Connected && s.Generation > before.Generation })
	if after.ID == before.ID {
		b.Errorf("before %+v, after %+v", before, after)
	}
}
