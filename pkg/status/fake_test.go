package status

import (
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// update rewrites the golden files.
var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; see what -update makes of it. got\n%s", name, got)
	}
}

func number64(v int64) *int64 { return new(v) }

func moment(s int) *time.Time {
	t := time.Unix(1_700_000_000+int64(s), 250_000_000).UTC()
	return &t
}

// outlook has all causes.
func outlook() lag.Outlook {
	return lag.Outlook{Deadlines: map[lag.Cause]time.Time{lag.CauseRetentionTime: *moment(82800), lag.CauseRetentionBytes: *moment(90000), lag.CauseDiskFull: *moment(111600),
		lag.CauseTargetRetention: *moment(86400), lag.CauseCompaction: *moment(82800)}, LossDeadline: moment(82800), LossCause: lag.CauseRetentionTime,
		SourceRetention: new(24 * time.Hour), SourceRetentionBytes: number64(1 << 30), TargetRetention: new(25 * time.Hour), OldestRecord: moment(-80000),
		Traffic: &lag.Traffic{Now: 100, HourMax: 200.5, P95: 150}, OutageBudget: new(24 * time.Hour), Used: new(0.04)}
}

// full is a snapshot with everything: known, unknown, halted, a link without topics.
func full() *lag.Snapshot {
	halted := lag.Partition{Partition: 3, State: mirror.StateHalted, Cause: mirror.CauseRetention, Why: "the source deleted the records from offset 60000 to 60900 before they were read",
		Loss: &mirror.Loss{From: 60000, To: 60900, Records: 900}, Fresh: true, Next: number64(60000), Committed: number64(60000), SourceEnd: number64(61000), Lag: number64(1000), ReplicatedThrough: moment(-3600)}
	clicks := lag.Topic{Topic: "clicks", Dest: "clicks", Owner: "ad-17", State: mirror.StateHalted, LagRecords: number64(1000), SourceEnd: number64(61000), Acked: number64(60000),
		ReplicatedThrough: moment(-3600), LastAck: moment(-3500), TombstoneDeadline: moment(82800), Lost: map[mirror.Cause]int64{mirror.CauseRetention: 900},
		Counters:   mirror.Counters{RecordsAcked: 11, BytesAcked: 12, RecordsFetched: 13, BytesFetched: 14, Resends: 15, Scans: 16, Gaps: mirror.Gaps{Control: 17, Compaction: 18, Unexplained: 19}},
		Partitions: []lag.Partition{{Partition: 2, State: mirror.StateCaughtUp, Fresh: true, Next: number64(0), Committed: number64(0), SourceEnd: number64(0), Lag: number64(0), ReplicatedThrough: moment(0)}, halted}}
	clicks.Outlook = outlook()
	clicks.Partitions[1].LossDeadline = moment(82800)
	dark := lag.Topic{Topic: "dark", Dest: "dark", Owner: "ad-17", State: mirror.StateWaiting, Lost: map[mirror.Cause]int64{},
		Partitions: []lag.Partition{{State: mirror.StateWaiting, Why: "dial <region-1:9093>: refused", Blame: &mirror.Blame{Side: mirror.SideTarget, Class: mirror.ErrorConnection}}}}
	return &lag.Snapshot{Time: *moment(0), Instance: "ad-17", Zone: "us-east-1a", Version: "v1", BudgetTotal: 64 << 20, BudgetUsed: number64(1 << 20),
		Links: []lag.Link{
			{Name: "up", From: "edge", To: "region", State: mirror.StateHalted, Running: true, LastSave: moment(-1), Topics: []lag.Topic{clicks, dark},
				Probe: lag.Probe{Source: lag.Probed{Success: moment(-2)}, Target: lag.Probed{Success: moment(-90), Problem: "dial region-1:9093: refused"}},
				Disks: []lag.Disk{{Broker: 1, Dir: "/kafka", Total: number64(894 << 30), Usable: number64(412 << 30), FullAt: moment(111600)}}, Retention: lag.Retention{Warn: 0.5, Critical: 0.25}},
			{Name: "down", From: "region", To: "edge", AtLeastOnce: true, State: mirror.StateStarting},
		}}
}

