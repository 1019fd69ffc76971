package plan

import (
	"math/bits"
	"time"
)

const (
	// A topic is cut where it is more than 1/hotShare of a member's fair share, so that no part is more than that; and cut
	// further where a part is more than 1/hotterShare. It is put together again where a part is less than 1/coldShare: after
	// a cut the load must fall to a quarter.
	hotShare    = 3
	hotterShare = 2
	coldShare   = 24

	cutAfter = 30 * time.Second // a topic is cut otherwise when it has had to be for so long

	// minHotRate is the bytes per second below which a topic is never cut: a member carries hundreds of times as much, and
	// every cut costs a hand-over.
	minHotRate = 64 << 10

	maxCuts = 100 // that are remembered
)

// shape says into which parts each topic is cut, and takes over who has them.
func (r *round) shape(known rates) {
	r.cuts = map[string]time.Time{}
	r.fair = known.total(r.in.Topics) / float64(max(1, r.alive()))
	was := map[string]int{}
	for u := range r.in.Current.Seats {
		if of := was[u.Topic]; u.Valid() && (of == 0 || u.Of < of) {
			was[u.Topic] = u.Of // all are the same, unless the plan is damaged
		}
	}
	for _, t := range r.topics() {
		most := 1 << (bits.Len(uint(min(max(r.in.Topics[t], 1), MaxOf))) - 1) // the greatest power of two
		of := min(max(was[t], 1), most)
		if r.calm && !r.stalls && r.alive() > 1 {
			if want := parts(known.of(Unit{t, 0, 1}), r.fair, of, most); want != of && r.persists(t, was[t] == 0) {
				of = want
			}
		}
		for part := range of {
			r.units = append(r.units, r.inherit(Unit{t, part, of}, was[t]))
		}
	}
}

// persists says whether a topic has to be cut otherwise for long enough, or is new; else it is remembered that it has to.
// Who catches up after a hand-over has more load for a moment.
func (r *round) persists(topic string, isNew bool) bool {
	since, ok := r.in.Current.Cuts[topic]
	if !ok || since.After(r.now) {
		since = r.now
	}
	if isNew || r.now.Sub(since) >= cutAfter {
		return true
	}
	if len(r.cuts) < maxCuts {
		r.cuts[topic] = since
	}
	return false
}

// parts says into how many parts a topic of some rate should be cut that is cut into now parts.
func parts(rate, fair float64, now, most int) int {
	bound := fair / hotShare
	if now > 1 {
		bound = fair / hotterShare
	}
	of := now
	switch part := rate / float64(now); {
	case part > bound && rate > minHotRate:
		for of < most && rate/float64(of) > fair/hotShare {
			of *= 2
		}
	case part < fair/coldShare:
		for of > 1 && rate/float64(of) < fair/coldShare {
			of /= 2
		}
	}
	return of
}

// inherit returns a unit with owner and standby of the seat that it goes on from. Of a topic that is cut, the first part
// stays, and the others are free to go where there is room: all of them are handed over anyway.
func (r *round) inherit(u Unit, was int) unit {
	from := u
	if was > 0 {
		from = Unit{u.Topic, u.Part % was, was}
	}
	s := r.in.Current.Seats[from]
	n := unit{Unit: u, owner: r.find(s.Owner), standby: r.find(s.Standby)}
	if was > 0 && u.Part >= was {
		n.owner, n.standby = nobody, nobody
	}
	return n
}
