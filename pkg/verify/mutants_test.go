package verify

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// copied is what a perfect mirror would write, for a mutant to spoil. Records of clicks/0, clicks/1 and bids/0.
type copied map[string][]*kgo.Record

func (c copied) drop(log string, at int) { c[log] = slices.Delete(c[log], at, at+1) }

func (c copied) insert(log string, at int, r *kgo.Record) {
	c[log] = slices.Insert(c[log], at, clone(r))
}

// mutants are the faults that the checker must name; the first column is that of the catalogue.
func mutants() []struct {
	name  string
	spoil func(c copied)
	want  []string // findings as kind source destination field; "-" for no record at that side
} {
	return []struct {
		name  string
		spoil func(c copied)
		want  []string
	}{
		{"drop one", func(c copied) { c.drop("clicks/0", 100) }, []string{"missing edge/clicks/0@100 -"}},
		{"duplicate one", func(c copied) { c.insert("clicks/0", 101, c["clicks/0"][100]) }, []string{"duplicate edge/clicks/0@100 region/clicks/0@101"}},
		{"drop one and duplicate another", func(c copied) {
			c.drop("clicks/0", 200)
			c.insert("clicks/0", 101, c["clicks/0"][100])
		}, []string{"missing edge/clicks/0@200 -", "duplicate edge/clicks/0@100 region/clicks/0@101"}},
		{"drop two and add two copies of others", func(c copied) {
			c.drop("clicks/0", 201)
			c.drop("clicks/0", 200)
			c.insert("clicks/0", 101, c["clicks/0"][100])
			c.insert("clicks/0", 51, c["clicks/0"][50])
		}, []string{"missing edge/clicks/0@200 -", "missing edge/clicks/0@201 -",
			"duplicate edge/clicks/0@50 region/clicks/0@51", "duplicate edge/clicks/0@100 region/clicks/0@102"}},
		{"swap neighbours", func(c copied) {
			c["clicks/0"][100], c["clicks/0"][101] = c["clicks/0"][101], c["clicks/0"][100]
		}, []string{"reordered edge/clicks/0@101 region/clicks/0@100"}},
		{"swap across partitions", func(c copied) {
			a, b := c["clicks/0"][100], c["clicks/1"][40]
			a.Partition, b.Partition = 1, 0
			c["clicks/0"][100], c["clicks/1"][40] = b, a
		}, []string{"missing edge/clicks/0@100 -", "missing edge/clicks/1@40 -",
			"alien edge/clicks/1@40 region/clicks/0@100", "alien edge/clicks/0@100 region/clicks/1@40"}},
		{"wrong topic", func(c copied) {
			r := clone(c["clicks/0"][100])
			c.drop("clicks/0", 100)
			r.Topic = "bids"
			c.insert("bids/0", 10, r)
		}, []string{"missing edge/clicks/0@100 -", "alien edge/clicks/0@100 region/bids/0@10"}},
		{"one bit of a key", func(c copied) { c["clicks/0"][100].Key[0] ^= 1 }, altered("clicks/0", 100, "key")},
		{"one bit of a value", func(c copied) { c["clicks/0"][100].Value[3] ^= 1 }, altered("clicks/0", 100, "value")},
		{"one bit of a header's key", func(c copied) { c["clicks/0"][101].Headers[0].Key = "trbce" }, altered("clicks/0", 101, "headers")},
		{"one bit of a header's value", func(c copied) { c["clicks/0"][101].Headers[0].Value[0] ^= 1 }, altered("clicks/0", 101, "headers")},
		{"timestamp a millisecond later", func(c copied) {
			c["clicks/0"][100].Timestamp = c["clicks/0"][100].Timestamp.Add(time.Millisecond)
		}, altered("clicks/0", 100, "timestamp")},
		{"null key becomes empty", func(c copied) { c["clicks/0"][103].Key = []byte{} }, altered("clicks/0", 103, "key")},
		{"null value becomes empty", func(c copied) { c["clicks/0"][104].Value = []byte{} }, altered("clicks/0", 104, "value")},
		{"null header becomes empty", func(c copied) { c["clicks/0"][101].Headers[1].Value = []byte{} }, altered("clicks/0", 101, "headers")},
		{"order of headers", func(c copied) {
			h := c["clicks/0"][101].Headers
			h[0], h[1] = h[1], h[0]
		}, altered("clicks/0", 101, "headers")},
		{"repeated header merged", func(c copied) { c["clicks/0"][102].Headers = c["clicks/0"][102].Headers[:1] }, altered("clicks/0", 102, "headers")},
		{"truncated tail", func(c copied) { c["clicks/1"] = c["clicks/1"][:298] },
			[]string{"missing edge/clicks/1@298 -", "missing edge/clicks/1@299 -"}},
	}
}

