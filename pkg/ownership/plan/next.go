package plan

import (
	"cmp"
	"maps"
	"slices"
)

// Next returns the plan that follows the current one: the same for the same input, and the current one itself when there
// is no reason to change it. Every topic is in exactly one seat, or one for each of its parts; with no members nothing is.
func Next(in Input) Plan {
	p := Plan{Seats: map[Unit]Seat{}, Partitions: map[string]int{}, Arrivals: map[string]Arrival{}}
	members := slices.SortedFunc(slices.Values(in.Members), func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	if len(members) == 0 {
		return p
	}
	maps.Copy(p.Partitions, in.Topics)
	for _, m := range members {
		p.Arrivals[m.Name] = Arrival{m.Instance, in.Now.Truncate(1e9).UTC()}
		if a, ok := in.Current.Arrivals[m.Name]; ok {
			p.Arrivals[m.Name] = a
		}
	}
	candidates := slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return m.Draining })
	if len(candidates) == 0 {
		candidates = members
	}
	count := map[string]int{}
	able := func(name string) bool {
		return slices.ContainsFunc(candidates, func(m Member) bool { return m.Name == name })
	}
	fewest := func(except ...string) string {
		best := ""
		for _, m := range candidates {
			if !slices.Contains(except, m.Name) && (best == "" || count[m.Name] < count[best]) {
				best = m.Name
			}
		}
		return best
	}
	topics := slices.Sorted(maps.Keys(in.Topics))
	for _, t := range topics {
		u := Unit{t, 0, 1}
		s := in.Current.Seats[u]
		if !able(s.Owner) {
			s.Owner = s.Standby
		}
		if able(s.Owner) {
			count[s.Owner]++
		} else {
			s.Owner = ""
		}
		p.Seats[u] = s
	}
	for _, t := range topics {
		u := Unit{t, 0, 1}
		s := p.Seats[u]
		if s.Owner == "" {
			s.Owner = fewest()
			count[s.Owner]++
		}
		if !able(s.Standby) || s.Standby == s.Owner {
			s.Standby = fewest(s.Owner)
		}
		p.Seats[u] = s
	}
	return p
}
