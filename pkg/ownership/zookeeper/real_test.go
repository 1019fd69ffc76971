package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

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
	for late := time.After(patience); ; {
		s, changed := c.Session()
		if want(s) {
			return s
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("not %s after %v: %+v (%v)", what, patience, s, c.session.why())
		}
	}
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
	slices.Sort(took)
	t.Logf("back after %v", took)
	if median := took[len(took)/2]; median > 500*time.Millisecond {
		t.Errorf("median is %v", median)
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
	slices.Sort(took)
	t.Logf("nodes were gone after %v", took)
	if median := took[len(took)/2]; median > 500*time.Millisecond {
		t.Errorf("median is %v", median)
	}
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

func strangers(t *testing.T, z *kafka.ZooKeeper) {
	root := path(t)
	r := newRelay(t, z.Direct())
	owner := connect(t, Config{Servers: r.addrs, SessionTimeout: timeout, Auth: &Auth{"mirror", "hush"}})
	write(t, owner, coord.Op{Kind: coord.OpCreate, Path: root, Data: []byte("ours")}, ephemeral(root+"/a"))
	for name, auth := range map[string]*Auth{"nobody": nil, "another password": {"mirror", "guess"}, "another name": {"mirrors", "hush"}} {
		stranger := connect(t, Config{Servers: z.Direct(), SessionTimeout: timeout, Auth: auth})
		if _, err := get(t, stranger, root); !errors.Is(err, coord.ErrNoAuth) {
			t.Errorf("%s reads: got %v", name, err)
		}
		for what, op := range map[string]coord.Op{"sets": {Kind: coord.OpSet, Path: root, Version: coord.AnyVersion}, "creates": ephemeral(root + "/b"),
			"deletes": {Kind: coord.OpDelete, Path: root + "/a", Version: coord.AnyVersion}} {
			var at *coord.OpError
			if _, err := stranger.Write(t.Context(), op); !errors.Is(err, coord.ErrNoAuth) || !errors.As(err, &at) {
				t.Errorf("%s %s: got %v", name, what, err)
			}
		}
	}
	before := connected(t, owner)
	r.Reset()
	until(t, owner, "connected again", func(s coord.Session) bool { return s.Phase == coord.Connected && s.Since.After(before.Since) })
	if n, err := get(t, owner, root); err != nil || string(n.Data) != "ours" {
		t.Errorf("after a reset the owner gets %q, %v", n.Data, err)
	}
	acl, _, err := owner.library.GetACL(root + "/a")
	if err != nil || len(acl) != 1 || acl[0].Scheme != "digest" || acl[0].Perms != zk.PermAll || !strings.HasPrefix(acl[0].ID, "mirror:") || strings.Contains(acl[0].ID, "hush") {
		t.Errorf("got %+v, %v", acl, err)
	}
}

func mutualTLS(t *testing.T, ca *authority, server string) {
	ca.issue(t, "client", ca.cert)
	stranger := newAuthority(t)
	stranger.issue(t, "client", stranger.cert)
	good := TLS{CA: ca.path("ca.pem"), Cert: ca.path("client.pem"), Key: ca.path("client.key")}
	for name, test := range map[string]struct {
		tls  TLS
		want string // in the error; "" for none
	}{
		"both sides known":          {good, ""},
		"no certificate of ours":    {TLS{CA: good.CA}, "closed the connection"},
		"a certificate of others":   {TLS{CA: good.CA, Cert: stranger.path("client.pem"), Key: stranger.path("client.key")}, "closed the connection"},
		"a server of others":        {TLS{CA: stranger.path("ca.pem"), Cert: good.Cert, Key: good.Key}, "unknown authority"},
		"a server of another name":  {TLS{CA: good.CA, Cert: good.Cert, Key: good.Key, ServerName: "zk.example"}, "zk.example"},
		"a file that is not there":  {TLS{CA: ca.path("no.pem")}, "read tls.ca"},
		"a file that is no PEM":     {TLS{CA: ca.path("client.key")}, "no PEM certificate"},
		"a key of another's":        {TLS{CA: good.CA, Cert: good.Cert, Key: stranger.path("client.key")}, "tls.cert and tls.key"},
		"plaintext to a secure one": {TLS{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Servers: []string{server}, SessionTimeout: timeout, TLS: &test.tls}
			if test.tls == (TLS{}) {
				cfg.TLS, test.want = nil, "closed the connection"
			}
			c := connect(t, cfg)
			if test.want == "" {
				at := path(t)
				write(t, c, ephemeral(at))
				if _, err := get(t, c, at); err != nil {
					t.Error(err)
				}
				return
			}
			var err error
			for begin := time.Now(); time.Since(begin) < patience; { // until it was tried
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				_, _, err = c.Get(ctx, "/", false)
				cancel()
				if err == nil || strings.Contains(err.Error(), test.want) {
					break
				}
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
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
	for _, one := range strings.Split(all.String(), "\n\n") {
		if strings.Contains(one, fmt.Sprintf("%q", of)) {
			out = append(out, one)
		}
	}
	return strings.Join(out, "\n\n")
}

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
