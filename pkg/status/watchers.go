package status

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Those who watch a mirror.
const (
	WatcherPrometheus = "prometheus"
	WatcherSensu      = "sensu"
	WatcherLB         = "lb"
	WatcherDeadman    = "deadman"
)

// watcherHeader is where mirror check says who it is.
const watcherHeader = "Mirror-Watcher"

// Watchers remembers when each of those who watch this process was heard of last. Safe for concurrent use.
type Watchers struct {
	mu       sync.Mutex
	expected map[string]time.Duration // guarded by mu, as is seen
	seen     map[string]time.Time
}

// NewWatchers returns the watchers of a process that begins now. Those that are expected, each at least once in so long,
// count as heard of now: one that never comes is missed in its time.
func NewWatchers(expected map[string]time.Duration) *Watchers {
	w := &Watchers{seen: map[string]time.Time{}}
	w.Expect(expected)
	return w
}

// Expect replaces those who are expected.
func (w *Watchers) Expect(expected map[string]time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected = maps.Clone(expected)
	for name := range expected {
		if _, known := w.seen[name]; !known {
			w.seen[name] = time.Now()
		}
	}
}

// Heard notes that a watcher was heard of now.
func (w *Watchers) Heard(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[name] = time.Now()
}

// stamps returns when each watcher was heard of, and how long it may be silent.
func (w *Watchers) stamps() (seen map[string]time.Time, expected map[string]float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	expected = map[string]float64{}
	for name, silence := range w.expected {
		expected[name] = silence.Seconds()
	}
	seen = map[string]time.Time{}
	for name, at := range w.seen {
		seen[name] = at.UTC()
	}
	return seen, expected
}

// watcherSeries is the collector of the stamps and of the silence that is allowed.
type watcherSeries struct {
	watchers      *Watchers
	seen, allowed *prometheus.Desc
}

func newWatcherSeries(w *Watchers) watcherSeries {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"watcher"}, nil)
	}
	return watcherSeries{w,
		desc("mirror_watcher_last_seen_timestamp_seconds", "When one who watches this process was heard of last; of one that is expected, the start until then."),
		desc("mirror_watcher_expected_seconds", "The longest silence that the configuration allows one who watches; absent for those that are not expected.")}
}

// Describe implements prometheus.Collector.
func (s watcherSeries) Describe(out chan<- *prometheus.Desc) {
	out <- s.seen
	out <- s.allowed
}

// Collect implements prometheus.Collector.
func (s watcherSeries) Collect(out chan<- prometheus.Metric) {
	seen, expected := s.watchers.stamps()
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		at := seen[name]
		value, _ := seconds(&at)
		send(out, s.seen, prometheus.GaugeValue, value, name)
	}
	for _, name := range slices.Sorted(maps.Keys(expected)) {
		send(out, s.allowed, prometheus.GaugeValue, expected[name], name)
	}
}

// stamped notes the watcher that a request is of, if any, when it was answered in full with one of the codes.
func (s *Server) stamped(name func(*http.Request) string, next http.Handler, codes ...int) http.Handler {
	if s.cfg.Watchers == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answered{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r)
		if watcher := name(r); watcher != "" && slices.Contains(codes, answer.code) && answer.err == nil {
			s.cfg.Watchers.Heard(watcher)
		}
	})
}

// scraper is the watcher of a request for metrics.
func scraper(r *http.Request) string {
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); r.Method != http.MethodGet || ok && at.Network() == "unix" {
		return "" // at the socket it is mirror doctor
	}
	return WatcherPrometheus
}

// checker is the watcher of a request at the socket, where mirror check says who it is.
func checker(r *http.Request) string {
	if r.URL.Path == statusPath && r.Header.Get(watcherHeader) == WatcherSensu {
		return WatcherSensu
	}
	return ""
}

// answered notes what became of an answer.
type answered struct {
	http.ResponseWriter
	code int
	err  error // of writing
}

// WriteHeader notes the code.
func (a *answered) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

// Write notes an error.
func (a *answered) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	if err != nil {
		a.err = err
	}
	return n, err
}

// Unwrap lets http.ResponseController find the writer below.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }
