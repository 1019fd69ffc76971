package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	testPartitions = 3
	testRecords    = 3000
	testTimeout    = 30 * time.Second
)

// newRoute starts a simulated broker for each side, and fills the source.
func newRoute(t *testing.T, codec string) route {
	t.Helper()
	address := func(topic string) string {
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(testPartitions, topic))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c.ListenAddrs()[0]
	}
	r := route{from: address("in"), to: address("out"), source: "in", destination: "out", partitions: testPartitions, codec: codec}
	client, err := kgo.NewClient(kgo.SeedBrokers(r.from), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range testRecords {
		record := &kgo.Record{Topic: "in", Partition: int32(i % testPartitions), Key: fmt.Append(nil, "k", i), Value: fmt.Append(nil, "v", i),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("w")}}, Timestamp: time.UnixMilli(int64(1e12 + i))}
		client.Produce(t.Context(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLoopsCopyEverything(t *testing.T) {
	loops := map[string]func(context.Context, route) error{"kgo": runKgo, "sarama": runSarama}
	for name, loop := range loops {
		for _, codec := range []string{"none", "lz4", "zstd"} {
			t.Run(name+" "+codec, func(t *testing.T) {
				r := newRoute(t, codec)
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- loop(ctx, r) }()
				got := consume(t, r)
				stop()
				if err := <-ended; err != nil {
					t.Errorf("the loop ended with %v", err)
				}
				for i := range testRecords {
					want := fmt.Sprintf("%d k%d v%d h=w %d", i%testPartitions, i, i, int64(1e12+i))
					if !got[want] {
						t.Fatalf("%q is not at the destination", want)
					}
				}
			})
		}
	}
}

// consume reads as many records as were filled in from the destination.
func consume(t *testing.T, r route) map[string]bool {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.to), kgo.ConsumeTopics(r.destination))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	got := map[string]bool{}
	for len(got) < testRecords {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d records arrived: %v", len(got), testRecords, err)
		}
		fetches.EachRecord(func(o *kgo.Record) {
			got[fmt.Sprintf("%d %s %s %s=%s %d", o.Partition, o.Key, o.Value, o.Headers[0].Key, o.Headers[0].Value, o.Timestamp.UnixMilli())] = true
		})
	}
	return got
}

func TestFloorHandlesTheWholeTopic(t *testing.T) {
	r := newRoute(t, "none")
	from, err := dial(t.Context(), r.from)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	batches, err := sampleBatches(from, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(batches) != testPartitions {
		t.Fatalf("got batches of %d partitions, want %d", len(batches), testPartitions)
	}
	for _, b := range batches {
		r.bytes += int64(len(b))
	}
	if got, err := discard(from, r); err != nil || got < r.bytes {
		t.Errorf("discard: got %d and %v, want at least %d", got, err, r.bytes)
	}
	endless := r
	endless.bytes = 1 << 40
	if _, err := discard(from, endless); err == nil {
		t.Error("discard of more than there is: got no error")
	}
	to, err := dial(t.Context(), r.to)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	const times = 23
	r.bytes *= times
	if got, err := produceHot(to, r, batches); err != nil || got != r.bytes {
		t.Errorf("produce: got %d and %v, want %d", got, err, r.bytes)
	}
	r.destination = "nowhere"
	if _, err := produceHot(to, r, batches); err == nil {
		t.Error("produce to a topic that is not: got no error")
	}
}

func TestRelayCopiesBytes(t *testing.T) {
	want := make([]byte, 3*relayBytes+17)
	if _, err := rand.Read(want); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if n, err := relay(bytes.NewReader(want), &out, int64(len(want))); err != nil || n != int64(len(want)) || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got %d bytes and %v, want the %d bytes of the source", n, err, len(want))
	}
	if _, err := relay(bytes.NewReader(want), &out, int64(len(want))+1); err == nil {
		t.Error("a source that ends too early: got no error")
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, stop := context.WithCancel(t.Context())
	conn, err := dial(ctx, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stop()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a read went on behind the end of its context")
	}
}

func TestRunRefuses(t *testing.T) {
	tests := map[string]string{
		"":                        "name one of",
		"nobody":                  "name one of",
		"kgo":                     "-from, -to, -source, -destination is missing",
		"relay -from a -to b":     "-bytes is missing",
		"floor -from a -to b":     "-bytes, -source, -destination is missing",
		"sarama -from a -to b -x": "-x",
		"kgo -from 127.0.0.1:1 -to 127.0.0.1:1 -source a -destination b -codec brotli": "codec",
	}
	for args, want := range tests {
		t.Run(args, func(t *testing.T) {
			if err := run(t.Context(), strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want an error with %q", err, want)
			}
		})
	}
}
