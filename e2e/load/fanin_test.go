package load

import (
	"maps"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fanIn writes 40 records to each of two partitions of two edges and returns
// the edges with their records.
func fanIn(t *testing.T) ([]Source, [][][]*kgo.Record) {
	t.Helper()
	var sources []Source
	var records [][][]*kgo.Record
	for edge := range 2 {
		seeds := startCluster(t, 2)
		mustProduce(t, seeds, Spec{Topic: testTopic, Partitions: 2, Records: 80, Seed: uint64(edge), Shapes: Everything &^ Large, Age: 1})
		sources = append(sources, Source{seeds, testTopic})
		records = append(records, readAll(t, seeds))
	}
	return sources, records
}

// interleave merges partitions record by record.
func interleave(partitions ...[]*kgo.Record) []*kgo.Record {
	var all []*kgo.Record
	for i := range partitions[0] {
		for _, p := range partitions {
			all = append(all, p[i])
		}
	}
	return all
}

func TestCompareFanIn(t *testing.T) {
	sources, edges := fanIn(t)
	tests := []struct {
		name string
		copy func() [][]*kgo.Record
		want map[Kind]int64
	}{
		{"exact", func() [][]*kgo.Record {
			return [][]*kgo.Record{interleave(edges[0][0], edges[1][0], edges[1][1]), edges[0][1]}
		}, map[Kind]int64{}},
		{"one edge twice, the other lost", func() [][]*kgo.Record {
			return [][]*kgo.Record{interleave(edges[0][0], edges[0][0], edges[1][1]), edges[0][1]}
		}, map[Kind]int64{Lost: 40, Doubled: 40}},
		{"a record in another partition", func() [][]*kgo.Record {
			return [][]*kgo.Record{interleave(edges[0][0], edges[1][0], edges[1][1]), append(slices.Clone(edges[0][1][:39]), edges[1][1][39], edges[0][1][39])}
		}, map[Kind]int64{Doubled: 1}},
		{"a partition split over two", func() [][]*kgo.Record {
			return [][]*kgo.Record{interleave(edges[0][0], edges[1][0]), append(slices.Clone(edges[0][1]), edges[1][1]...), edges[0][0][:0]}
		}, map[Kind]int64{}},
		{"swapped within an edge", func() [][]*kgo.Record {
			rs := interleave(edges[0][0], edges[1][0], edges[1][1])
			rs[30], rs[33] = rs[33], rs[30] // the same edge partition, three places on
			return [][]*kgo.Record{rs, edges[0][1]}
		}, map[Kind]int64{Reordered: 1}},
		{"swapped between edges", func() [][]*kgo.Record {
			rs := interleave(edges[0][0], edges[1][0], edges[1][1])
			rs[30], rs[31] = rs[31], rs[30]
			return [][]*kgo.Record{rs, edges[0][1]}
		}, map[Kind]int64{}},
		{"tail in another partition", func() [][]*kgo.Record {
			return [][]*kgo.Record{interleave(edges[0][0][:35], edges[1][0][:35], edges[1][1][:35]), slices.Concat(edges[0][1], edges[0][0][35:], edges[1][0][35:], edges[1][1][35:])}
		}, map[Kind]int64{Misplaced: 15}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			destination := startCluster(t, 3)
			writeAll(t, destination, test.copy())
			result, err := Compare(testContext(t), sources, Destination{destination, testTopic}, Spread)
			if err != nil {
				t.Fatalf("compare: %v", err)
			}
			if !maps.Equal(result.Counts, test.want) {
				t.Errorf("got %v, want counts %v", result, test.want)
			}
		})
	}
}

func TestCompareByKey(t *testing.T) {
	sources, edges := fanIn(t)
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic(testTopic)
	copied := make([][]*kgo.Record, 3)
	for _, r := range slices.Concat(edges[0][0], edges[0][1], edges[1][0], edges[1][1]) {
		p := 0
		if r.Key != nil {
			p = partitioner.Partition(r, 3)
		}
		copied[p] = append(copied[p], r)
	}
	destination := startCluster(t, 3)
	writeAll(t, destination, copied)
	result, err := Compare(testContext(t), sources, Destination{destination, testTopic}, Key)
	if err != nil || !result.OK() {
		t.Fatalf("right partitions: got %v, %v", result, err)
	}

	wrong := startCluster(t, 3)
	copied[0], copied[1] = copied[1], copied[0]
	writeAll(t, wrong, copied)
	result, err = Compare(testContext(t), sources, Destination{wrong, testTopic}, Key)
	if err != nil {
		t.Fatal(err)
	}
	if result.Counts[Misplaced] == 0 || len(result.Counts) != 1 {
		t.Errorf("swapped partitions: got %v, want misplaced only", result)
	}
}

func TestCompareShowsTransactionsAtDestination(t *testing.T) {
	sources, edges := fanIn(t)
	destination := startCluster(t, 2)
	writeAll(t, destination, edges[0])
	mustProduce(t, destination, Spec{Topic: testTopic, Partitions: 2, Records: 20, Seed: 99, Transactions: &Transactions{Records: 10, AbortRatio: 1}})
	result, err := Compare(testContext(t), sources[:1], Destination{destination, testTopic}, Same)
	if err != nil {
		t.Fatal(err)
	}
	want := map[Kind]int64{Control: 4, Transactional: 20, Alien: 20}
	if !maps.Equal(result.Counts, want) {
		t.Errorf("got %v, want counts %v", result, want)
	}
}
