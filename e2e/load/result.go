package load

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind is a way in which a destination differs from its sources.
type Kind string

// The kinds of difference.
const (
	Lost          Kind = "lost"          // a required source record is not at the destination
	Doubled       Kind = "doubled"       // a source record is there once more
	Reordered     Kind = "reordered"     // it comes after a later record of its source partition
	Altered       Kind = "altered"       // key, value, headers or timestamp differ
	Alien         Kind = "alien"         // a destination record that no source has committed
	Misplaced     Kind = "misplaced"     // it is in a partition the mapping does not allow
	Control       Kind = "control"       // a transaction marker at the destination
	Transactional Kind = "transactional" // a destination record that is part of a transaction
)

// examplesPerKind is how many differences of each kind are kept with coordinates.
const examplesPerKind = 20

// Difference is one example. Coordinates that do not apply are -1.
type Difference struct {
	Kind                 Kind     `json:"kind"`
	Source               int      `json:"source"` // index into the sources
	SourcePartition      int32    `json:"source_partition"`
	SourceOffset         int64    `json:"source_offset"`
	DestinationPartition int32    `json:"destination_partition"`
	DestinationOffset    int64    `json:"destination_offset"`
	Fields               []string `json:"fields,omitempty"` // of an altered record: key, value, headers, timestamp
	Note                 string   `json:"note,omitempty"`
}

// String returns the difference with its coordinates in one line.
func (d Difference) String() string {
	b := []byte(d.Kind)
	if d.SourceOffset >= 0 {
		b = fmt.Appendf(b, " source=%d/%d@%d", d.Source, d.SourcePartition, d.SourceOffset)
	}
	if d.DestinationOffset >= 0 {
		b = fmt.Appendf(b, " destination=%d@%d", d.DestinationPartition, d.DestinationOffset)
	}
	if len(d.Fields) > 0 {
		b = fmt.Appendf(b, " fields=%s", strings.Join(d.Fields, ","))
	}
	if d.Note != "" {
		b = fmt.Appendf(b, " (%s)", d.Note)
	}
	return string(b)
}

// Result is what [Compare] found.
type Result struct {
	SourceRecords      int64            `json:"source_records"`      // committed records read, required or not
	DestinationRecords int64            `json:"destination_records"` // data records read
	Matched            int64            `json:"matched"`             // source records found, altered ones included
	Pending            int64            `json:"pending"`             // not found, and not required: younger than the noted ends
	Counts             map[Kind]int64   `json:"counts"`              // by kind of difference; absent means 0
	AlteredFields      map[string]int64 `json:"altered_fields"`      // altered records by part; one record may count for several
	Examples           []Difference     `json:"examples"`            // the first 20 of each kind

	ledger *ledger // where each source record landed
}

// OK tells whether the destination holds exactly the required records.
func (r Result) OK() bool { return len(r.Counts) == 0 }

// Err returns nil when the result is OK, else an error with counts and examples.
func (r Result) Err() error {
	if r.OK() {
		return nil
	}
	return errors.New(r.String())
}

// String returns the counts in one line, then one line for each example.
func (r Result) String() string {
	b := fmt.Appendf(nil, "source %d, destination %d, matched %d, pending %d", r.SourceRecords, r.DestinationRecords, r.Matched, r.Pending)
	for _, kind := range slices.Sorted(maps.Keys(r.Counts)) {
		b = fmt.Appendf(b, ", %s %d", kind, r.Counts[kind])
	}
	for _, example := range r.Examples {
		b = append(append(b, "\n  "...), example.String()...)
	}
	return string(b)
}

// Landed returns where a source record was first seen at the destination; ok is
// false when the source record is unknown or was not found.
func (r Result) Landed(source int, partition int32, offset int64) (destinationPartition int32, destinationOffset int64, ok bool) {
	if r.ledger == nil {
		return 0, 0, false
	}
	for _, b := range r.ledger.books {
		if b.source != source || b.partition != partition {
			continue
		}
		if i, found := slices.BinarySearch(r.ledger.offsets[b.first:b.end], offset); found {
			at := r.ledger.landed[int(b.first)+i]
			return at.partition(), at.offset(), at != nowhere
		}
	}
	return 0, 0, false
}

// count notes a difference, with coordinates while there is room for examples.
func (r *Result) count(d Difference) {
	r.Counts[d.Kind]++
	if d.Kind == Altered {
		for _, field := range d.Fields {
			r.AlteredFields[field]++
		}
	}
	if r.Counts[d.Kind] <= examplesPerKind {
		r.Examples = append(r.Examples, d)
	}
}
