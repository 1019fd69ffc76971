package load

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestIdentityRoundTrip(t *testing.T) {
	for _, want := range []Identity{{}, {Producer: 1<<64 - 1, Partition: 65535, Sequence: 1<<48 - 1}, {Producer: 0xabc, Partition: 3, Sequence: 17}} {
		token := want.String()
		if len(token) != tokenBytes {
			t.Errorf("token %q has %d bytes, want %d", token, len(token), tokenBytes)
		}
		for name, r := range map[string]*kgo.Record{
			"start of value": {Value: []byte(token + "x")},
			"event":          {Value: []byte(eventPrefix + token)},
			"header":         {Headers: []kgo.RecordHeader{{Key: "a"}, {Key: tokenHeader, Value: []byte(token)}}},
		} {
			if got, ok := identify(r); !ok || got != want {
				t.Errorf("%s: got %v %v, want %v", name, got, ok, want)
			}
		}
	}
	for _, value := range []string{"", "tb1.", "tb1.0123456789abcdef.0123.0123456789aX", "xx1.0123456789abcdef.0123.0123456789ab"} {
		if id, ok := identify(&kgo.Record{Value: []byte(value)}); ok {
			t.Errorf("%q: got %v, want none", value, id)
		}
	}
}

func TestShapesCoverTheMatrix(t *testing.T) {
	seen := map[string]bool{}
	a, b := newMaker(Everything, 1_700_000_000_000, false), newMaker(Everything, 1_700_000_000_000, false)
	d := newDigester()
	for i := range int64(3000) {
		id := Identity{Producer: 5, Partition: 1, Sequence: i}
		r := a.record(id)
		if got, ok := identify(r); !ok || got != id {
			t.Fatalf("record %d: got identity %v %v", i, got, ok)
		}
		first, _ := d.digest(r)
		if second, _ := d.digest(b.record(id)); first != second {
			t.Fatalf("record %d is not the same twice", i)
		}
		note := func(what string, yes bool) { seen[what] = seen[what] || yes }
		note("null key", r.Key == nil)
		note("empty key", r.Key != nil && len(r.Key) == 0)
		note("null value", r.Value == nil)
		note("empty value", r.Value != nil && len(r.Value) == 0)
		note("tiny value", len(r.Value) == 1)
		note("large value", len(r.Value) > 90<<10)
		note("timestamp -1", r.Timestamp.UnixMilli() == -1)
		note("timestamp 0", r.Timestamp.UnixMilli() == 0)
		note("timestamp ahead", r.Timestamp.UnixMilli() > 1_700_001_000_000)
		note("no header", len(r.Headers) == 0)
		keys := map[string]int{}
		for _, h := range r.Headers {
			keys[h.Key]++
			note("repeated header", keys[h.Key] == 3)
			note("null header", h.Value == nil)
			note("empty header", h.Value != nil && len(h.Value) == 0)
			note("empty header key", h.Key == "")
		}
	}
	for what, yes := range seen {
		if !yes {
			t.Errorf("no record with %s", what)
		}
	}
}

func TestRanges(t *testing.T) {
	var list []Range
	for _, sequence := range []int64{0, 1, 5, 3, 4, 2, 9, 7} {
		list = addSequence(list, sequence)
	}
	if want := []Range{{0, 6}, {7, 8}, {9, 10}}; !slices.Equal(list, want) {
		t.Errorf("add sequences: got %v, want %v", list, want)
	}
	got := addRanges(list, []Range{{6, 7}, {20, 22}})
	if want := []Range{{0, 8}, {9, 10}, {20, 22}}; !slices.Equal(got, want) {
		t.Errorf("add ranges: got %v, want %v", got, want)
	}
	f := newFates(1)
	f.settle(Identity{Sequence: 3}, nil)
	f.settle(Identity{Sequence: 5}, nil)
	partitions, _ := f.seal([]int64{2}, []int64{7})
	f.settle(Identity{Sequence: 4}, nil)
	if want := []Range{{2, 3}, {4, 5}, {6, 7}}; !slices.Equal(partitions[0].Unknown, want) {
		t.Errorf("seal: got unknown %v, want %v", partitions[0].Unknown, want)
	}
}

func TestProduceEveryCodec(t *testing.T) {
	for _, codec := range Codecs() {
		t.Run(codec.String(), func(t *testing.T) {
			seeds := startCluster(t, 3)
			report := mustProduce(t, seeds, Spec{
				Topic: testTopic, Partitions: 3, Records: 900, Producers: 3, Seed: 1, Shapes: Everything,
				Codec: codec, BatchRecords: []int{1, 10, 0}, Age: 48 * time.Hour,
			})
			if report.Acked() != 900 || report.Unknown() != 0 {
				t.Errorf("got %v, want 900 acked", report)
			}
			result, err := Audit(testContext(t), seeds, testTopic, report)
			if err != nil || !result.OK() || result.Matched != 900 {
				t.Errorf("audit: got %v, %v", result, err)
			}
			batches, err := Batches(testContext(t), seeds, testTopic)
			if err != nil {
				t.Fatal(err)
			}
			checkBatches(t, batches, codec)
		})
	}
}

