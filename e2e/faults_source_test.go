package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

func sourceFaults() []trial {
	return []trial{
		{id: "E1", fault: "edge broker killed and restarted", expected: "resumes in place within 30 s", fast: true, run: edgeCrash},
		{id: "E2", fault: "power cut at the edge: acknowledged records gone, offsets used again", expected: "found by the leader epoch; every new record arrives", other: "`TestLosses`"},
		{id: "E3", fault: "disk of the edge full", expected: "an alarm within 30 s; goes on by itself", run: sourceDiskFull},
		{id: "E4", fault: "group offsets lost", expected: "never the latest offset", other: "`TestLosses`"},
		{id: "E5", fault: "edge host reimaged", expected: "refused, 0 records under the old identity", other: "`TestLosses`"},
		{id: "E6", fault: "retention overtakes the mirror", expected: "halts and names the exact range", other: "`TestLosses`"},
		{id: "E7", fault: "source topic deleted and recreated", expected: "halts within 30 s, 0 records of the new log missed", other: "`TestLosses`"},
		{id: "E8", fault: "unclean leader election", expected: "as E2", other: "`TestLossesByElection`"},
		{id: "E9", fault: "partitions added under traffic", expected: "found within 60 s, from their first record", fast: true, run: partitionsAdded},
		{id: "E10", fault: "transactional source, 30 % aborted", expected: "exactly the committed records; the lag ends at 0", fast: true, run: abortedTransactions},
		{id: "E11", fault: "a transaction stays open", expected: "waits and says for what within 60 s", run: openTransaction},
		{id: "E12", fault: "compaction while mirroring, tombstones", expected: "the last value of every key is equal", other: "`TestCompactedTopics`"},
		{id: "E13", fault: "message formats v0 and v1", expected: "written as v2, 0 lost", other: "`TestOldFormats`"},
		{id: "E14", fault: "a flipped byte in a segment", expected: "halts and names the offset; others go on", other: "`TestLosses`"},
		{id: "E15", fault: "record over the destination's limit", expected: "halts within 30 s; others go on", fast: true, run: tooLarge},
		{id: "E16", fault: "decompression bombs in every codec, where batches have to be unpacked", expected: "bounded memory, the partition alone halts", run: bombs},
		{id: "E17", fault: "null and empty keys, values and headers, 1,000 headers, repeated headers, bytes that are no UTF-8", expected: "same bytes", fast: true, run: oddRecords},
		{id: "E18", fault: "timestamps from -1 to ten years ahead", expected: "kept; what the destination refuses halts within 30 s at less than 20 % of a core", run: inTheFuture},
		{id: "E19", fault: "2,000 topics, include *", expected: "steady within 60 s; internal topics are never mirrored", run: manyTopics},
		{id: "E20", fault: "source topic deleted for good", expected: "named within 30 s; other topics go on", run: sourceDeleted},
		{id: "E20b", fault: "rights or password at the source revoked, and restored", expected: "an alarm within 30 s; goes on without a restart", run: readRightRevoked},
	}
}

func edgeCrash(t *testing.T, e *evidence) {
	edge := stage.second.get(t)
	r := newRoute(t, "fault-e1", edge, stage.home.get(t), 3)
	holds := whole([]time.Duration{5 * time.Second}, append(slices.Repeat([]time.Duration{5 * time.Second}, 4), time.Minute))
	e.endure(t, r, ordinaryTraffic, repeated(len(holds), func(i int) strike {
		return kills("edge killed", holds[i], edge, func(context.Context) (*kafka.Node, error) { return edge.Node(1), nil })
	})...)
}

func partitionsAdded(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-e9", stage.edge.get(t), stage.home.get(t), 3)
	r.host.start(t)
	before := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 5000, Seed: 1})
	r.awaitMore(t, 5000, 30*time.Second)
	must(t, r.from.AddPartitions(within(t, time.Minute), r.topic, 12))
	after := r.startTraffic(t, load.Spec{Partitions: 12, Rate: 5000, Seed: 2})
	e.noticed = eventually(t, time.Minute, "records of all twelve partitions arrive", func(ctx context.Context) error {
		ends, err := r.to.EndOffsets(ctx, r.topic)
		if err != nil {
			return err
		}
		for p := range int32(12) {
			if ends[p] == 0 {
				return fmt.Errorf("nothing in partition %d: %v", p, ends)
			}
		}
		return nil
	})
	e.fired("3 partitions became 12 at 10,000 records/s")
	reports := []load.Report{before.end(t), after.end(t)}
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	e.exact(t, r, reports...)
}

