package zookeeper

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/coord/coordtest"
)

// A real server keeps what the interface promises, and what only a real one can show.
func TestOneServer(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	secure, properties := ca.properties(t)
	z := ensemble(t, 1, properties)
	t.Run("promises", func(t *testing.T) { coordtest.Run(t, func(*testing.T) coordtest.Rig { return newRig(z) }) })
	t.Run("back after a reset", func(t *testing.T) { backAfterReset(t, z) })
	t.Run("hung server", func(t *testing.T) { hungServer(t, z) })
	t.Run("close takes ephemeral nodes along at once", func(t *testing.T) { closeIsQuick(t, z) })
	t.Run("close without a server", func(t *testing.T) { closeUnreached(t, z) })
	t.Run("strangers are kept out", func(t *testing.T) { strangers(t, z) })
	t.Run("mutual TLS", func(t *testing.T) { mutualTLS(t, ca, secure) })
	t.Run("nothing leaks", func(t *testing.T) { leaks(t, z) })
}

// Three servers keep it too, whatever becomes of their leader.
func TestThreeServers(t *testing.T) {
	t.Parallel()
	z := ensemble(t, 3, nil)
	t.Run("promises", func(t *testing.T) { coordtest.Run(t, func(*testing.T) coordtest.Rig { return newRig(z) }) })
	t.Run("back after a reset", func(t *testing.T) { backAfterReset(t, z) })
	t.Run("leader killed", func(t *testing.T) { leaderKilled(t, z) })
	t.Run("leader frozen", func(t *testing.T) { leaderFrozen(t, z) })
}

const patience = 30 * time.Second

// until waits until a session is as wanted.
func until(t *testing.T, c *Client, what string, want func(coord.Session) bool) coord.Session {
	t.Helper()
	s, err := coordtest.Await(c, want)
	if err != nil {
		t.Fatalf("not %s: %v (%v)", what, err, c.session.why())
	}
	return s
}

func connected(t *testing.T, c *Client) coord.Session {
	t.Helper()
	return until(t, c, "connected", func(s coord.Session) bool { return s.Phase == coord.Connected })
}

func suspended(t *testing.T, c *Client) coord.Session {
	t.Helper()
	return until(t, c, "suspended", func(s coord.Session) bool { return s.Phase == coord.Suspended })
}

func path(t *testing.T) string {
	return "/" + strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()) + fmt.Sprint("-", time.Now().UnixNano())
}

func write(t *testing.T, c *Client, ops ...coord.Op) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := c.Write(ctx, ops...); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func get(t *testing.T, c *Client, path string) (coord.Node, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n, _, err := c.Get(ctx, path, false)
	return n, err
}

func ephemeral(path string) coord.Op {
	return coord.Op{Kind: coord.OpCreate, Path: path, Ephemeral: true}
}

// The library alone takes a second with one address.
func backAfterReset(t *testing.T, z *kafka.ZooKeeper) {
	var took []time.Duration
	for range 5 {
		r := newRelay(t, z.Direct())
		c := connect(t, Config{Servers: r.addrs, SessionTimeout: timeout})
		before := connected(t, c)
		begin := time.Now()
		r.Reset()
		after := until(t, c, "connected again", func(s coord.Session) bool { return s.Phase == coord.Connected && s.Since.After(before.Since) })
		took = append(took, after.Since.Sub(begin))
		if after.ID != before.ID || after.Generation != before.Generation {
			t.Errorf("before %+v, after %+v", before, after)
		}
	}
	requireQuick(t, "back", took)
}

// requireQuick holds the median of what was measured to half a second, which leaves room for a busy machine.
func requireQuick(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	t.Logf("%s after %v", what, took)
	if median := took[len(took)/2]; median > 500*time.Millisecond {
		t.Errorf("%s: median is %v", what, median)
	}
}

// The library alone waits 6.7 session timeouts for a server that accepts and says nothing.
func hungServer(t *testing.T, z *kafka.ZooKeeper) {
	r := newRelay(t, z.Direct())
	c := connect(t, Config{Servers: r.addrs, SessionTimeout: timeout})
	before := connected(t, c)
	r.Silence()
	begin := time.Now()
	cut := suspended(t, c)
	if took := cut.Since.Sub(begin); took > timeout {
		t.Errorf("silence was noticed after %v", took)
	}
	accepted, _ := r.stats()
	for now := accepted; now < accepted+2; now, _ = r.stats() {
		if time.Since(begin) > patience {
			t.Fatalf("%d attempts in %v", now-accepted, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := c.Get(ctx, "/", false); err == nil || !strings.Contains(err.Error(), "accepts and does not answer") {
		t.Errorf("got %v, want the reason in it", err)
	}
	r.Heal()
	begin = time.Now()
	after := connected(t, c)
	t.Logf("silence was noticed after %v; back %v after its end, generation %d", cut.Since.Sub(before.Since), time.Since(begin), after.Generation)
}

func closeIsQuick(t *testing.T, z *kafka.ZooKeeper) {
	observer := connect(t, Config{Servers: z.Direct(), SessionTimeout: timeout})
	var took []time.Duration
	for range 5 {
		c, at := connect(t, Config{Servers: z.Direct(), SessionTimeout: timeout}), path(t)
		write(t, c, ephemeral(at))
		_, gone, err := observer.Get(t.Context(), at, true)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		select {
		case <-gone:
			took = append(took, time.Since(begin))
		case <-time.After(patience):
			t.Fatal("the node is still there")
		}
	}
	requireQuick(t, "nodes gone", took)
}

func closeUnreached(t *testing.T, z *kafka.ZooKeeper) {
	r := newRelay(t, z.Direct())
	c := connect(t, Config{Servers: r.addrs, SessionTimeout: timeout})
	connected(t, c)
	r.Cut()
	suspended(t, c)
	begin := time.Now()
	if err := c.Close(); err == nil || !strings.Contains(err.Error(), "ends by itself within 3s") {
		t.Errorf("a session that lives on: got %v", err)
	}
	never := connect(t, Config{Servers: r.addrs, SessionTimeout: timeout})
	if err := never.Close(); err != nil {
		t.Errorf("without a session: %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("that took %v", took)
	}
}

// 50 sessions, of which half expire.
func leaks(t *testing.T, z *kafka.ZooKeeper) {
	pprof.Do(t.Context(), pprof.Labels("of", t.Name()), func(context.Context) {
		for range 25 {
			r := newRelay(t, z.Direct())
			c := connect(t, Config{Servers: r.addrs, SessionTimeout: timeout})
			write(t, c, ephemeral(path(t)))
			_, watch, err := c.Get(t.Context(), "/", true)
			if err != nil {
				t.Fatal(err)
			}
			r.Expire(t, z.Direct()[0])
			select {
			case <-watch:
			case <-time.After(patience):
				t.Fatal("expiry fired no watch")
			}
			until(t, c, "in a new session", func(s coord.Session) bool { return s.Phase == coord.Connected && s.Generation == 2 })
			write(t, c, ephemeral(path(t)))
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			r.close()
		}
	})
	var left string
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(10 * time.Millisecond) {
		if left = labelled(t, t.Name()); left == "" {
			return
		}
	}
	t.Errorf("left behind:\n%s", left)
}

// labelled returns the goroutines with a label, which those that they start inherit.
func labelled(t *testing.T, of string) string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		t.Fatal(err)
	}
	var out []string
	for one := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(one, fmt.Sprintf("%q", of)) {
			out = append(out, one)
		}
	}
	return strings.Join(out, "\n\n")
}
