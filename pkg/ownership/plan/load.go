package plan

import (
	"maps"
	"math"
	"slices"
)

const (
	// baseShare is what every unit weighs beside its bytes, as a share of the mean: idle topics are spread by their number.
	baseShare = 0.02
	maxRate   = 1e15
)

// rates are the loads that are known. Units may be reported in the parts of an earlier plan.
type rates struct {
	exact  map[Unit]float64
	shapes map[string][]int // the Of that a topic is reported with, in order
	median float64
}

func ratesOf(load map[Unit]float64) rates {
	known := rates{exact: make(map[Unit]float64, len(load)), shapes: make(map[string][]int, len(load))}
	for u, rate := range load {
		if !u.Valid() || math.IsNaN(rate) || rate < 0 {
			continue
		}
		known.exact[u] = min(rate, maxRate)
		if !slices.Contains(known.shapes[u.Topic], u.Of) {
			known.shapes[u.Topic] = append(known.shapes[u.Topic], u.Of)
		}
	}
	for _, s := range known.shapes {
		slices.Sort(s)
	}
	known.median = medianOf(known.exact)
	return known
}

// of returns what a unit costs, as well as it is known: reported itself, else from what is reported of its topic in other
// parts, else what others cost.
func (k rates) of(u Unit) float64 {
	if rate, ok := k.exact[u]; ok {
		return rate
	}
	estimate, covered := k.median, 0.0
	for _, of := range k.shapes[u.Topic] {
		sum, n := 0.0, 0
		for part := u.Part % min(of, u.Of); part < of; part += min(of, u.Of) {
			if rate, ok := k.exact[Unit{u.Topic, part, of}]; ok {
				sum += rate
				n++
			}
		}
		there := max(1, of/u.Of) // units of this Of that overlap
		if share := float64(n) / float64(there); share > covered {
			covered = share
			estimate = sum / share / float64(max(1, u.Of/of))
		}
	}
	return estimate
}

// weigh gives every unit its weight. One that may have to be cut weighs no more than it would then: nothing is to make
// room for it before it is known whether it stays as heavy.
func (r *round) weigh(known rates) {
	total := 0.0
	for i := range r.units {
		u := &r.units[i]
		u.weight = known.of(u.Unit)
		if _, hot := r.cuts[u.Topic]; hot {
			u.weight = min(u.weight, r.fair/hotShare)
		}
		total += u.weight
	}
	base := max(1, total/float64(max(1, len(r.units)))*baseShare)
	for i := range r.units {
		r.units[i].weight += base
	}
}

// total is what all topics cost together.
func (k rates) total(topics map[string]int) float64 {
	total := 0.0
	for _, t := range slices.Sorted(maps.Keys(topics)) { // in order: sums of floats depend on it
		total += k.of(Unit{t, 0, 1})
	}
	return total
}
