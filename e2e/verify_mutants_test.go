package e2e_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/kafka"
)

// mutantRecords is the number of records of each mutant's topic.
const mutantRecords = 200

// mutant is a fault of a copy: it is given what the source holds and returns what is written to the destination.
type mutant struct {
	name  string
	spoil func(copied []*kgo.Record) []*kgo.Record
	want  []string // without the topic
}

// mutants are the faults of the catalogue that spoil one partition.
func mutants() []mutant {
	change := func(at int, f func(r *kgo.Record)) func([]*kgo.Record) []*kgo.Record {
		return func(c []*kgo.Record) []*kgo.Record {
			f(c[at])
			return c
		}
	}
	return []mutant{
		{"drop", func(c []*kgo.Record) []*kgo.Record { return slices.Delete(c, 100, 101) }, []string{"missing 0@100 -"}},
		{"duplicate", func(c []*kgo.Record) []*kgo.Record { return slices.Insert(c, 51, c[50]) }, []string{"duplicate 0@50 0@51"}},
		{"drop-duplicate", func(c []*kgo.Record) []*kgo.Record { return slices.Insert(slices.Delete(c, 100, 101), 51, c[50]) },
			[]string{"missing 0@100 -", "duplicate 0@50 0@51"}},
		{"drop-two-add-two", func(c []*kgo.Record) []*kgo.Record {
			a, b := c[50], c[60]
			return slices.Insert(slices.Insert(slices.Delete(c, 100, 102), 61, b), 51, a)
		}, []string{"missing 0@100 -", "missing 0@101 -", "duplicate 0@50 0@51", "duplicate 0@60 0@62"}},
		{"swap", func(c []*kgo.Record) []*kgo.Record {
			c[70], c[71] = c[71], c[70]
			return c
		}, []string{"reordered 0@71 0@70"}},
		{"key-bit", change(80, func(r *kgo.Record) { r.Key[0] ^= 1 }), []string{"altered 0@80 0@80 key"}},
		{"value-bit", change(80, func(r *kgo.Record) { r.Value[0] ^= 1 }), []string{"altered 0@80 0@80 value"}},
		{"header-key-bit", change(80, func(r *kgo.Record) { r.Headers[0].Key = "a`" }), []string{"altered 0@80 0@80 headers"}},
		{"header-value-bit", change(80, func(r *kgo.Record) { r.Headers[0].Value[0] ^= 1 }), []string{"altered 0@80 0@80 headers"}},
		{"millisecond", change(80, func(r *kgo.Record) { r.Timestamp = r.Timestamp.Add(time.Millisecond) }), []string{"altered 0@80 0@80 timestamp"}},
		{"null-key", change(83, func(r *kgo.Record) { r.Key = []byte{} }), []string{"altered 0@83 0@83 key"}},
		{"null-value", change(84, func(r *kgo.Record) { r.Value = []byte{} }), []string{"altered 0@84 0@84 value"}},
		{"null-header", change(80, func(r *kgo.Record) { r.Headers[1].Value = []byte{} }), []string{"altered 0@80 0@80 headers"}},
		{"header-order", change(80, func(r *kgo.Record) { slices.Reverse(r.Headers) }), []string{"altered 0@80 0@80 headers"}},
		{"header-merged", change(80, func(r *kgo.Record) { r.Headers = slices.Delete(r.Headers, 3, 4) }), []string{"altered 0@80 0@80 headers"}},
		{"tail", func(c []*kgo.Record) []*kgo.Record { return c[:198] }, []string{"missing 0@198 -", "missing 0@199 -"}},
	}
}

