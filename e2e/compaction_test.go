package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// quickCompaction makes the cleaner come to a topic every second.
var quickCompaction = map[string]string{"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01",
	"max.compaction.lag.ms": "1000", "delete.retention.ms": "3600000"}

const compactionKeys = 40 // of a partition

// While the cleaner is at work at both ends and the mirror dies by kill -9, a compacted topic loses nothing: the last value of
// every key and every tombstone arrive. The same holds for a topic whose policy becomes compact under the running mirror.
func TestCompactedTopics(t *testing.T) {
	from, to := stage.edge.get(t), stage.home.get(t)
	const always, turning = "compact-always", "compact-turning"
	must(t, from.CreateTopic(within(t, time.Minute), always, 2, 1, quickCompaction))
	must(t, from.CreateTopic(within(t, time.Minute), turning, 2, 1, nil))
	h := newHost(t, between("compact", from, to, "compact-*"))
	h.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	writers := []*keyWriter{writeKeys(ctx, t, from, always), writeKeys(ctx, t, from, turning)}
	for _, topic := range []string{always, turning} { // created by the mirror, with the policy of the source
		awaitRecords(t, to, topic)
	}
	must(t, to.SetTopicConfig(within(t, time.Minute), always, quickCompaction))
	killRounds(t, h, size(3, 20), 1)

	eventually(t, 30*time.Second, "the mirror has started again", func(context.Context) error { // so that it has read the policy
		if len(h.run.logLines("mirroring started")) == 0 {
			return fmt.Errorf("the log does not say so")
		}
		return nil
	})
	must(t, from.SetTopicConfig(within(t, time.Minute), turning, quickCompaction))
	eventually(t, 30*time.Second, "the new policy is noticed", func(context.Context) error {
		if len(h.run.logLines("source topic is compacted from now on")) == 0 {
			return fmt.Errorf("the log does not say so")
		}
		return nil
	})
	must(t, to.SetTopicConfig(within(t, time.Minute), turning, quickCompaction)) // not before: what is counted must stay
	requireTombstoneDeadline(t, h, always)
	killRounds(t, h, size(4, 20), 2)
	cancel()
	for _, w := range writers {
		<-w.done
		must(t, w.err)
		must(t, load.AwaitCommitted(within(t, time.Minute), from.Direct(), h.settings.group(), w.topic))
	}
	h.stop(t)
	if text := h.logTail(100_000); strings.Contains(text, "partition halted") {
		t.Errorf("a partition was halted: %s", text)
	}
	for _, w := range writers {
		requireLastValues(t, from, to, w)
	}
	requireCleanedGaps(t, h, always)
}

// keyWriter writes the next number under a random key of each partition, or a tombstone, again and again.
type keyWriter struct {
	topic string
	done  chan struct{}
	err   error             // set before done closes, as the rest
	last  map[string]string // what was written last, by partition and key; "" a tombstone
	total int
}

func writeKeys(ctx context.Context, t *testing.T, c *kafka.Cluster, topic string) *keyWriter {
	w := &keyWriter{topic: topic, done: make(chan struct{}), last: map[string]string{}}
	client, err := c.Client(kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(time.Millisecond))
	must(t, err)
	go func() {
		defer close(w.done)
		defer client.Close()
		random := rand.New(rand.NewPCG(1, 9))
		for ctx.Err() == nil && w.err == nil {
			for range 20 {
				client.Produce(context.WithoutCancel(ctx), w.next(random), nil)
			}
			w.err = client.Flush(context.WithoutCancel(ctx))
			_ = pause(ctx, 20*time.Millisecond) // its end is the loop's
		}
	}()
	t.Cleanup(func() { <-w.done })
	return w
}

func (w *keyWriter) next(random *rand.Rand) *kgo.Record {
	w.total++
	r := &kgo.Record{Partition: int32(w.total % 2), Key: strconv.AppendInt(nil, random.Int64N(compactionKeys), 10)}
	at := keyName(r)
	if w.last[at] = ""; random.IntN(5) > 0 {
		w.last[at] = strconv.Itoa(w.total)
		r.Value = []byte(w.last[at])
	}
	return r
}

func keyName(r *kgo.Record) string { return fmt.Sprintf("%d/%s", r.Partition, r.Key) }

// killRounds kills the mirror and starts it again.
func killRounds(t *testing.T, h *host, rounds int, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 3))
	for range rounds {
		must(t, pause(t.Context(), time.Duration(500+random.IntN(1500))*time.Millisecond))
		if h.run.ended() {
			t.Fatalf("the mirror ended by itself: %v", h.run.exit)
		}
		h.restart(t)
	}
}

func awaitRecords(t *testing.T, c *kafka.Cluster, topic string) {
	t.Helper()
	eventually(t, time.Minute, "records of "+topic+" arrive", func(ctx context.Context) error {
		ends, err := c.EndOffsets(ctx, topic)
		if err == nil && (ends[0] == 0 || ends[1] == 0) {
			err = fmt.Errorf("it ends at %v", ends)
		}
		return err
	})
}

// requireTombstoneDeadline reads when the source may remove what is not mirrored: an hour from now, as all is.
func requireTombstoneDeadline(t *testing.T, h *host, topic string) {
	t.Helper()
	eventually(t, 30*time.Second, "the deadline of tombstones is known", func(ctx context.Context) error {
		got, err := h.topic(ctx, topic)
		if err != nil {
			return err
		}
		if got.TombstoneDeadline == nil || got.ReplicatedThrough == nil {
			return fmt.Errorf("deadline %v, replicated through %v", got.TombstoneDeadline, got.ReplicatedThrough)
		}
		if left := time.Until(*got.TombstoneDeadline); left < 50*time.Minute || left > time.Hour || got.Warning != "" {
			return fmt.Errorf("%v are left, warning %q; want almost an hour and none", left, got.Warning)
		}
		return nil
	})
}

// requireLastValues compares what every key has last, tombstones included, at both ends, and proves that both were cleaned.
func requireLastValues(t *testing.T, from, to *kafka.Cluster, w *keyWriter) {
	t.Helper()
	for name, c := range map[string]*kafka.Cluster{"source": from, "destination": to} {
		last, held, back := map[string]string{}, 0, 0
		var ends int64
		for partition := range int32(2) {
			records, end := readAll(t, c, w.topic, partition)
			ends += end
			newest := 0
			for _, r := range records {
				held++
				last[keyName(r)] = string(r.Value)
				if n, err := strconv.Atoi(string(r.Value)); err == nil {
					if n < newest {
						back++
					}
					newest = n
				}
			}
		}
		for key, want := range w.last {
			if got, ok := last[key]; !ok || got != want {
				t.Errorf("%s of %s: the last value of %s is %q (there: %v), want %q", name, w.topic, key, got, ok, want)
			}
		}
		if len(last) != len(w.last) {
			t.Errorf("%s of %s has %d keys, want %d", name, w.topic, len(last), len(w.last))
		}
		if int64(held) >= ends || ends == 0 {
			t.Errorf("%s of %s holds %d records up to offset %d: it was not compacted", name, w.topic, held, ends)
		}
		if name == "source" && back > 0 {
			t.Errorf("source of %s is not in order: the test is wrong", w.topic)
		}
		t.Logf("%s of %s: %d written, %d of %d offsets left, %d times back in order by replays", name, w.topic, w.total, held, ends, back)
	}
}
