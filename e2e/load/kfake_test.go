package load

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const testTopic = "events"

// startCluster returns the seeds of a fake cluster of three brokers that holds
// testTopic.
func startCluster(t testing.TB, partitions int32) []string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(partitions, testTopic))
	if err != nil {
		t.Fatalf("start cluster: %v", err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func mustProduce(t testing.TB, seeds []string, spec Spec) Report {
	t.Helper()
	report, err := Produce(testContext(t), seeds, spec)
	if err != nil {
		t.Fatalf("produce: %v (%v)", err, report)
	}
	return report
}

// readAll returns the committed records of testTopic by partition.
func readAll(t testing.TB, seeds []string) [][]*kgo.Record {
	t.Helper()
	ctx := testContext(t)
	r, err := openReader(ctx, seeds, testTopic)
	if err != nil {
		t.Fatalf("open reader: %v", err)
	}
	defer r.close()
	spans, err := r.spans(ctx, readCommitted)
	if err != nil {
		t.Fatalf("note ends: %v", err)
	}
	all := make([][]*kgo.Record, len(spans))
	for _, p := range r.partitions() {
		err := r.scan(ctx, p, spans[p], readCommitted, func(record *kgo.Record) error {
			all[p] = append(all[p], record)
			return nil
		})
		if err != nil {
			t.Fatalf("read: %v", err)
		}
	}
	return all
}

// writeAll appends records to the partitions of testTopic, as a mirror of the
// plainest kind would.
func writeAll(t testing.TB, seeds []string, partitions [][]*kgo.Record, opts ...kgo.Opt) {
	t.Helper()
	opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(testTopic))
	client, err := newClient(seeds, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := testContext(t)
	var failed error
	for p, records := range partitions {
		for _, r := range records {
			again := &kgo.Record{Partition: int32(p), Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
			client.Produce(ctx, again, func(_ *kgo.Record, err error) { failed = errors.Join(failed, err) })
		}
	}
	if err := client.Flush(ctx); err != nil || failed != nil {
		t.Fatalf("write: %v", errors.Join(err, failed))
	}
}
