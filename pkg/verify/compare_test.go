package verify

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
)

func oneTopic(partitions int32) map[string]int32 { return map[string]int32{"clicks": partitions} }

// deleteBefore deletes the first records of a partition, as retention does.
func (f *fake) deleteBefore(t *testing.T, topic string, partition int32, offset int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset, LeaderEpoch: -1})
	answer, err := kadm.NewClient(f.client).DeleteRecords(t.Context(), offsets)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What both sides still hold is compared, whoever deleted more, and faults in it are found.
func TestRetention(t *testing.T) {
	for _, test := range []struct {
		name                string
		source, destination int64 // deleted before
		drop                int   // of the destination, -1 none
		verdict             Verdict
		records, missing    int64
	}{
		{"nothing deleted", 0, 0, -1, Equal, 500, 0},
		{"source", 200, 0, -1, Equal, 300, 0},
		{"source, a few", 5, 0, -1, Equal, 495, 0},
		{"destination", 0, 200, -1, Inconclusive, 300, 0},
		{"destination, a few", 0, 5, -1, Inconclusive, 495, 0},
		{"both, the source more", 300, 100, -1, Equal, 200, 0},
		{"both, the destination more", 100, 300, -1, Inconclusive, 200, 0},
		{"all of the destination", 0, 500, -1, Inconclusive, 0, 0},
		{"all of the source", 500, 0, -1, Equal, 0, 0},
		{"source, and its first record is missing", 200, 0, 200, Different, 300, 1},
		{"source, and a record is missing", 200, 0, 300, Different, 300, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			edge, region := newFake(t, "edge", oneTopic(1)), newFake(t, "region", oneTopic(1))
			records := sample("clicks", 0, 500)
			edge.write(t, records...)
			copied := cloneAll(records)
			if test.drop >= 0 {
				copied = slices.Delete(copied, test.drop, test.drop+1)
			}
			region.write(t, copied...)
			if test.source > 0 {
				edge.deleteBefore(t, "clicks", 0, test.source)
			}
			if test.destination > 0 {
				region.deleteBefore(t, "clicks", 0, test.destination)
			}
			r := compare(t, region, []*fake{edge})
			if r.Verdict != test.verdict || r.Records != test.records || r.Missing != test.missing || r.Alien != 0 {
				t.Errorf("got %s of %d records, %d missing, want %s of %d, %d missing\n%s", r.Verdict, r.Records, r.Missing, test.verdict, test.records, test.missing, r.Text())
			}
			if (r.Coverage == 100) != (test.verdict != Inconclusive) {
				t.Errorf("coverage %v of a comparison that is %s", r.Coverage, r.Verdict)
			}
		})
	}
}

// Where retention overtakes the reading nothing is said to differ.
func TestOverrun(t *testing.T) {
	for _, side := range []string{"edge", "region"} {
		edge, region := newFake(t, "edge", oneTopic(1)), newFake(t, "region", oneTopic(1))
		edge.write(t, sample("clicks", 0, 100)...)
		region.write(t, sample("clicks", 0, 100)...)
		overtaken := edge
		if side == "region" {
			overtaken = region
		}
		refused := 0
		overtaken.brokers.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			overtaken.brokers.KeepControl()
			refused++
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic = "clicks"
			p := kmsg.NewFetchResponseTopicPartition()
			p.ErrorCode = codeOutOfRange
			topic.Partitions = append(topic.Partitions, p)
			resp.Topics = append(resp.Topics, topic)
			return resp, nil, true
		})
		r := compare(t, region, []*fake{edge})
		if refused == 0 {
			t.Fatalf("%s: no fetch was refused", side)
		}
		if r.Verdict != Inconclusive || r.Differences() != 0 || len(r.Reasons) == 0 || r.Coverage >= 100 {
			t.Errorf("%s overtaken: %s", side, r.Text())
		}
	}
}

// What an unreadable batch may have caused is not counted as different.
func TestDoubt(t *testing.T) {
	source, there := &log{}, &log{source: -1}
	for _, test := range []struct {
		name string
		bad  *log
		want Counts
	}{
		{"none", &log{}, Counts{Missing: 1, Alien: 1, Duplicate: 1, Reordered: 1}},
		{"source", source, Counts{Missing: 1, Reordered: 1}},
		{"destination", there, Counts{Alien: 1, Duplicate: 1, Reordered: 1}},
	} {
		source.corrupt, there.corrupt = nil, nil
		test.bad.corrupt = []*corrupt{{1, 2, errChecksum}}
		f := &findings{unit: &unit{sources: []*log{source}, destinations: []*log{there}}}
		for _, k := range []Kind{Missing, Alien, Duplicate, Reordered} {
			f.add(&item{kind: k, source: source, destination: there})
		}
		f.doubt()
		if f.counts != test.want || int64(len(f.items)) != test.want.Differences() {
			t.Errorf("%s unreadable: got %+v with %d items, want %+v", test.name, f.counts, len(f.items), test.want)
		}
	}
}

