package peer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestEverybodyWatchesEverybody: members that dial each other at the same moment hold one stream in each direction.
func TestEverybodyWatchesEverybody(t *testing.T) {
	t.Parallel()
	files := issue(t, "")
	names := []string{alice, bob, "carol-0123abcd-0000000003"}
	var all []*Streams
	peers := map[string]string{}
	for _, name := range names {
		s, _ := start(t, Config{TLS: files}, "", nil)
		all = append(all, s)
		peers[name] = s.Addr()
	}
	for i, s := range all {
		s.Set(names[i], peers)
	}
	for i, s := range all {
		for j, name := range names {
			if i != j {
				awaitState(t, s, name, Connected)
			}
		}
		if got := len(s.Status()); got != 2 {
			t.Errorf("%s has %d peers, want 2: %+v", names[i], got, s.Status())
		}
	}
	for i, s := range all {
		await(t, names[i]+" is watched by two", func() bool { return guestsOf(s) == 2 })
		noDeath(t, s)
	}
}

func guestsOf(s *Streams) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.guests)
}

func TestStrangersGetNoStream(t *testing.T) {
	t.Parallel()
	ours, theirs := issue(t, ""), issue(t, "")
	for _, test := range []struct {
		name      string
		far, near Config
		want      string
	}{
		{"another pool", Config{}, Config{Pool: "/other"}, "another pool"},
		{"a certificate of another authority", Config{TLS: ours}, Config{TLS: theirs}, "unknown authority"},
		{"an authority we do not know", Config{TLS: ours}, Config{TLS: &TLS{CA: ours.CA, Cert: theirs.Cert, Key: theirs.Key}}, "certificate"},
		{"a certificate of another host", Config{TLS: issue(t, "elsewhere")}, Config{}, "127.0.0.1"},
		{"no TLS here", Config{TLS: ours}, Config{}, "greeting"},
		{"no TLS there", Config{}, Config{TLS: ours}, "TLS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.name == "a certificate of another host" {
				test.near.TLS = test.far.TLS
			}
			far, _ := start(t, test.far, bob, nil)
			s, _ := start(t, test.near, alice, map[string]string{bob: far.Addr()})
			awaitProblem(t, s, bob, test.want)
			if got := statusOf(s, bob); got.State != Connecting {
				t.Errorf("got %+v", got)
			}
			if n := guestsOf(far); n > 0 {
				t.Errorf("the stranger is one of %d guests", n)
			}
			noDeath(t, s)
		})
	}
}

// TestSlowStrangersDoNotLockMembersOut: connections that say too little, too slowly are ended, and a member gets through.
func TestSlowStrangersDoNotLockMembersOut(t *testing.T) {
	t.Parallel()
	far, _ := start(t, Config{}, bob, nil)
	begin := time.Now()
	ended := make(chan error, 2*maxNewcomers)
	for range cap(ended) {
		conn, err := net.Dial("tcp", far.Addr())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { _ = conn.Close() }()
			for _, b := range hello().encode() {
				if _, err := conn.Write([]byte{b}); err != nil {
					break
				}
				time.Sleep(200 * time.Millisecond)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			_, err := io.Copy(io.Discard, conn)
			ended <- err
		}()
	}
	s, _ := start(t, Config{}, alice, map[string]string{bob: far.Addr()})
	awaitState(t, s, bob, Connected)
	for range cap(ended) {
		if err := <-ended; errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a slow stranger was kept")
		}
	}
	t.Logf("all strangers were gone after %v", time.Since(begin))
	if got := guestsOf(far); got != 1 {
		t.Errorf("got %d guests, want 1", got)
	}
}

