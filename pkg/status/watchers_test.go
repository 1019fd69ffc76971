package status

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/lag"
)

// shortDir makes a directory whose path leaves room for a socket, whatever the test is called.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "status-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left there is in the way of nobody
	return dir
}

// watched returns a server with a socket whose watchers are those, and does not run it.
func watched(t *testing.T, w *Watchers, snapshots func() *lag.Snapshot) *Server {
	t.Helper()
	s, err := New(Config{Listen: "127.0.0.1:0", Socket: filepath.Join(shortDir(t), "m.sock"), Watchers: w}, snapshots, prometheus.NewRegistry(), quiet())
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

func TestEachWatcherLeavesAStamp(t *testing.T) {
	check := map[string]string{"Mirror-Watcher": "sensu"}
	for _, test := range []struct {
		name    string
		door    int // 1 the socket
		method  string
		path    string
		header  map[string]string
		stale   bool
		want    string // the watcher, "" none
		wantNot int    // a code that the answer must not have; 0 any
	}{
		{"scrape", 0, "GET", "/metrics", nil, false, "prometheus", 0},
		{"a glance at the headers", 0, "HEAD", "/metrics", nil, false, "", 0},
		{"check", 1, "GET", "/api/v1/status", check, false, "sensu", 0},
		{"check that gets no answer", 1, "GET", "/api/v1/status", check, true, "", 200},
		{"status", 1, "GET", "/api/v1/status", nil, false, "", 0},
		{"somebody from elsewhere who says that he is a check", 0, "GET", "/api/v1/status", check, false, "", 0},
		{"page", 0, "GET", "/", nil, false, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := NewWatchers(nil)
			snapshots := freshly(full())
			if test.stale {
				snapshots = full
			}
			s := watched(t, w, snapshots)
			request := httptest.NewRequest(test.method, test.path, nil)
			request.Host = "localhost"
			for key, value := range test.header {
				request.Header.Set(key, value)
			}
			recorder := httptest.NewRecorder()
			before := time.Now()
			s.doors[test.door].server.Handler.ServeHTTP(recorder, request)
			if recorder.Code == test.wantNot {
				t.Fatalf("answered %d", recorder.Code)
			}
			seen, _ := w.stamps()
			if test.want == "" && len(seen) > 0 || test.want != "" && (len(seen) != 1 || seen[test.want].Before(before)) {
				t.Errorf("stamps %v, want one of %q", seen, test.want)
			}
		})
	}
}

func TestAnExpectedWatcherIsBornWithTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		born := time.Now()
		w := NewWatchers(map[string]time.Duration{"prometheus": 5 * time.Minute})
		time.Sleep(time.Minute)
		w.Heard("sensu")
		w.Expect(map[string]time.Duration{"prometheus": time.Minute, "lb": time.Hour})
		seen, expected := w.stamps()
		if !seen["prometheus"].Equal(born) || !seen["sensu"].Equal(born.Add(time.Minute)) || !seen["lb"].Equal(born.Add(time.Minute)) || len(seen) != 3 {
			t.Errorf("stamps %v, born %v", seen, born)
		}
		if len(expected) != 2 || expected["prometheus"] != 60 || expected["lb"] != 3600 {
			t.Errorf("expected %v", expected)
		}
	})
}

func TestStampsAreInTheStatusAndTheMetrics(t *testing.T) {
	w := NewWatchers(map[string]time.Duration{"prometheus": 5 * time.Minute})
	s := watched(t, w, freshly(full()))
	_, body := get(s, "/api/v1/status")
	var report struct {
		Watchers map[string]time.Time
		Expected map[string]float64 `json:"watchers_expected"`
	}
	if err := json.Unmarshal([]byte(body), &report); err != nil || time.Since(report.Watchers["prometheus"]) > time.Minute || report.Expected["prometheus"] != 300 {
		t.Errorf("%v: %+v", err, report)
	}
	if _, body := get(s, "/metrics"); strings.Count(body, `mirror_watcher_last_seen_timestamp_seconds{watcher="prometheus"} 1`) != 1 {
		t.Error("no stamp in the metrics")
	}
	w.Heard(WatcherSensu)
	_, body = get(s, "/metrics")
	if !strings.Contains(body, `mirror_watcher_last_seen_timestamp_seconds{watcher="sensu"} 1`) || strings.Contains(body, `mirror_watcher_expected_seconds{watcher="sensu"}`) ||
		!strings.Contains(body, `mirror_watcher_expected_seconds{watcher="prometheus"} 300`) {
		t.Error("who is expected is not told from who is not")
	}
}

func TestAScrapeThatIsNotTakenIsNone(t *testing.T) {
	w := NewWatchers(nil)
	s := watched(t, w, freshly(full()))
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Host = "localhost"
	s.doors[0].server.Handler.ServeHTTP(deaf{httptest.NewRecorder()}, request)
	if seen, _ := w.stamps(); len(seen) != 0 {
		t.Errorf("stamps %v", seen)
	}
}

// deaf is a client that went away.
type deaf struct{ *httptest.ResponseRecorder }

func (deaf) Write([]byte) (int, error) { return 0, http.ErrHandlerTimeout }
