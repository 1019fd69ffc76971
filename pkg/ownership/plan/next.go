package plan

import (
	"maps"
	"slices"
	"time"
)

// Next returns the plan that follows the current one: the same for the same input, and one that is Equal to the current
// when there is no reason to change it. Every topic is in exactly one seat, or in one for each of its parts; with no
// members nothing is.
//
//   - An owner stays as long as it lives. When it is gone, its standby has its units, and nothing else moves in that round.
//   - A member that drains loses everything at once; if all drain, none does, since somebody has to mirror.
//   - A pin is followed while a member of that instance is alive and does not drain, whatever else speaks against it.
//   - Loads are evened out by capacity, by few moves a round, only while somebody is off by more than a tenth, and not in
//     the half minute after a death or a drain: who is gone is often back by then, and the standbys are even by themselves.
//   - A standby is in another zone than the owner if there is another, and those of one member's units are spread so that
//     its death leaves the others even.
//   - A member that came several times lately gets nothing that another member can take, until it has stayed for a while.
//   - What makes no progress moves at once to a member that does, if there is one, and does not come back for a while.
//   - A topic of more than a third of a member's share is cut into parts, if it has several partitions.
func Next(in Input) Plan {
	r := newRound(in)
	if len(r.members) == 0 {
		return r.plan()
	}
	r.keep()
	r.pin()
	r.rescue()
	r.place()
	if r.calm && r.now.Sub(r.unrest) >= restTime && r.now.Sub(r.balanced) >= minRound {
		r.balance()
	}
	r.standBy()
	return r.plan()
}

const nobody = -1

// round is one call of Next. Members and units are spoken of by their indices.
type round struct {
	in       Input
	now      time.Time // in whole seconds
	members  []member  // by name
	index    map[string]int
	units    []unit // by topic and part
	arrivals map[string]Arrival
	shuns    map[shunKey]time.Time // until when
	cuts     map[string]time.Time
	fair     float64 // bytes per second of an even share
	calm     bool    // no owner is gone or leaves
	unrest   time.Time
	balanced time.Time
	stalls   bool // somebody makes no progress, so that loads are not what they would be
}

// unit is a seat in the making.
type unit struct {
	Unit
	weight  float64
	owner   int
	standby int
	pinned  bool // owner is as pinned
}

func newRound(in Input) *round {
	r := &round{in: in, now: in.Now.Truncate(time.Second).UTC()}
	r.gather()
	if len(r.members) == 0 {
		return r
	}
	r.calm = r.isCalm()
	r.unrest, r.balanced = r.past(in.Current.Unrest), r.past(in.Current.Balanced)
	if !r.calm {
		r.unrest = r.now
	}
	r.stalls = slices.ContainsFunc(r.members, func(m member) bool {
		for _, stuck := range m.Stuck {
			if stuck {
				return true
			}
		}
		return false
	})
	rates := ratesOf(in.Load)
	r.shape(rates)
	r.weigh(rates)
	r.suspect(rates)
	return r
}

// past returns a time that is remembered, now where a leader with another clock wrote a later one.
func (r *round) past(t time.Time) time.Time {
	if t.After(r.now) {
		return r.now
	}
	return t
}

// isCalm says that every owner is alive and none of them leaves.
func (r *round) isCalm() bool {
	for _, s := range r.in.Current.Seats {
		if m := r.find(s.Owner); m == nobody || r.members[m].Draining {
			return false
		}
	}
	return true
}

// find returns the member of a name, or nobody.
func (r *round) find(name string) int {
	if i, ok := r.index[name]; ok {
		return i
	}
	return nobody
}

// keep leaves units with their owners, and gives those of the dead and the leaving to their standbys.
func (r *round) keep() {
	for i := range r.units {
		u := &r.units[i]
		switch {
		case u.owner != nobody && !r.members[u.owner].Draining:
		case u.standby != nobody && !r.members[u.standby].Draining:
			u.owner, u.standby = u.standby, nobody // it has claimed the unit already, whatever speaks against that
		default:
			u.owner = nobody
		}
		r.load(u, 1)
	}
}

// load accounts for a unit at its owner, or with -1 takes it off.
func (r *round) load(u *unit, sign float64) {
	if u.owner != nobody {
		r.members[u.owner].load += sign * u.weight
	}
}

func (r *round) give(u *unit, to int) {
	r.load(u, -1)
	u.owner = to
	r.load(u, 1)
}

// pin gives pinned topics to the members they are pinned to.
func (r *round) pin() {
	byInstance := map[string]int{}
	for i, m := range r.members {
		if was, ok := byInstance[m.Instance]; m.Draining || ok && !r.arrivals[m.Name].At.After(r.arrivals[r.members[was].Name].At) {
			continue
		}
		byInstance[m.Instance] = i
	}
	for i := range r.units {
		u := &r.units[i]
		instance, ok := r.in.Pins[u.Topic]
		if !ok {
			continue
		}
		if to, ok := byInstance[instance]; ok {
			u.pinned = true
			r.give(u, to)
		}
	}
}

// place finds owners for the units that have none, the heaviest first.
func (r *round) place() {
	var orphans []*unit
	for i := range r.units {
		if r.units[i].owner == nobody {
			orphans = append(orphans, &r.units[i])
		}
	}
	slices.SortStableFunc(orphans, heavier)
	for _, u := range orphans {
		r.give(u, r.lightest(u, func(m int) int { return r.reluctance(m, u.Unit) }, func(m int) float64 { return r.members[m].load }))
	}
}

// lightest returns the member with the least against it that would be the least loaded with the unit, or nobody.
func (r *round) lightest(u *unit, against func(member int) int, load func(member int) float64) int {
	best, bestAgainst, bestLoad := nobody, never, 0.0
	for m := range r.members {
		a, l := against(m), (load(m)+u.weight)/r.members[m].capacity
		if a < bestAgainst || a == bestAgainst && a < never && l < bestLoad {
			best, bestAgainst, bestLoad = m, a, l
		}
	}
	return best
}

// plan returns what was decided.
func (r *round) plan() Plan {
	p := Plan{Seats: make(map[Unit]Seat, len(r.units)), Partitions: map[string]int{}, Arrivals: r.arrivals, Shuns: r.remembered(), Cuts: r.cuts,
		Unrest: r.unrest, Balanced: r.balanced}
	for _, u := range r.units {
		p.Seats[u.Unit] = Seat{r.name(u.owner), r.name(u.standby)}
		p.Partitions[u.Topic] = max(r.in.Topics[u.Topic], 1)
	}
	return p
}

func (r *round) name(member int) string {
	if member == nobody {
		return ""
	}
	return r.members[member].Name
}

// topics are all topics in order.
func (r *round) topics() []string { return slices.Sorted(maps.Keys(r.in.Topics)) }