// TestGuestsAreBounded: noise, silence and doubles do not pile up.
func TestGuestsAreBounded(t *testing.T) {
	t.Parallel()
	far, _ := start(t, Config{}, bob, nil)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", far.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		g := hello()
		g.pool = testPool
		if _, err := conn.Write(g.encode()); err != nil {
			t.Fatal(err)
		}
		if got, err := readGreeting(conn); err != nil || got.from != bob || got.to != alice {
			t.Fatalf("got %+v, %v", got, err)
		}
		return conn
	}
	first := dial()
	await(t, "the first one is a guest", func() bool { return guestsOf(far) == 1 })
	second := dial()
	awaitEnd(t, first)
	if got := guestsOf(far); got != 1 {
		t.Errorf("got %d guests, want the newer one", got)
	}
	if _, err := second.Write(make([]byte, 4*noise)); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, second)
	await(t, "nobody is left", func() bool { return guestsOf(far) == 0 })
}

func awaitEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection was kept")
	}
}

// TestTwoHundredChangesLeakNothing compares goroutines and descriptors before and after.
func TestTwoHundredChangesLeakNothing(t *testing.T) {
	far, stopFar := start(t, Config{}, bob, nil)
	gone := listen(t)
	_ = gone.Close()
	s, stop := start(t, Config{}, alice, nil)
	s.Set(alice, map[string]string{bob: far.Addr()})
	awaitState(t, s, bob, Connected)
	const slack = 5 // of what the runtime keeps for itself, far below what 200 changes would leave
	goroutines, files := runtime.NumGoroutine()+slack, descriptors(t)+slack
	for i := range 200 {
		self, other := fmt.Sprintf("alice-0123abcd-%010d", i), fmt.Sprintf("carol-0123abcd-%010d", i)
		s.Set(self, map[string]string{bob: far.Addr(), other: gone.Addr().String()})
		if i%10 == 0 {
			awaitState(t, s, bob, Connected)
		}
		if i%3 == 0 {
			s.Set("", nil)
		}
	}
	s.Set(alice, nil)
	await(t, "all streams are gone at both ends", func() bool {
		return len(s.Status()) == 0 && guestsOf(far) == 0 && runtime.NumGoroutine() <= goroutines && descriptors(t) <= files
	})
	stop()
	stopFar()
	if got := runtime.NumGoroutine(); got > goroutines {
		t.Errorf("%d goroutines are left, want at most %d", got, goroutines)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	files := issue(t, "")
	taken := listen(t)
	for _, test := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no pool", Config{Listen: "127.0.0.1:0"}, "the pool's id has 0 bytes"},
		{"a long pool", Config{Listen: "127.0.0.1:0", Pool: strings.Repeat("p", 401)}, "has 401 bytes"},
		{"no port", Config{Listen: "host", Pool: "p"}, "not host:port"},
		{"all addresses", Config{Listen: "0.0.0.0:0", Pool: "p"}, "no address that others can reach"},
		{"no host", Config{Listen: ":0", Pool: "p"}, "no address that others can reach"},
		{"a port in use", Config{Listen: taken.Addr().String(), Pool: "p"}, "names a port of this host that is free"},
		{"no authority", Config{Listen: "127.0.0.1:0", Pool: "p", TLS: &TLS{CA: "/nope", Cert: files.Cert, Key: files.Key}}, "peer_tls.ca: open /nope"},
		{"an empty authority", Config{Listen: "127.0.0.1:0", Pool: "p", TLS: &TLS{CA: files.Key, Cert: files.Cert, Key: files.Key}}, "no PEM certificate"},
		{"no key", Config{Listen: "127.0.0.1:0", Pool: "p", TLS: &TLS{CA: files.CA, Cert: files.Cert, Key: "/nope"}}, "peer_tls.key: open /nope"},
	} {
		s, err := New(test.cfg, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
		if s != nil {
			_ = s.Close()
		}
	}
}

func TestAddressesToAnnounce(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for listen, want := range map[string]string{"": name, "127.0.0.1:0": "127.0.0.1", "a-name.example:0": "a-name.example"} {
		s, err := New(Config{Listen: listen, Pool: "p"}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		host, port, err := net.SplitHostPort(s.Addr())
		if err != nil || host != want || port == "0" {
			t.Errorf("of %q %q is announced, %v, want host %q", listen, s.Addr(), err, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
