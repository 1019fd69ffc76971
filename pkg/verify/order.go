package verify

import (
	"cmp"
	"fmt"
	"slices"
)

// order goes through the matches of a unit in the order of its sources. It finds records that are out of order, and which
// missing record an alien one was made of.
type order struct {
	*joiner
	home    map[uint32]uint32 // by source log: the destination log that most of its records are in
	highest map[uint32]int64  // by source log: the highest destination offset so far
	before  match             // the match before the next missing record
	missing []*item           // in the order of the sources, still to be passed
	gaps    []gap
}

// gap is a missing record and between which destination offsets it should be.
type gap struct {
	item     *item
	log      uint32
	from, to int64
}

const noLimit = int64(1)<<62 - 1

func newOrder(j *joiner) *order {
	o := &order{joiner: j, home: map[uint32]uint32{}, highest: map[uint32]int64{}, before: match{to: -1}, missing: j.findings.missing}
	best := map[uint32]int64{}
	for place, n := range j.places {
		if n > best[place[0]] {
			best[place[0]], o.home[place[0]] = n, place[1]
		}
	}
	return o
}

// match takes in the next match.
func (o *order) match(m *match) error {
	home := o.home[m.source]
	if m.destination != home {
		o.stray(m, fmt.Sprintf("it is in partition %d, those before and after it are in %d", o.unit.destinations[m.destination].tp.partition, o.unit.destinations[home].tp.partition))
		return nil
	}
	highest, some := o.highest[m.source]
	if some && m.to < highest {
		o.stray(m, fmt.Sprintf("a later record of the source is at offset %d", highest))
		return nil
	}
	o.pass(m)
	o.highest[m.source], o.before = m.to, *m
	return nil
}

func (o *order) stray(m *match, note string) {
	o.findings.add(&item{kind: Reordered, source: o.unit.sources[m.source], sourceAt: m.from, destination: o.unit.destinations[m.destination], at: m.to, note: note})
}

// pass finds the place of the missing records before a match, or of all that are left when there is none.
func (o *order) pass(m *match) {
	for len(o.missing) > 0 {
		i := o.missing[0]
		log := uint32(i.source.number)
		if m != nil && (log > m.source || log == m.source && i.sourceAt > m.from) {
			return
		}
		o.missing = o.missing[1:]
		g := gap{item: i, log: o.home[log], from: -1, to: noLimit}
		if o.before.to >= 0 && o.before.source == log {
			g.from = o.before.to
		}
		if m != nil && m.source == log {
			g.to = m.to
		}
		o.gaps = append(o.gaps, g)
	}
}

// maxTried bounds how many alien records are tried for one missing record.
const maxTried = 64

// finish turns a missing record and an alien one at its place into an altered one.
func (o *order) finish() {
	o.pass(nil)
	aliens := slices.Clone(o.findings.aliens)
	byPlace := func(a, b *item) int {
		return cmp.Or(cmp.Compare(a.destination.number, b.destination.number), cmp.Compare(a.at, b.at))
	}
	slices.SortFunc(aliens, byPlace)
	gone := map[*item]bool{}
	var altered []*item
	for _, g := range o.gaps {
		from, _ := slices.BinarySearchFunc(aliens, g, func(a *item, g gap) int {
			return cmp.Or(cmp.Compare(uint32(a.destination.number), g.log), cmp.Compare(a.at, g.from))
		})
		for tried, a := range aliens[from:] {
			if tried >= maxTried || uint32(a.destination.number) != g.log || a.at > g.to {
				break
			}
			if field := differing(&g.item.row, &a.row); !gone[a] && field != "" {
				gone[a], gone[g.item] = true, true
				altered = append(altered, &item{kind: Altered, source: g.item.source, sourceAt: g.item.sourceAt,
					destination: a.destination, at: a.at, row: g.item.row, other: a.row, field: field})
				break
			}
		}
	}
	o.findings.drop(gone)
	for _, i := range altered {
		o.findings.add(i)
	}
}

// differing names the one or two fields in which two records differ; with more they are not the same record altered.
func differing(a, b *row) string {
	var fields []string
	for i, name := range []string{"key", "value", "headers"} {
		if a.parts[i] != b.parts[i] {
			fields = append(fields, name)
		}
	}
	if a.timestamp != b.timestamp {
		fields = append(fields, "timestamp")
	}
	same := 4 - len(fields)
	if a.parts[2] == 0 && b.parts[2] == 0 {
		same-- // that both have no headers says nothing
	}
	if a.parts[0] == 0 && b.parts[0] == 0 {
		same-- // nor that both have no key
	}
	switch {
	case len(fields) == 1 && same >= 1:
		return fields[0]
	case len(fields) == 2 && same >= 1:
		return fields[0] + ", " + fields[1]
	}
	return ""
}
