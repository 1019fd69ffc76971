package verify

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/pkg/kafka"
)

// fake is one simulated cluster.
type fake struct {
	name    string
	brokers *kfake.Cluster
	cluster *kafka.Cluster
	client  *kgo.Client // writes where it is told to, in order
}

func newFake(t *testing.T, name string, topics map[string]int32) *fake {
	t.Helper()
	opts := []kfake.Opt{kfake.NumBrokers(1)}
	for topic, partitions := range topics {
		opts = append(opts, kfake.SeedTopics(partitions, topic))
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cluster, err := kafka.New(name, kafka.Config{Brokers: c.ListenAddrs()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Close() })
	return &fake{name: name, brokers: c, cluster: cluster, client: newWriter(t, c.ListenAddrs())}
}

func newWriter(t *testing.T, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// write appends records, each where it says, in order.
func (f *fake) write(t *testing.T, records ...*kgo.Record) {
	t.Helper()
	writeWith(t, f.client, records...)
}

func writeWith(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	var fresh []*kgo.Record
	for _, r := range records {
		fresh = append(fresh, clone(r))
	}
	if err := client.ProduceSync(t.Context(), fresh...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// clone copies what a mirror keeps of a record.
func clone(r *kgo.Record) *kgo.Record {
	c := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Timestamp: r.Timestamp, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)}
	for _, h := range r.Headers {
		c.Headers = append(c.Headers, kgo.RecordHeader{Key: h.Key, Value: bytes.Clone(h.Value)})
	}
	return c
}

// day is when the records of tests begin.
func day() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }

// sample makes records that have everything a record can have. They are a second apart.
func sample(topic string, partition int32, n int) []*kgo.Record {
	var out []*kgo.Record
	for i := range n {
		r := &kgo.Record{Topic: topic, Partition: partition, Timestamp: day().Add(time.Duration(i) * time.Second),
			Key: fmt.Appendf(nil, "key-%d", i%7), Value: fmt.Appendf(nil, "value %s %d %d", topic, partition, i)}
		switch i % 5 {
		case 1:
			r.Headers = []kgo.RecordHeader{{Key: "trace", Value: []byte("a1")}, {Key: "zone", Value: nil}}
		case 2:
			r.Headers = []kgo.RecordHeader{{Key: "via", Value: []byte("x")}, {Key: "via", Value: []byte("y")}}
		case 3:
			r.Key = nil
		case 4:
			if i%10 == 4 {
				r.Value = nil
			}
		}
		out = append(out, r)
	}
	return out
}

func cloneAll(records []*kgo.Record) []*kgo.Record {
	out := make([]*kgo.Record, len(records))
	for i, r := range records {
		out[i] = clone(r)
	}
	return out
}

// all matches every topic, and same keeps its name.
func all(string) bool { return true }

func sameName(topic string) (string, error) { return topic, nil }

// compare runs a comparison of sources with a destination.
func compare(t *testing.T, to *fake, sources []*fake, tune ...func(*Config)) *Report {
	t.Helper()
	cfg := Config{Name: "test", Destination: to.cluster, Timeout: 400 * time.Millisecond, Dir: t.TempDir()}
	for _, s := range sources {
		cfg.Sources = append(cfg.Sources, Source{Link: s.name, Cluster: s.cluster, Match: all, Rename: sameName})
	}
	for _, change := range tune {
		change(&cfg)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	v, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	report, err := v.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return report
}