// Two edges whose partitions are spread over a region: their sum is compared, and the order of each.
func TestSpreadFanIn(t *testing.T) {
	a, b, region := newFake(t, "a", oneTopic(2)), newFake(t, "b", oneTopic(1)), newFake(t, "region", oneTopic(2))
	spread := func(c *Config) {
		for i := range c.Sources {
			c.Sources[i].Spread = true
		}
	}
	logs := [][]*kgo.Record{sample("clicks", 0, 200), sample("clicks", 1, 200), sample("clicks", 0, 200)}
	for _, r := range logs[2] {
		r.Key = append(r.Key, 'b')
	}
	a.write(t, slices.Concat(logs[0], logs[1])...)
	b.write(t, logs[2]...)
	// a/0 to partition 1, a/1 and b/0 to partition 0, in turns and by producers of their own.
	place := []int32{1, 0, 0}
	copied := make([][]*kgo.Record, len(logs))
	for i := range logs {
		copied[i] = cloneAll(logs[i])
		for _, r := range copied[i] {
			r.Partition = place[i]
		}
	}
	brokers := region.client.OptValue("SeedBrokers").([]string)
	for from := 0; from < 200; from += 20 {
		for i := range copied {
			writeWith(t, newWriter(t, brokers), copied[i][from:from+20]...)
		}
	}
	requireEqual(t, compare(t, region, []*fake{a, b}, spread), 600)

	swapped := newFake(t, "region", oneTopic(2))
	copied[1][50], copied[1][51] = copied[1][51], copied[1][50]
	for i := range copied {
		writeWith(t, newWriter(t, swapped.client.OptValue("SeedBrokers").([]string)), copied[i]...)
	}
	requireFindings(t, compare(t, swapped, []*fake{a, b}, spread), "reordered a/clicks/1@51 region/clicks/0@50")
}

