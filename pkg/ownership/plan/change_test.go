package plan

import (
	"maps"
	"slices"
)

// Reason says why a unit gets another owner.
type Reason string

// Reasons.
const (
	New     Reason = "new"     // there was none
	Death   Reason = "death"   // the former owner is gone
	Drain   Reason = "drain"   // the former owner drains
	Pinned  Reason = "pin"     // an operator wishes it
	Stalled Reason = "stuck"   // the former owner made no progress
	Split   Reason = "split"   // the topic was cut into parts, or into more
	Merge   Reason = "merge"   // parts were put together
	Balance Reason = "balance" // the former owner had too much, or the new one too little
)

// Change is a unit that gets another owner.
type Change struct {
	Unit   Unit
	From   string // "" nobody
	To     string
	Reason Reason
}

// Changes says what a plan changes that followed from an input, in the order of units. A unit of a topic that was cut is
// named whoever has it: it is claimed anew in any case.
func Changes(in Input, next Plan) []Change {
	members := map[string]Member{}
	for _, m := range in.Members {
		members[m.Name] = m
	}
	was := map[string][]Unit{}
	for u := range in.Current.Seats {
		was[u.Topic] = append(was[u.Topic], u)
	}
	var all []Change
	for _, u := range slices.SortedFunc(maps.Keys(next.Seats), Unit.Compare) {
		c := Change{Unit: u, From: in.Current.Seats[u].Owner, To: next.Seats[u].Owner}
		former, alive := members[c.From]
		switch _, same := in.Current.Seats[u]; {
		case same && c.From == c.To:
			continue
		case !same && len(was[u.Topic]) > 0:
			c.From, c.Reason = cutFrom(u, was[u.Topic], in.Current)
		case !same || c.From == "":
			c.Reason = New
		case !alive:
			c.Reason = Death
		case in.Pins[u.Topic] != "" && in.Pins[u.Topic] == members[c.To].Instance:
			c.Reason = Pinned
		case former.Draining:
			c.Reason = Drain
		case former.Stuck[u]:
			c.Reason = Stalled
		default:
			c.Reason = Balance
		}
		all = append(all, c)
	}
	return all
}

// cutFrom returns who had a unit of a topic that was cut differently.
func cutFrom(u Unit, was []Unit, current Plan) (string, Reason) {
	slices.SortFunc(was, Unit.Compare)
	for _, v := range was {
		if v.Overlaps(u) {
			if v.Of < u.Of {
				return current.Seats[v].Owner, Split
			}
			return current.Seats[v].Owner, Merge
		}
	}
	return "", New
}
