package pause

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// mirror is what is told of pauses.
type mirror struct {
	mu     sync.Mutex
	until  map[string]map[string]time.Time
	ended  []string
	danger map[string]string
}

func newMirror() *mirror {
	return &mirror{until: map[string]map[string]time.Time{}, danger: map[string]string{}}
}

func (m *mirror) config(path string) Config {
	return Config{Path: path, Apply: func(link string, until map[string]time.Time) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.until[link] = maps.Clone(until)
	}, Ended: func(link, topic, why string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ended = append(m.ended, fmt.Sprintf("%s %s: %s", link, topic, why))
	}, Danger: func(link, topic string) string {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.danger[link+topic]
	}}
}

func (m *mirror) of(link string) map[string]time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.until[link]
}

func (m *mirror) endangers(what, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.danger[what] = why
}

func (m *mirror) told() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.ended, "\n")
}

func open(t *testing.T, m *mirror, path string) *Pauses {
	t.Helper()
	p, err := Open(m.config(path), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t *testing.T, p *Pauses) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

func TestPauseOutlivesTheProcessAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "pauses.json")
		m := newMirror()
		p := open(t, m, path)
		hour, week := time.Now().Add(time.Hour), time.Now().Add(7*24*time.Hour)
		for _, err := range []error{p.Pause("up", "", hour), p.Pause("up", "clicks", week), p.Pause("down", "cfg", hour)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := m.of("up"); !got[""].Equal(hour) || !got["clicks"].Equal(week) || len(got) != 2 {
			t.Errorf("link up is paused %v", got)
		}
		after := newMirror()
		p = open(t, after, path)
		if got := after.of("up"); !got[""].Equal(hour) || !got["clicks"].Equal(week) || len(after.of("down")) != 1 {
			t.Errorf("after a restart link up is paused %v, down %v", got, after.of("down"))
		}
		stop := run(t, p)
		time.Sleep(59 * time.Minute)
		if got := after.told(); got != "" {
			t.Errorf("ended %q before the time", got)
		}
		time.Sleep(2 * time.Minute)
		if got, want := after.told(), "down cfg: its time was over\nup : its time was over"; got != want {
			t.Errorf("ended %q, want %q", got, want)
		}
		if got := after.of("up"); len(got) != 1 || !got["clicks"].Equal(week) || len(after.of("down")) != 0 {
			t.Errorf("link up is paused %v, down %v", got, after.of("down"))
		}
		stop()
		last := newMirror()
		open(t, last, path)
		if got := last.of("up"); len(got) != 1 || len(last.of("down")) != 0 {
			t.Errorf("the disk has %v, %v", got, last.of("down"))
		}
	})
}

func TestResume(t *testing.T) {
	m := newMirror()
	p := open(t, m, filepath.Join(t.TempDir(), "pauses.json"))
	until := time.Now().Add(time.Hour)
	set := func(link, topic string) {
		if err := p.Pause(link, topic, until); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Resume("up", ""); !errors.Is(err, ErrNotPaused) {
		t.Errorf("resumed what is not paused: %v", err)
	}
	set("up", "clicks")
	set("down", "cfg")
	if err := p.Resume("up", "imps"); !errors.Is(err, ErrNotPaused) {
		t.Errorf("resumed another topic: %v", err)
	}
	if err := p.Resume("up", "clicks"); err != nil || len(m.of("up")) != 0 || len(m.of("down")) != 1 {
		t.Errorf("resume one: %v, up %v, down %v", err, m.of("up"), m.of("down"))
	}
	set("up", "clicks")
	set("up", "")
	if err := p.Resume("up", "imps"); !errors.Is(err, ErrNotPaused) || !strings.Contains(err.Error(), "mirror resume up") {
		t.Errorf("resume one of a paused link: %v", err)
	}
	if err := p.Resume("up", ""); err != nil || len(m.of("up")) != 0 {
		t.Errorf("resume all: %v, %v", err, m.of("up"))
	}
}

// TestPauseNeverLoses has the deadline come near during a pause, and before one.
func TestPauseNeverLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMirror()
		p := open(t, m, filepath.Join(t.TempDir(), "pauses.json"))
		if err := p.Pause("up", "clicks", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		defer run(t, p)()
		time.Sleep(time.Minute)
		m.endangers("upclicks", "20m are left")
		time.Sleep(2 * time.Second)
		if got, want := m.told(), "up clicks: ended early: 20m are left"; got != want || len(m.of("up")) != 0 {
			t.Errorf("ended %q, want %q; paused %v", got, want, m.of("up"))
		}
		if err := p.Pause("up", "clicks", time.Now().Add(time.Hour)); !errors.Is(err, ErrEndangered) || !strings.Contains(err.Error(), "20m are left") {
			t.Errorf("paused what is in danger: %v", err)
		}
	})
}

// TestPauseEndsThoughTheDiskRefuses has nowhere to write: a pause is refused, and one that is over ends.
func TestPauseEndsThoughTheDiskRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "pauses.json")
		m := newMirror()
		p := open(t, m, path)
		if err := p.Pause("up", "", time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(path+".new", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := p.Pause("up", "clicks", time.Now().Add(time.Minute)); err == nil || len(m.of("up")) != 1 {
			t.Errorf("paused what could not be written: %v, %v", err, m.of("up"))
		}
		defer run(t, p)()
		time.Sleep(2 * time.Minute)
		if len(m.of("up")) != 0 || m.told() == "" {
			t.Errorf("paused %v after its time; told %q", m.of("up"), m.told())
		}
	})
}

func TestUnreadablePauses(t *testing.T) {
	for name, content := range map[string]string{"no JSON": "x", "another format": `{"format":2}`} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pauses.json")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			m := newMirror()
			p, err := Open(m.config(path), slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("Open() = %v, want an error that names the file", err)
			}
			if err := p.Pause("up", "", time.Now().Add(time.Minute)); err != nil || len(m.of("up")) != 1 {
				t.Errorf("pause after that: %v, %v", err, m.of("up"))
			}
		})
	}
}

// TestClockSetBack reads a pause that ends in ten years.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "pauses.json")
		if err := os.WriteFile(path, []byte(`{"format":1,"pauses":[{"link":"up","topic":"","until":"2099-01-01T00:00:00Z"}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		m := newMirror()
		open(t, m, path)
		if got, want := m.of("up")[""], time.Now().Add(Max); !got.Equal(want) {
			t.Errorf("paused until %v, want %v", got, want)
		}
	})
}
