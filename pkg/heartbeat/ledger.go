package heartbeat

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"tributary/pkg/lag"
)

const (
	// maxOrigins bounds the origins that are kept. Their names come from what anybody may have written.
	maxOrigins = 10_000
	// forgetAfter is how long an origin is kept that is not heard.
	forgetAfter = 7 * 24 * time.Hour
)

// ledger is what one cluster tells of all origins. It is not safe for concurrent use.
type ledger struct {
	origins map[string]*origin
	ignored int64 // records that are no heartbeat, or of an origin too many
	refused int64 // of these the latter
}

func newLedger() *ledger { return &ledger{origins: map[string]*origin{}} }

// take takes in a record, as origin.take does. It says false for one of an origin too many.
func (l *ledger) take(r Record, now time.Time, live bool) bool {
	o := l.origins[r.Origin]
	if o == nil {
		if len(l.origins) >= maxOrigins {
			l.ignored, l.refused = l.ignored+1, l.refused+1
			return false
		}
		o = &origin{}
		l.origins[r.Origin] = o
	}
	o.take(r, now, live)
	return true
}

// discontinue says that records of every origin may have been passed over.
func (l *ledger) discontinue() {
	for _, o := range l.origins {
		o.discontinue()
	}
}

// settle counts what is missing for too long, and forgets who was silent for too long, whom it returns. It is not for times
// in which nothing can be heard.
func (l *ledger) settle(now time.Time) (forgotten []string) {
	for name, o := range l.origins {
		o.settle(now)
		if now.Sub(o.Heard) >= forgetAfter {
			delete(l.origins, name)
			forgotten = append(forgotten, name)
		}
	}
	return forgotten
}

// show returns all origins by name.
func (l *ledger) show(now time.Time, deaf string) []lag.Heartbeat {
	all := make([]lag.Heartbeat, 0, len(l.origins))
	for _, name := range slices.Sorted(maps.Keys(l.origins)) {
		all = append(all, l.origins[name].show(name, now, deaf))
	}
	return all
}

// merge puts together what several clusters tell: of an origin the newest, and the most that a cluster misses.
func merge(lists [][]lag.Heartbeat) []lag.Heartbeat {
	if len(lists) == 1 {
		return lists[0]
	}
	byName := map[string]lag.Heartbeat{}
	for _, h := range slices.Concat(lists...) {
		was, known := byName[h.Origin]
		lost, missing := max(was.Lost, h.Lost), max(was.Missing, h.Missing)
		if known && was.Time.After(h.Time) {
			h = was
		}
		h.Lost, h.Missing = lost, missing
		byName[h.Origin] = h
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b lag.Heartbeat) int { return cmp.Compare(a.Origin, b.Origin) })
}
