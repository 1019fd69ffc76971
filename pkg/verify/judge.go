package verify

import (
	"context"
	"fmt"
	"slices"
)

// nearOffsets is the gap up to which two ranges of a log are read in one go.
const nearOffsets = 2000

// judge compares one unit: first by sums, then record by record where they differ.
func (v *Verifier) judge(ctx context.Context, u *unit, a *arrival) (*findings, error) {
	f := &findings{unit: u}
	var err error
	switch {
	case u.overran(): // what was not read cannot be judged; the report says so
	case u.compacted:
		err = v.judgeKeys(ctx, u, a, f)
	default:
		err = v.judgeRecords(ctx, u, a, f)
	}
	if u.overran() { // while the records were read again
		return &findings{unit: u}, err
	}
	f.doubt()
	return f, err
}

// overran says whether a log of the unit lost records while it was read.
func (u *unit) overran() bool {
	return slices.ContainsFunc(slices.Concat(u.sources, u.destinations), func(l *log) bool { return l.overrun != nil })
}

// judgeRecords compares the sums, and record by record what differs in them.
func (v *Verifier) judgeRecords(ctx context.Context, u *unit, a *arrival, f *findings) error {
	var held, later, there []*series
	for _, l := range u.sources {
		held, later = append(held, l.held), append(later, l.later)
	}
	for _, l := range u.destinations {
		there = append(there, l.held)
	}
	keys := unequal(held, later, there, true)
	if len(keys) == 0 {
		return nil
	}
	rows := newSorter(rowKind(), v.cfg.Dir, v.cfg.MemoryBytes/4)
	defer rows.close()
	if err := v.collect(ctx, u, keys, rows); err != nil {
		return err
	}
	matches := newSorter(matchKind(), v.cfg.Dir, v.cfg.MemoryBytes/8)
	defer matches.close()
	j := &joiner{unit: u, arrival: a, findings: f, matches: matches, good: lastGood(u, keys), places: map[[2]uint32]int64{}}
	if err := rows.each(j.row); err != nil {
		return err
	}
	if err := j.finish(); err != nil {
		return err
	}
	rows.close()
	order := newOrder(j)
	if err := matches.each(order.match); err != nil {
		return err
	}
	order.finish()
	return nil
}

// collect reads the records of some cells again.
func (v *Verifier) collect(ctx context.Context, u *unit, keys []int64, rows *sorter[row]) error {
	wanted := make(map[int64]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	var jobs []job
	var flushes []func() error
	add := func(l *log, shift uint, ranges []span) {
		for _, r := range ranges {
			take, flush := v.rows(u, l, func(t int64) bool { return wanted[minute(t)>>shift] }, rows)
			jobs = append(jobs, job{u, l, r, take})
			flushes = append(flushes, flush)
		}
	}
	for _, l := range u.sources {
		ranges := slices.Concat(l.held.ranges(keys, nearOffsets), l.later.ranges(keys, nearOffsets))
		// Aborted records have no sums. They are looked for where those are read that were not, and near there: one may be
		// the first or last of its minute.
		add(l, l.held.shift, around(ranges, nearOffsets, l.within))
	}
	for _, l := range u.destinations {
		add(l, l.held.shift, l.held.ranges(keys, nearOffsets))
	}
	if err := v.read(ctx, "comparing", jobs); err != nil {
		return err
	}
	for _, flush := range flushes {
		if err := flush(); err != nil {
			return err
		}
	}
	return nil
}

// rowChunk is how many rows are given to the sorter at once.
const rowChunk = 1024

// rows returns what turns the records of a log into rows, and what hands on the last of them.
func (v *Verifier) rows(u *unit, l *log, in func(timestamp int64) bool, rows *sorter[row]) (take func(*digester, *record) error, flush func() error) {
	var chunk []row
	take = func(d *digester, r *record) error {
		if !v.wanted(u, r) || !in(r.timestamp) {
			return nil
		}
		p, err := d.record(r)
		if err != nil {
			return nil // reported by the pass before
		}
		e := row{print: p, parts: d.parts(r), log: uint32(l.number), side: l.sideOf(r), offset: r.offset, timestamp: r.timestamp, null: r.value == nil}
		if chunk = append(chunk, e); len(chunk) < rowChunk {
			return nil
		}
		err = rows.add(chunk)
		chunk = chunk[:0]
		return err
	}
	return take, func() error { return rows.add(chunk) }
}

// sideOf says what a record of the log is in the comparison.
func (l *log) sideOf(r *record) side {
	switch {
	case l.source < 0:
		return arrived
	case r.aborted:
		return discarded
	case r.offset < l.end:
		return required
	}
	return allowed
}

// lastGood returns for each source log the offset up to which records are known to have arrived from the sums alone.
func lastGood(u *unit, keys []int64) []int64 {
	differs := make(map[int64]bool, len(keys))
	for _, key := range keys {
		differs[key] = true
	}
	good := make([]int64, len(u.sources))
	for i, l := range u.sources {
		good[i] = -1
		for key, c := range l.held.cells {
			if !differs[key] {
				good[i] = max(good[i], c.offsets.to-1)
			}
		}
	}
	return good
}

// maxListed bounds how many findings of each kind are kept to be named and put in relation; all are counted.
const maxListed = 100_000

// findings is what was found out about a unit.
type findings struct {
	unit     *unit
	counts   Counts
	items    []*item
	aliens   []*item // among items
	missing  []*item
	pendings string // why records may still be on their way
}

// item is one finding.
type item struct {
	kind Kind
	// source and destination are nil where there is no record at that side.
	source, destination *log
	sourceAt, at        int64 // offsets
	row                 row   // of the record at the source, or at the destination if there is none
	other               row   // of an altered record, the one at the destination
	field, note         string
}

func (f *findings) add(i *item) {
	n := f.counts.count(i.kind)
	*n++
	if *n > maxListed {
		return
	}
	f.items = append(f.items, i)
	switch i.kind {
	case Missing:
		f.missing = append(f.missing, i)
	case Alien:
		f.aliens = append(f.aliens, i)
	}
}

// drop takes back findings that turned out to be something else.
func (f *findings) drop(gone map[*item]bool) {
	if len(gone) == 0 {
		return
	}
	for i := range gone {
		*f.counts.count(i.kind)--
	}
	isGone := func(i *item) bool { return gone[i] }
	f.items = slices.DeleteFunc(f.items, isGone)
	f.aliens = slices.DeleteFunc(f.aliens, isGone)
	f.missing = slices.DeleteFunc(f.missing, isGone)
}

// doubt takes back what may be an effect of batches that could not be read: they make the result inconclusive, and not
// different.
func (f *findings) doubt() {
	unread := func(logs []*log) bool {
		return slices.ContainsFunc(logs, func(l *log) bool { return len(l.corrupt) > 0 })
	}
	if unread(f.unit.sources) {
		f.forget(Alien)
		f.forget(Duplicate)
	}
	if unread(f.unit.destinations) {
		f.forget(Missing)
	}
}

// forget drops all findings of a kind.
func (f *findings) forget(k Kind) {
	*f.counts.count(k) = 0
	is := func(i *item) bool { return i.kind == k }
	f.items, f.aliens, f.missing = slices.DeleteFunc(f.items, is), slices.DeleteFunc(f.aliens, is), slices.DeleteFunc(f.missing, is)
}

// place names a record for people.
func (l *log) place(offset int64) string {
	return fmt.Sprintf("%s/%s@%d", l.site.cluster.Name(), l.tp, offset)
}
