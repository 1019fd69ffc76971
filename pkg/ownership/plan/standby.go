package plan

import "slices"

// standBy finds a standby for every unit, member by member: who takes which units when this member is gone.
func (r *round) standBy() {
	owned := make([][]*unit, len(r.members))
	for i := range r.units {
		if u := &r.units[i]; u.owner != nobody {
			owned[u.owner] = append(owned[u.owner], u)
		}
	}
	for owner, units := range owned {
		r.standByFor(owner, units)
	}
}

// standByFor leaves standbys as they are where these are as good as any, finds the others, and evens out what each member
// would have once the owner is gone.
func (r *round) standByFor(owner int, units []*unit) {
	after := make([]float64, len(r.members)) // load once the owner is gone
	for i, m := range r.members {
		after[i] = m.load
	}
	slices.SortStableFunc(units, heavier)
	var without []*unit
	for _, u := range units {
		if least := r.leastAgainst(u); u.standby == nobody || least == never || r.againstStandby(u.standby, u) > least {
			u.standby = nobody
			without = append(without, u)
		} else {
			after[u.standby] += u.weight
		}
	}
	for _, u := range without {
		u.standby = r.lightest(u, func(m int) int { return r.againstStandby(m, u) }, func(m int) float64 { return after[m] })
		if u.standby != nobody {
			after[u.standby] += u.weight
		}
	}
	r.spread(owner, units)
}

// againstStandby says what speaks against a member standing by for a unit.
func (r *round) againstStandby(m int, u *unit) int {
	if m == u.owner {
		return never
	}
	against := r.reluctance(m, u.Unit)
	if against < never && r.members[m].Zone == r.members[u.owner].Zone {
		against += againstSameZone
	}
	return against
}

// leastAgainst is what speaks against the best standbys of a unit.
func (r *round) leastAgainst(u *unit) int {
	least := never
	for m := range r.members {
		least = min(least, r.againstStandby(m, u))
	}
	return least
}

// spread evens out what the others would have with the owner's units.
func (r *round) spread(owner int, units []*unit) {
	l := leveller{start: startOffStandby, stop: stopOffStandby, bins: make([]bin, len(r.members))}
	for i, m := range r.members {
		if i != owner && !m.Draining {
			l.bins[i] = bin{capacity: m.capacity, base: m.load}
		}
	}
	var covered []*unit
	var least []int
	for _, u := range units {
		if u.standby == nobody {
			continue
		}
		against := r.leastAgainst(u)
		covered, least = append(covered, u), append(least, against)
		l.items = append(l.items, item{u.weight, u.standby})
		for m := range l.bins {
			l.bins[m].takes = l.bins[m].takes || r.againstStandby(m, u) == against
		}
	}
	l.allowed = func(item, bin int) bool { return r.againstStandby(bin, covered[item]) == least[item] }
	l.limit = func(float64) int { return 2 * len(covered) }
	l.run()
	for i, u := range covered {
		u.standby = l.items[i].in
	}
}
