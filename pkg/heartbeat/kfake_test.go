package heartbeat

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/lag"
)

const patience = 20 * time.Second

func open(t *testing.T, name string, options ...kfake.Opt) *kafka.Cluster {
	t.Helper()
	fake, err := kfake.NewCluster(append(options, kfake.NumBrokers(2))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c, err := kafka.New(name, kafka.Config{Brokers: fake.ListenAddrs()}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// start runs a heart until the returned function is called, or the test ends.
func start(t *testing.T, h *Heart) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// await polls what a heart knows of an origin until it is as wanted.
func await(t *testing.T, h *Heart, origin string, want func(lag.Heartbeat) bool) lag.Heartbeat {
	t.Helper()
	var last lag.Heartbeat
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		all, _ := h.Status(time.Now())
		for _, last = range all {
			if last.Origin == origin && want(last) {
				return last
			}
		}
	}
	all, clusters := h.Status(time.Now())
	t.Fatalf("origin %s is not as wanted after %v: %+v, %+v", origin, patience, all, clusters)
	return last
}

// put writes records as an origin would.
func put(t *testing.T, c *kafka.Cluster, cfg Config, records ...Record) {
	t.Helper()
	for _, r := range records {
		value, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		b := batch.Build([]batch.Record{{Timestamp: r.Time.UnixMilli(), Key: []byte(r.Origin), Value: value}})
		if _, err := c.Append(t.Context(), cfg.Topic, 0, b); err != nil {
			t.Fatal(err)
		}
	}
}

func recordNow(sequence int64, ago time.Duration) Record {
	return Record{Origin: "ad-19", Cluster: "edge", Incarnation: 1000, Sequence: sequence, Time: time.Now().Add(-ago), Interval: time.Second}
}

// What one process writes it hears, on a topic that it makes; a second life of it goes on without a gap.
func TestAHeartHearsItself(t *testing.T) {
	c := open(t, "home")
	cfg := config(t)
	cfg.Interval = 50 * time.Millisecond
	var latencies atomic.Int64
	cfg.Latency = func(cluster string, latency time.Duration) {
		if cluster != "home" || latency > patience {
			t.Errorf("latency %v at %s", latency, cluster)
		}
		latencies.Add(1)
	}
	life := func() lag.Heartbeat {
		h := New(cfg, []*kafka.Cluster{c}, []*kafka.Cluster{c}, snapshot, quiet())
		stop := start(t, h)
		got := await(t, h, "ad-17", func(b lag.Heartbeat) bool { return b.Sequence >= 5 && b.State == lag.HeartbeatOK && b.Latency != nil })
		stop()
		_, clusters := h.Status(time.Now())
		for i, reads := range []bool{false, true} {
			if s := clusters[i]; s.Cluster != "home" || s.Reads != reads || s.Success == nil || s.Problem != "" || s.Ignored != 0 {
				t.Errorf("cluster %d: %+v", i, s)
			}
		}
		return got
	}
	first := life()
	if second := life(); second.Lost != 0 || !second.Time.After(first.Time) || second.Summary == nil || second.Summary.Version != "v1" {
		t.Errorf("got %+v, then %+v", first, second)
	}
	if latencies.Load() == 0 {
		t.Error("no latency was told")
	}
}

// What was heard survives a restart of the reader: whoever is silent since is still known, with its deadline and losses, and
// what came meanwhile is read from where it was left.
func TestWhatWasHeardSurvives(t *testing.T) {
	t.Parallel() // it waits for a silence
	c := open(t, "home", kfake.SeedTopics(1, "mirror.heartbeats"))
	cfg := config(t)
	deadline := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	old := recordNow(1, 2*time.Hour)
	last := recordNow(7, 0)
	last.Summary = &lag.HeartbeatSummary{Version: "v9", LossDeadline: &deadline}
	put(t, c, cfg, old, recordNow(3, time.Minute), last)

	h := New(cfg, nil, []*kafka.Cluster{c}, nil, quiet())
	stop := start(t, h)
	await(t, h, "ad-19", func(b lag.Heartbeat) bool { return b.Sequence == 7 })
	h.readers[0].mu.Lock()
	if o := h.readers[0].heard.origins["ad-19"]; len(o.Streams) != 1 || len(o.Streams[0].Holes) != 1 || o.Streams[0].Holes[0].span != (span{4, 7}) {
		t.Errorf("what was written before the first look counts: %+v", o.Streams[0])
	}
	h.readers[0].mu.Unlock()
	stop()

	put(t, c, cfg, Record{Origin: "other", Cluster: "edge", Incarnation: 1, Time: time.Now(), Interval: time.Second}, recordNow(4, 0))
	h = New(cfg, nil, []*kafka.Cluster{c}, nil, quiet())
	if all, clusters := h.Status(time.Now().Add(time.Hour)); len(all) != 1 || all[0].State != lag.HeartbeatUnknown || !all[0].Summary.LossDeadline.Equal(deadline) || clusters[0].Current {
		t.Errorf("before it runs: %+v, %+v", all, clusters)
	}
	stop = start(t, h)
	await(t, h, "other", func(lag.Heartbeat) bool { return true })
	if got := await(t, h, "ad-19", func(b lag.Heartbeat) bool { return b.State == lag.HeartbeatSilent }); got.Sequence != 7 || got.Lost != 0 || got.Missing != 2 || !got.Summary.LossDeadline.Equal(deadline) || got.Summary.Version != "v9" {
		t.Errorf("got %+v, %+v", got, got.Summary)
	}
	stop()
	h.readers[0].mu.Lock()
	holes := h.readers[0].heard.origins["ad-19"].Streams[0].Holes
	h.readers[0].mu.Unlock()
	if len(holes) != 1 || holes[0].span != (span{5, 7}) {
		t.Errorf("the record that came late is not seen: %+v", holes)
	}
}

func TestForgetting(t *testing.T) {
	c := open(t, "home", kfake.SeedTopics(1, "mirror.heartbeats"))
	cfg := config(t)
	put(t, c, cfg, recordNow(0, 0))
	h := New(cfg, nil, []*kafka.Cluster{c}, nil, quiet())
	stop := start(t, h)
	await(t, h, "ad-19", func(lag.Heartbeat) bool { return true })
	if err := h.Forget("ad-91"); !errors.Is(err, ErrUnknown) {
		t.Errorf("one that there is not: %v", err)
	}
	if err := h.Forget("ad-19"); err != nil {
		t.Fatal(err)
	}
	if all, _ := h.Status(time.Now()); len(all) != 0 || all == nil {
		t.Errorf("it is still there: %+v", all)
	}
	if all, _ := New(Config{Instance: cfg.Instance, StateDir: cfg.StateDir, Topic: cfg.Topic}, nil, []*kafka.Cluster{c}, nil, quiet()).Status(time.Now()); len(all) != 0 {
		t.Errorf("it would be back after a crash: %+v", all)
	}
	stop()
	if all, _ := New(cfg, nil, []*kafka.Cluster{c}, nil, quiet()).Status(time.Now()); len(all) != 0 {
		t.Errorf("it is back after a restart: %+v", all)
	}
}

// What is no heartbeat, damaged or of another program, is counted and holds nothing up.
func TestForeignRecordsHoldNothingUp(t *testing.T) {
	c := open(t, "home", kfake.SeedTopics(1, "mirror.heartbeats"))
	cfg := config(t)
	for _, value := range []string{"", "hello", `{"v":99}`} {
		if _, err := c.Append(t.Context(), cfg.Topic, 0, batch.Build([]batch.Record{{Timestamp: time.Now().UnixMilli(), Key: []byte("ad-19"), Value: []byte(value)}})); err != nil {
			t.Fatal(err)
		}
	}
	put(t, c, cfg, recordNow(0, 0))
	h := New(cfg, nil, []*kafka.Cluster{c}, nil, quiet())
	start(t, h)
	await(t, h, "ad-19", func(lag.Heartbeat) bool { return true })
	if _, clusters := h.Status(time.Now()); clusters[0].Ignored != 3 || clusters[0].Problem != "" {
		t.Errorf("got %+v", clusters[0])
	}
}

// A topic that is not there yet is waited for; while it is not, nobody is called silent.
func TestATopicThatComesLater(t *testing.T) {
	c := open(t, "home")
	cfg := config(t)
	h := New(cfg, nil, []*kafka.Cluster{c}, nil, quiet())
	start(t, h)
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, clusters := h.Status(time.Now()); strings.Contains(clusters[0].Problem, "there is no topic mirror.heartbeats at home yet") && !clusters[0].Current {
			break
		}
		if time.Now().After(until) {
			t.Fatal("it is not said that there is no topic")
		}
	}
	if err := c.CreateTopic(t.Context(), kafka.NewTopic{Name: cfg.Topic, Partitions: 3, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	put(t, c, cfg, recordNow(0, 0))
	await(t, h, "ad-19", func(lag.Heartbeat) bool { return true })
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, clusters := h.Status(time.Now()); clusters[0].Problem == "" && clusters[0].Current {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the problem stays")
		}
	}
}

// A log that lost what was not read yet is gone on with, and what is missing does not count.
func TestALogThatWentOnWithoutUs(t *testing.T) {
	c := open(t, "home", kfake.SeedTopics(1, "mirror.heartbeats"))
	cfg := config(t)
	put(t, c, cfg, recordNow(0, 0))
	h := New(cfg, nil, []*kafka.Cluster{c}, nil, quiet())
	stop := start(t, h)
	await(t, h, "ad-19", func(lag.Heartbeat) bool { return true })
	stop()
	h = New(cfg, nil, []*kafka.Cluster{c}, nil, quiet())
	h.readers[0].place.Next[0] = 1000 // behind the end, as after the log was cut
	put(t, c, cfg, recordNow(90, 0))
	start(t, h)
	await(t, h, "ad-19", func(b lag.Heartbeat) bool { return b.Sequence == 90 })
	h.readers[0].mu.Lock()
	defer h.readers[0].mu.Unlock()
	if o := h.readers[0].heard.origins["ad-19"]; len(o.Streams[0].Holes) != 0 || o.Lost != 0 {
		t.Errorf("got %+v", o.Streams[0])
	}
}

// Saved files that cannot be read are put aside: the process starts, and says so.
func TestUnreadableState(t *testing.T) {
	c := open(t, "home", kfake.SeedTopics(1, "mirror.heartbeats"))
	for name, text := range map[string]string{"cut": `{"format":1,"orig`, "newer": `{"format":2}`, "a name": `{"format":1,"topic":"mirror.heartbeats","origins":{"a b":{}}}`,
		"nothing": `{"format":1,"topic":"mirror.heartbeats","origins":{"a":null}}`, "a stream of nothing": `{"format":1,"topic":"mirror.heartbeats","origins":{"a":{"streams":[null]}}}`} {
		cfg := config(t)
		path := filepath.Join(cfg.StateDir, "heartbeats-home.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		h := New(cfg, nil, []*kafka.Cluster{c}, nil, quiet())
		if all, _ := h.Status(time.Now()); len(all) != 0 {
			t.Errorf("%s: %+v", name, all)
		}
		if kept, err := os.ReadFile(path + ".unreadable"); err != nil || string(kept) != text {
			t.Errorf("%s: %q, %v", name, kept, err)
		}
	}
}
