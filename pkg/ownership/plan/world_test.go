package plan

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// world is a pool that a test leads through what happens to it. A failure prints the seed, and
// PLAN_SEED=n repeats it.
type world struct {
	t    *testing.T
	seed uint64
	rand *rand.Rand
	in   Input
	next int // number of the next member
}

func newWorld(t *testing.T, seed uint64) *world {
	return &world{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 0)),
		in: Input{Now: time.Unix(1790000000, 0), Topics: map[string]int{}, Load: map[Unit]float64{}, Pins: map[string]string{}}}
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d: %s", w.seed, fmt.Sprintf(format, args...))
}

// join adds a member. Names do not sort by age.
func (w *world) join(instance, zone string, capacity float64) string {
	w.next++
	name := fmt.Sprintf("%s-%08x-%010d", instance, w.rand.Uint32(), w.next)
	w.in.Members = append(w.in.Members, Member{Name: name, Instance: instance, Zone: zone, Capacity: capacity, Stuck: map[Unit]bool{}, Able: true})
	return name
}

// joinMany adds members m0, m1 and so on, over some zones in turn.
func (w *world) joinMany(n, zones int) {
	for i := range n {
		w.join(fmt.Sprint("m", i), fmt.Sprint("zone-", i%zones), 1)
	}
}

func (w *world) die(name string) Member {
	i := slices.IndexFunc(w.in.Members, func(m Member) bool { return m.Name == name })
	m := w.in.Members[i]
	w.in.Members = slices.Delete(slices.Clone(w.in.Members), i, i+1)
	return m
}

// zipf adds topics of which the k-th has 1/k^s of the first one's load, in random order of names.
func (w *world) zipf(topics, partitions int, s float64) {
	names := w.rand.Perm(topics)
	for k := range topics {
		name := fmt.Sprintf("topic-%04d", names[k])
		w.in.Topics[name] = partitions
		w.in.Load[Unit{name, 0, 1}] = 100e6 / math.Pow(float64(k+1), s)
	}
}

// round makes one plan ten seconds later, checks what is to hold of every plan, and returns how many units changed owner.
func (w *world) round() int {
	w.t.Helper()
	w.in.Now = w.in.Now.Add(10 * time.Second)
	p := Next(w.in)
	w.check(p)
	shuffled := w.in
	shuffled.Members = slices.Clone(w.in.Members)
	w.rand.Shuffle(len(shuffled.Members), func(i, j int) {
		shuffled.Members[i], shuffled.Members[j] = shuffled.Members[j], shuffled.Members[i]
	})
	if !Next(shuffled).Equal(p) {
		w.fatalf("another plan for the same input")
	}
	moved := len(Changes(w.in, p))
	w.in.Current = p
	return moved
}

// settle makes rounds until nothing moved for a minute, and returns how many units moved in each up to the last that did.
func (w *world) settle() []int {
	w.t.Helper()
	var moves []int
	last := 0
	for i := range 200 {
		before := w.in.Current
		moves = append(moves, w.round())
		if !maps.Equal(before.Seats, w.in.Current.Seats) {
			last = i + 1
		}
		if i-last >= 6 {
			return moves[:last]
		}
	}
	w.fatalf("still moving after %d rounds: %v", len(moves), moves)
	return nil
}

func (w *world) member(name string) (Member, bool) {
	i := slices.IndexFunc(w.in.Members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return Member{}, false
	}
	return w.in.Members[i], true
}

// check holds a plan to what is always to be true.
func (w *world) check(p Plan) {
	w.t.Helper()
	if len(w.in.Members) == 0 {
		if len(p.Seats) != 0 {
			w.fatalf("seats without members: %v", p.Seats)
		}
		return
	}
	w.checkWhole(p)
	allDrain := !slices.ContainsFunc(w.in.Members, func(m Member) bool { return !m.Draining })
	for u, s := range p.Seats {
		owner, ok := w.member(s.Owner)
		if !ok || owner.Draining && !allDrain {
			w.fatalf("%s is owned by %q: alive %v, draining %v", u, s.Owner, ok, owner.Draining)
		}
		w.checkStandby(u, s, owner, allDrain)
		if want := w.pinned(u.Topic, allDrain); want != "" && owner.Instance != want {
			w.fatalf("%s is pinned to %s and owned by %s", u, want, owner.Instance)
		}
	}
}