// While the source is written and copied, nothing is wrong: neither with a copy that is ahead of the first look at the
// source nor with one that catches up during the comparison.
func TestLiveTraffic(t *testing.T) {
	edge, region := newFake(t, "edge", oneTopic(1)), newFake(t, "region", oneTopic(1))
	records := sample("clicks", 0, 4000)
	for i, r := range records {
		r.Timestamp = day().Add(time.Duration(i) * 10 * time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1) // holds the writer's only result
	go func() {
		for at := 0; at+40 < len(records) && ctx.Err() == nil; at += 20 {
			if err := edge.client.ProduceSync(ctx, cloneAll(records[at:at+20])...).FirstErr(); err != nil {
				done <- err
				return
			}
			if err := region.client.ProduceSync(ctx, cloneAll(records[at:at+20])...).FirstErr(); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 10 {
		r := compare(t, region, []*fake{edge}, func(c *Config) { c.Timeout = 10 * time.Second })
		if r.Verdict != Equal {
			t.Errorf("under traffic: %s", r.Text())
		}
	}
	cancel()
	if err := <-done; err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
}

// What the mirror has not got to is pending and not missing; what it has passed over is missing.
func TestPositions(t *testing.T) {
	edge, region := newFake(t, "edge", oneTopic(1)), newFake(t, "region", oneTopic(1))
	records := sample("clicks", 0, 100)
	edge.write(t, records...)
	region.write(t, records[:90]...)
	grouped := func(c *Config) { c.Sources[0].Group = "mirror.link" }
	for _, test := range []struct {
		next             int64
		verdict          Verdict
		missing, pending int64
	}{{90, Inconclusive, 0, 10}, {95, Different, 5, 5}, {100, Different, 10, 0}} {
		if err := edge.cluster.CommitOffsets(t.Context(), "mirror.link", []kafka.GroupOffset{{Topic: "clicks", Next: test.next, LeaderEpoch: -1}}); err != nil {
			t.Fatal(err)
		}
		r := compare(t, region, []*fake{edge}, grouped)
		if r.Verdict != test.verdict || r.Missing != test.missing || r.Pending != test.pending {
			t.Errorf("with the position %d: got %s, %d missing, %d pending, want %+v", test.next, r.Verdict, r.Missing, r.Pending, test)
		}
	}
	region.write(t, records[90:]...)
	requireEqual(t, compare(t, region, []*fake{edge}, grouped), 100)
}

// Of a compacted topic the last value of each key is compared.
func TestCompacted(t *testing.T) {
	record := func(key, value string, at int) *kgo.Record {
		r := &kgo.Record{Topic: "clicks", Key: []byte(key), Value: []byte(value), Timestamp: day().Add(time.Duration(at) * time.Second)}
		if value == "" {
			r.Value = nil
		}
		return r
	}
	source := []*kgo.Record{record("a", "2", 2), record("b", "1", 3), record("gone", "", 4), record("c", "3", 5)}
	for _, test := range []struct {
		name   string
		copied []*kgo.Record
		want   []string
	}{
		{"the same", source, nil},
		{"older values are still there", slices.Concat([]*kgo.Record{record("a", "1", 1)}, source), nil},
		{"the tombstone is gone", []*kgo.Record{source[0], source[1], source[3]}, nil},
		{"a tombstone that the source does not have any more", append(slices.Clone(source), record("old", "", 1)), nil},
		{"a key is missing", source[1:], []string{"missing edge/clicks/0@0 -"}},
		{"an old value", slices.Concat([]*kgo.Record{record("a", "1", 1)}, source[1:]), []string{"missing edge/clicks/0@0 region/clicks/0@0"}},
		{"a key that the source does not have", append(slices.Clone(source), record("old", "1", 1)), []string{"alien - region/clicks/0@4"}},
		{"a deleted key", []*kgo.Record{source[0], source[1], record("gone", "1", 3), source[3]}, []string{"missing edge/clicks/0@2 region/clicks/0@2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			edge, region := newFake(t, "edge", oneTopic(1)), newFake(t, "region", oneTopic(1))
			edge.write(t, source...)
			region.write(t, test.copied...)
			r := compare(t, region, []*fake{edge}, func(c *Config) { c.Compacted = true })
			if got := spell(r); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if (r.Verdict == Equal) != (test.want == nil) {
				t.Errorf("verdict %s", r.Verdict)
			}
		})
	}
}

// Since and until narrow the question; samples divide it without rest.
func TestRanges(t *testing.T) {
	topics := map[string]int32{"clicks": 4, "bids": 3}
	edge, region := newFake(t, "edge", topics), newFake(t, "region", topics)
	for topic, partitions := range topics {
		for p := range partitions {
			records := sample(topic, p, 100)
			edge.write(t, records...)
			if topic == "clicks" && p == 2 {
				records = slices.Delete(cloneAll(records), 50, 51)
			}
			region.write(t, records...)
		}
	}
	between := func(from, to int) *Report {
		return compare(t, region, []*fake{edge}, func(c *Config) {
			c.Since, c.Until = day().Add(time.Duration(from)*time.Second), day().Add(time.Duration(to)*time.Second)
		})
	}
	requireEqual(t, between(51, 90), 7*39)
	requireEqual(t, between(10, 50), 7*40)
	requireFindings(t, between(50, 51), "missing edge/clicks/2@50 -")
	var records, missing int64
	for slice := range 3 {
		r := compare(t, region, []*fake{edge}, func(c *Config) { c.Slice, c.Slices = slice+1, 3 })
		if want := fmt.Sprintf("%d/3", slice+1); r.Sample != want {
			t.Errorf("sample: got %q, want %q", r.Sample, want)
		}
		records, missing = records+r.Records, missing+r.Missing
	}
	if records != 700 || missing != 1 {
		t.Errorf("the slices together: got %d records and %d missing, want 700 and 1", records, missing)
	}
}

// A topic or partitions that do not exist at the destination are missing, empty ones are not.
func TestNoDestination(t *testing.T) {
	edge, region := newFake(t, "edge", map[string]int32{"clicks": 2, "empty": 1}), newFake(t, "region", oneTopic(1))
	records := slices.Concat(sample("clicks", 0, 10), sample("clicks", 1, 3))
	edge.write(t, records...)
	region.write(t, records[:10]...)
	r := compare(t, region, []*fake{edge})
	requireFindings(t, r, "missing edge/clicks/1@0 -", "missing edge/clicks/1@1 -", "missing edge/clicks/1@2 -")
	if !strings.Contains(r.Text(), "topic empty does not exist") {
		t.Errorf("the missing topic is not noted:\n%s", r.Text())
	}
}

func TestConfigProblems(t *testing.T) {
	_, err := New(Config{Since: day().Add(1), Until: day(), Slice: 4, Slices: 3, Timeout: -1, MemoryBytes: 1, RateBytes: -1, Workers: -1}, slog.New(slog.DiscardHandler))
	for _, want := range []string{"source", "since", "slice 4 of 3", "timeout", "rate", "memory", "workers"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, which does not tell of %q", err, want)
		}
	}
}

// The limit is held: the second read waits until the first is paid for.
func TestLimiter(t *testing.T) {
	l := &limiter{bytesPerSecond: 1 << 20}
	begun := time.Now()
	for range 3 {
		if err := l.take(t.Context(), 100<<10); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun).Seconds(); took < 0.19 {
		t.Errorf("300 KiB at 1 MiB/s took %v s, want at least 0.19", math.Round(took*100)/100)
	}
}
