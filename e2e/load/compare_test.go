package load

import (
	"bytes"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// copyRecord returns a copy whose parts can be changed.
func copyRecord(r *kgo.Record) *kgo.Record {
	c := *r
	c.Key, c.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	c.Headers = slices.Clone(r.Headers)
	return &c
}

// mutants are what a mirror may get wrong, planted in partition 1. Record 10 is
// the victim; it has a key, a value and two headers.
var mutants = []struct {
	name   string
	plant  func([]*kgo.Record) []*kgo.Record
	counts map[Kind]int64
	fields []string
	offset int64 // of the victim at the source
}{
	{"none", func(rs []*kgo.Record) []*kgo.Record { return rs }, map[Kind]int64{}, nil, -1},
	{"drop", func(rs []*kgo.Record) []*kgo.Record { return slices.Delete(rs, 10, 11) }, map[Kind]int64{Lost: 1}, nil, 10},
	{"cut tail", func(rs []*kgo.Record) []*kgo.Record { return rs[:len(rs)-3] }, map[Kind]int64{Lost: 3}, nil, -1},
	{"duplicate", func(rs []*kgo.Record) []*kgo.Record { return slices.Insert(rs, 11, rs[10]) }, map[Kind]int64{Doubled: 1}, nil, 10},
	{"duplicate late", func(rs []*kgo.Record) []*kgo.Record { return append(rs, rs[10]) }, map[Kind]int64{Doubled: 1}, nil, 10},
	{"drop and duplicate", func(rs []*kgo.Record) []*kgo.Record { rs[10] = rs[5]; return rs }, map[Kind]int64{Lost: 1, Doubled: 1}, nil, 10},
	{"replay", func(rs []*kgo.Record) []*kgo.Record { return slices.Insert(rs, 20, rs[10:20]...) }, map[Kind]int64{Doubled: 10}, nil, 10},
	{"swap neighbours", func(rs []*kgo.Record) []*kgo.Record { rs[10], rs[11] = rs[11], rs[10]; return rs }, map[Kind]int64{Reordered: 1}, nil, 10},
	{"alien", func(rs []*kgo.Record) []*kgo.Record {
		return slices.Insert(rs, 10, &kgo.Record{Value: []byte("rogue"), Timestamp: time.UnixMilli(5)})
	}, map[Kind]int64{Alien: 1}, nil, -1},
	{"value bit behind the identity", func(rs []*kgo.Record) []*kgo.Record { rs[10].Value[len(rs[10].Value)-3] ^= 1; return rs }, map[Kind]int64{Altered: 1}, []string{"value"}, 10},
	{"value bit in the identity", func(rs []*kgo.Record) []*kgo.Record { rs[10].Value[8] ^= 1; return rs }, map[Kind]int64{Altered: 1}, []string{"value"}, 10},
	{"value null", func(rs []*kgo.Record) []*kgo.Record { rs[10].Value = nil; return rs }, map[Kind]int64{Altered: 1}, []string{"value"}, 10},
	{"key bit", func(rs []*kgo.Record) []*kgo.Record { rs[10].Key[0] ^= 1; return rs }, map[Kind]int64{Altered: 1}, []string{"key"}, 10},
	{"key null", func(rs []*kgo.Record) []*kgo.Record { rs[10].Key = nil; return rs }, map[Kind]int64{Altered: 1}, []string{"key"}, 10},
	{"key empty to null", func(rs []*kgo.Record) []*kgo.Record { rs[12].Key = nil; return rs }, map[Kind]int64{Altered: 1}, []string{"key"}, 12},
	{"key null to empty", func(rs []*kgo.Record) []*kgo.Record { rs[13].Key = []byte{}; return rs }, map[Kind]int64{Altered: 1}, []string{"key"}, 13},
	{"timestamp", func(rs []*kgo.Record) []*kgo.Record {
		rs[10].Timestamp = rs[10].Timestamp.Add(time.Millisecond)
		return rs
	}, map[Kind]int64{Altered: 1}, []string{"timestamp"}, 10},
	{"header value", func(rs []*kgo.Record) []*kgo.Record { rs[10].Headers[0].Value = []byte("x"); return rs }, map[Kind]int64{Altered: 1}, []string{"headers"}, 10},
	{"header key", func(rs []*kgo.Record) []*kgo.Record { rs[10].Headers[0].Key = "x"; return rs }, map[Kind]int64{Altered: 1}, []string{"headers"}, 10},
	{"header order", func(rs []*kgo.Record) []*kgo.Record { slices.Reverse(rs[10].Headers); return rs }, map[Kind]int64{Altered: 1}, []string{"headers"}, 10},
	{"header null to empty", func(rs []*kgo.Record) []*kgo.Record { rs[10].Headers[1].Value = []byte{}; return rs }, map[Kind]int64{Altered: 1}, []string{"headers"}, 10},
	{"header empty to null", func(rs []*kgo.Record) []*kgo.Record { rs[10].Headers[2].Value = nil; return rs }, map[Kind]int64{Altered: 1}, []string{"headers"}, 10},
	{"header repeat merged", func(rs []*kgo.Record) []*kgo.Record { rs[10].Headers = rs[10].Headers[:3]; return rs }, map[Kind]int64{Altered: 1}, []string{"headers"}, 10},
	{"two parts", func(rs []*kgo.Record) []*kgo.Record { rs[10].Key, rs[10].Headers = nil, nil; return rs }, map[Kind]int64{Altered: 1}, []string{"headers", "key"}, 10},
}

// mutantSource returns two partitions of 50 records with and without identity.
func mutantSource(identified bool) [][]*kgo.Record {
	partitions := make([][]*kgo.Record, 2)
	for p := range partitions {
		m := newMaker(0, 1_700_000_000_000, false)
		for i := range int64(50) {
			r := m.record(Identity{Producer: 7, Partition: int32(p), Sequence: i})
			if !identified {
				r.Value = r.Value[len(eventPrefix)+tokenBytes:]
			}
			r.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "null"}, {Key: "empty", Value: []byte{}}, {Key: "a", Value: []byte("1")}}
			partitions[p] = append(partitions[p], r)
		}
		partitions[p][12].Key, partitions[p][13].Key = []byte{}, nil
	}
	return partitions
}

