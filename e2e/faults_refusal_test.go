package e2e_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/load"
)

// anyTime lets a topic take records from the future.
const anyTime = "9223372036854775807"

// recordOf makes a record that no codec makes smaller.
func recordOf(size int, at time.Time) *kgo.Record {
	return &kgo.Record{Value: []byte(fmt.Sprintf("%0*d", size, at.UnixNano())), Timestamp: at}
}

// refused sends one record to partition 0 that the destination refuses by its settings, while records flow in partition 1.
// The partition must halt with the cause, cost nothing while it is held, and go on when the settings were raised and the
// mirror started again.
func (e *evidence) refused(t *testing.T, name, cause string, strict, lenient map[string]string, record *kgo.Record) {
	t.Helper()
	r := newRoute(t, name, stage.edge.get(t), stage.home.get(t), 2)
	must(t, r.from.SetTopicConfig(within(t, 30*time.Second), r.topic, map[string]string{"message.timestamp.after.max.ms": anyTime}))
	must(t, r.to.CreateTopic(within(t, time.Minute), r.topic, 2, 1, strict))
	client, err := r.from.Client(kgo.DefaultProduceTopic(r.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	must(t, err)
	defer client.Close()
	must(t, client.ProduceSync(within(t, 30*time.Second), &kgo.Record{Value: []byte("before")}, record, &kgo.Record{Value: []byte("after")}).FirstErr())
	r.host.start(t)
	e.noticed = max(e.noticed, eventually(t, noticeWithin, "the partition halts as "+cause, func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err != nil {
			return err
		}
		if len(topic.Partitions) != 2 {
			return fmt.Errorf("%d partitions are known", len(topic.Partitions))
		}
		for _, p := range topic.Partitions {
			if p.Partition == 0 && (p.State != "halted" || p.Reason != cause) {
				return fmt.Errorf("partition 0 is %s %s %s", p.State, p.Reason, p.Error)
			}
		}
		return nil
	}))
	for i := range 100 {
		must(t, client.ProduceSync(within(t, 30*time.Second), &kgo.Record{Partition: 1, Value: fmt.Appendf(nil, "other %d", i)}).FirstErr())
	}
	eventually(t, noticeWithin, "the other partition goes on", func(ctx context.Context) error {
		ends, err := r.to.EndOffsets(ctx, r.topic)
		if err == nil && ends[1] < 100 {
			err = fmt.Errorf("ends are %v", ends)
		}
		return err
	})
	watching, cancel := context.WithTimeout(t.Context(), whole(3*time.Second, 10*time.Second))
	defer cancel()
	samples, err := load.Processes(watching, r.host.run.pid(), time.Second)
	must(t, err)
	share := samples.CPU().Seconds() / samples[len(samples)-1].At.Sub(samples[0].At).Seconds()
	if share > 0.2 {
		t.Errorf("a held partition costs %.0f %% of a core, want less than 20 %%", 100*share)
	}
	e.fired("halted as %s, at %.1f %% of a core; the other partition went on", cause, 100*share)
	must(t, r.to.SetTopicConfig(within(t, 30*time.Second), r.topic, lenient))
	r.host.stop(t)
	r.host.start(t)
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	e.exact(t, r)
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

const (
	largeValue = 20 << 20  // unpacked; a mirror copies it
	bombValue  = 200 << 20 // more than a mirror unpacks
	// bombBytes is what a mirror with a budget of 16 MiB may take when it unpacks batches of up to 128 MiB.
	bombBytes = peakBytes + 128<<20
)

// bombs writes zeros that are a few KiB on the wire, in each codec, to a link that writes in a codec of its own and so has
// to unpack them. What is large must be copied, what is a bomb must halt its partition, both in bounded memory.
func bombs(t *testing.T, e *evidence) {
	gzip, snappy, lz4, zstd := kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()
	zeros := []struct {
		codec kgo.CompressionCodec
		size  int
		state string
	}{{gzip, largeValue, "caught_up"}, {snappy, largeValue, "caught_up"}, {lz4, largeValue, "caught_up"}, {zstd, largeValue, "caught_up"},
		{gzip, bombValue, "halted"}, {lz4, bombValue, "halted"},
		{zstd, bombValue, "caught_up"}, // in the codec of the link: forwarded as it is, and never unpacked
		{kgo.NoCompression(), 100, "caught_up"}}
	r := newRoute(t, "fault-e16", stage.edge.get(t), stage.home.get(t), len(zeros), func(s *settings) {
		s.Memory, s.link().Compression = "16MiB", "zstd"
	})
	must(t, r.from.SetTopicConfig(within(t, 30*time.Second), r.topic, map[string]string{"max.message.bytes": "4000000"}))
	for p, z := range zeros {
		client, err := r.from.Client(kgo.DefaultProduceTopic(r.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerBatchCompression(z.codec), kgo.ProducerBatchMaxBytes(512<<20), kgo.BrokerMaxWriteBytes(1<<30))
		must(t, err)
		must(t, client.ProduceSync(within(t, time.Minute), &kgo.Record{Partition: int32(p), Value: make([]byte, z.size)}).FirstErr())
		client.Close()
	}
	r.host.start(t)
	watching, stop := context.WithCancel(t.Context())
	var samples load.ProcessSamples
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() { samples, failed = load.Processes(watching, r.host.run.pid(), 50*time.Millisecond) })
	e.noticed = eventually(t, noticeWithin, "every partition is copied or halted", func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err != nil {
			return err
		}
		if len(topic.Partitions) != len(zeros) {
			return fmt.Errorf("%d partitions are known, not %d", len(topic.Partitions), len(zeros))
		}
		for _, p := range topic.Partitions {
			if want := zeros[p.Partition].state; p.State != want {
				return fmt.Errorf("partition %d is %s %s %s, want %s", p.Partition, p.State, p.Reason, p.Error, want)
			}
		}
		return nil
	})
	stop()
	wg.Wait()
	must(t, failed)
	peak := samples.PeakRSSBytes()
	e.fired("20 MiB of zeros copied in 4 codecs, 200 MiB halted in 2 and forwarded in the link's own, %d MiB of memory at most", peak>>20)
	if peak > bombBytes {
		t.Errorf("memory: got %d MiB, want at most %d MiB", peak>>20, bombBytes>>20)
	}
	r.host.stop(t)
}
