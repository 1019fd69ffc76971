package zookeeper

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"tributary/e2e/kafka"
	"tributary/pkg/ownership/coord"
)

func leaderKilled(t *testing.T, z *kafka.ZooKeeper) {
	c, at := connect(t, Config{Servers: z.Direct(), SessionTimeout: timeout}), path(t)
	write(t, c, ephemeral(at))
	before := connected(t, c)
	leader, err := z.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	took := writeAgain(t, c, at, begin)
	t.Logf("wrote again after %v", took)
	if took > 5*time.Second {
		t.Errorf("that took %v", took)
	}
	sameSession(t, c, at, before)
	if err := leader.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// writeAgain returns when a write got through for the first time.
func writeAgain(t *testing.T, c *Client, at string, begin time.Time) time.Duration {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := c.Write(ctx, coord.Op{Kind: coord.OpSet, Path: at, Version: coord.AnyVersion})
		cancel()
		if err == nil {
			return time.Since(begin)
		}
		if errors.Is(err, coord.ErrNoNode) || time.Since(begin) > patience {
			t.Fatalf("write: %v", err)
		}
	}
}

func sameSession(t *testing.T, c *Client, at string, before coord.Session) {
	t.Helper()
	if n, err := get(t, c, at); err != nil || n.Owner != before.ID {
		t.Errorf("got %+v, %v, want the node of session %#x", n, err, before.ID)
	}
	if after := connected(t, c); after.ID != before.ID || after.Generation != before.Generation {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// While the leader is frozen its followers go on answering pings. A lease that counted those would be wrong.
func leaderFrozen(t *testing.T, z *kafka.ZooKeeper) {
	leader, err := z.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	followers := slices.DeleteFunc(z.Direct(), func(addr string) bool { return addr == leader.Addr() })
	c, at := connect(t, Config{Servers: followers, SessionTimeout: timeout}), path(t)
	write(t, c, ephemeral(at))
	before := connected(t, c)
	pinged := pings(t, followers)

	if err := leader.Freeze(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = leader.Thaw() }) // it is thawed below where all went well
	frozen := time.Now()
	if !pinged(timeout) {
		t.Error("no follower answered a ping, so that this test shows nothing")
	}
	t.Logf("a follower answered a ping %v after the leader was frozen", time.Since(frozen))
	cut := suspended(t, c)
	if lease := c.Lease(); lease.After(frozen.Add(timeout)) {
		t.Errorf("the lease ends %v after the leader was frozen, more than a timeout", lease.Sub(frozen))
	}
	took := writeAgain(t, c, at, frozen)
	t.Logf("suspended after %v, wrote again after %v", cut.Since.Sub(frozen), took)
	sameSession(t, c, at, before)
	if err := leader.Thaw(); err != nil {
		t.Fatal(err)
	}
}

// pings lets the library alone hold a session, and returns a function that waits for the next answer to a ping.
func pings(t *testing.T, servers []string) func(limit time.Duration) bool {
	r := newRelay(t, servers)
	conn, events, err := zk.Connect(r.addrs, timeout, zk.WithLogger(libraryLog{slog.New(slog.DiscardHandler)}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	for late := time.After(patience); conn.State() != zk.StateHasSession; {
		select {
		case <-events:
		case <-late:
			t.Fatal("the library has no session")
		}
	}
	return func(limit time.Duration) bool {
		begin := time.Now()
		_, before := r.stats()
		for time.Since(begin) < limit {
			time.Sleep(5 * time.Millisecond)
			if _, now := r.stats(); now > before {
				return true
			}
		}
		return false
	}
}
