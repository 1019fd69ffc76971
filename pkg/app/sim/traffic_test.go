package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The topics: of one the records are of now, of the other from a time that brokers forget producers for.
const (
	young           = "clicks"
	old             = "archive"
	partitionsOf    = 3
	archiveIsFromAt = -8 * 24 * time.Hour
)

func topicNames() []string { return []string{young, old} }

// place is a partition.
type place struct {
	topic     string
	partition int32
}

// traffic produces to the edge now and then. What comes of a burst is for the edge's log to say: brokers that forget producers, or are lost
// for long, let this producer double records or give them up.
type traffic struct {
	client *kgo.Client
	random *rand.Rand
	every  time.Duration // on average

	pausing chan struct{} // holds one while a burst is on its way; a mutex would stop the bubble's time
	made    uint64        // records
	failed  int           // bursts
}

func newTraffic(t *testing.T, w *world, seed uint64) *traffic {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 9))
	// Not zstd: kgo closes its decoders in finalizers, which run outside the bubble.
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression()}
	return &traffic{client: w.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(16<<10),
		kgo.ProducerBatchCompression(codecs[r.IntN(len(codecs))]), kgo.SeedBrokers(w.edge.hosts[0].addr, w.edge.hosts[1].addr, w.edge.hosts[2].addr),
		kgo.RequestRetries(1<<30), kgo.RetryTimeout(10000*time.Hour), kgo.UnknownTopicRetries(-1)),
		random: r, every: time.Duration(500+r.IntN(5000)) * time.Millisecond,
		pausing: make(chan struct{}, 1)}
}

// run produces until ctx ends.
func (f *traffic) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(f.random.ExpFloat64() * float64(f.every))):
		}
		select {
		case <-ctx.Done():
			return
		case f.pausing <- struct{}{}:
		}
		f.burst()
		<-f.pausing
	}
}

// burst produces some records to one partition, and waits for them whatever is broken.
func (f *traffic) burst() {
	to := place{young, int32(f.random.IntN(partitionsOf))}
	now := time.Now()
	if f.random.IntN(3) == 0 {
		to.topic, now = old, now.Add(archiveIsFromAt)
	}
	var records []*kgo.Record
	for range 1 + f.random.IntN(12) {
		records = append(records, f.record(to, now))
	}
	if f.random.IntN(40) == 0 { // a batch of some size
		for range 200 {
			records = append(records, f.record(to, now))
		}
	}
	if f.client.ProduceSync(context.Background(), records...).FirstErr() != nil {
		f.failed++
	}
}

func (f *traffic) record(to place, now time.Time) *kgo.Record {
	f.made++
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 400), f.made)
	for range f.random.IntN(50) {
		value = binary.BigEndian.AppendUint64(value, f.random.Uint64())
	}
	return &kgo.Record{Topic: to.topic, Partition: to.partition, Timestamp: now, Value: value,
		Key: fmt.Append(nil, f.made), Headers: []kgo.RecordHeader{{Key: "n", Value: value[:8]}, {Key: "n"}}}
}

// compare says where the records of a partition differ from those it should have, in their order; "" nowhere.
func compare(got, want []*kgo.Record) string {
	for i := range min(len(got), len(want)) {
		if g, w := got[i], want[i]; !same(g, w) {
			return fmt.Sprintf("record %d is number %d of %v, want number %d of %v; there are %d, want %d",
				i, number(g), g.Timestamp, number(w), w.Timestamp, len(got), len(want))
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d records, want %d", len(got), len(want))
	}
	return ""
}

func number(r *kgo.Record) uint64 { return binary.BigEndian.Uint64(r.Value) }

func same(a, b *kgo.Record) bool {
	return bytes.Equal(a.Value, b.Value) && bytes.Equal(a.Key, b.Key) && a.Timestamp.Equal(b.Timestamp) &&
		slices.EqualFunc(a.Headers, b.Headers, func(a, b kgo.RecordHeader) bool {
			return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
		})
}
