package plan

import (
	"maps"
	"slices"
	"time"
)

const (
	// What is amiss is acted upon when it was so for patience. After an outage of a cluster all members say that they make
	// no progress, but not in the same second.
	patience = 30 * time.Second
	shunTime = 10 * time.Minute
	maxShuns = 100 // of single units
)

// progress is how a member gets on with what it owns.
type progress struct {
	stuck  []Unit // in order
	active int    // units with load that are not stuck
}

// sick says that hardly anything of a member makes progress: it is the member, not the topics.
func (p progress) sick() bool { return len(p.stuck) > p.active }

func (r *round) progress(known rates) []progress {
	all := make([]progress, len(r.members))
	for _, u := range r.units {
		if u.owner == nobody {
			continue
		}
		switch p := &all[u.owner]; {
		case r.members[u.owner].Stuck[u.Unit]:
			p.stuck = append(p.stuck, u.Unit)
		case known.exact[u.Unit] > 0:
			p.active++
		}
	}
	return all
}

// suspect renews what is remembered of members without progress.
func (r *round) suspect(known rates) {
	was := map[string]map[Unit]Shun{}
	for _, s := range r.in.Current.Shuns {
		if was[s.Member] == nil {
			was[s.Member] = map[Unit]Shun{}
		}
		was[s.Member][s.Unit] = s
	}
	for i, p := range r.progress(known) {
		m := &r.members[i]
		before := was[m.Name]
		now := map[Unit]Shun{}
		for u, s := range before { // moved away, and not back for a while
			recovered := u == (Unit{}) && p.active > 0 && !p.sick()
			if r.now.Before(s.Until) && s.Until.Sub(r.now) <= shunTime && !recovered {
				now[u] = s
			}
		}
		remember := p.stuck
		if p.sick() {
			remember = []Unit{{}}
		}
		for _, u := range remember {
			if _, ok := now[u]; ok {
				continue
			}
			s, ok := before[u]
			if !ok || s.Since.After(r.now) || !s.Until.IsZero() {
				s = Shun{Member: m.Name, Unit: u, Since: r.now}
			}
			now[u] = s
		}
		m.shunned = !now[Unit{}].Until.IsZero() || p.sick()
		r.shuns = append(r.shuns, slices.SortedFunc(maps.Values(now), Shun.Compare)...)
	}
	r.shuns = r.shuns[:min(len(r.shuns), maxShuns+len(r.members))]
}

// shunnedBy says that a unit moved away from a member not long ago, since it made no progress there.
func (r *round) shunnedBy(m int, u Unit) bool {
	i, ok := r.shunOf(m, u)
	return ok && !r.shuns[i].Until.IsZero()
}

// shunOf finds what is remembered of a member and a unit.
func (r *round) shunOf(m int, u Unit) (int, bool) {
	return slices.BinarySearchFunc(r.shuns, Shun{Member: r.members[m].Name, Unit: u}, Shun.Compare)
}

// rescue moves what makes no progress to where it may, if there is such a member: to the standby, or wherever place finds
// room.
func (r *round) rescue() {
	for i := range r.units {
		u := &r.units[i]
		if u.owner == nobody || u.pinned || !r.members[u.owner].Stuck[u.Unit] {
			continue
		}
		shun, ok := r.shunOf(u.owner, u.Unit)
		if !ok {
			shun, ok = r.shunOf(u.owner, Unit{})
		}
		if !ok || r.now.Sub(r.shuns[shun].Since) < patience {
			continue
		}
		healthy := func(m int) bool {
			return m != nobody && m != u.owner && r.reluctance(m, u.Unit) == 0 && !r.members[m].Stuck[u.Unit]
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(r.index)), healthy) {
			continue
		}
		r.shuns[shun].Until = r.now.Add(shunTime)
		to := nobody
		if healthy(u.standby) {
			to = u.standby
		}
		r.give(u, to)
	}
}
