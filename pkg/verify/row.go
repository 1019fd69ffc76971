package verify

import (
	"cmp"
	"encoding/binary"
)

// side is what a record is in a comparison.
type side uint8

// The sides, in the order in which rows with equal fingerprints come.
const (
	required  side = iota // the source held it when the comparison began
	allowed               // the source got it later
	discarded             // its transaction was aborted
	arrived               // the destination has it
)

// row is one record in detail. Rows with equal fingerprints come together, each side in the order of offsets.
type row struct {
	print     print128
	parts     [3]uint32 // of key, value and headers; in a comparison by key, of the record
	log       uint32    // number of the log within its side of the unit
	side      side
	null      bool // the value is null
	offset    int64
	timestamp int64
}

// The elements' kinds are functions, as the house has no variables of packages.
func rowKind() sortable[row] {
	return sortable[row]{size: 56, compare: compareRows, put: putRow, get: getRow}
}

func compareRows(a, b *row) int {
	if a.print != b.print {
		if a.print.less(b.print) {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.side, b.side), cmp.Compare(a.log, b.log), cmp.Compare(a.offset, b.offset))
}

func putRow(b []byte, r *row) {
	binary.LittleEndian.PutUint64(b, r.print.hi)
	binary.LittleEndian.PutUint64(b[8:], r.print.lo)
	for i, part := range r.parts {
		binary.LittleEndian.PutUint32(b[16+4*i:], part)
	}
	binary.LittleEndian.PutUint32(b[28:], r.log)
	binary.LittleEndian.PutUint64(b[32:], uint64(r.offset))
	binary.LittleEndian.PutUint64(b[40:], uint64(r.timestamp))
	b[48] = byte(r.side)
	b[49] = 0
	if r.null {
		b[49] = 1
	}
}

func getRow(b []byte, r *row) {
	r.print = print128{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
	for i := range r.parts {
		r.parts[i] = binary.LittleEndian.Uint32(b[16+4*i:])
	}
	r.log = binary.LittleEndian.Uint32(b[28:])
	r.offset = int64(binary.LittleEndian.Uint64(b[32:]))
	r.timestamp = int64(binary.LittleEndian.Uint64(b[40:]))
	r.side, r.null = side(b[48]), b[49] == 1
}

// match is a source record and where it is at the destination. Matches come in the order of the source logs.
type match struct {
	source, destination uint32 // numbers of logs
	from, to            int64  // offsets
}

func matchKind() sortable[match] {
	return sortable[match]{size: 24, compare: compareMatches, put: putMatch, get: getMatch}
}

func compareMatches(a, b *match) int {
	return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
}

func putMatch(b []byte, m *match) {
	binary.LittleEndian.PutUint32(b, m.source)
	binary.LittleEndian.PutUint32(b[4:], m.destination)
	binary.LittleEndian.PutUint64(b[8:], uint64(m.from))
	binary.LittleEndian.PutUint64(b[16:], uint64(m.to))
}

func getMatch(b []byte, m *match) {
	m.source, m.destination = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	m.from, m.to = int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:]))
}
