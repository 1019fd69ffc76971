package load

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Violation is a position that was committed too early, or is malformed.
type Violation struct {
	At              time.Time
	SourcePartition int32
	Committed       int64 // the position
	SourceOffset    int64 // a record below it, or -1
	// Where that record is, or -1 when it is nowhere, and the watermark it
	// should have been below, or -1 when that was not to be had.
	DestinationPartition int32
	DestinationOffset    int64
	Watermark            int64
	Note                 string
}

// String returns the violation with its coordinates in one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s: source partition %d committed %d: record %d is at %d@%d, watermark %d: %s",
		v.At.Format("15:04:05.000"), v.SourcePartition, v.Committed, v.SourceOffset, v.DestinationPartition, v.DestinationOffset, v.Watermark, v.Note)
}

// metadataLimitBytes is what a position's metadata may measure.
const metadataLimitBytes = 1 << 10

// Violations checks every sample against where [Compare] found the records:
// each source record below a committed position must have a destination offset
// below the watermark of the same sample. source is the sampled topic's index
// among the sources of the comparison. At most one violation per sample and
// source partition is returned, in order of partition and position.
func Violations(samples []Sample, result Result, source int) []Violation {
	var all []Violation
	if result.ledger == nil {
		return nil
	}
	for _, b := range result.ledger.books {
		if b.source == source {
			all = append(all, checkBook(samples, result.ledger, b)...)
		}
	}
	return all
}

// furthest is the record with the highest destination offset so far.
type furthest struct{ destination, source int64 }

// checkBook walks samples and rows together in order of source offset, keeping
// the furthest record of each destination partition.
func checkBook(samples []Sample, l *ledger, b book) []Violation {
	var with []Sample
	for _, s := range samples {
		if _, ok := s.Committed[b.partition]; ok {
			with = append(with, s)
		}
	}
	slices.SortStableFunc(with, func(x, y Sample) int {
		return cmp.Compare(x.Committed[b.partition].Next, y.Committed[b.partition].Next)
	})
	var (
		all      []Violation
		row      = b.first
		lost     = int64(-1) // first row found nowhere
		furthest = map[int32]furthest{}
	)
	for _, s := range with {
		at := s.Committed[b.partition]
		for ; row < b.end && l.offsets[row] < at.Next; row++ {
			lost = furthestTo(furthest, lost, l.landed[row], l.offsets[row])
		}
		v := Violation{At: s.At, SourcePartition: b.partition, Committed: at.Next, SourceOffset: -1, DestinationPartition: -1, DestinationOffset: -1, Watermark: -1}
		if found, bad := v.judge(s, at, lost, furthest); bad {
			all = append(all, found)
		}
	}
	return all
}

// furthestTo moves one record into furthest and returns the first lost one.
func furthestTo(all map[int32]furthest, lost int64, at place, source int64) int64 {
	if at == nowhere {
		if lost < 0 {
			return source
		}
		return lost
	}
	if was, ok := all[at.partition()]; !ok || was.destination < at.offset() {
		all[at.partition()] = furthest{at.offset(), source}
	}
	return lost
}

// judge completes the violation v of a sample, if there is one.
func (v Violation) judge(s Sample, at Committed, lost int64, all map[int32]furthest) (Violation, bool) {
	if lost >= 0 {
		v.SourceOffset, v.Note = lost, "the record is nowhere"
		return v, true
	}
	for p, f := range all {
		if mark, ok := s.Watermarks[p]; ok && f.destination >= mark {
			v.SourceOffset, v.DestinationPartition, v.DestinationOffset, v.Watermark = f.source, p, f.destination, mark
			v.Note = "committed before it was there"
			return v, true
		}
	}
	if at.Metadata != "" && !json.Valid([]byte(at.Metadata)) || len(at.Metadata) > metadataLimitBytes {
		v.Note = fmt.Sprintf("metadata of %d bytes is not JSON below %d", len(at.Metadata), metadataLimitBytes)
		return v, true
	}
	return v, false
}
