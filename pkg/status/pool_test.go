package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/ownership/pool"
)

// pooled is a pool that notes what it is asked.
type pooled struct {
	mu    sync.Mutex
	view  *pool.View // guarded by mu
	asked []string   // guarded by mu
	err   error      // what changes answer
	noted func() string
}

func (p *pooled) View() pool.View {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *p.view
}

func (p *pooled) note(text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, text+" after "+p.noted())
	return p.err
}

func (p *pooled) Drain(_ context.Context, on bool) error {
	if err := p.note(fmt.Sprint("drain ", on)); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.view.Draining = on
	return nil
}

func (p *pooled) Pin(_ context.Context, topic, instance string) error {
	return p.note("pin " + topic + " " + instance)
}

func (p *pooled) Unpin(_ context.Context, topic string) error { return p.note("unpin " + topic) }

// poolServer returns a server of the links up, which is shared, and down, which is not.
func poolServer(t *testing.T, p *pooled, events *diary) *Server {
	t.Helper()
	p.view, p.noted = poolView(), events.kinds
	dir, err := os.MkdirTemp("", "status-") // short, whatever the test is called
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Listen: "127.0.0.1:0", Socket: filepath.Join(dir, "mirror.sock"), Journal: events, Links: map[string]Link{"up": &skipper{}, "down": &skipper{}}, Pools: map[string]Pool{"up": p}},
		freshly(shared()), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
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

// postTo gives a command to the handler of a door: 0 is what everybody reaches, 1 the socket.
func postTo(s *Server, door int, path, body string) (int, string) {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Host = "localhost"
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	s.doors[door].server.Handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

func TestPoolGolden(t *testing.T) {
	code, body := get(poolServer(t, &pooled{}, &diary{}), "/api/v1/pool")
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(body), "", " "); err != nil || code != 200 {
		t.Fatalf("%d, %v: %s", code, err, body)
	}
	golden(t, "pool.json", indented.String())
	if code, body := get(newServer(t, freshly(full())), "/api/v1/pool"); code != 200 || body != `{"instance":"","pools":[]}`+"\n" {
		t.Errorf("without a pool: %d, %s", code, body)
	}
}

func TestChangesToAPool(t *testing.T) {
	for _, test := range []struct {
		name, path, body string
		asked            string // of the pool
		events           string
		done             string
	}{
		{"drain", "drain", `{"on":true}`, "drain true after drain_requested: hand everything over", "drain_requested: hand everything over\ndrain_done: hand everything over", `"done":"hand everything over"`},
		{"undo", "drain", `{"on":false}`, "drain false after drain_requested: take units again", "drain_requested: take units again\ndrain_done: take units again", `"draining":false`},
		{"pin", "pin", `{"topic":"wide","to":"ad-17"}`, "pin wide ad-17 after pin_requested: pin to ad-17", "pin_requested: pin to ad-17\npin_done: pin to ad-17", `"done":"pin to ad-17"`},
		{"unpin", "unpin", `{"topic":"clicks"}`, "unpin clicks after pin_requested: unpin", "pin_requested: unpin\npin_done: unpin", `"done":"unpin"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, events := &pooled{}, &diary{}
			s := poolServer(t, p, events)
			code, body := postTo(s, 1, "/api/v1/links/up/pool/"+test.path, test.body)
			if code != 200 || !strings.Contains(body, test.done) {
				t.Errorf("%d: %s", code, body)
			}
			if got := strings.Join(p.asked, "\n"); got != test.asked {
				t.Errorf("the pool was asked %q, want %q", got, test.asked)
			}
			if got := events.kinds(); got != test.events {
				t.Errorf("journal has %q, want %q", got, test.events)
			}
			if code, _ := postTo(s, 0, "/api/v1/links/up/pool/"+test.path, test.body); code != http.StatusNotFound && code != http.StatusMethodNotAllowed {
				t.Errorf("everybody may do that: %d", code)
			}
		})
	}
}

func TestChangesToAPoolThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name, path, body string
		code             int
		want             string
	}{
		{"no such link", "left/pool/drain", `{"on":true}`, 404, `there is no link \"left\"; the mirror has: down, up`},
		{"a link of its own", "down/pool/drain", `{"on":true}`, 404, `link \"down\" is in no pool: this mirror has all of its topics; the links in a pool are: up`},
		{"drain what", "up/pool/drain", `{}`, 400, `\"on\" is missing`},
		{"an unknown key", "up/pool/drain", `{"on":true,"off":false}`, 400, "unknown field"},
		{"an unknown topic", "up/pool/pin", `{"topic":"clics","to":"ad-17"}`, 404, `the pool has no topic \"clics\"`},
		{"an unknown instance", "up/pool/pin", `{"topic":"clicks","to":"ad-99"}`, 404, `instance \"ad-99\" is no member of the pool; its members are: ad-17, ad-18`},
		{"not pinned", "up/pool/unpin", `{"topic":"wide"}`, 404, `topic \"wide\" is not pinned; pinned are: clicks`},
		{"unpin to", "up/pool/unpin", `{"topic":"clicks","to":"x"}`, 400, `\"to\" is of a pin`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, events := &pooled{}, &diary{}
			code, body := postTo(poolServer(t, p, events), 1, "/api/v1/links/"+test.path, test.body)
			if code != test.code || !strings.Contains(body, test.want) {
				t.Errorf("%d: %s, want %d: %s", code, body, test.code, test.want)
			}
			if len(p.asked) > 0 || events.kinds() != "" {
				t.Errorf("the pool was asked %q, the journal has %q", p.asked, events.kinds())
			}
		})
	}
}

func TestAChangeThatFailsIsNoted(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		code int
	}{
		{"out of reach", errors.New("no session"), 503},
		{"too slow", context.DeadlineExceeded, 504},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, events := &pooled{err: test.err}, &diary{}
			code, body := postTo(poolServer(t, p, events), 1, "/api/v1/links/up/pool/drain", `{"on":true}`)
			if code != test.code || !strings.Contains(body, test.err.Error()) {
				t.Errorf("%d: %s", code, body)
			}
			if got, want := events.kinds(), "drain_requested: hand everything over\ndrain_failed: "+test.err.Error(); got != want {
				t.Errorf("journal has %q, want %q", got, want)
			}
		})
	}
	p, events := &pooled{}, &diary{full: errors.New("disk full")}
	if code, body := postTo(poolServer(t, p, events), 1, "/api/v1/links/up/pool/drain", `{"on":true}`); code != 503 || !strings.Contains(body, "nothing was done") || len(p.asked) > 0 {
		t.Errorf("with a full disk: %d: %s, asked %q", code, body, p.asked)
	}
}