func abortedTransactions(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-e10", stage.edge.get(t), stage.home.get(t), 3)
	r.host.start(t)
	report := r.produce(t, load.Spec{Partitions: 3, Records: int64(whole(10_000, 200_000)), Producers: 4, Seed: 10, Shapes: load.Everything &^ load.OddTimes,
		Transactions: &load.Transactions{Records: 50, AbortRatio: 0.3}})
	share := float64(report.Aborted()) / float64(report.Acked()+report.Aborted())
	e.fired("%d records aborted, %.0f %%", report.Aborted(), 100*share)
	if share < 0.2 || share > 0.4 {
		t.Errorf("share of aborted records: got %.2f, want about 0.3", share)
	}
	r.awaitCopied(t, time.Minute)
	eventually(t, 30*time.Second, "the lag is 0", func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err != nil {
			return err
		}
		if topic.LagRecords == nil || *topic.LagRecords != 0 {
			return fmt.Errorf("lag is %s", show(topic.LagRecords))
		}
		return nil
	})
	r.host.stop(t)
	e.exact(t, r, report)
}

func openTransaction(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-e11", stage.edge.get(t), stage.home.get(t), 1)
	r.host.start(t)
	first := r.produce(t, load.Spec{Partitions: 1, Records: 1000, Seed: 11})
	r.awaitCopied(t, 30*time.Second)

	client, err := r.from.Client(kgo.TransactionalID("fault-e11"), kgo.TransactionTimeout(5*time.Minute), kgo.DefaultProduceTopic(r.topic))
	must(t, err)
	defer client.Close()
	must(t, client.BeginTransaction())
	must(t, client.ProduceSync(within(t, 30*time.Second), kgo.StringRecord("never committed")).FirstErr())
	behind := r.produce(t, load.Spec{Partitions: 1, Records: 1000, Seed: 12})
	e.noticed = eventually(t, time.Minute, "status says that a transaction is open", func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err != nil {
			return err
		}
		p := topic.Partitions[0]
		if p.State != "waiting" || !containsFold(p.Error, "transaction") {
			return fmt.Errorf("partition is %s: %s", p.State, p.Error)
		}
		return nil
	})
	if now, err := r.arrived(t.Context()); err != nil || now != first.Acked() {
		t.Errorf("records at the destination while the transaction is open: got %d (%v), want %d", now, err, first.Acked())
	}
	e.fired("1,000 records stood behind the open transaction")
	must(t, client.EndTransaction(within(t, 30*time.Second), kgo.TryAbort))
	e.recovered = r.awaitMore(t, 1000, 30*time.Second)
	r.awaitCopied(t, 30*time.Second)
	r.host.stop(t)
	e.exact(t, r, first, behind)
}

func oddRecords(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-e17", stage.edge.get(t), stage.home.get(t), 2)
	r.host.start(t)
	client, err := r.from.Client(kgo.DefaultProduceTopic(r.topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	must(t, err)
	defer client.Close()
	records := headerMatrix()
	must(t, client.ProduceSync(within(t, time.Minute), records...).FirstErr())
	for i, codec := range load.Codecs() {
		r.produce(t, load.Spec{Partitions: 2, Records: int64(whole(1000, 10_000)), Codec: codec, Shapes: load.Everything, Seed: uint64(i), BatchRecords: []int{0, 1, 50}, Producers: 3})
	}
	e.fired("%d records of every shape with 0 to 1,000 headers, and others in 5 codecs", len(records))
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	e.exact(t, r)
}

// headerMatrix makes every combination of odd keys, values and headers.
func headerMatrix() []*kgo.Record {
	odd := [][]byte{nil, {}, []byte("plain"), {0xff, 0xfe, 0x00, 0xc3, 0x28}}
	var records []*kgo.Record
	for _, key := range odd {
		for _, value := range odd {
			for _, count := range []int{0, 1, 3, 1000} {
				r := &kgo.Record{Key: key, Value: value}
				for i := range count {
					r.Headers = append(r.Headers, kgo.RecordHeader{Key: []string{"h", "", "\xff\xfe", fmt.Sprint(i)}[i%4], Value: odd[i/4%len(odd)]})
				}
				records = append(records, r)
			}
		}
	}
	return records
}

func sourceDeleted(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-e20", stage.edge.get(t), stage.home.get(t), 2, func(s *settings) {
		s.link().Topics.Include = append(s.link().Topics.Include, "fault-e20-other")
	})
	other := *r
	other.topic = "fault-e20-other"
	must(t, r.from.CreateTopic(within(t, time.Minute), other.topic, 2, 1, nil))
	r.host.start(t)
	r.produce(t, load.Spec{Partitions: 2, Records: 2000, Seed: 20})
	r.awaitCopied(t, time.Minute)
	generator := other.startTraffic(t, load.Spec{Partitions: 2, Rate: 1000, Seed: 21})
	other.awaitMore(t, 100, 30*time.Second)
	must(t, r.from.DeleteTopic(within(t, time.Minute), r.topic))
	e.noticed = eventually(t, noticeWithin, "status says that the topic is gone", r.troubled)
	e.fired("the topic was deleted: %s", r.reason(t))
	other.awaitMore(t, 2000, 10*time.Second)
	report := generator.end(t)
	other.awaitCopied(t, 30*time.Second)
	r.host.stop(t)
	e.exact(t, &other, report)
}