// mutantTopic makes the records of one topic: with and without key, value and headers.
func mutantTopic(topic string, partition int32) []*kgo.Record {
	begin := time.Now().Add(-time.Hour).Truncate(time.Minute).Add(10 * time.Second) // record 50, which is aborted, is the first of its minute
	records := make([]*kgo.Record, mutantRecords)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Timestamp: begin.Add(time.Duration(i) * time.Second),
			Key: fmt.Appendf(nil, "key %d", i%9), Value: fmt.Appendf(nil, "%s %d %d", topic, partition, i),
			Headers: []kgo.RecordHeader{{Key: "aa", Value: []byte("1")}, {Key: "b", Value: nil}, {Key: "c", Value: []byte("x")}, {Key: "c", Value: []byte("y")}}}
		switch i % 10 {
		case 3:
			records[i].Key = nil
		case 4:
			records[i].Value = nil
		}
	}
	return records
}

func copyRecords(records []*kgo.Record) []*kgo.Record {
	var out []*kgo.Record
	for _, r := range records {
		c := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Timestamp: r.Timestamp, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)}
		for _, h := range r.Headers {
			c.Headers = append(c.Headers, kgo.RecordHeader{Key: h.Key, Value: bytes.Clone(h.Value)})
		}
		out = append(out, c)
	}
	return out
}

// writer writes records where they say, in order.
type writer struct {
	t       *testing.T
	cluster *kafka.Cluster
	client  *kgo.Client
}

