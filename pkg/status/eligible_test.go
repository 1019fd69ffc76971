package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/eligible"
)

// eligibleHost takes traffic as it is told.
type eligibleHost struct {
	state eligible.State
	set   []string
	err   error
}

func (h *eligibleHost) State() eligible.State { return h.state }

func (h *eligibleHost) Transitions() map[eligible.Transition]int {
	return map[eligible.Transition]int{{In: false, Reason: eligible.ReasonDiskFull}: 2, {In: true, Reason: eligible.ReasonRecovered}: 0}
}

func (h *eligibleHost) Set(mode eligible.Mode, long time.Duration) (eligible.State, error) {
	h.set = append(h.set, fmt.Sprintf("%s %v", mode, long))
	if h.err == nil {
		h.state.Mode, h.state.Until = mode, h.state.Since.Add(long)
	}
	return h.state, h.err
}

// newHostServer returns a server with a socket that does not run.
func newHostServer(t *testing.T, h *eligibleHost, w *Watchers, events Journal) *Server {
	t.Helper()
	s, err := New(Config{Listen: "127.0.0.1:0", Socket: filepath.Join(shortDir(t), "m.sock"), Watchers: w, Eligible: h, Journal: events}, freshly(full()), prometheus.NewRegistry(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, d := range s.doors {
			_ = d.listener.Close() // nothing was said there
		}
	})
	return s
}

func TestPoolz(t *testing.T) {
	for _, test := range []struct {
		name  string
		state eligible.State
		code  int
		word  string
		body  string
	}{
		{"in", eligible.State{In: true, Since: *moment(0), Mode: eligible.ModeAuto}, 200, "IN",
			`{"in":true,"reason":"","text":"","since":"2023-11-14T22:13:20.25Z","mode":"auto","until":null,"cut":false}`},
		{"drained", eligible.State{Reason: eligible.ReasonDiskFull, Text: "/kafka is full soon", Since: *moment(0), Mode: eligible.ModeAuto, Cut: true}, 503, "DRAIN",
			`{"in":false,"reason":"disk_full","text":"/kafka is full soon","since":"2023-11-14T22:13:20.25Z","mode":"auto","until":null,"cut":true}`},
		{"by an operator", eligible.State{Reason: eligible.ReasonOperator, Since: *moment(0), Mode: eligible.ModeDrain, Until: *moment(60)}, 503, "DRAIN",
			`{"in":false,"reason":"operator","text":"","since":"2023-11-14T22:13:20.25Z","mode":"drain","until":"2023-11-14T22:14:20.25Z","cut":false}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := NewWatchers(nil)
			s := newHostServer(t, &eligibleHost{state: test.state}, w, nil)
			code, header, body := ask(s, http.MethodGet, "/poolz", "localhost")
			if code != test.code || header.Get("Mirror-Pool") != test.word || strings.TrimSpace(body) != test.body {
				t.Errorf("got %d, %q, %s", code, header.Get("Mirror-Pool"), body)
			}
			if seen, _ := w.stamps(); len(seen) != 1 || seen["lb"].IsZero() {
				t.Errorf("stamps %v", seen)
			}
			_, status := get(s, "/api/v1/status")
			var report struct{ Eligible json.RawMessage }
			if err := json.Unmarshal([]byte(status), &report); err != nil || string(report.Eligible) != test.body {
				t.Errorf("status: %v, %s", err, report.Eligible)
			}
		})
	}
}

func TestAPeerIsNoLoadBalancer(t *testing.T) {
	w := NewWatchers(nil)
	s := newHostServer(t, &eligibleHost{}, w, nil)
	request := httptest.NewRequest(http.MethodGet, "/poolz", nil)
	request.Host = "localhost"
	request.Header.Set("Mirror-Peer", "1")
	s.doors[0].server.Handler.ServeHTTP(httptest.NewRecorder(), request)
	if seen, _ := w.stamps(); len(seen) != 0 {
		t.Errorf("stamps %v", seen)
	}
}

func TestEligibleMetrics(t *testing.T) {
	_, body := get(newHostServer(t, &eligibleHost{}, nil, nil), "/metrics")
	for _, want := range []string{"mirror_pool_eligible 0\n", `mirror_pool_transitions_total{reason="disk_full",to="drain"} 2`, `mirror_pool_transitions_total{reason="recovered",to="in"} 0`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestOperatorSaysWhetherTheHostTakesTraffic(t *testing.T) {
	post := func(s *Server, door int, body string) (int, string) {
		request := httptest.NewRequest(http.MethodPost, "/api/v1/eligible", strings.NewReader(body))
		request.Host = "localhost"
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		s.doors[door].server.Handler.ServeHTTP(recorder, request)
		return recorder.Code, strings.TrimSpace(recorder.Body.String())
	}
	h, events := &eligibleHost{state: eligible.State{Since: *moment(0)}}, &diary{}
	s := newHostServer(t, h, nil, events)
	if code, body := post(s, 1, `{"mode":"drain","for_seconds":7200}`); code != 200 || !strings.Contains(body, `"mode":"drain","until":"2023-11-15T00:13:20.25Z"`) {
		t.Errorf("drain: %d, %s", code, body)
	}
	if code, _ := post(s, 1, `{"mode":"auto"}`); code != 200 || strings.Join(h.set, ", ") != "drain 2h0m0s, auto 0s" {
		t.Errorf("auto: %d, %q", code, h.set)
	}
	if got := events.kinds(); got != "eligible_requested: drain for 2h0m0s\neligible_done: drain for 2h0m0s\neligible_requested: auto\neligible_done: auto" {
		t.Errorf("events %q", got)
	}
	if code, _ := post(s, 0, `{"mode":"drain","for_seconds":7200}`); code != http.StatusNotFound && code != http.StatusMethodNotAllowed {
		t.Errorf("not at the socket: %d", code)
	}
	for _, body := range []string{`{"mode":"auto","for_seconds":1}`, `{"mode":`, `{"mode":"drain","until":1}`} {
		if code, _ := post(s, 1, body); code != http.StatusBadRequest {
			t.Errorf("%s: %d", body, code)
		}
	}
	for err, want := range map[error]int{eligible.ErrMode: 400, errors.New("disk"): 500} {
		h.err = err
		if code, body := post(s, 1, `{"mode":"out"}`); code != want || !strings.Contains(body, err.Error()) {
			t.Errorf("%v: %d, %s", err, code, body)
		}
	}
}