// checkWhole says that every partition of every topic is in one seat, and nothing else is.
func (w *world) checkWhole(p Plan) {
	w.t.Helper()
	units := map[string]int{}
	for u := range p.Seats {
		units[u.Topic]++
		if _, ok := w.in.Topics[u.Topic]; !ok || !u.Valid() || u.Of > max(1, w.in.Topics[u.Topic]) {
			w.fatalf("a seat for %s, of %d partitions", u, w.in.Topics[u.Topic])
		}
	}
	for t, partitions := range w.in.Topics {
		for i := range max(1, partitions) {
			seats := 0
			for of := 1; of <= MaxOf; of *= 2 {
				if _, ok := p.Seats[Unit{t, i % of, of}]; ok {
					seats++
				}
			}
			if seats != 1 {
				w.fatalf("partition %d of %s is in %d seats", i, t, seats)
			}
		}
		if p.Partitions[t] != partitions || units[t] == 0 {
			w.fatalf("%s has %d partitions, the plan says %d", t, partitions, p.Partitions[t])
		}
	}
}

// checkStandby says that a standby is in another zone if that is possible, and somebody if there is anybody.
func (w *world) checkStandby(u Unit, s Seat, owner Member, allDrain bool) {
	w.t.Helper()
	others, elsewhere := 0, 0
	for _, m := range w.in.Members {
		if m.Name == s.Owner || m.Draining && !allDrain || len(m.Stuck) > 0 {
			continue
		}
		others++
		if m.Zone != owner.Zone {
			elsewhere++
		}
	}
	standby, ok := w.member(s.Standby)
	switch {
	case s.Standby == s.Owner, !ok && others > 0, standby.Draining && !allDrain:
		w.fatalf("%s: owner %s, standby %q, %d others", u, s.Owner, s.Standby, others)
	case ok && elsewhere > 0 && standby.Zone == owner.Zone && !w.stuckLately():
		w.fatalf("%s: owner %s and standby %s are both in %s, of %d elsewhere", u, s.Owner, s.Standby, owner.Zone, elsewhere)
	}
}

// stuckLately says that members may be shunned, which zones give way to.
func (w *world) stuckLately() bool {
	return len(w.in.Current.Shuns) > 0 || slices.ContainsFunc(w.in.Members, func(m Member) bool { return len(m.Stuck) > 0 })
}

// pinned returns the instance that has to own a topic, "" where any may.
func (w *world) pinned(topic string, allDrain bool) string {
	instance, ok := w.in.Pins[topic]
	if !ok || !slices.ContainsFunc(w.in.Members, func(m Member) bool { return m.Instance == instance && (!m.Draining || allDrain) }) {
		return ""
	}
	return instance
}

// loads returns the bytes per second that each member has in the present plan, and the heaviest unit.
func (w *world) loads() (byMember map[string]float64, largest float64) {
	known := ratesOf(w.in.Load)
	byMember = map[string]float64{}
	for _, m := range w.in.Members {
		byMember[m.Name] = 0
	}
	for u, s := range w.in.Current.Seats {
		byMember[s.Owner] += known.of(u)
		largest = max(largest, known.of(u))
	}
	return byMember, largest
}

// worst returns how far the fullest member is above an even share by capacity.
func (w *world) worst() float64 {
	loads, _ := w.loads()
	total, capacity, worst := 0.0, 0.0, 0.0
	for _, m := range w.in.Members {
		if !m.Draining {
			total += loads[m.Name]
			capacity += m.Capacity
		}
	}
	for _, m := range w.in.Members {
		worst = max(worst, loads[m.Name]/(total*m.Capacity/capacity)-1)
	}
	return worst
}

func (w *world) owned(member string) int {
	n := 0
	for _, s := range w.in.Current.Seats {
		if s.Owner == member {
			n++
		}
	}
	return n
}

// ownedBy returns what a member has.
func (w *world) ownedBy(member string) map[Unit]bool {
	owned := map[Unit]bool{}
	for u, s := range w.in.Current.Seats {
		if s.Owner == member {
			owned[u] = true
		}
	}
	return owned
}