func checkBatches(t *testing.T, batches []Batch, codec Codec) {
	t.Helper()
	sizes, codecs := map[int32]int{}, map[Codec]int{}
	next := map[int32]int64{}
	for _, b := range batches {
		sizes[b.Records]++
		codecs[b.Codec]++
		if b.BaseOffset != next[b.Partition] || b.LastOffsetDelta != b.Records-1 || b.ProducerID < 0 || b.SizeBytes < batchHeaderBytes {
			t.Errorf("batch %+v, want base offset %d", b, next[b.Partition])
		}
		next[b.Partition] = b.BaseOffset + int64(b.Records)
	}
	// A client that still drains one flush when the next records come sends some of those at once, so that a batch of ten is
	// cut now and then: at least two in three must be whole, which a client that batches as it likes is far from.
	if sizes[1] < 300 || sizes[10] < 20 {
		t.Errorf("batch sizes %v, want 300 of 1 record and 20 to 30 of 10", sizes)
	}
	if codecs[codec] == 0 {
		t.Errorf("codecs %v, want %v", codecs, codec)
	}
}

func TestProduceTransactions(t *testing.T) {
	seeds := startCluster(t, 2)
	report := mustProduce(t, seeds, Spec{
		Topic: testTopic, Partitions: 2, Records: 2000, Producers: 3, Seed: 4, Shapes: Headers,
		Transactions: &Transactions{Records: 20, AbortRatio: 0.3},
	})
	if report.Aborted() < 300 || report.Acked()+report.Aborted() != 2000 {
		t.Errorf("got %v, want 2000 records, about 600 of them aborted", report)
	}
	result, err := Audit(testContext(t), seeds, testTopic, report)
	if err != nil || !result.OK() || result.DestinationRecords != report.Acked() {
		t.Errorf("audit: got %v, %v", result, err)
	}

	destination := startCluster(t, 2)
	writeAll(t, destination, readAll(t, seeds))
	result, err = Compare(testContext(t), []Source{{seeds, testTopic}}, Destination{destination, testTopic}, Same)
	if err != nil || !result.OK() || result.Matched != report.Acked() {
		t.Errorf("compare: got %v, %v", result, err)
	}
	// What was aborted must not be taken for committed.
	forged := report
	forged.Producers = slices.Clone(report.Producers)
	forged.Producers[0].Partitions = slices.Clone(report.Producers[0].Partitions)
	fate := &forged.Producers[0].Partitions[0]
	fate.Acked, fate.Aborted = fate.Aborted, fate.Acked
	result, err = Audit(testContext(t), seeds, testTopic, forged)
	if err != nil || result.Counts[Lost] == 0 || result.Counts[Alien] == 0 {
		t.Errorf("audit of a forged report: got %v, %v, want lost and alien", result, err)
	}
}

func TestAuditFindsWrongContent(t *testing.T) {
	seeds := startCluster(t, 1)
	report := mustProduce(t, seeds, Spec{Topic: testTopic, Partitions: 1, Records: 50, Age: time.Hour})
	rs := readAll(t, seeds)[0]
	rs[3].Value[len(rs[3].Value)-2] ^= 1
	rs[4], rs[5] = rs[5], rs[4]
	rs[7] = rs[6]
	rs[9] = &kgo.Record{Value: []byte("rogue"), Timestamp: time.UnixMilli(1)}
	copied := startCluster(t, 1)
	writeAll(t, copied, [][]*kgo.Record{rs})
	result, err := Audit(testContext(t), copied, testTopic, report)
	want := fmt.Sprint(map[Kind]int64{Altered: 1, Reordered: 1, Doubled: 1, Lost: 2, Alien: 1})
	if err != nil || fmt.Sprint(result.Counts) != want {
		t.Errorf("got %v, %v, want counts %v", result, err, want)
	}
}

func TestProduceUntilContextEnds(t *testing.T) {
	seeds := startCluster(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	report, err := Produce(ctx, seeds, Spec{Topic: testTopic, Partitions: 2, Producers: 2, Rate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Acked(); got < 100 || got > 600 {
		t.Errorf("got %d records in half a second at 1000 a second", got)
	}
	if result, err := Audit(testContext(t), seeds, testTopic, report); err != nil || !result.OK() {
		t.Errorf("audit: got %v, %v", result, err)
	}
}

func TestProduceReportsUnknown(t *testing.T) {
	seeds := startCluster(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	report, err := Produce(ctx, seeds, Spec{Topic: "missing", Partitions: 1, Records: 10, Settle: 100 * time.Millisecond})
	if err == nil || report.Acked() != 0 || report.Unknown() != 10 {
		t.Errorf("got %v, %v, want an error and 10 unknown", report, err)
	}
}

func TestSpecIsChecked(t *testing.T) {
	for name, spec := range map[string]Spec{
		"no topic":       {Partitions: 1},
		"no partitions":  {Topic: "t"},
		"negative rate":  {Topic: "t", Partitions: 1, Rate: -1},
		"abort ratio":    {Topic: "t", Partitions: 1, Transactions: &Transactions{AbortRatio: 2}},
		"batch size":     {Topic: "t", Partitions: 1, BatchRecords: []int{-1}},
		"negative count": {Topic: "t", Partitions: 1, Records: -1},
	} {
		if _, err := Produce(t.Context(), nil, spec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
