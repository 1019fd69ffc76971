package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/load"
)

// The partitions of TestBadRecords, and what is wrong in each.
const (
	tooLargePartition = iota
	futurePartition
	nullKeyPartition
	corruptPartition
	cleanPartition
	badPartitions
)

// badOffsets are the offsets of single bad records among recordsEach.
func badOffsets() []int64 { return []int64{31, 80, 81, 140} }

const recordsEach = 200

// A record that is too large, in the future, without a key for a compacted topic, or damaged at the source costs its own
// partition only: with on_bad_record: halt that one stops right before it, having copied all that is before, and names the
// offsets; with park exactly the bad ones stand in mirror.parked, over kill -9, all others arrive once and in order, and a
// replay writes a parked record as it was.
func TestBadRecords(t *testing.T) {
	from, to := stage.edge.get(t), stage.home.get(t)
	r := newRoute(t, "bad-records", from, to, badPartitions, func(s *settings) {
		s.link().OnBadRecord = "park"
		second := *s.link()
		second.Name, second.OnBadRecord, second.Topics.Rename = "bad-held", "halt", "{topic}.held"
		s.Links = append(s.Links, second)
	})
	must(t, from.SetTopicConfig(within(t, 30*time.Second), r.topic, map[string]string{"message.timestamp.after.max.ms": anyTime}))
	strict := map[string]string{"cleanup.policy": "compact", "max.message.bytes": "20000"}
	for _, topic := range []string{r.topic, r.topic + ".held"} {
		must(t, to.CreateTopic(within(t, time.Minute), topic, badPartitions, 1, strict))
	}
	b := &badRecords{route: r, bad: map[int32][]int64{}}
	b.write(t)
	for range 3 {
		r.host.start(t)
		must(t, pause(t.Context(), 700*time.Millisecond))
		must(t, r.host.run.kill())
	}
	r.host.start(t)
	eventually(t, time.Minute, "everything else arrives", func(ctx context.Context) error { return b.arrived(ctx) })
	eventually(t, 30*time.Second, "the other link halts", func(ctx context.Context) error { return b.halted(ctx) })
	watching, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	samples, err := load.Processes(watching, r.host.run.pid(), time.Second)
	must(t, err)
	if share := samples.CPU().Seconds() / samples[len(samples)-1].At.Sub(samples[0].At).Seconds(); share > 0.2 {
		t.Errorf("held partitions cost %.0f %% of a core, want less than 20 %%", 100*share)
	}
	r.host.stop(t)
	b.requireExact(t)
	b.requireParked(t)
	b.requireReplayed(t)
}

// badRecords is a route with records that cannot be copied.
type badRecords struct {
	*route
	bad map[int32][]int64 // their offsets by partition
}

