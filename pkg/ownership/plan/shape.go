package plan

import "math/bits"

const (
	// A topic is cut where one part of it is more than 1/hotShare of a member's fair share, and put together again where a
	// part is less than 1/coldShare of it: after a cut the load must fall to a quarter, and after that rise to eight times.
	hotShare  = 3
	coldShare = 24

	// minHotRate is the bytes per second below which a topic is never cut: a member carries hundreds of times as much, and
	// every cut costs a hand-over.
	minHotRate = 64 << 10
)

// shape says into which parts each topic is cut, and takes over who has them.
func (r *round) shape(known rates) {
	fair := known.total(r.in.Topics) / float64(max(1, r.alive()))
	was := map[string]int{}
	for u := range r.in.Current.Seats {
		if of := was[u.Topic]; u.Valid() && (of == 0 || u.Of < of) {
			was[u.Topic] = u.Of // all are the same, unless the plan is damaged
		}
	}
	for _, t := range r.topics() {
		most := 1 << (bits.Len(uint(min(max(r.in.Topics[t], 1), MaxOf))) - 1) // the greatest power of two
		now := min(max(was[t], 1), most)
		of := now
		if r.calm && r.alive() > 1 {
			of = parts(known.of(Unit{t, 0, 1}), fair, now, most)
		}
		for part := range of {
			r.units = append(r.units, r.inherit(Unit{t, part, of}, was[t]))
		}
	}
}

// parts says into how many parts a topic of some rate should be cut that is cut into now parts.
func parts(rate, fair float64, now, most int) int {
	of := now
	for of < most && rate > minHotRate && rate/float64(of) > fair/hotShare {
		of *= 2
	}
	if rate/float64(now) >= fair/coldShare {
		return of
	}
	for of > 1 && rate/float64(of) < fair/coldShare {
		of /= 2
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
