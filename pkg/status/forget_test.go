package status

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// heard is heartbeats of whom a test forgets some.
type heard struct {
	events *diary
	asked  []string
	err    error
}

func (h *heard) Forget(origin string) error {
	h.asked = append(h.asked, origin+" after "+h.events.kinds())
	return h.err
}

func hearing(t *testing.T, h Heartbeats, events *diary) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "status-") // short, whatever the test is called
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Listen: "127.0.0.1:0", Socket: filepath.Join(dir, "mirror.sock"), Journal: events, Heartbeats: h}
	s, err := New(cfg, freshly(shared()), prometheus.NewRegistry(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, d := range s.doors {
			_ = d.listener.Close() // nobody connected
		}
		os.RemoveAll(dir)
	})
	return s
}

func TestForgettingAnOrigin(t *testing.T) {
	events := &diary{}
	h := &heard{events: events}
	s := hearing(t, h, events)
	code, body := postTo(s, 1, "/api/v1/heartbeats/ad-19/forget", `{}`)
	if code != 200 || !strings.HasPrefix(body, `{"origin":"ad-19","was":{"origin":"ad-19","state":"silent"`) {
		t.Errorf("%d: %s", code, body)
	}
	if got := strings.Join(h.asked, "\n"); got != "ad-19 after forget_requested: origin ad-19" {
		t.Errorf("asked %q", got)
	}
	if got, want := events.kinds(), "forget_requested: origin ad-19\nforget_done: origin ad-19"; got != want {
		t.Errorf("journal has %q, want %q", got, want)
	}
	if code, _ := postTo(s, 0, "/api/v1/heartbeats/ad-19/forget", `{}`); code != http.StatusNotFound && code != http.StatusMethodNotAllowed {
		t.Errorf("everybody may do that: %d", code)
	}
}

func TestForgettingThatFails(t *testing.T) {
	events := &diary{}
	h := &heard{events: events, err: errors.New("no such origin")}
	if code, body := postTo(hearing(t, h, events), 1, "/api/v1/heartbeats/ad-91/forget", `{}`); code != 404 || !strings.Contains(body, "no such origin") || events.kinds() != "forget_requested: origin ad-91\nforget_failed: no such origin" {
		t.Errorf("%d: %s, journal %q", code, body, events.kinds())
	}
	if code, body := postTo(hearing(t, h, &diary{}), 1, "/api/v1/heartbeats/ad-91/forget", `{"x":1}`); code != 400 {
		t.Errorf("an unknown key: %d: %s", code, body)
	}
	if code, body := postTo(hearing(t, nil, &diary{}), 1, "/api/v1/heartbeats/ad-91/forget", `{}`); code != 404 || !strings.Contains(body, "reads no heartbeats") {
		t.Errorf("where none are read: %d: %s", code, body)
	}
}
