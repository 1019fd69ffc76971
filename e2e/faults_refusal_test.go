package e2e_test

import (
	"context"
	"fmt"
	"os"
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

// bombs writes 20 MiB of zeros in each codec, which are a few KiB on the wire, to a link that writes in a codec of its own
// and so has to unpack them. Each partition must be copied or halted, in bounded memory, and the others must go on.
func bombs(t *testing.T, e *evidence) {
	codecs := []kgo.CompressionCodec{kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	r := newRoute(t, "fault-e16", stage.edge.get(t), stage.home.get(t), len(codecs)+1, func(s *settings) {
		s.Memory, s.link().Compression = "16MiB", "zstd"
	})
	must(t, r.from.SetTopicConfig(within(t, 30*time.Second), r.topic, map[string]string{"max.message.bytes": "4000000"}))
	for p, codec := range codecs {
		client, err := r.from.Client(kgo.DefaultProduceTopic(r.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(32<<20), kgo.BrokerMaxWriteBytes(64<<20))
		must(t, err)
		must(t, client.ProduceSync(within(t, time.Minute), &kgo.Record{Partition: int32(p), Value: make([]byte, 20<<20)}).FirstErr())
		client.Close()
	}
	r.host.start(t)
	watching, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	samples, err := load.Processes(watching, r.host.run.pid(), 50*time.Millisecond)
	must(t, err)
	sibling := int32(len(codecs))
	produceTo(t, r, sibling, 100)
	eventually(t, noticeWithin, "every partition is copied or halted", func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err != nil {
			return err
		}
		for _, p := range topic.Partitions {
			if p.State != "halted" && p.State != "caught_up" || p.Partition == sibling && p.State != "caught_up" {
				return fmt.Errorf("partition %d is %s %s", p.Partition, p.State, p.Error)
			}
		}
		return nil
	})
	topic, err := r.host.topic(t.Context(), r.topic)
	must(t, err)
	for _, p := range topic.Partitions[:sibling] {
		e.fired("%s %s", p.State, p.Reason)
	}
	peak := samples.PeakRSSBytes()
	e.note("20 MiB of zeros in each of %d codecs, %d MiB of memory at most", len(codecs), peak>>20)
	if peak > peakBytes {
		t.Errorf("memory: got %d MiB, want at most %d MiB", peak>>20, peakBytes>>20)
	}
	r.host.stop(t)
}

// produceTo writes plain records to one partition.
func produceTo(t *testing.T, r *route, partition int32, records int) {
	t.Helper()
	client, err := r.from.Client(kgo.DefaultProduceTopic(r.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(t, err)
	defer client.Close()
	for i := range records {
		client.Produce(t.Context(), &kgo.Record{Partition: partition, Value: fmt.Appendf(nil, "other %d", i)}, nil)
	}
	must(t, client.Flush(within(t, 30*time.Second)))
}
