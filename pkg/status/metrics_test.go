package status

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/rcrowley/go-metrics"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// ownMetrics returns the lines of a scrape that are not of Go or the process.
func ownMetrics(t *testing.T, s *Server) string {
	t.Helper()
	code, body := get(s, "/metrics")
	if code != 200 {
		t.Fatalf("%d: %s", code, body)
	}
	var own strings.Builder
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "mirror_") || strings.Contains(line, " mirror_") {
			own.WriteString(strings.ReplaceAll(line, runtime.Version(), "GO"))
		}
	}
	return own.String()
}

func TestMetricsGolden(t *testing.T) {
	golden(t, "metrics.txt", ownMetrics(t, newServer(t, full)))
}

func TestMetricsOfAPool(t *testing.T) {
	got := ownMetrics(t, newServer(t, shared))
	for _, want := range []string{`mirror_pool_owned{link="up"} 1`, `mirror_pool_unowned{link="up"} 1`, `mirror_pool_members{link="up"} 2`,
		`mirror_pool_state{link="up",state="connected"} 1`, `mirror_pool_state{link="up",state="suspended"} 0`, `mirror_pool_state_timestamp_seconds{link="up"} 1.69999990025e+09`,
		`mirror_failover_duration_seconds{link="up"} 0.312`, `mirror_evictions_total{link="up"} 2`, `mirror_pool_sessions_expired_total{link="up"} 1`,
		`mirror_assignment_changes_total{link="up",reason="dead"} 4`, `mirror_assignment_changes_total{link="up",reason="lost"} 0`} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, never := range []string{`mirror_pool_owned{link="down"}`, `topic="far"`} { // a link that is not shared; a topic of another member
		if strings.Contains(got, never) {
			t.Errorf("%s is there", never)
		}
	}
	absent := shared()
	absent.Links[0].Pool.Incarnation, absent.Links[0].Pool.Failover = "", pool.Failover{}
	got = ownMetrics(t, newServer(t, func() *lag.Snapshot { return absent }))
	for _, name := range []string{"mirror_pool_unowned{", "mirror_pool_members{", "mirror_failover_duration_seconds{"} {
		if strings.Contains(got, "\n"+name) {
			t.Errorf("%s of a process that is no member is there", name)
		}
	}
}

func TestUnknownIsAbsent(t *testing.T) {
	s := full()
	s.BudgetUsed, s.Links[0].LastSave = nil, nil
	got := ownMetrics(t, newServer(t, func() *lag.Snapshot { return s }))
	for _, name := range []string{"mirror_lag_records", "mirror_replicated_through_timestamp_seconds", "mirror_source_end_offset", "mirror_acked_offset", "mirror_last_ack_timestamp_seconds"} {
		if strings.Contains(got, name+`{link="up",topic="dark"}`) {
			t.Errorf("%s of an unknown topic is there", name)
		}
		if !strings.Contains(got, name+`{link="up",topic="clicks"}`) {
			t.Errorf("%s of a known topic is absent", name)
		}
	}
	for _, name := range []string{"mirror_inflight_bytes ", "mirror_checkpoint_timestamp_seconds{"} {
		if strings.Contains(got, "\n"+name) {
			t.Errorf("%s is there", name)
		}
	}
	if !strings.Contains(got, `mirror_records_lost_total{cause="retention",link="up",topic="dark"} 0`) {
		t.Error("the counter of losses is not born at 0")
	}
}

// Where there are no partitions yet, nothing else would say that they stand still.
func TestWhatCannotStartIsCounted(t *testing.T) {
	s := shared()
	s.Links[0].Topics = append(s.Links[0].Topics, lag.Topic{Topic: "refused", Problem: "create topic: not authorized", Partitions: []lag.Partition{{}}}, lag.Topic{Topic: "bare"})
	s.Links[1].Problem = "read metadata: connection refused"
	got := ownMetrics(t, newServer(t, func() *lag.Snapshot { return s }))
	for _, want := range []string{`mirror_problems{link="up"} 2`, `mirror_problems{link="down"} 1`} { // topics of other members do not count
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

func TestBeforeTheFirstSnapshotThereIsOnlyTheBuild(t *testing.T) {
	got := ownMetrics(t, newServer(t, func() *lag.Snapshot { return nil }))
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "mirror_build_info{") {
			t.Errorf("got %s", line)
		}
	}
	if !strings.Contains(got, "mirror_build_info{") {
		t.Errorf("no build in %q", got)
	}
}

func TestProcessMetrics(t *testing.T) {
	_, body := get(newServer(t, full), "/metrics")
	if !strings.Contains(body, "\ngo_goroutines ") {
		t.Error("the metrics of Go are absent")
	}
	if runtime.GOOS == "linux" && !strings.Contains(body, "\nprocess_cpu_seconds_total ") {
		t.Error("the metrics of the process are absent")
	}
	if strings.Contains(body, "process_network_") {
		t.Error("the network of the whole host is there")
	}
}

