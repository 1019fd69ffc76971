package load

import (
	"sort"

	"github.com/twmb/franz-go/pkg/kgo"
)

// judge matches destination records with the rows of a ledger. It sees one
// destination partition after the other, each in order.
type judge struct {
	ledger      *ledger
	mapping     Mapping
	digester    *digester
	partitioner kgo.TopicPartitioner // for Key
	partitions  int32                // of the destination

	homes  []int32 // by book: the destination partition its first record was in, or -1
	strays []stray // records that match no row

	partition int32   // the one being seen
	hint      int     // book of the last matched record
	last      []int32 // by book: the highest row seen in this partition

	result Result
}

// stray is a destination record that matches no source record. Under Same it
// may turn out to be an altered copy of the row it stands in place of.
type stray struct {
	partition int32
	offset    int64
	after     int32 // the highest row of the hinted book seen before it
	parts     digests
	note      string
}

// maxStrays bounds the memory for strays; further ones are aliens at once.
const maxStrays = 100_000

func newJudge(l *ledger, m Mapping, partitions int32, d *digester) *judge {
	j := &judge{
		ledger: l, mapping: m, digester: d, partitions: partitions,
		partitioner: kgo.StickyKeyPartitioner(nil).ForTopic(""),
		homes:       make([]int32, len(l.books)), last: make([]int32, len(l.books)),
		result: Result{
			SourceRecords: int64(len(l.offsets)), Counts: map[Kind]int64{}, AlteredFields: map[string]int64{}, ledger: l,
		},
	}
	for i := range j.homes {
		j.homes[i] = -1
	}
	return j
}

// open begins a destination partition.
func (j *judge) open(partition int32) {
	j.partition, j.hint = partition, 0
	for i := len(j.ledger.books) - 1; i >= 0; i-- {
		b := j.ledger.books[i]
		j.last[i] = b.first - 1
		if b.partition == partition {
			j.hint = i
		}
	}
}

// see judges the next record of the open partition.
func (j *judge) see(r *kgo.Record) {
	if r.Attrs.IsControl() {
		j.result.count(j.difference(Control, r.Offset))
		return
	}
	j.result.DestinationRecords++
	if r.Attrs.IsTransactional() {
		j.result.count(j.difference(Transactional, r.Offset))
	}
	print, parts := j.digester.digest(r)
	row, free := j.choose(handle(r, print))
	switch {
	case row < 0:
		j.strayed(r, parts)
	case !free:
		d := j.difference(Doubled, r.Offset).from(j.ledger, row)
		if print != j.ledger.prints[row] {
			d.Fields = parts.differing(j.ledger.parts[row])
		}
		j.result.count(d)
	default:
		j.match(row, r, print, parts)
	}
}

// choose returns the row a record is taken for, -1 when there is none. When all
// rows it could be have been seen already, free is false. Among several free
// ones the next in order is preferred, then one the mapping allows here.
func (j *judge) choose(handle uint64) (row int32, free bool) {
	l := j.ledger
	if len(l.books) == 0 {
		return -1, false
	}
	next := j.last[j.hint] + 1
	if next < l.books[j.hint].end && l.handles[next] == handle && l.landed[next] == nowhere {
		return next, true
	}
	rows := l.find(handle)
	if len(rows) == 0 {
		return -1, false
	}
	ahead := sort.Search(len(rows), func(i int) bool { return rows[i] >= next })
	spare := int32(-1)
	for _, part := range [2][]int32{rows[ahead:], rows[:ahead]} {
		for _, row := range part {
			if l.landed[row] != nowhere {
				continue
			}
			if b := l.book(row); row > j.last[b] && (j.mapping != Same || l.books[b].partition == j.partition) {
				return row, true
			}
			if spare < 0 {
				spare = row
			}
		}
	}
	if spare >= 0 {
		return spare, true
	}
	return rows[0], false
}

// match files a record as the copy of row.
func (j *judge) match(row int32, r *kgo.Record, print fingerprint, parts digests) {
	l := j.ledger
	b := l.book(row)
	j.hint = b
	j.result.Matched++
	l.landed[row] = newPlace(j.partition, r.Offset)
	if print != l.prints[row] {
		d := j.difference(Altered, r.Offset).from(l, row)
		d.Fields = parts.differing(l.parts[row])
		j.result.count(d)
	}
	if !j.allowed(b, r) {
		j.result.count(j.difference(Misplaced, r.Offset).from(l, row))
	}
	if row < j.last[b] {
		j.result.count(j.difference(Reordered, r.Offset).from(l, row))
		return
	}
	j.last[b] = row
}

// allowed tells whether the mapping allows a record of a book in the open partition.
func (j *judge) allowed(book int, r *kgo.Record) bool {
	switch j.mapping {
	case Same:
		return j.ledger.books[book].partition == j.partition
	case Key:
		return r.Key == nil || j.partitioner.Partition(r, int(j.partitions)) == int(j.partition)
	default:
		if j.homes[book] < 0 {
			j.homes[book] = j.partition
		}
		return j.homes[book] == j.partition
	}
}

func (j *judge) strayed(r *kgo.Record, parts digests) {
	s := stray{partition: j.partition, offset: r.Offset, after: -1, parts: parts}
	if id, ok := identify(r); ok {
		s.note = "identity " + id.String()
	}
	if j.mapping != Same || len(j.ledger.books) == 0 || len(j.strays) == maxStrays {
		j.result.count(s.difference())
		return
	}
	s.after = j.last[j.hint]
	j.strays = append(j.strays, s)
}

func (j *judge) difference(kind Kind, offset int64) Difference {
	return Difference{Kind: kind, Source: -1, SourcePartition: -1, SourceOffset: -1, DestinationPartition: j.partition, DestinationOffset: offset}
}

// from adds the coordinates of a row.
func (d Difference) from(l *ledger, row int32) Difference {
	b := l.books[l.book(row)]
	d.Source, d.SourcePartition, d.SourceOffset = b.source, b.partition, l.offsets[row]
	return d
}
