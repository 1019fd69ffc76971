package zookeeper

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newHosts(t *testing.T, servers []string, names map[string][]string) *hosts {
	return &hosts{servers: servers, ctx: t.Context(), failed: func() {}, log: slog.New(slog.DiscardHandler), resolve: func(_ context.Context, host string) ([]string, error) {
		if ips := names[host]; ips != nil {
			return ips, nil
		}
		return nil, errors.New("no such host")
	}}
}

// next returns how long a call took, and what it answered.
func next(t *testing.T, h *hosts) (time.Duration, string) {
	t.Helper()
	begin := time.Now()
	server, again := h.Next()
	if again {
		t.Fatal("the library is asked to sleep for a second")
	}
	return time.Since(begin), server
}

func TestHostsWaitBetweenRoundsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(t, []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"}, nil)
		wait := shortestWait
		for round := range 12 {
			seen := map[string]bool{}
			for i := range 3 {
				took, server := next(t, h)
				seen[server] = true
				switch {
				case round == 0 || i > 0:
					if took != 0 {
						t.Errorf("round %d, server %d: waited %v", round, i, took)
					}
				case took < wait/2 || took > wait:
					t.Errorf("round %d: waited %v, want %v to %v", round, took, wait/2, wait)
				}
			}
			if len(seen) != 3 {
				t.Errorf("round %d: of three servers %v were tried", round, seen)
			}
			if round > 0 {
				wait = min(2*wait, longestWait)
			}
		}
		h.Connected()
		time.Sleep(calm)
		if took, _ := next(t, h); took != 0 {
			t.Errorf("after a good connection: waited %v", took)
		}
	})
}

func TestHostsWaitWhereConnectionsDoNotLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(t, []string{"10.0.0.1:1"}, nil)
		begin := time.Now()
		for range 20 {
			next(t, h)
			h.Connected()
		}
		if took := time.Since(begin); took < 5*time.Second {
			t.Errorf("20 connections that broke at once took only %v", took)
		}
	})
}

func TestHostsResolveAnewAfterARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := map[string][]string{"zk": {"10.0.0.1", "10.0.0.2", "fd00::1"}, "one": {"10.0.0.1"}}
		h := newHosts(t, []string{"zk:2181", "one:2181", "gone:2181"}, names)
		var got []string
		for range 4 {
			_, server := next(t, h)
			got = append(got, server)
		}
		slices.Sort(got)
		if want := []string{"10.0.0.1:2181", "10.0.0.2:2181", "[fd00::1]:2181", "gone:2181"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if name := h.name("10.0.0.2:2181"); name != "zk" {
			t.Errorf("10.0.0.2 is %q", name)
		}
		names["zk"], names["one"], names["gone"] = []string{"10.0.0.9"}, []string{"10.0.0.9"}, []string{"10.0.0.9"}
		if _, server := next(t, h); server != "10.0.0.9:2181" || h.Len() != 1 {
			t.Errorf("after a failed round: got %s of %d", server, h.Len())
		}
	})
}

// A server whose name is wrong is told of although another serves, and again when it was right meanwhile.
func TestHostsTellOfANameThatIsNotFound(t *testing.T) {
	names := map[string][]string{"zk": {"10.0.0.1"}}
	h := newHosts(t, []string{"zk:2181", "gone:2181"}, names)
	var log strings.Builder
	h.log = slog.New(slog.NewTextHandler(&log, nil))
	for i, want := range []int{1, 1, 1, 2} {
		delete(names, "gone")
		if i == 2 {
			names["gone"] = []string{"10.0.0.2"}
		}
		h.lookUp()
		if got := strings.Count(log.String(), "server=gone:2181"); got != want {
			t.Errorf("look %d: told %d times, want %d: %s", i, got, want, log.String())
		}
	}
}

func TestHostsEndWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(t, []string{"10.0.0.1:1"}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		h.ctx = ctx
		h.rounds = 10
		next(t, h)
		time.AfterFunc(time.Millisecond, cancel)
		begin := time.Now()
		if _, again := h.Next(); !again || time.Since(begin) != time.Millisecond {
			t.Errorf("got %v after %v", again, time.Since(begin))
		}
	})
}
