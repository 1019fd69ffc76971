package lag

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// seat is who mirrors a topic of a pool: one member, or several where it is shared by ranges of partitions.
type seat struct {
	owners, zones, standbys []string // each once, in order of the parts
	term                    int64
	since                   time.Time
	mine                    bool   // at least in part
	unowned                 bool   // at least in part
	unknown                 bool   // who has it: this process is no member, and the others may have it
	why                     string // of unowned
	dest                    string
}

// newSeats returns the seats of all topics that the pool knows.
func newSeats(v *pool.View) map[string]*seat {
	seats := map[string]*seat{}
	if v == nil {
		return seats
	}
	of := func(topic string) *seat {
		s := seats[topic]
		if s == nil {
			s = &seat{}
			seats[topic] = s
		}
		return s
	}
	for i := range v.Units {
		u, s := &v.Units[i], of(v.Units[i].Topic)
		s.owners, s.zones, s.standbys = addOnce(s.owners, u.Owner), addOnce(s.zones, u.Zone), addOnce(s.standbys, u.Standby)
		s.mine = s.mine || u.Mine
		if u.Term >= s.term {
			s.term, s.since = u.Term, u.Since
		}
	}
	for i := range v.Unowned {
		u, s := &v.Unowned[i], of(v.Unowned[i].Topic)
		if v.Incarnation == "" {
			s.unknown = true
			continue
		}
		s.unowned, s.why, s.standbys = true, cmp.Or(s.why, waits(u)), addOnce(s.standbys, u.Standby)
	}
	return seats
}

// of writes the seat into its topic.
func (s *seat) of(t *Topic) {
	t.Owner, t.Zone, t.Standby, t.Term = strings.Join(s.owners, ", "), strings.Join(s.zones, ", "), strings.Join(s.standbys, ", "), s.term
	if !s.since.IsZero() {
		since := s.since.UTC()
		t.OwnedSince = &since
	}
	if s.unowned {
		t.State, t.Problem = Worse(t.State, StateUnowned), cmp.Or(t.Problem, s.why)
	}
}

// addSeats adds the topics that others mirror, or nobody, and puts all in order.
func (l *Link) addSeats(seats map[string]*seat) {
	if len(seats) == 0 {
		return
	}
	for name, s := range seats {
		t := Topic{Topic: name, Dest: s.dest, State: StateElsewhere, Away: !s.mine}
		switch {
		case s.mine: // taken, and not begun
			t.State = mirror.StateStarting
		case s.unknown && len(s.owners) == 0:
			t.State = mirror.StateWaiting
		}
		s.of(&t)
		l.Topics = append(l.Topics, t)
	}
	slices.SortFunc(l.Topics, func(a, b Topic) int { return strings.Compare(a.Topic, b.Topic) })
}

// absent says why no topic can be taken, "" when all is well or there is no pool.
func absent(v *pool.View) string {
	if v == nil {
		return ""
	}
	return v.Absent()
}

// addOnce adds a word that is not there yet.
func addOnce(list []string, word string) []string {
	if word == "" || slices.Contains(list, word) {
		return list
	}
	return append(list, word)
}

// waits says why a unit has no owner.
func waits(u *pool.Unowned) string {
	text := u.String() + " has no owner since " + u.Since.UTC().Format(time.RFC3339)
	if u.Planned != "" {
		text += ", and is planned for " + u.Planned
	}
	if u.Why != "" {
		text += ": " + u.Why
	}
	return text
}
