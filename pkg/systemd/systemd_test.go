package systemd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// scene is a notifier whose messages are kept.
type scene struct {
	*Notifier
	logged   strings.Builder
	stopping chan struct{}

	mu       sync.Mutex // guards what follows
	status   string
	alive    error
	messages []string
}

func newScene(feed time.Duration) *scene {
	s := &scene{status: "ok", stopping: make(chan struct{})}
	s.Notifier = &Notifier{cfg: Config{Alive: func() error { return locked(s, func() error { return s.alive }) }, Status: func() string { return locked(s, func() string { return s.status }) }},
		feed: feed, send: s.keep, log: slog.New(slog.NewTextHandler(&s.logged, nil))}
	return s
}

func locked[T any](s *scene, do func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return do()
}

func (s *scene) keep(state string) error {
	return locked(s, func() error { s.messages = append(s.messages, state); return nil })
}

func (s *scene) set(status string, alive error) {
	locked(s, func() error { s.status, s.alive = status, alive; return nil })
}

// taken returns the messages since the last call.
func (s *scene) taken() []string {
	synctest.Wait()
	return locked(s, func() []string {
		defer func() { s.messages = nil }()
		return s.messages
	})
}

func during(t *testing.T, s *scene, body func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx, s.stopping); err != nil {
			t.Error(err)
		}
	})
	body()
	cancel()
	wg.Wait()
}

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(0)
		during(t, s, func() {
			expect := func(when string, want ...string) {
				t.Helper()
				if got := s.taken(); !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", when, got, want)
				}
			}
			expect("at the start", "READY=1\nSTATUS=ok")
			time.Sleep(time.Minute)
			expect("nothing changes, no watchdog")
			s.set("two\nlines", nil)
			time.Sleep(time.Minute)
			expect("the status changes once", "STATUS=two lines")
			close(s.stopping)
			expect("on the signal", "STOPPING=1")
			time.Sleep(time.Minute)
			expect("while it drains")
		})
	})
}

func TestWatchdogIsFedOnlyWhileAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(30 * time.Second)
		during(t, s, func() {
			s.taken()
			feedings := func(when string, want int) {
				t.Helper()
				time.Sleep(5 * time.Minute)
				got := s.taken()
				if len(got) != want || want > 0 && got[0] != "WATCHDOG=1" {
					t.Errorf("%s: %q, want WATCHDOG=1 %d times", when, got, want)
				}
			}
			feedings("works", 10)
			s.set("ok", errors.New("hangs"))
			feedings("hangs", 0)
			s.set("ok", nil)
			feedings("works again", 10)
			close(s.stopping)
			s.taken()
			feedings("drains, and systemd still watches", 10)
		})
		if got := strings.Count(s.logged.String(), "watchdog not fed"); got != 1 {
			t.Errorf("logged %d times that it hangs, want once: %s", got, s.logged.String())
		}
	})
}

func TestReload(t *testing.T) {
	s := newScene(0)
	broken := errors.New("broken")
	if err := s.Reload(func() error { return errors.Join(s.keep("applied"), broken) }); !errors.Is(err, broken) {
		t.Errorf("got %v, want what apply returned", err)
	}
	if len(s.messages) != 3 || s.messages[1] != "applied" || s.messages[2] != "READY=1" {
		t.Fatalf("got %q", s.messages)
	}
	if first := s.messages[0]; !strings.HasPrefix(first, "RELOADING=1\nMONOTONIC_USEC=") || strings.HasSuffix(first, "=") {
		t.Errorf("got %q, want the time of the reload", first)
	}
}

func TestWatchdogOfTheEnvironment(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        time.Duration
		fails       bool
	}{
		{"none", "", 0, false},
		{"a minute", "60000000", 30 * time.Second, false},
		{"no number", "soon", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("WATCHDOG_USEC", test.value)
			n, err := New(Config{}, slog.New(slog.DiscardHandler))
			if (err != nil) != test.fails {
				t.Fatalf("got error %v, want one: %v", err, test.fails)
			}
			if err == nil && n.feed != test.want {
				t.Errorf("fed every %v, want %v", n.feed, test.want)
			}
		})
	}
}

func TestSocketOfTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	n, err := New(Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	n.say("A=1", "B=2")
	message := make([]byte, 100)
	size, err := socket.Read(message)
	if got := string(message[:size]); err != nil || got != "A=1\nB=2" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A service manager that is gone ends nothing.
func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	s := newScene(0)
	s.send = notify
	s.say("READY=1")
	if !strings.Contains(s.logged.String(), "service manager not notified") {
		t.Errorf("logged %q", s.logged.String())
	}
}