func TestANameThatIsNoTextFailsOnlyItself(t *testing.T) {
	s := full()
	s.Links[0].Topics[1].Topic = "\xff"
	code, body := get(newServer(t, func() *lag.Snapshot { return s }), "/metrics")
	if code != 200 || !strings.Contains(body, `mirror_lag_records{link="up",topic="clicks"} 1000`) {
		t.Errorf("%d, %d bytes", code, len(body))
	}
}

// topicsNamed makes a link of topics with a lag of 1 each.
func topicsNamed(names ...string) *lag.Snapshot {
	link := lag.Link{Name: "up"}
	for _, name := range names {
		link.Topics = append(link.Topics, lag.Topic{Topic: name, State: mirror.StateCopying, LagRecords: number64(1), Lost: map[mirror.Cause]int64{}})
	}
	return &lag.Snapshot{Links: []lag.Link{link}}
}

func TestTopicsBeyondTheLimitAreOne(t *testing.T) {
	var names []string
	for i := range DefaultMaxTopics + 5 {
		names = append(names, fmt.Sprintf("t%03d", i))
	}
	snapshot := topicsNamed(names...)
	s := newServer(t, func() *lag.Snapshot { return snapshot })
	expect := func(when string, lines ...string) {
		t.Helper()
		got := ownMetrics(t, s)
		for _, line := range lines {
			if !strings.Contains(got, line+"\n") {
				t.Errorf("%s: no %s", when, line)
			}
		}
		if n := strings.Count(got, "\nmirror_lag_records{"); n > DefaultMaxTopics+1 {
			t.Errorf("%s: %d series", when, n)
		}
	}
	expect("too many", `mirror_lag_records{link="up",topic="_other"} 5`, `mirror_metrics_collapsed_topics{link="up"} 5`,
		`mirror_lag_records{link="up",topic="t199"} 1`)
	snapshot = topicsNamed(append([]string{"a"}, names...)...)
	expect("a new one sorts first", `mirror_lag_records{link="up",topic="_other"} 6`, `mirror_lag_records{link="up",topic="t199"} 1`)
	snapshot = topicsNamed(append([]string{"a"}, names[1:]...)...)
	expect("one left", `mirror_lag_records{link="up",topic="a"} 1`, `mirror_lag_records{link="up",topic="_other"} 5`)
	snapshot = topicsNamed("_other", "b")
	expect("a topic of that name", `mirror_lag_records{link="up",topic="_other"} 1`, `mirror_lag_records{link="up",topic="b"} 1`, `mirror_metrics_collapsed_topics{link="up"} 1`)
	snapshot = topicsNamed("b")
	expect("few", `mirror_metrics_collapsed_topics{link="up"} 0`)
}

// TestMetricsPage holds docs/metrics.md against the registry.
func TestMetricsPage(t *testing.T) {
	reg := prometheus.NewRegistry()
	acks := NewAckDuration()
	acks.Of("up")
	cfg := Config{
		Series:           Series{Partitions: true},
		Journal:          noJournal{},
		Reloader:         &settings{},
		Logged:           CountLines(slog.DiscardHandler),
		HeartbeatLatency: NewHeartbeatLatency("home"),
		Watchers:         NewWatchers(map[string]time.Duration{WatcherSensu: time.Minute}),
		AckDuration:      acks,
		Clients:          map[string]metrics.Registry{"edge": clientRegistry(t)},
		Eligible:         &eligibleHost{},
	}
	paused := shared()
	paused.Links[0].Topics[1].PausedUntil = moment(3600)
	if err := register(reg, cfg, func() *lag.Snapshot { return paused }); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "mirror_") {
			got = append(got, described(f))
		}
	}
	if want := documented(t); !slices.Equal(got, want) {
		t.Errorf("the registry has\n%s\nthe page has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(got) < 15 {
		t.Errorf("only %d metrics", len(got))
	}
}

// described is a family as the page has it: name, type, labels.
func described(f *dto.MetricFamily) string {
	var labels []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(labels, l.GetName()) {
				labels = append(labels, l.GetName())
			}
		}
	}
	slices.Sort(labels)
	return strings.Join([]string{f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ",")}, " ")
}

// documented returns the rows of the page, sorted by name as the registry is.
func documented(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`mirror_") {
			continue
		}
		for i, cell := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cell), "`")
		}
		if cells[4] == "" {
			t.Errorf("%s has no meaning", cells[1])
		}
		labels := strings.Split(strings.ReplaceAll(cells[3], " ", ""), ",")
		slices.Sort(labels)
		rows = append(rows, strings.Join([]string{cells[1], cells[2], strings.Join(labels, ",")}, " "))
	}
	slices.Sort(rows)
	return rows
}
