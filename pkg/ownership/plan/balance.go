package plan

import "time"

const (
	// Owners are evened out when one is off by more than startOff of its share, and then until none is by more than stopOff.
	// While a topic may have to be cut it takes more, such as a member that was added: the cut evens out too.
	startOff    = 0.10
	startOffHot = 0.50
	stopOff     = 0.05

	// At most moveShare of the units move in a round, but at least minMoves, and more where a member was added that should
	// have its share after some rounds: a fraction of what is in the wrong place.
	moveShare  = 0.05
	minMoves   = 2
	evenRounds = 6

	restTime = 30 * time.Second // after a death or a drain
	minRound = 5 * time.Second  // between moves, however often a plan is made

	// Standbys cost nothing to move.
	startOffStandby = 0.05
	stopOffStandby  = 0.02
)

// balance evens out what members own.
func (r *round) balance() {
	l := leveller{start: startOff, stop: stopOff, bins: make([]bin, len(r.members))}
	if len(r.cuts) > 0 {
		l.start = startOffHot
	}
	for i, m := range r.members {
		l.bins[i] = bin{capacity: m.capacity, takes: m.Able && !m.Draining && !m.damped && !r.shunned(i)}
		if m.Draining {
			l.bins[i].capacity = 0
		}
	}
	var movable []*unit
	for i := range r.units {
		switch u := &r.units[i]; {
		case u.owner == nobody:
		case u.pinned:
			l.bins[u.owner].base += u.weight
		default:
			movable = append(movable, u)
			l.items = append(l.items, item{u.weight, u.owner})
		}
	}
	l.allowed = func(item, bin int) bool { return !r.unfit(bin, movable[item].Unit) }
	l.limit = func(share float64) int {
		n := float64(len(r.units))
		return max(minMoves, ceil(n*moveShare), ceil(n*share/evenRounds))
	}
	if l.run() > 0 {
		r.balanced = r.now
	}
	for i, u := range movable {
		if to := l.items[i].in; to != u.owner {
			if u.standby == to {
				u.standby = nobody
			}
			r.give(u, to)
		}
	}
}

func ceil(x float64) int {
	n := int(x)
	if float64(n) < x {
		n++
	}
	return n
}