func TestCompareNamesEveryMutant(t *testing.T) {
	for _, identified := range []bool{true, false} {
		name := map[bool]string{true: "identified", false: "anonymous"}[identified]
		source := startCluster(t, 2)
		records := mutantSource(identified)
		writeAll(t, source, records)
		for _, mutant := range mutants {
			t.Run(name+"/"+mutant.name, func(t *testing.T) {
				copied := make([][]*kgo.Record, len(records))
				for p := range records {
					for _, r := range records[p] {
						copied[p] = append(copied[p], copyRecord(r))
					}
				}
				copied[1] = mutant.plant(copied[1])
				destination := startCluster(t, 2)
				writeAll(t, destination, copied)
				result, err := Compare(testContext(t), []Source{{source, testTopic}}, Destination{destination, testTopic}, Same)
				if err != nil {
					t.Fatalf("compare: %v", err)
				}
				checkMutant(t, result, mutant.counts, mutant.fields, mutant.offset)
			})
		}
	}
}

func checkMutant(t *testing.T, got Result, counts map[Kind]int64, fields []string, offset int64) {
	t.Helper()
	if !maps.Equal(got.Counts, counts) {
		t.Errorf("got %v, want counts %v", got, counts)
	}
	if got.OK() != (len(counts) == 0) || (got.Err() == nil) != got.OK() {
		t.Errorf("OK %v, Err %v with counts %v", got.OK(), got.Err(), got.Counts)
	}
	if names := slices.Sorted(maps.Keys(got.AlteredFields)); !slices.Equal(names, fields) {
		t.Errorf("altered fields: got %v, want %v", names, fields)
	}
	if offset >= 0 && !slices.ContainsFunc(got.Examples, func(d Difference) bool { return d.SourcePartition == 1 && d.SourceOffset == offset }) {
		t.Errorf("no example at source 1@%d in %v", offset, got)
	}
}