// write fills the source in batches of ten, the bad records among them, and damages a batch on the disk.
func (b *badRecords) write(t *testing.T) {
	t.Helper()
	client, err := b.from.Client(kgo.DefaultProduceTopic(b.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	must(t, err)
	defer client.Close()
	for p := range int32(badPartitions) {
		for first := 0; first < recordsEach; first += 10 {
			var records []*kgo.Record
			for i := first; i < first+10; i++ {
				records = append(records, b.record(p, int64(i)))
			}
			must(t, client.ProduceSync(within(t, 30*time.Second), records...).FirstErr())
		}
	}
	node := b.from.Nodes()[0]
	must(t, node.Stop())
	first, next, err := node.FlipByte(b.topic, corruptPartition, badOffsets()[2])
	must(t, err)
	must(t, node.Restart(within(t, time.Minute)))
	for o := first; o < next; o++ {
		b.bad[corruptPartition] = append(b.bad[corruptPartition], o)
	}
}

func (b *badRecords) record(partition int32, i int64) *kgo.Record {
	r := &kgo.Record{Partition: partition, Key: fmt.Appendf(nil, "key %d/%d", partition, i), Value: fmt.Appendf(nil, "value %d", i), Timestamp: time.Now()}
	if partition == cleanPartition || partition == corruptPartition || !slices.Contains(badOffsets(), i) {
		return r
	}
	b.bad[partition] = append(b.bad[partition], i)
	r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h"}, {Key: "mirror.parked.kind", Value: []byte{}}}
	switch partition {
	case tooLargePartition:
		r.Value = make([]byte, 30_000)
		for k := range r.Value { // that no codec makes small
			r.Value[k] = byte(uint64(k*k+int(i)) * 2654435761 >> 13)
		}
	case futurePartition:
		r.Timestamp = time.Now().Add(3 * time.Hour)
	case nullKeyPartition:
		r.Key = nil
	}
	return r
}

func (b *badRecords) arrived(ctx context.Context) error {
	ends, err := b.to.EndOffsets(ctx, b.topic)
	for p := range int32(badPartitions) {
		if want := recordsEach - int64(len(b.bad[p])); err == nil && ends[p] < want {
			err = fmt.Errorf("partition %d has %d of %d records", p, ends[p], want)
		}
	}
	return err
}

// halted checks the link that holds: each partition stands right before its first bad record, and says which it is.
func (b *badRecords) halted(ctx context.Context) error {
	report, err := b.host.status(ctx)
	if err != nil {
		return err
	}
	causes := map[int32]string{tooLargePartition: "too_large", futurePartition: "rejected", nullKeyPartition: "rejected", corruptPartition: "bad_record"}
	for _, l := range report.Links {
		if l.Name != "bad-held" {
			continue
		}
		for _, p := range l.Topics[0].Partitions {
			state, first := "halted", int64(recordsEach)
			if p.Partition == cleanPartition {
				state = "caught_up"
			} else {
				first = b.bad[p.Partition][0]
			}
			if p.NextOffset == nil {
				return fmt.Errorf("partition %d has not begun", p.Partition)
			}
			if p.State != state || p.Reason != causes[p.Partition] || *p.NextOffset != first {
				return fmt.Errorf("partition %d is %s %s at %d: %s; want %s at %d", p.Partition, p.State, p.Reason, *p.NextOffset, p.Error, state, first)
			}
			if state == "halted" && !strings.Contains(p.Error, fmt.Sprint(first)) {
				return fmt.Errorf("partition %d does not name offset %d: %s", p.Partition, first, p.Error)
			}
		}
	}
	return nil
}

// readByPartition reads a topic by partition.
func readByPartition(t *testing.T, client *kgo.Client, ends map[int32]int64) map[int32][]*kgo.Record {
	t.Helper()
	got, want, have := map[int32][]*kgo.Record{}, int64(0), int64(0)
	for _, end := range ends {
		want += end
	}
	ctx := within(t, 30*time.Second)
	for have < want {
		fetches := client.PollFetches(ctx)
		must(t, fetches.Err0())
		fetches.EachRecord(func(r *kgo.Record) {
			got[r.Partition] = append(got[r.Partition], r)
			have++
		})
	}
	return got
}

// requireExact compares what arrived: everything but the bad records, once and in order.
func (b *badRecords) requireExact(t *testing.T) {
	t.Helper()
	client, err := b.to.Client(kgo.ConsumeTopics(b.topic))
	must(t, err)
	defer client.Close()
	ends, err := b.to.EndOffsets(within(t, 30*time.Second), b.topic)
	must(t, err)
	got := readByPartition(t, client, ends)
	for p := range int32(badPartitions) {
		var keys, want []string
		for _, r := range got[p] {
			keys = append(keys, string(r.Key))
		}
		for i := range int64(recordsEach) {
			if !slices.Contains(b.bad[p], i) {
				want = append(want, fmt.Sprintf("key %d/%d", p, i))
			}
		}
		if !slices.Equal(keys, want) {
			t.Errorf("partition %d: got %d records, want %d:\n%v", p, len(keys), len(want), keys)
		}
	}
}

// parkedLine is what `mirror parked list -o json` says of one.
type parkedLine struct {
	Link       string `json:"link"`
	Topic      string `json:"topic"`
	Partition  int32  `json:"partition"`
	Offset     int64  `json:"offset"`
	NextOffset int64  `json:"next_offset"`
	Kind       string `json:"kind"`
	Reason     string `json:"reason"`
}

func (b *badRecords) requireParked(t *testing.T) {
	t.Helper()
	got, err := command(within(t, 30*time.Second), "parked", "list", "--link", b.topic, "-o", "json", "-c", b.host.config)
	must(t, err)
	if got.code != 0 {
		t.Fatalf("parked list: exit code %d: %s", got.code, got.stderr)
	}
	reasons := map[int32]string{tooLargePartition: "oversize", futurePartition: "timestamp_rejected", nullKeyPartition: "null_key", corruptPartition: "corrupt"}
	found := map[int32][]int64{}
	for line := range strings.Lines(got.stdout) {
		var p parkedLine
		must(t, json.Unmarshal([]byte(line), &p))
		if p.Reason != reasons[p.Partition] || p.Link != b.topic || p.Topic != b.topic || (p.Kind == "batch") != (p.Partition == corruptPartition) {
			t.Errorf("parked %+v, want reason %s", p, reasons[p.Partition])
		}
		for o := p.Offset; o < p.NextOffset; o++ {
			if !slices.Contains(found[p.Partition], o) { // a crash may park one twice
				found[p.Partition] = append(found[p.Partition], o)
			}
		}
	}
	if !maps.EqualFunc(found, b.bad, slices.Equal) {
		t.Errorf("parked %v, want %v", found, b.bad)
	}
}

// requireReplayed replays the records without a key into a topic that takes them, and compares them with the source's.
func (b *badRecords) requireReplayed(t *testing.T) {
	t.Helper()
	target := b.topic + ".replayed"
	must(t, b.to.CreateTopic(within(t, time.Minute), target, 1, 1, nil))
	args := []string{"parked", "replay", "--link", b.topic, "--topic", b.topic, "--partition", fmt.Sprint(nullKeyPartition), "--to-topic", target, "-c", b.host.config}
	got, err := command(within(t, 30*time.Second), append(args, "--dry-run")...)
	must(t, err)
	if got.code != 0 || !strings.Contains(got.stdout, "would be written") {
		t.Errorf("dry run: exit code %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if got, err = command(within(t, 30*time.Second), args...); err != nil || got.code != 0 || !strings.Contains(got.stderr, "4 records written") {
		t.Fatalf("replay: exit code %d, %v, %s%s", got.code, err, got.stdout, got.stderr)
	}
	client, err := b.to.Client(kgo.ConsumeTopics(target))
	must(t, err)
	defer client.Close()
	source, err := b.from.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{b.topic: {nullKeyPartition: kgo.NewOffset().AtStart()}}))
	must(t, err)
	defer source.Close()
	was := readByPartition(t, source, map[int32]int64{0: recordsEach})[nullKeyPartition]
	for i, r := range readByPartition(t, client, map[int32]int64{0: 4})[0] {
		w := was[badOffsets()[i]]
		if string(r.Value) != string(w.Value) || r.Key != nil || fmt.Sprint(r.Headers) != fmt.Sprint(w.Headers) || !r.Timestamp.Equal(w.Timestamp) {
			t.Errorf("replayed %+v, want %+v", r, w)
		}
	}
	if got, err = command(within(t, 30*time.Second), "parked", "replay", "--link", b.topic, "--topic", b.topic, "--partition", fmt.Sprint(corruptPartition), "-c", b.host.config); err != nil || got.code != 1 || !strings.Contains(got.stdout, "not written") {
		t.Errorf("replay of a batch that cannot be read: exit code %d, %v, %s", got.code, err, got.stdout)
	}
}
