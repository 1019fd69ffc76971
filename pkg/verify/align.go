package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Where the first records of a log are gone, by retention or because the copy began late, the other side may hold more.
// What both hold is found by content: the first records of each side are looked for in the other.
const (
	anchorCount = 32
	// nearCount is how many records after the first one found must hold at least half of the anchors.
	nearCount = 2 * anchorCount
)

var errFound = errors.New("found")

// align narrows each unit to what both sides can have.
func (v *Verifier) align(ctx context.Context, units []*unit) error {
	s := newScanner(func(n int) { v.progress.bytes.Add(int64(n)) })
	defer s.close()
	v.progress.begin("aligning", nil)
	d := newDigester(v.secret)
	for _, u := range units {
		if u.compacted || !slices.ContainsFunc(slices.Concat(u.sources, u.destinations), v.cut) {
			continue
		}
		var err error
		if len(u.sources) == 1 && len(u.destinations) == 1 {
			err = v.alignPair(ctx, s, d, u)
		} else {
			err = v.alignTimes(ctx, s, d, u)
		}
		if errors.Is(err, errOverrun) {
			u.sources[0].overrun, err = err, nil
		}
		if err != nil {
			return fmt.Errorf("find what both sides hold of %s: %w", u.topic, err)
		}
	}
	return nil
}

// cut says whether a log may lack records that were in the range asked for.
func (v *Verifier) cut(l *log) bool {
	return l.begin > 0 && l.within.from == l.begin
}

// late says whether the copy of a unit's sources did not begin at their first records.
func (v *Verifier) late(u *unit) bool {
	return slices.ContainsFunc(u.sources, func(l *log) bool { return v.cfg.Sources[l.source].Latest })
}

// anchor is one of the first records of a log.
type anchor struct {
	print     print128
	offset    int64
	timestamp int64
}

// anchors reads the first records of a log.
func (v *Verifier) anchors(ctx context.Context, s *scanner, d *digester, u *unit, l *log) ([]anchor, error) {
	var found []anchor
	err := s.scan(ctx, l.site, l.tp, l.within, l.level, visit{corrupt: func(*corrupt) {}, record: func(r *record) error {
		if r.aborted || !v.wanted(u, r) {
			return nil
		}
		p, err := d.record(r)
		if err != nil {
			return nil // the pass over all of it reports this
		}
		if found = append(found, anchor{p, r.offset, r.timestamp}); len(found) == anchorCount {
			return errFound
		}
		return nil
	}})
	if err != nil && !errors.Is(err, errFound) {
		return nil, err
	}
	return found, nil
}

// alignPair aligns one source partition with the one destination partition that holds it.
func (v *Verifier) alignPair(ctx context.Context, s *scanner, d *digester, u *unit) error {
	from, to := u.sources[0], u.destinations[0]
	first, err := v.anchors(ctx, s, d, u, from)
	if err != nil {
		return err
	}
	there, err := v.anchors(ctx, s, d, u, to)
	if err != nil {
		return err
	}
	sourceCut, destinationCut := v.cut(from), v.cut(to) || v.late(u)
	if i, j, ok := meet(first, there); ok {
		if sourceCut {
			to.within.from = there[j].offset
		}
		if destinationCut {
			from.within.from = first[i].offset
		}
		return nil
	}
	if sourceCut && len(first) > 0 {
		offset, ok, err := v.find(ctx, s, d, u, first, to)
		if ok || err != nil {
			to.within.from = max(to.within.from, offset)
			return err
		}
	}
	if destinationCut && len(there) > 0 {
		offset, ok, err := v.find(ctx, s, d, u, there, from)
		if ok || err != nil {
			from.within.from = max(from.within.from, offset)
			return err
		}
	}
	// Nothing is held by both.
	if destinationCut && len(there) == 0 {
		from.within.from = from.end
	}
	if sourceCut && len(first) == 0 {
		to.within.from = to.within.to
	}
	return nil
}

// meet returns the places of the first record that is in both lists.
func meet(a, b []anchor) (i, j int, ok bool) {
	for sum := range len(a) + len(b) {
		for i := range min(sum+1, len(a)) {
			if j := sum - i; j < len(b) && a[i].print == b[j].print {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// find looks for the beginning of one side in a log of the other: first from where records are as young, then in all of it.
func (v *Verifier) find(ctx context.Context, s *scanner, d *digester, u *unit, anchors []anchor, in *log) (int64, bool, error) {
	oldest := anchors[0].timestamp
	for _, a := range anchors {
		oldest = min(oldest, a.timestamp)
	}
	ranges := []span{in.within}
	if oldest > 0 {
		young, err := in.site.offsets(ctx, []topicPartition{in.tp}, oldest, in.level)
		if err != nil {
			return 0, false, err
		}
		if at := young[in.tp]; at > in.within.from && at < in.within.to {
			ranges = []span{{at, in.within.to}, {in.within.from, at}}
		}
	}
	for _, within := range ranges {
		h := newHunt(anchors)
		err := s.scan(ctx, in.site, in.tp, within, in.level, visit{corrupt: func(*corrupt) {}, record: func(r *record) error {
			if r.aborted || !v.wanted(u, r) {
				return nil
			}
			p, err := d.record(r)
			if err == nil && h.see(p, r.offset) {
				return errFound
			}
			return nil
		}})
		if err != nil && !errors.Is(err, errFound) {
			return 0, false, err
		}
		if h.end() {
			return h.offset, true, nil
		}
	}
	return 0, false, nil
}

// hunt looks for anchors in a stream of records.
type hunt struct {
	wanted map[print128]bool // the anchors
	offset int64             // where the first of them is: what is before it is older than the other side
	hits   int
	left   int // records until it is decided whether this is the place; 0 when none is in sight
}

func newHunt(anchors []anchor) *hunt {
	h := &hunt{wanted: make(map[print128]bool, len(anchors))}
	for _, a := range anchors {
		h.wanted[a.print] = true
	}
	return h
}

// see takes in the next record and says whether the place is found for sure.
func (h *hunt) see(p print128, offset int64) bool {
	hit := h.wanted[p]
	if hit && h.left == 0 {
		h.offset, h.hits, h.left = offset, 0, nearCount
	}
	if h.left == 0 {
		return false
	}
	if hit {
		h.hits++
	}
	h.left--
	return h.end() && h.left == 0
}

// end says whether the place is found when no more records come.
func (h *hunt) end() bool { return h.hits > 0 && 2*h.hits >= len(h.wanted) }

// alignTimes narrows a unit of several logs by time: what is older than the first whole minute that all of the cut logs
// still hold is not compared. Contents cannot be used here, as records of different sources are mixed.
func (v *Verifier) alignTimes(ctx context.Context, s *scanner, d *digester, u *unit) error {
	since := u.since
	late := v.late(u)
	for _, l := range slices.Concat(u.sources, u.destinations) {
		if !v.cut(l) && (l.source >= 0 || !late) {
			continue
		}
		first, err := v.anchors(ctx, s, d, u, l)
		if err != nil {
			return err
		}
		for _, a := range first {
			since = max(since, (minute(a.timestamp)+1)*minuteMillis)
		}
	}
	u.since = since
	return nil
}
