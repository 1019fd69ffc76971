package plan

import (
	"slices"
	"time"
)

const (
	shunTime = 10 * time.Minute
	maxShuns = 100 // of single units
)

// shunKey is a member, and the unit that it is not to get: the zero Unit for all of them.
type shunKey struct {
	member int
	unit   Unit
}

// progress is how a member gets on with what it owns.
type progress struct {
	stuck  int
	active int // units with load that are not stuck
}

// sick says that hardly anything of a member makes progress: it is the member, not the topics.
func (p progress) sick() bool { return p.stuck > p.active }

func (r *round) progress(known rates) []progress {
	all := make([]progress, len(r.members))
	for _, u := range r.units {
		if u.owner == nobody {
			continue
		}
		switch p := &all[u.owner]; {
		case r.members[u.owner].Stuck[u.Unit]:
			p.stuck++
		case known.exact[u.Unit] > 0:
			p.active++
		}
	}
	return all
}

// suspect renews what is remembered of members without progress.
func (r *round) suspect(known rates) {
	r.shuns = map[shunKey]time.Time{}
	all := r.progress(known)
	for _, s := range r.in.Current.Shuns {
		i := r.find(s.Member)
		if i == nobody || !r.now.Before(s.Until) || s.Until.Sub(r.now) > shunTime {
			continue
		}
		if recovered := s.Unit == (Unit{}) && all[i].active > 0; !recovered {
			r.shuns[shunKey{i, s.Unit}] = s.Until
		}
	}
	for i, p := range all {
		r.members[i].sick = p.sick()
	}
}

// shunnedBy says that a unit moved away from a member not long ago, since it made no progress there.
func (r *round) shunnedBy(m int, u Unit) bool {
	_, ok := r.shuns[shunKey{m, u}]
	return ok
}

// shunned says that a member gets no unit that another can take.
func (r *round) shunned(m int) bool { return r.members[m].sick || r.shunnedBy(m, Unit{}) }

// remembered lists the shuns for the plan.
func (r *round) remembered() []Shun {
	var list []Shun
	singles := 0
	for key, until := range r.shuns {
		list = append(list, Shun{r.members[key.member].Name, key.unit, until})
	}
	slices.SortFunc(list, Shun.Compare)
	return slices.DeleteFunc(list, func(s Shun) bool {
		if s.Unit != (Unit{}) {
			singles++
		}
		return singles > maxShuns && s.Unit != (Unit{})
	})
}

// shun keeps a unit from coming back to its owner for a while, or everything where that is sick.
func (r *round) shun(u *unit) {
	key := shunKey{u.owner, u.Unit}
	if r.members[u.owner].sick {
		key.unit = Unit{}
	}
	r.shuns[key] = r.now.Add(shunTime)
}

// rescue moves what makes no progress, and what its owner does not see, to a member that does: to the standby, or to the one
// with the least load. Who says that something is stuck has waited already; and a member that is able has been so for a while.
// So nothing moves when a cluster is away, which nobody gets on with, nor when it comes back and one of them is the first to
// notice.
func (r *round) rescue() {
	for i := range r.units {
		u := &r.units[i]
		if u.owner == nobody || u.pinned || !r.members[u.owner].Stuck[u.Unit] && !r.members[u.owner].Blind[u.Topic] {
			continue
		}
		against := func(m int) int {
			if m == u.owner || !r.members[m].Able || r.reluctance(m, u.Unit) > 0 {
				return never
			}
			return 0
		}
		to := u.standby
		if to == nobody || against(to) == never {
			to = r.lightest(u, against, func(m int) float64 { return r.members[m].load })
		}
		if to == nobody {
			continue
		}
		if r.members[u.owner].Stuck[u.Unit] {
			r.shun(u)
		}
		r.give(u, to)
	}
}
