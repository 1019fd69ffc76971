package load

import (
	"slices"
	"testing"
)

func TestWithout(t *testing.T) {
	acked := []Range{{0, 10}, {20, 30}}
	for _, test := range []struct {
		name          string
		lost          Range
		acked, refuse []Range
	}{
		{"nothing", Range{5, 5}, acked, nil},
		{"inside a run", Range{3, 5}, []Range{{0, 3}, {5, 10}, {20, 30}}, []Range{{3, 5}}},
		{"over a gap", Range{8, 22}, []Range{{0, 8}, {22, 30}}, []Range{{8, 10}, {20, 22}}},
		{"all", Range{0, 100}, nil, []Range{{0, 10}, {20, 30}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := Report{Producers: []ProducerReport{{Producer: 1, Partitions: []PartitionReport{{Partition: 0, Acked: acked}, {Partition: 1, Acked: acked}}}}}
			got := report.Without(0, test.lost).Producers[0].Partitions
			if !slices.Equal(got[0].Acked, test.acked) || !slices.Equal(got[0].Refused, test.refuse) {
				t.Errorf("got acked %v, refused %v, want %v and %v", got[0].Acked, got[0].Refused, test.acked, test.refuse)
			}
			if !slices.Equal(got[1].Acked, acked) || !slices.Equal(report.Producers[0].Partitions[0].Acked, acked) {
				t.Error("another partition, or the report itself, was changed")
			}
		})
	}
}
