// Package plan says who in a pool mirrors what, and who takes over. It is one pure function, Next, from what the leader
// knows to the plan that everybody follows. It reads no clock and keeps nothing: what must be remembered from one round to
// the next stands in the plan, so that a new leader goes on where the former one stopped.
package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// MaxOf is the most parts that a topic is cut into.
const MaxOf = 256

// Unit is what has one owner: a source topic, or every Of-th of its partitions. All units of a topic have the same Of. It is
// mirror.Unit with the rules of cutting: this package is pure and imports nothing of the program, so the pool converts one
// into the other, which the compiler allows for as long as their fields are the same.
type Unit struct {
	Topic string
	Part  int // 0 to Of-1
	Of    int // a power of two, at most MaxOf; 1: the whole topic
}

// Has says whether a source partition belongs to the unit.
func (u Unit) Has(partition int32) bool { return int(partition)%u.Of == u.Part }

// Overlaps says whether some partition can belong to both units. Both must be Valid.
func (u Unit) Overlaps(v Unit) bool {
	of := min(u.Of, v.Of)
	return u.Topic == v.Topic && u.Part%of == v.Part%of
}

// Valid says whether Part and Of are in their ranges.
func (u Unit) Valid() bool {
	return u.Of >= 1 && u.Of <= MaxOf && u.Of&(u.Of-1) == 0 && u.Part >= 0 && u.Part < u.Of
}

// String is the topic's name, with @part/of behind it where the unit is not all of it, counted from 1.
func (u Unit) String() string {
	if u.Of <= 1 {
		return u.Topic
	}
	return fmt.Sprintf("%s@%d/%d", u.Topic, u.Part+1, u.Of)
}

// Compare orders units by topic, Of and Part.
func (u Unit) Compare(v Unit) int {
	return cmp.Or(cmp.Compare(u.Topic, v.Topic), cmp.Compare(u.Of, v.Of), cmp.Compare(u.Part, v.Part))
}

// Member is a process of the pool that lives, as far as the coordination service knows.
type Member struct {
	Name     string  // incarnation: unique for ever
	Instance string  // stays the same when the process starts anew
	Zone     string  // may be empty
	Capacity float64 // share of the load beside the others', commonly 1; what is not positive and finite counts as 1
	Draining bool    // everything is to leave it
	// Stuck are its units with which it has made no progress for long enough, though there is something to mirror: they move
	// to a member that is able.
	Stuck map[Unit]bool
	// Able says that it gets on with both clusters, as far as it can tell. While no other member is, what is stuck stays.
	Able bool
	// Blind are topics that it does not see at the source, so that it could not mirror them: they go to members that do.
	Blind map[string]bool
}

// Seat says who mirrors a unit, by the names of members. Owner is empty in no plan of Next; Standby is where there is
// nobody for it.
type Seat struct {
	Owner   string
	Standby string // takes over at once when the owner is gone
}

// Plan is who mirrors what. The zero value is a plan of nothing. A plan is not changed once it is made.
type Plan struct {
	Seats      map[Unit]Seat
	Partitions map[string]int // of each topic that has seats, as planned with

	// What Next remembers, with times in whole seconds.
	Arrivals map[string]Arrival   // by member name: those alive, and those that came lately and are gone
	Shuns    []Shun               // in order
	Cuts     map[string]time.Time // topics that should be in more parts or fewer: since when
	Unrest   time.Time            // when an owner died or drained last
	Balanced time.Time            // when units moved last to even out loads
}

// Arrival is when a member was planned with first.
type Arrival struct {
	Instance string
	At       time.Time
}

// Shun says that a unit moved away from a member that made no progress with it, and does not come back for a while.
type Shun struct {
	Member string
	Unit   Unit // the zero Unit: the member made hardly any progress at all, and gets no unit whatever
	Until  time.Time
}

// Compare orders shuns by member and unit.
func (s Shun) Compare(t Shun) int {
	return cmp.Or(cmp.Compare(s.Member, t.Member), s.Unit.Compare(t.Unit))
}

// Equal says whether both plans say and remember the same.
func (p Plan) Equal(q Plan) bool {
	return p.Unrest.Equal(q.Unrest) && p.Balanced.Equal(q.Balanced) && maps.Equal(p.Seats, q.Seats) && maps.Equal(p.Partitions, q.Partitions) && maps.EqualFunc(p.Cuts, q.Cuts, time.Time.Equal) &&
		maps.EqualFunc(p.Arrivals, q.Arrivals, func(a, b Arrival) bool { return a.Instance == b.Instance && a.At.Equal(b.At) }) &&
		slices.EqualFunc(p.Shuns, q.Shuns, func(a, b Shun) bool {
			return a.Member == b.Member && a.Unit == b.Unit && a.Until.Equal(b.Until)
		})
}

// Input is what a plan follows from.
type Input struct {
	Now     time.Time
	Members []Member
	// Topics are all that somebody is to mirror, with their numbers of partitions. A topic that is missing here has no seat in
	// the plan, and its owner drops it: plan only with a list that is known to be whole.
	Topics map[string]int
	// Load is what units cost, in bytes per second, smoothed over a minute or so. What is missing counts as the median of
	// what is there. Units may be of another Of than in Current.
	Load    map[Unit]float64
	Pins    map[string]string // topic to instance
	Current Plan              // the plan in force, the zero value before the first
}
