package plan

import (
	"cmp"
	"math"
	"slices"
)

// bin is a member as far as its load is concerned.
type bin struct {
	capacity float64 // 0: it takes no part
	base     float64 // load that nothing moves
	takes    bool    // something may be moved here
	load     float64 // base, and what is in it
	fair     float64 // what it should have
	largest  float64 // the heaviest that is in it
}

func (b bin) over() float64 { return b.load - b.fair }

// off is how far the bin is from what it should have.
func (b bin) off() float64 {
	if b.fair <= 0 {
		return 0
	}
	return max(b.over(), -b.over()) / b.fair
}

// item is what can be moved.
type item struct {
	weight float64
	in     int // bin
}

// leveller moves items between bins until each has about its share.
type leveller struct {
	bins    []bin
	items   []item
	allowed func(item, bin int) bool
	// Nothing is moved while no bin is further off than start; then moves are made as long as one is further off than stop.
	start, stop float64
	// limit says how many moves may be made, where a share of the load is in the wrong place.
	limit func(share float64) int
}

// run makes the moves, and returns how many.
func (l *leveller) run() int {
	for i := range l.bins {
		l.bins[i].load = l.bins[i].base
	}
	for _, it := range l.items {
		l.bins[it.in].load += it.weight
		l.bins[it.in].largest = max(l.bins[it.in].largest, it.weight)
	}
	l.share()
	total, wrong := 0.0, 0.0
	for i, b := range l.bins {
		total += b.load
		wrong += max(0, b.over())
		// Who has too much at first gets nothing, even where it gave a little more than that: when a member comes, everything
		// that moves is to move there.
		l.bins[i].takes = b.takes && b.over() < 0
	}
	if total <= 0 {
		return 0
	}
	tolerance := l.start
	limit := l.limit(wrong / total)
	for moves := range limit {
		if !l.move(tolerance) {
			return moves
		}
		tolerance = l.stop
	}
	return limit
}

// share says what each bin should have: by capacity, but never less than what cannot leave it, nor more than it has where
// it takes nothing.
func (l *leveller) share() {
	rest, capacity := 0.0, 0.0
	greatest, lowest := 0.0, math.Inf(1)
	open := make([]bool, len(l.bins))
	for i, b := range l.bins {
		if b.capacity > 0 {
			open[i] = true
			rest += b.load
			capacity += b.capacity
			greatest = max(greatest, b.capacity)
			lowest = min(lowest, b.base)
		}
	}
	for again := true; again; {
		again = false
		for i := range l.bins {
			b := &l.bins[i]
			if !open[i] || capacity <= 0 {
				continue
			}
			b.fair = rest * b.capacity / capacity
			least := b.base
			if b.capacity >= greatest && b.base <= lowest { // an item of more than a share is nowhere better off
				least += b.largest
			}
			switch {
			case least > b.fair:
				b.fair = least
			case !b.takes && b.load < b.fair:
				b.fair = b.load
			default:
				continue
			}
			open[i], again = false, true
			rest -= b.fair
			capacity -= b.capacity
		}
	}
}

// move makes the move that helps most, if there is one between bins of which one is further off than tolerance.
func (l *leveller) move(tolerance float64) bool {
	order := make([]int, 0, len(l.bins))
	for i, b := range l.bins {
		if b.capacity > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { // the fullest first
		return cmp.Compare(l.bins[j].over()/l.bins[j].capacity, l.bins[i].over()/l.bins[i].capacity)
	})
	for _, from := range order {
		for _, to := range slices.Backward(order) {
			a, b := l.bins[from], l.bins[to]
			if a.over() <= 0 || b.over() >= 0 || !b.takes || a.off() <= tolerance && b.off() <= tolerance {
				continue
			}
			if i := l.best(from, to); i != nobody {
				l.bins[from].load -= l.items[i].weight
				l.bins[to].load += l.items[i].weight
				l.items[i].in = to
				return true
			}
		}
	}
	return false
}

// best returns the item that comes nearest to what the one bin has too much and the other too little, if moving it brings
// both nearer to their shares together. One that takes a bin beyond its share is moved only if there is no other: something
// would have to move again to make up for it.
func (l *leveller) best(from, to int) int {
	a, b := l.bins[from], l.bins[to]
	want := min(a.over(), -b.over())
	room := min(a.over()+l.stop*a.fair, -b.over()+l.stop*b.fair)
	best, distance := nobody, 0.0
	for i, it := range l.items {
		if it.in != from {
			continue
		}
		d := max(it.weight-want, want-it.weight)
		if it.weight > room {
			d += it.weight + room
		}
		if best != nobody && d >= distance || !l.helps(a, b, it.weight) || !l.allowed(i, to) {
			continue
		}
		best, distance = i, d
	}
	return best
}

// helps says that the squares of what the bins are off by get less. A hair of a gain is none: it would be moved back.
func (l *leveller) helps(a, b bin, w float64) bool {
	before := a.over()*a.over()/a.capacity + b.over()*b.over()/b.capacity
	after := (a.over()-w)*(a.over()-w)/a.capacity + (b.over()+w)*(b.over()+w)/b.capacity
	return after < before*0.999
}