func altered(log string, offset int, field string) []string {
	return []string{fmt.Sprintf("altered edge/%s@%d region/%s@%d %s", log, offset, log, offset, field)}
}

// spell writes findings as the tables do.
func spell(r *Report) []string {
	var out []string
	for _, f := range r.Examples {
		text := string(f.Kind)
		for _, p := range []*Place{f.Source, f.Destination} {
			if p == nil {
				text += " -"
			} else {
				text += " " + p.String()
			}
		}
		if f.Field != "" {
			text += " " + f.Field
		}
		out = append(out, text)
	}
	return out
}

func requireFindings(t *testing.T, r *Report, want ...string) {
	t.Helper()
	if got := spell(r); !slices.Equal(got, want) {
		t.Errorf("findings: got %q, want %q", got, want)
	}
	if r.Verdict != Different || r.Differences() != int64(len(want)) {
		t.Errorf("verdict: got %s with %d differences, want different with %d\n%s", r.Verdict, r.Differences(), len(want), r.Text())
	}
}

func requireEqual(t *testing.T, r *Report, records int64) {
	t.Helper()
	if r.Verdict != Equal || r.Records != records || r.Coverage != 100 {
		t.Fatalf("got %s of %d records, want equal of %d\n%s", r.Verdict, r.Records, records, r.Text())
	}
}

// Every planted fault is named with its coordinates, and nothing else is.
func TestMutants(t *testing.T) {
	topics := map[string]int32{"clicks": 2, "bids": 1}
	edge := newFake(t, "edge", topics)
	original := copied{"clicks/0": sample("clicks", 0, 300), "clicks/1": sample("clicks", 1, 300), "bids/0": sample("bids", 0, 60)}
	for _, records := range original {
		edge.write(t, records...)
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			c := copied{}
			for log, records := range original {
				c[log] = cloneAll(records)
			}
			m.spoil(c)
			region := newFake(t, "region", topics)
			for _, records := range c {
				region.write(t, records...)
			}
			requireFindings(t, compare(t, region, []*fake{edge}), m.want...)
		})
	}
}

// A record that is equal at two edges must be in the region twice, not three times.
func TestMutantEqualRecordsOfTwoEdges(t *testing.T) {
	topics := map[string]int32{"clicks": 1}
	a, b, region := newFake(t, "a", topics), newFake(t, "b", topics), newFake(t, "region", topics)
	common := sample("clicks", 0, 1)[0]
	fromA, fromB := sample("clicks", 0, 100), sample("clicks", 0, 100)
	for i := range fromA {
		fromA[i].Value, fromB[i].Value = fmt.Appendf(nil, "a%d", i), fmt.Appendf(nil, "b%d", i)
	}
	fromA, fromB = append(fromA, common), append(fromB, common)
	a.write(t, fromA...)
	b.write(t, fromB...)
	region.write(t, fromA...)
	region.write(t, fromB...)
	requireEqual(t, compare(t, region, []*fake{a, b}), 202)
	region.write(t, common)
	requireFindings(t, compare(t, region, []*fake{a, b}), "duplicate a/clicks/0@100 region/clicks/0@202")
}

// An aborted record that is visible at the destination is an alien that the source knows.
func TestMutantAbortedRecord(t *testing.T) {
	topics := map[string]int32{"clicks": 1}
	edge, region := newFake(t, "edge", topics), newFake(t, "region", topics)
	records := sample("clicks", 0, 100)
	edge.write(t, records[:50]...)
	client := newWriter(t, edge.client.OptValue("SeedBrokers").([]string), kgo.TransactionalID("t"))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	writeWith(t, client, records[50])
	if err := client.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	edge.write(t, records[51:]...)
	region.write(t, slices.Concat(records[:50], records[51:])...)
	requireEqual(t, compare(t, region, []*fake{edge}), 99)
	region.write(t, records[50])
	r := compare(t, region, []*fake{edge})
	requireFindings(t, r, "alien edge/clicks/0@50 region/clicks/0@99")
	if got, want := r.Examples[0].Note, "the source aborted its transaction"; got != want {
		t.Errorf("note: got %q, want %q", got, want)
	}
}

// Records of an earlier topic of the same name are aliens.
func TestMutantStaleIncarnation(t *testing.T) {
	topics := map[string]int32{"clicks": 1}
	edge, region := newFake(t, "edge", topics), newFake(t, "region", topics)
	records := sample("clicks", 0, 60)
	edge.write(t, records[3:]...)
	region.write(t, records...)
	requireFindings(t, compare(t, region, []*fake{edge}), "alien - region/clicks/0@0", "alien - region/clicks/0@1", "alien - region/clicks/0@2")
}