func newWriter(t *testing.T, c *kafka.Cluster, opts ...kgo.Opt) *writer {
	t.Helper()
	client, err := c.Client(append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	must(t, err)
	t.Cleanup(client.Close)
	return &writer{t, c, client}
}

func (w *writer) topic(name string, partitions int) {
	w.t.Helper()
	must(w.t, w.cluster.CreateTopic(within(w.t, time.Minute), name, partitions, 1, nil))
}

func (w *writer) write(records ...*kgo.Record) {
	w.t.Helper()
	must(w.t, w.client.ProduceSync(w.t.Context(), copyRecords(records)...).FirstErr())
}

// Each of the planted faults of the catalogue, and nothing else, is named by `mirror verify` with topic, partition, offsets
// and field.
func TestVerifyFindsMutants(t *testing.T) {
	edge, home := newWriter(t, stage.edge.get(t)), newWriter(t, stage.home.get(t))
	var want []string
	for _, m := range mutants() {
		topic := "verify-mutant-" + m.name
		edge.topic(topic, 1)
		home.topic(topic, 1)
		records := mutantTopic(topic, 0)
		edge.write(records...)
		home.write(m.spoil(copyRecords(records))...)
		for _, text := range m.want {
			want = append(want, named(text, topic, topic))
		}
	}
	want = append(want, plantMoves(t, edge, home)...)
	want = append(want, plantAborted(t, edge, home)...)
	want = append(want, plantStale(t, edge, home)...)
	code, got, err := verify(within(t, 2*time.Minute), "--source", edge.cluster.Direct()[0], "--destination", home.cluster.Direct()[0],
		"--topics", "verify-mutant-*", "--timeout", "2s")
	must(t, err)
	if code != 1 || len(got) != 1 {
		t.Fatalf("verify: got exit code %d and %+v, want 1", code, got)
	}
	requireFindings(t, got[0], want)
	plantThird(t, edge, home)
}

// named puts a topic in front of the places of a finding.
func named(text, source, destination string) string {
	var kind, from, to, field string
	if n, _ := fmt.Sscan(text, &kind, &from, &to, &field); n == 4 {
		field = " " + field
	}
	if from != "-" {
		from = source + "/" + from
	}
	if to != "-" {
		to = destination + "/" + to
	}
	return kind + " " + from + " " + to + field
}

func requireFindings(t *testing.T, v verdict, want []string) {
	t.Helper()
	var got []string
	for _, f := range v.Examples {
		got = append(got, f.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("findings: got\n%q\nwant\n%q", got, want)
	}
	if n := v.Missing + v.Duplicate + v.Reordered + v.Altered + v.Alien; n != int64(len(want)) {
		t.Errorf("differences: got %d, want %d: %+v", n, len(want), v)
	}
}

// plantMoves moves records to a wrong partition and a wrong topic.
func plantMoves(t *testing.T, edge, home *writer) []string {
	t.Helper()
	const across, from, into = "verify-mutant-across", "verify-mutant-moved", "verify-mutant-goal"
	for _, w := range []*writer{edge, home} {
		w.topic(across, 2)
		w.topic(from, 1)
		w.topic(into, 1)
	}
	first, second := mutantTopic(across, 0), mutantTopic(across, 1)
	edge.write(slices.Concat(first, second)...)
	first, second = copyRecords(first), copyRecords(second)
	first[10], second[20] = second[20], first[10]
	first[10].Partition, second[20].Partition = 0, 1
	home.write(slices.Concat(first, second)...)

	moved, goal := mutantTopic(from, 0), mutantTopic(into, 0)
	edge.write(slices.Concat(moved, goal)...)
	stray := copyRecords(moved[30:31])
	stray[0].Topic = into
	home.write(slices.Concat(moved[:30], moved[31:], goal[:40], stray, goal[40:])...)
	return []string{
		"missing " + across + "/0@10 -", "missing " + across + "/1@20 -",
		"alien " + across + "/1@20 " + across + "/0@10", "alien " + across + "/0@10 " + across + "/1@20",
		"missing " + from + "/0@30 -", "alien " + from + "/0@30 " + into + "/0@40",
	}
}

// plantAborted makes a record visible whose transaction was aborted.
func plantAborted(t *testing.T, edge, home *writer) []string {
	t.Helper()
	const topic = "verify-mutant-aborted"
	edge.topic(topic, 1)
	home.topic(topic, 1)
	records := mutantTopic(topic, 0)
	edge.write(records[:50]...)
	txn := newWriter(t, edge.cluster, kgo.TransactionalID(topic))
	must(t, txn.client.BeginTransaction())
	txn.write(records[50])
	must(t, txn.client.EndTransaction(t.Context(), kgo.TryAbort))
	edge.write(records[51:]...)
	home.write(records...)
	return []string{"alien " + topic + "/0@50 " + topic + "/0@50"}
}

// plantStale leaves records of a deleted topic at the destination.
func plantStale(t *testing.T, edge, home *writer) []string {
	t.Helper()
	const topic = "verify-mutant-stale"
	edge.topic(topic, 1)
	home.topic(topic, 1)
	old := mutantTopic(topic, 0)[:2]
	for i, r := range old {
		r.Value = fmt.Appendf(nil, "of the deleted topic, %d", i)
	}
	edge.write(old...)
	home.write(old...)
	must(t, edge.cluster.DeleteTopic(within(t, time.Minute), topic))
	edge.topic(topic, 1)
	fresh := newWriter(t, edge.cluster) // which does not know the old topic
	records := mutantTopic(topic, 0)
	fresh.write(records...)
	home.write(records...)
	return []string{"alien - " + topic + "/0@0", "alien - " + topic + "/0@1"}
}

// plantThird writes one copy too many of a record that two edges hold equally.
func plantThird(t *testing.T, edge, home *writer) {
	t.Helper()
	second := newWriter(t, stage.second.get(t))
	const topic = "verify-equal"
	for _, w := range []*writer{edge, second, home} {
		w.topic(topic, 1)
	}
	common := mutantTopic(topic, 0)[:1]
	edge.write(common...)
	second.write(common...)
	home.write(common...)
	home.write(common...)
	s := between("verify-equal-1", edge.cluster, home.cluster, topic)
	s.Clusters["second"] = clusterSettings{Brokers: second.cluster.Brokers()}
	s.Links = append(s.Links, linkSettings{Name: "verify-equal-2", From: "second", To: toName, Topics: topicSettings{Include: []string{topic}}})
	h := newHost(t, s)
	args := []string{"-c", h.config, "verify-equal-1", "--with-link", "verify-equal-2", "--timeout", "1s"}
	requireVerified(t, args...)
	home.write(common...)
	code, got, err := verify(within(t, time.Minute), args...)
	must(t, err)
	if code != 1 || got[0].Duplicate != 1 || got[0].Destination != 3 {
		t.Errorf("three copies of a record of two edges: got exit code %d and %+v, want 1 and a duplicate", code, got)
	}
}