// poolView is a view with everything: an owner, a standby, a shared topic, one without an owner, a failover.
func poolView() *pool.View {
	own := pool.Unit{Unit: mirror.Unit{Topic: "clicks", Of: 1}, Owner: "ad-17", Zone: "z1", Incarnation: "ad-17-1", Standby: "ad-18", Term: 7, Since: *moment(-60), Mine: true}
	part := pool.Unit{Unit: mirror.Unit{Topic: "wide", Part: 1, Of: 2}, Owner: "ad-18", Zone: "z2", Incarnation: "ad-18-2", Term: 3, Since: *moment(-61)}
	return &pool.View{Phase: pool.Connected, Since: *moment(-100), Timeout: 6 * time.Second, Expired: 1, Instance: "ad-17", Incarnation: "ad-17-1", Leader: "ad-18-2",
		Members: []pool.Member{{Incarnation: "ad-17-1", Instance: "ad-17", Zone: "z1", Capacity: 1}, {Incarnation: "ad-18-2", Instance: "ad-18", Zone: "z2", Capacity: 0.5, Draining: true, Peer: pool.StreamSilent}},
		Units:   []pool.Unit{own, part},
		Unowned: []pool.Unowned{{Unit: mirror.Unit{Topic: "wide", Part: 0, Of: 2}, Planned: "ad-19", Standby: "ad-17", Since: *moment(-20), Why: "ad-19 is gone"}},
		Pins:    map[string]string{"clicks": "ad-17"}, Changes: map[pool.Change]int{pool.ChangeDead: 4},
		Failover:  pool.Failover{At: *moment(-60), Duration: 312 * time.Millisecond, From: "ad-19", Units: 4},
		Evictions: 2, LastEviction: pool.Eviction{Instance: "ad-19", Incarnation: "ad-19-0", At: *moment(-60)}, Problems: []string{"<ad-18> answers nothing"}}
}

// shared is full with a pool for its first link.
func shared() *lag.Snapshot {
	s := full()
	s.Links[0].Pool = poolView()
	s.Links[0].Topics = append(s.Links[0].Topics, lag.Topic{Topic: "far", Owner: "ad-18", Zone: "z2", Term: 9, OwnedSince: moment(-5), Away: true, State: lag.StateElsewhere})
	s.Heartbeats, s.HeartbeatClusters = heartbeats()
	return s
}

// heartbeats are of an origin that is silent and one that is not, and of a cluster on each side.
func heartbeats() ([]lag.Heartbeat, []lag.HeartbeatCluster) {
	said := &lag.HeartbeatSummary{Version: "v1", State: mirror.StateWaiting, Lag: new(2 * time.Hour), LossDeadline: moment(3600), DiskFullAt: moment(7200), Eligible: new(false), NotOK: 3}
	return []lag.Heartbeat{
			{Origin: "ad-18", State: lag.HeartbeatOK, Time: *moment(-1), Heard: *moment(0), Sequence: 7, Latency: new(120 * time.Millisecond), Interval: 10 * time.Second},
			{Origin: "ad-19", State: lag.HeartbeatSilent, Why: "nothing heard for <5m>", Time: *moment(-300), Heard: *moment(-299), Sequence: 99, Lost: 2, Interval: 10 * time.Second, Summary: said}},
		[]lag.HeartbeatCluster{{Cluster: "edge", Topic: "mirror.heartbeats", Success: moment(-2)},
			{Cluster: "home", Topic: "mirror.heartbeats", Reads: true, Success: moment(-1), Current: true, Problem: "dial <home-1>: refused", Ignored: 4}}
}

// freshly returns a snapshot function whose answer was always taken just now.
func freshly(s *lag.Snapshot) func() *lag.Snapshot {
	return func() *lag.Snapshot {
		now := *s
		now.Time = time.Now()
		return &now
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newServer returns a server that listens on a free loopback port and does not run.
func newServer(t *testing.T, snapshots func() *lag.Snapshot, checks ...Check) *Server {
	t.Helper()
	s, err := New(Config{Listen: "127.0.0.1:0", Checks: checks}, snapshots, prometheus.NewRegistry(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.doors[0].listener.Close() }) // it may have been closed by Run
	return s
}

// ask gives a request to the server's handler.
func ask(s *Server, method, target, host string) (code int, header http.Header, body string) {
	request := httptest.NewRequest(method, target, nil)
	request.Host = host
	recorder := httptest.NewRecorder()
	s.doors[0].server.Handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Header(), recorder.Body.String()
}

func get(s *Server, target string) (code int, body string) {
	code, _, body = ask(s, http.MethodGet, target, "localhost:9464")
	return code, body
}

// read returns the body of a response.
func read(t *testing.T, r *http.Response) string {
	t.Helper()
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(string(body), "\n")
}
