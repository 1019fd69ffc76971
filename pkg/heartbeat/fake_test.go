package heartbeat

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/lag"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

var errCut = errors.New("cut off")

// outcome is what becomes of a write.
type outcome int

const (
	acked   outcome = iota
	landed          // it is in the log, and the writer is not told
	missed          // it is not, and the writer is not told
	refused         // the cluster cannot even be asked
)

// fakeTarget is a topic of one partition with outcomes of the test's choice. It is for one goroutine.
type fakeTarget struct {
	t       *testing.T
	topics  map[string]int // partitions
	policy  string
	next    func() outcome
	records []Record // in the log
	sure    map[int64]bool
	creates []kafka.NewTopic
}

func (f *fakeTarget) Name() string { return "edge" }

func (f *fakeTarget) Partitions(_ context.Context, topic string) (int, error) {
	if f.next != nil && f.next() == refused {
		return 0, errCut
	}
	return f.topics[topic], nil
}

func (f *fakeTarget) CreateTopic(_ context.Context, topic kafka.NewTopic) error {
	f.creates = append(f.creates, topic)
	f.topics[topic.Name] = int(topic.Partitions)
	return nil
}

func (f *fakeTarget) TopicConfigs(_ context.Context, topics []string, _ ...string) (map[string]map[string]string, error) {
	return map[string]map[string]string{topics[0]: {"cleanup.policy": f.policy}}, nil
}

func (f *fakeTarget) Append(_ context.Context, _ string, partition int32, b []byte) (int64, error) {
	records, err := batch.Batch(b).Records(1 << 20)
	if err != nil || len(records) != 1 || partition != 0 {
		f.t.Fatalf("a batch of %d records for partition %d: %v", len(records), partition, err)
	}
	r, err := parse(records[0].Key, records[0].Value)
	if err != nil {
		f.t.Fatal(err)
	}
	if records[0].Timestamp != r.Time.UnixMilli() {
		f.t.Fatalf("the record's timestamp is %d, its time %v", records[0].Timestamp, r.Time)
	}
	came := acked
	if f.next != nil {
		came = f.next()
	}
	switch came {
	case acked:
		f.sure[r.Sequence] = true
		f.records = append(f.records, r)
		return 0, nil
	case landed:
		f.records = append(f.records, r)
	}
	return 0, errCut
}

func newFakeTarget(t *testing.T) *fakeTarget {
	return &fakeTarget{t: t, topics: map[string]int{}, sure: map[int64]bool{}}
}

func config(t *testing.T) Config {
	return Config{Instance: "ad-17", StateDir: t.TempDir(), Topic: "mirror.heartbeats", Interval: 10 * time.Second, Latency: func(string, time.Duration) {}}
}

func snapshot() *lag.Snapshot { return &lag.Snapshot{Version: "v1"} }
