package deadman

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// service is a dead-man's service without a network.
type service struct {
	mu     sync.Mutex
	pings  []time.Duration // guarded by mu; since begun
	begun  time.Time
	method string
	fail   func(n int) error // of the n-th ping, from 0; nil: all are accepted
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.pings)
	s.pings, s.method = append(s.pings, time.Since(s.begun)), r.Method
	if s.fail != nil {
		if err := s.fail(n); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func run(t *testing.T, s *service, cfg Config, long time.Duration) (log string, accepted int32) {
	t.Helper()
	var out bytes.Buffer
	var count atomic.Int32
	cfg.Accepted = func() { count.Add(1) }
	p := New(cfg, slog.New(slog.NewTextHandler(&out, nil)))
	p.client.Transport = s
	s.begun = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	if err := p.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
	return out.String(), count.Load()
}

func TestPingsOnlyWhileHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		time.AfterFunc(90*time.Second, func() { sick.Store(true) })
		time.AfterFunc(190*time.Second, func() { sick.Store(false) })
		s := &service{}
		_, accepted := run(t, s, Config{URL: "http://dead.example/secret", Method: "POST", Interval: time.Minute, Healthy: func() error {
			if sick.Load() {
				return errors.New("halted")
			}
			return nil
		}}, 4*time.Minute)
		want := []time.Duration{0, time.Minute, 190 * time.Second}
		if len(s.pings) != 3 || s.pings[0] != want[0] || s.pings[1] != want[1] || s.pings[2] < want[2] || s.pings[2] > want[2]+lookEvery {
			t.Errorf("pings at %v, want about %v", s.pings, want)
		}
		if accepted != 3 || s.method != http.MethodPost {
			t.Errorf("%d accepted by %s, want 3 by POST", accepted, s.method)
		}
	})
}

func TestAPingThatFailsIsMadeAgainAndItsURLStaysSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{fail: func(n int) error {
			if n < 3 {
				return errors.New("refused")
			}
			return nil
		}}
		log, accepted := run(t, s, Config{URL: "http://dead.example/secret", Method: "GET", Interval: time.Minute, Healthy: func() error { return nil }}, time.Minute)
		want := []time.Duration{0, 5 * time.Second, 15 * time.Second, 35 * time.Second}
		if len(s.pings) != len(want) {
			t.Fatalf("pings at %v, want %v", s.pings, want)
		}
		for i := range want {
			if s.pings[i] != want[i] {
				t.Errorf("ping %d at %v, want %v", i, s.pings[i], want[i])
			}
		}
		if accepted != 1 || strings.Count(log, "refused") != 3 || strings.Contains(log, "secret") {
			t.Errorf("%d accepted, log %q", accepted, log)
		}
	})
}

func TestAnswersOtherThanSuccessAreFailures(t *testing.T) {
	for _, code := range []int{301, 404, 500} {
		p := New(Config{URL: "http://dead.example/secret", Method: "GET"}, slog.New(slog.DiscardHandler))
		p.client.Transport = roundTrip(code)
		if err := p.ping(t.Context()); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("answered %d: %v", code, err)
		}
	}
}

type roundTrip int

func (r roundTrip) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(r), Status: http.StatusText(int(r)), Body: http.NoBody, Header: http.Header{}}, nil
}

func TestHealthy(t *testing.T) {
	now := time.Now()
	with := func(state mirror.State, change func(*lag.Link)) *lag.Snapshot {
		l := lag.Link{Name: "up", State: state, Topics: []lag.Topic{{Topic: "clicks", State: state, ReplicatedThrough: &now}}}
		if change != nil {
			change(&l)
		}
		return &lag.Snapshot{Time: now, Links: []lag.Link{l}}
	}
	for _, test := range []struct {
		name string
		s    *lag.Snapshot
		want string // "" healthy
	}{
		{"copying", with(mirror.StateCopying, nil), ""},
		{"caught up", with(mirror.StateCaughtUp, nil), ""},
		{"with others", with(lag.StateElsewhere, func(l *lag.Link) { l.Topics[0].Away, l.Topics[0].ReplicatedThrough = true, nil }), ""},
		{"throttled", with(mirror.StateThrottled, nil), ""},
		{"one of two paused", func() *lag.Snapshot {
			s := with(mirror.StatePaused, nil)
			s.Links = append(s.Links, with(mirror.StateCopying, nil).Links...)
			return s
		}(), ""},
		{"all paused", with(mirror.StatePaused, nil), "all links are paused"},
		{"waiting", with(mirror.StateWaiting, nil), "link up is waiting"},
		{"halted", with(mirror.StateHalted, nil), "link up is halted"},
		{"unowned", with(lag.StateUnowned, nil), "link up is unowned"},
		{"starting", with(mirror.StateStarting, nil), "link up is starting"},
		{"new kind of state", with("burning", nil), "link up is burning"},
		{"unknown lag", with(mirror.StateCopying, func(l *lag.Link) { l.Topics[0].ReplicatedThrough = nil }), "does not know how far topic clicks is"},
		{"positions not saved", with(mirror.StateCopying, func(l *lag.Link) { l.SaveProblem = "refused" }), "has a problem"},
		{"heartbeats refused", func() *lag.Snapshot {
			s := with(mirror.StateCopying, nil)
			s.HeartbeatClusters = []lag.HeartbeatCluster{{Cluster: "edge", Problem: "refused"}}
			return s
		}(), "heartbeats at edge: refused"},
		{"nothing yet", nil, "nothing was observed"},
		{"hangs", &lag.Snapshot{Time: now.Add(-time.Minute)}, "too old"},
		{"no links", &lag.Snapshot{Time: now}, "no links"},
	} {
		err := Healthy(test.s, now)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}
