package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/ownership/pool"
	"tributary/pkg/pause"
)

// settings is a configuration that a test reloads, and pauses that it makes.
type settings struct {
	mu      sync.Mutex
	changed []Changed
	problem string
	err     error
	paused  []string
}

func (s *settings) Reload(context.Context) ([]Changed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	return s.changed, nil
}

func (s *settings) Reloaded() Reloaded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Reloaded{At: time.Unix(1700000000, 0), Problem: s.problem}
}

func (s *settings) Pause(link, topic string, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = append(s.paused, fmt.Sprintf("pause %s/%s for %v", link, topic, time.Until(until).Round(10*time.Second)))
	return s.err
}

func (s *settings) Resume(link, topic string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = append(s.paused, fmt.Sprintf("resume %s/%s", link, topic))
	return s.err
}

// changingServer has a link of its own and one of a pool.
func changingServer(t *testing.T, given *settings, events Journal) *Server {
	s := socketServer(t, &skipper{}, events)
	s.cfg.Reloader, s.cfg.Pauser = given, given
	s.cfg.Links["shared"], s.cfg.Pools = &skipper{}, map[string]Pool{"shared": fakePool{}}
	return s
}

// fakePool is a pool that nobody asks.
type fakePool struct{ Pool }

func (fakePool) View() pool.View { return pool.View{} }

func TestReload(t *testing.T) {
	for _, test := range []struct {
		name, body  string
		given       *settings
		code        int
		want, noted string
	}{
		{"something", "{}", &settings{changed: []Changed{{"log.level", "info", "debug"}}}, 200, `{"changed":[{"key":"log.level","from":"info","to":"debug"}]}`,
			"reload_requested: \nreload_done: log.level: info -> debug"},
		{"nothing", "{}", &settings{}, 200, `{"changed":[]}`, "reload_requested: \nreload_done: nothing has changed"},
		{"a bad file", "{}", &settings{err: fmt.Errorf("%w: line 3", ErrUnsound)}, 422, `{"error":"the configuration is not usable: line 3"}`,
			"reload_requested: \nreload_failed: the configuration is not usable: line 3"},
		{"what needs a restart", "{}", &settings{err: errors.New("listen needs a restart")}, 409, `{"error":"listen needs a restart"}`,
			"reload_requested: \nreload_failed: listen needs a restart"},
		{"another body", `{"x":1}`, &settings{}, 400, "unknown field", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := &diary{}
			code, got := post(changingServer(t, test.given, events), "/api/v1/reload", "application/json", test.body)
			if code != test.code || !strings.Contains(got, test.want) {
				t.Errorf("got %d %s, want %d %s", code, got, test.code, test.want)
			}
			if noted := events.kinds(); noted != test.noted {
				t.Errorf("noted %q, want %q", noted, test.noted)
			}
		})
	}
	s := changingServer(t, &settings{}, &diary{})
	s.cfg.Reloader = nil
	if code, got := post(s, "/api/v1/reload", "application/json", "{}"); code != http.StatusNotFound {
		t.Errorf("without a file: %d %s", code, got)
	}
}

func TestStatusTellsOfTheConfiguration(t *testing.T) {
	if got := newConfig(nil); got != nil {
		t.Errorf("got %+v without a file, want null", got)
	}
	if got := newConfig(&settings{problem: "line 3"}); got.Problem != "line 3" || !got.Reloaded.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("got %+v", got)
	}
}

func TestPause(t *testing.T) {
	topic := full().Links[0].Topics[0].Topic
	for _, test := range []struct {
		name, path, body string
		err              error
		code             int
		want, asked      string
		noted            bool
	}{
		{"a link", "up/pause", `{"topic":"","seconds":3600}`, nil, 200, `{"link":"up","paused_until":"2`, "pause up/ for 1h0m0s", true},
		{"a topic", "up/pause", `{"topic":"` + topic + `","seconds":90}`, nil, 200, `"topic":"` + topic + `","paused_until":"2`, "pause up/" + topic + " for 1m30s", true},
		{"resume", "up/resume", `{"topic":""}`, nil, 200, `{"link":"up","paused_until":null}`, "resume up/", true},
		{"in danger", "up/pause", `{"topic":"","seconds":60}`, pause.ErrEndangered, 409, "it would end at once", "pause up/ for 1m0s", true},
		{"not paused", "up/resume", `{"topic":""}`, pause.ErrNotPaused, 409, "it is not paused", "resume up/", true},
		{"a full disk", "up/pause", `{"topic":"","seconds":60}`, errors.New("no space"), 500, "no space", "pause up/ for 1m0s", true},
		{"for ever", "up/pause", `{"topic":""}`, nil, 400, "always ends", "", false},
		{"too long", "up/pause", `{"topic":"","seconds":1e9}`, nil, 400, "topics.exclude", "", false},
		{"negative", "up/pause", `{"topic":"","seconds":-1}`, nil, 400, "lasts from", "", false},
		{"resume with a time", "up/resume", `{"topic":"","seconds":1}`, nil, 400, "of a pause", "", false},
		{"no link", "down/pause", `{"topic":"","seconds":60}`, nil, 404, "there is no link", "", false},
		{"no topic", "up/pause", `{"topic":"nope","seconds":60}`, nil, 404, "mirror topics up", "", false},
		{"resume in a pool", "shared/resume", `{"topic":""}`, nil, 200, `{"link":"shared","paused_until":null}`, "resume shared/", true},
		{"resume what is excluded by now", "up/resume", `{"topic":"gone"}`, nil, 200, `{"link":"up","topic":"gone","paused_until":null}`, "resume up/gone", true},
		{"a pool", "shared/pause", `{"topic":"","seconds":60}`, nil, 409, "mirror drain shared", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			events, given := &diary{}, &settings{err: test.err}
			code, got := post(changingServer(t, given, events), "/api/v1/links/"+test.path, "application/json", test.body)
			if code != test.code || !strings.Contains(got, test.want) {
				t.Errorf("got %d %s, want %d %s", code, got, test.code, test.want)
			}
			if asked := strings.Join(given.paused, "\n"); asked != test.asked {
				t.Errorf("asked %q, want %q", asked, test.asked)
			}
			if noted := events.kinds(); (noted != "") != test.noted {
				t.Errorf("noted %q, want any: %v", noted, test.noted)
			}
		})
	}
}

// TestPauseSaysWhatOnlyItsTimeEnds has pauses that the mirror could not end before records are lost.
func TestPauseSaysWhatOnlyItsTimeEnds(t *testing.T) {
	for _, test := range []struct {
		name, topic string
		change      func(l *lag.Link)
		want        string // in what is said, "" nothing is
	}{
		{"all is known", "", func(*lag.Link) {}, ""},
		{"disks are not told of", "", func(l *lag.Link) { l.Topics[0].Unknown = []lag.Cause{lag.CauseDiskFull} }, ""},
		{"a retention is not known", "", func(l *lag.Link) { l.Topics[0].Unknown = []lag.Cause{lag.CauseRetentionBytes} }, "1 topics may wait, such as clicks"},
		{"of another topic", "dark", func(l *lag.Link) { l.Topics[0].Unknown = []lag.Cause{lag.CauseRetentionBytes} }, ""},
		{"nothing was told yet", "", func(l *lag.Link) { l.Probe = lag.Probe{} }, "such as dark"},
		{"no topic is known yet", "", func(l *lag.Link) { l.Topics = nil }, "its topics are not known yet"},
	} {
		s := full()
		s.Links[0].Topics[0].Unknown = nil
		test.change(&s.Links[0])
		got := unguarded(s, "up", test.topic)
		if (got != "") != (test.want != "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
