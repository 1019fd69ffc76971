package verify

import (
	"cmp"
	"maps"
	"slices"
)

const minuteMillis = 60_000

// cell is the tally of one span of time in one log, and where its records are.
type cell struct {
	tally
	offsets span
}

// series is the tallies of a log by the records' time, in cells of 2^shift minutes. When there would be too many cells
// they get wider, so that no timestamps make it large.
type series struct {
	limit int
	shift uint
	cells map[int64]*cell
	total tally

	recent    *cell // of key recentKey
	recentKey int64
}

func newSeries(limit int) *series { return &series{limit: limit, cells: map[int64]*cell{}} }

// minute is the number of a timestamp's minute; times before 1970 have negative ones.
func minute(timestamp int64) int64 {
	if timestamp < 0 {
		return (timestamp+1)/minuteMillis - 1
	}
	return timestamp / minuteMillis
}

// add takes in one record. The link is to the record before it.
func (s *series) add(p print128, r *record, size int, link uint64) {
	s.total.add(p, size, link)
	if key := minute(r.timestamp) >> s.shift; s.recent == nil || key != s.recentKey {
		for s.cells[key] == nil && len(s.cells) >= s.limit {
			s.widen(s.shift + 1)
			key = minute(r.timestamp) >> s.shift
		}
		s.find(key, r.offset)
	}
	c := s.recent
	c.add(p, size, link)
	c.offsets.from, c.offsets.to = min(c.offsets.from, r.offset), max(c.offsets.to, r.offset+1)
}

func (s *series) find(key, offset int64) {
	c := s.cells[key]
	if c == nil {
		c = &cell{offsets: span{offset, offset}}
		s.cells[key] = c
	}
	s.recent, s.recentKey = c, key
}

// widen makes the cells 2^shift minutes wide, if they are narrower.
func (s *series) widen(shift uint) {
	if shift <= s.shift {
		return
	}
	wider := make(map[int64]*cell, len(s.cells)/2+1)
	for key, c := range s.cells {
		key >>= shift - s.shift
		if have := wider[key]; have != nil {
			have.merge(c.tally)
			have.offsets = span{min(have.offsets.from, c.offsets.from), max(have.offsets.to, c.offsets.to)}
		} else {
			wider[key] = c
		}
	}
	s.cells, s.shift, s.recent = wider, shift, nil
}

// sum adds up series of the same width.
func sum(all []*series) map[int64]tally {
	out := map[int64]tally{}
	for _, s := range all {
		for key, c := range s.cells {
			t := out[key]
			t.merge(c.tally)
			out[key] = t
		}
	}
	return out
}

// unequal returns the keys of the cells whose contents at the destination are neither those that the sources must have
// given nor these with all they may have given. Ordered says that links must be equal too. All series get the same width.
func unequal(required, allowed, destination []*series, ordered bool) []int64 {
	all := slices.Concat(required, allowed, destination)
	widest := uint(0)
	for _, s := range all {
		widest = max(widest, s.shift)
	}
	for _, s := range all {
		s.widen(widest)
	}
	must, may, got := sum(required), sum(allowed), sum(destination)
	var keys []int64
	for _, key := range slices.Sorted(maps.Keys(merged(must, may, got))) {
		most := must[key]
		most.merge(may[key])
		if !same(got[key], must[key], ordered) && !same(got[key], most, ordered) {
			keys = append(keys, key)
		}
	}
	return keys
}

func merged(all ...map[int64]tally) map[int64]tally {
	out := map[int64]tally{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

func same(a, b tally, ordered bool) bool {
	if !ordered {
		a.links, b.links = 0, 0
	}
	return a == b
}

// ranges returns where the records of some cells are in the log: each at least once, gaps closed up to near.
func (s *series) ranges(keys []int64, near int64) []span {
	var out []span
	for _, key := range keys {
		if c := s.cells[key]; c != nil {
			out = append(out, c.offsets)
		}
	}
	return join(out, near)
}

// around widens ranges by near on both sides, as far as within goes, and joins them.
func around(all []span, near int64, within span) []span {
	for i, s := range all {
		all[i] = span{max(within.from, s.from-near), min(within.to, s.to+near)}
	}
	return join(all, near)
}

// join sorts ranges and joins those that overlap or are near each other.
func join(all []span, near int64) []span {
	slices.SortFunc(all, func(a, b span) int {
		return cmp.Compare(a.from, b.from)
	})
	var out []span
	for _, s := range all {
		if n := len(out); n > 0 && s.from <= out[n-1].to+near {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}
