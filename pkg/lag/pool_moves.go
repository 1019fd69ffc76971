package lag

import (
	"fmt"
	"strings"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// move is units that came to this member, or left it, from one look to the next.
type move struct {
	units []mirror.Unit
	other []string  // the instances that had them, or have them
	at    time.Time // of the newest; zero: not known
}

func (m *move) add(u mirror.Unit, other string, at time.Time) {
	m.units, m.other = append(m.units, u), addOnce(m.other, other)
	if at.After(m.at) {
		m.at = at
	}
}

// text tells of a move in one line, however many units it is of.
func (m *move) text(preposition string) string {
	text := countUnits(m.units)
	if len(m.other) > 0 {
		text += " " + preposition + " " + strings.Join(m.other, ", ")
	}
	return text + ": " + unitNames(m.units)
}

// moves tells which units this member took and which it has no more.
func moves(out *happened, last, v *pool.View) {
	was, is := byUnit(last), byUnit(v)
	var taken, given move
	for _, u := range v.Units {
		before := was[u.Unit]
		if u.Mine && (!before.Mine || before.Term != u.Term) {
			taken.add(u.Unit, before.Owner, u.Since)
		}
	}
	for _, u := range last.Units {
		if after := is[u.Unit]; u.Mine && !after.Mine {
			given.add(u.Unit, after.Owner, time.Time{})
		}
	}
	if len(given.units) > 0 {
		out.add(EventUnitsGiven, given.at, given.text("to"))
	}
	if len(taken.units) > 0 {
		text := taken.text("from")
		if v.Failover.At.After(last.Failover.At) {
			text += fmt.Sprintf("; %s was gone, and the last of its %d units was taken after %v", v.Failover.From, v.Failover.Units, v.Failover.Duration.Round(time.Millisecond))
		}
		out.add(EventUnitsTaken, taken.at, text)
	}
}

// drain tells how far the handing over is that an operator asked for.
func (h *poolHistory) drain(out *happened, last, v *pool.View) {
	if v.Draining != last.Draining {
		h.drained = false
		if v.Draining {
			out.add(EventDraining, out.now, countUnits(ownUnits(v))+" to hand over")
		} else {
			out.add(EventDrainEnded, out.now, "units are taken again")
		}
	}
	if v.Draining && !h.drained && len(ownUnits(v)) == 0 {
		h.drained = true
		out.add(EventDrained, out.now, "nothing is left to hand over")
	}
}

// ownerless tells of units that nobody has for longer than a take-over lasts, and of the end of that.
func (h *poolHistory) ownerless(out *happened, now time.Time, v *pool.View) {
	var late []mirror.Unit
	var why string
	for i := range v.Unowned {
		if u := &v.Unowned[i]; v.Incarnation != "" && now.Sub(u.Since) >= patience {
			if late = append(late, u.Unit); why == "" {
				why = u.Why
			}
		}
	}
	switch {
	case len(late) > 0 && !h.unowned:
		h.unowned = true
		text := fmt.Sprintf("%s for more than %v: %s", countUnits(late), patience, unitNames(late))
		if why != "" {
			text += "; " + why
		}
		out.add(EventUnowned, now, text)
	case len(late) == 0 && h.unowned && v.Incarnation != "":
		h.unowned = false
		out.add(EventOwned, now, "every unit has an owner")
	}
}

func byUnit(v *pool.View) map[mirror.Unit]pool.Unit {
	units := make(map[mirror.Unit]pool.Unit, len(v.Units))
	for _, u := range v.Units {
		units[u.Unit] = u
	}
	return units
}

// ownUnits returns what this member has.
func ownUnits(v *pool.View) []mirror.Unit {
	var own []mirror.Unit
	for _, u := range v.Units {
		if u.Mine {
			own = append(own, u.Unit)
		}
	}
	return own
}

func countUnits(units []mirror.Unit) string {
	if len(units) == 1 {
		return "1 unit"
	}
	return fmt.Sprintf("%d units", len(units))
}

// unitNames names the first few.
func unitNames(units []mirror.Unit) string {
	var names []string
	for _, u := range units[:min(len(units), fewNames)] {
		names = append(names, u.String())
	}
	text := strings.Join(names, ", ")
	if more := len(units) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
