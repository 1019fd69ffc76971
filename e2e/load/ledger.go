package load

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ledger holds what must be found at the destination: every committed source
// record as a row of about 60 bytes, source partition after source partition,
// each in order. A row number is an int32, which bounds it to 2^31 records.
type ledger struct {
	books    []book
	offsets  []int64       // by row: source offset
	prints   []fingerprint // by row
	parts    []digests     // by row
	handles  []uint64      // by row; see handle
	landed   []place       // by row: first place seen at the destination
	byHandle []int32       // rows sorted by handle, then by number
}

// book is one source partition: the rows first to end.
type book struct {
	source    int // index into the sources
	partition int32
	first     int32
	end       int32
	required  int64 // source offsets below were there before the destination's end was noted
}

// place is a destination partition (upper 16 bits) and offset, or nowhere.
type place int64

const (
	nowhere    place = -1
	offsetBits int   = 47
)

func newPlace(partition int32, offset int64) place {
	return place(int64(partition)<<offsetBits | offset)
}

func (p place) partition() int32 { return int32(p >> offsetBits) }
func (p place) offset() int64    { return int64(p) & (1<<offsetBits - 1) }

// reserve makes room for rows more rows, so that growth does not double memory.
func (l *ledger) reserve(rows int64) {
	const most = 1 << 24 // offsets may count records that compaction removed
	n := int(min(rows, most))
	l.offsets = slices.Grow(l.offsets, n)
	l.prints = slices.Grow(l.prints, n)
	l.parts = slices.Grow(l.parts, n)
	l.handles = slices.Grow(l.handles, n)
}

// read adds the committed records of one source partition.
func (l *ledger) read(ctx context.Context, r *reader, source int, partition int32, s span, required int64, d *digester) error {
	b := book{source: source, partition: partition, first: int32(len(l.offsets)), required: required}
	err := r.scan(ctx, partition, s, readCommitted, func(record *kgo.Record) error {
		print, parts := d.digest(record)
		l.offsets = append(l.offsets, record.Offset)
		l.prints = append(l.prints, print)
		l.parts = append(l.parts, parts)
		l.handles = append(l.handles, handle(record, print))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read source %d: %w", source, err)
	}
	b.end = int32(len(l.offsets))
	l.books = append(l.books, b)
	return nil
}

// index prepares find. No rows may be added afterwards.
func (l *ledger) index() {
	l.byHandle = make([]int32, len(l.handles))
	l.landed = make([]place, len(l.handles))
	for i := range l.byHandle {
		l.byHandle[i] = int32(i)
		l.landed[i] = nowhere
	}
	slices.SortFunc(l.byHandle, func(a, b int32) int {
		return cmp.Or(cmp.Compare(l.handles[a], l.handles[b]), cmp.Compare(a, b))
	})
}

// find returns the rows with a handle, in order.
func (l *ledger) find(handle uint64) []int32 {
	from := sort.Search(len(l.byHandle), func(i int) bool { return l.handles[l.byHandle[i]] >= handle })
	rest := l.byHandle[from:]
	return rest[:sort.Search(len(rest), func(i int) bool { return l.handles[rest[i]] > handle })]
}

// release drops what only the comparison needed; where records landed stays.
func (l *ledger) release() {
	l.prints, l.parts, l.handles, l.byHandle = nil, nil, nil, nil
}

// book returns the index of the book that holds a row.
func (l *ledger) book(row int32) int {
	return sort.Search(len(l.books), func(i int) bool { return l.books[i].end > row })
}
