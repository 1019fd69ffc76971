package load

import (
	"fmt"
	"slices"
	"time"
)

// Report says what became of every record that [Produce] wrote.
type Report struct {
	Topic     string           `json:"topic"`
	Shapes    Shapes           `json:"shapes"`
	Base      int64            `json:"base"`  // timestamp of sequence 0, milliseconds since 1970
	Fresh     bool             `json:"fresh"` // timestamps came from the clock instead
	Started   time.Time        `json:"started"`
	Ended     time.Time        `json:"ended"`
	Producers []ProducerReport `json:"producers"`
}

// ProducerReport is the part of one producer.
type ProducerReport struct {
	Producer   uint64            `json:"producer"` // as in the identity of its records
	Partitions []PartitionReport `json:"partitions"`
}

// PartitionReport sorts the sequences one producer wrote to one partition by
// their fate. The four lists do not overlap and together hold every sequence.
type PartitionReport struct {
	Partition int32   `json:"partition"`
	Acked     []Range `json:"acked"`   // acknowledged by all in-sync replicas and, in a transaction, committed
	Aborted   []Range `json:"aborted"` // in a transaction that was surely not committed
	Refused   []Range `json:"refused"` // surely not written: the broker said no
	Unknown   []Range `json:"unknown"` // nobody can say
}

// Range is a run of sequences, From included and To not.
type Range struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Acked returns the number of records that must be at the source, each once.
func (r Report) Acked() int64 {
	return r.count(func(p PartitionReport) []Range { return p.Acked })
}

// Aborted returns the number of records that no reader of committed data may see.
func (r Report) Aborted() int64 {
	return r.count(func(p PartitionReport) []Range { return p.Aborted })
}

// Refused returns the number of records that brokers rejected.
func (r Report) Refused() int64 {
	return r.count(func(p PartitionReport) []Range { return p.Refused })
}

// Unknown returns the number of records that may or may not be at the source.
func (r Report) Unknown() int64 {
	return r.count(func(p PartitionReport) []Range { return p.Unknown })
}

// String returns the totals in one line.
func (r Report) String() string {
	return fmt.Sprintf("%s: acked %d, aborted %d, refused %d, unknown %d in %v",
		r.Topic, r.Acked(), r.Aborted(), r.Refused(), r.Unknown(), r.Ended.Sub(r.Started).Round(time.Millisecond))
}

func (r Report) count(list func(PartitionReport) []Range) (total int64) {
	for _, producer := range r.Producers {
		for _, partition := range producer.Partitions {
			for _, run := range list(partition) {
				total += run.To - run.From
			}
		}
	}
	return total
}

// addSequence adds one sequence to a sorted list of ranges. Sequences mostly
// come in order, so the search starts at the end.
func addSequence(list []Range, sequence int64) []Range {
	at := len(list)
	for at > 0 && list[at-1].From > sequence {
		at--
	}
	touchesLeft := at > 0 && list[at-1].To == sequence
	touchesRight := at < len(list) && list[at].From == sequence+1
	switch {
	case touchesLeft && touchesRight:
		list[at-1].To = list[at].To
		return slices.Delete(list, at, at+1)
	case touchesLeft:
		list[at-1].To++
		return list
	case touchesRight:
		list[at].From--
		return list
	default:
		return slices.Insert(list, at, Range{sequence, sequence + 1})
	}
}

// addRanges adds ranges, which must not overlap those already in list.
func addRanges(list, more []Range) []Range {
	list = append(list, more...)
	slices.SortFunc(list, func(a, b Range) int { return int(a.From - b.From) })
	merged := list[:0]
	for _, r := range list {
		if n := len(merged); n > 0 && merged[n-1].To == r.From {
			merged[n-1].To = r.To
			continue
		}
		merged = append(merged, r)
	}
	return merged
}
