package plan

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

const (
	// A member is damped that came this often within flapWindow, until it has stayed for settleTime.
	flapArrivals = 3
	flapWindow   = 10 * time.Minute
	settleTime   = 3 * time.Minute

	maxGone = 64 // arrivals of members that are gone
)

// member is a Member in a round.
type member struct {
	Member
	capacity float64
	load     float64 // of what it owns
	damped   bool
	sick     bool // hardly anything of it makes progress
}

// What speaks against giving a unit to a member: the sum of these, or never.
const (
	againstDamped   = 1
	againstSameZone = 2 // of a standby
	againstShunned  = 4
	never           = 8
)

// reluctance says what speaks against a member owning a unit.
func (r *round) reluctance(m int, u Unit) int {
	if r.members[m].Draining {
		return never
	}
	against := 0
	if r.members[m].damped {
		against += againstDamped
	}
	if r.shunned(m) || r.unfit(m, u) {
		against += againstShunned
	}
	return against
}

// unfit says that a member could make no progress with a unit: it did not lately, or does not even see it.
func (r *round) unfit(m int, u Unit) bool { return r.shunnedBy(m, u) || r.members[m].Blind[u.Topic] }

// gather sorts the members, and remembers when each came.
func (r *round) gather() {
	r.index = map[string]int{}
	r.arrivals = map[string]Arrival{}
	seen := map[string]bool{}
	allDrain := true
	for _, m := range slices.SortedFunc(slices.Values(r.in.Members), func(a, b Member) int { return cmp.Compare(a.Name, b.Name) }) {
		if m.Name == "" || seen[m.Name] {
			continue
		}
		seen[m.Name] = true
		allDrain = allDrain && m.Draining
		c := m.Capacity
		if !(c > 0) || math.IsInf(c, 0) {
			c = 1
		}
		r.index[m.Name] = len(r.members)
		r.members = append(r.members, member{Member: m, capacity: c})
		at := r.now
		if a, ok := r.in.Current.Arrivals[m.Name]; ok && a.At.Before(at) {
			at = a.At // a leader whose clock was ahead may have written a later one
		}
		r.arrivals[m.Name] = Arrival{m.Instance, at}
	}
	for i := range r.members {
		r.members[i].Draining = r.members[i].Draining && !allDrain
	}
	r.rememberGone()
	r.damp()
}

// rememberGone keeps the arrivals of those that are gone, as long as they matter.
func (r *round) rememberGone() {
	var gone []string
	for name, a := range r.in.Current.Arrivals {
		if _, alive := r.index[name]; !alive && r.now.Sub(a.At) < flapWindow && !a.At.After(r.now) {
			gone = append(gone, name)
		}
	}
	slices.SortFunc(gone, func(a, b string) int { // newest first
		return cmp.Or(r.in.Current.Arrivals[b].At.Compare(r.in.Current.Arrivals[a].At), cmp.Compare(a, b))
	})
	perInstance := map[string]int{}
	kept := 0
	for _, name := range gone {
		a := r.in.Current.Arrivals[name]
		if perInstance[a.Instance]++; perInstance[a.Instance] < flapArrivals && kept < maxGone {
			r.arrivals[name] = a
			kept++
		}
	}
}

// damp marks the members that came too often, unless there is no other.
func (r *round) damp() {
	times := map[string]int{}
	for _, a := range r.arrivals {
		if r.now.Sub(a.At) < flapWindow {
			times[a.Instance]++
		}
	}
	others := false
	for i := range r.members {
		m := &r.members[i]
		m.damped = times[m.Instance] >= flapArrivals && r.now.Sub(r.arrivals[m.Name].At) < settleTime
		others = others || !m.damped && !m.Draining
	}
	for i := range r.members {
		r.members[i].damped = r.members[i].damped && others
	}
}

// alive counts the members that may own something.
func (r *round) alive() int {
	n := 0
	for _, m := range r.members {
		if !m.Draining {
			n++
		}
	}
	return n
}

func heavier(a, b *unit) int {
	return cmp.Or(cmp.Compare(b.weight, a.weight), a.Compare(b.Unit))
}

// medianOf returns the median of some numbers, 0 of none.
func medianOf(numbers map[Unit]float64) float64 {
	sorted := slices.Sorted(maps.Values(numbers))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}