// reason returns what the status says of the first partition that is not well.
func (r *route) reason(t *testing.T) string {
	t.Helper()
	topic, err := r.host.topic(t.Context(), r.topic)
	must(t, err)
	for _, p := range topic.Partitions {
		if p.State != "copying" && p.State != "caught_up" {
			return fmt.Sprintf("%s %s %s", p.State, p.Reason, p.Error)
		}
	}
	return "all well"
}

// manyTopics mirrors everything there is at a source with as many topics as its small broker carries.
func manyTopics(t *testing.T, e *evidence) {
	from := kafka.New(t, kafka.Options{HeapMB: 768, Properties: map[string]string{"log.index.size.max.bytes": "4096"}})
	to := kafka.New(t, kafka.Options{HeapMB: 768, Properties: map[string]string{"log.index.size.max.bytes": "4096"}})
	n := whole(100, 2000)
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("many-%04d", i)
	}
	for some := range slices.Chunk(names, 100) {
		_, err := from.Admin().CreateTopics(within(t, 2*time.Minute), 1, 1, nil, some...)
		must(t, err)
	}
	r := &route{from: from, to: to, topic: names[n/2], host: newHost(t, between("many", from, to, "*"))}
	report := r.produce(t, load.Spec{Partitions: 1, Records: 1000, Seed: 19})
	begun := time.Now()
	r.host.start(t)
	eventually(t, 5*time.Minute, "all topics are caught up", func(ctx context.Context) error {
		report, err := r.host.status(ctx)
		if err != nil {
			return err
		}
		topics := report.Links[0].Topics
		for _, topic := range topics {
			if topic.State != "caught_up" {
				return fmt.Errorf("%s is %s", topic.Topic, topic.State)
			}
		}
		if len(topics) != n {
			return fmt.Errorf("%d topics, want %d", len(topics), n)
		}
		return nil
	})
	steady := time.Since(begun)
	r.awaitCopied(t, time.Minute)
	all := internalTopics(t, from)
	if copied := internalTopics(t, to); len(all) == 0 || len(copied) > 0 {
		t.Errorf("internal topics: the source has %v, the destination %v; want some, and none", all, copied)
	}
	watching, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	samples, err := load.Processes(watching, r.host.run.pid(), time.Second)
	must(t, err)
	share := samples.CPU().Seconds() / samples[len(samples)-1].At.Sub(samples[0].At).Seconds()
	e.fired("%d topics steady after %v, then %.1f %% of a core and %d MiB; %v was there and stayed", n, steady.Round(time.Second), 100*share, samples.PeakRSSBytes()>>20, all)
	e.note("the catalogue asks for 10,000; brokers of this size on two cores carry these")
	if steady > time.Minute || share > 0.1 || samples.PeakRSSBytes() > 512<<20 {
		t.Errorf("got steady after %v, %.0f %% of a core, %d MiB; want at most 1m, 10 %% and 512 MiB", steady, 100*share, samples.PeakRSSBytes()>>20)
	}
	r.host.stop(t)
	e.exact(t, r, report)
}

// internalTopics returns the names that begin with two underscores.
func internalTopics(t *testing.T, c *kafka.Cluster) (names []string) {
	t.Helper()
	topics, err := c.Admin().ListTopicsWithInternal(t.Context())
	must(t, err)
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, "__") {
			names = append(names, name)
		}
	}
	return names
}
