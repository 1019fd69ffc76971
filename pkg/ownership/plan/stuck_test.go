package plan

import (
	"maps"
	"slices"
	"testing"
)

// What a member makes no progress with moves at once, all of it, and nothing comes back for ten minutes, be the member one that
// knows that it reaches nothing, or one to which both clusters answer all the time.
func TestStuckMovesAndStaysAway(t *testing.T) {
	for name, able := range map[string]bool{"reaches nothing": false, "is answered": true} {
		t.Run(name, func(t *testing.T) {
			w := small(t)
			sick := w.byInstance("m1")
			sick.Stuck, sick.Able = w.ownedBy(sick.Name), able
			had := len(sick.Stuck)
			for u := range sick.Stuck {
				w.in.Load[u] = 0
			}
			if moved := w.round(); moved != had || had == 0 {
				t.Fatalf("%d of %d units moved", moved, had)
			}
			sick.Stuck, sick.Able = nil, true
			for range 59 {
				if w.round(); w.owned(sick.Name) != 0 {
					t.Fatalf("%d units are back", w.owned(sick.Name))
				}
			}
			if len(w.settle()) == 0 || w.owned(sick.Name) == 0 {
				t.Error("nothing comes back after ten minutes")
			}
		})
	}
}

// While a cluster is away nobody gets on, and nothing moves: not when the members say so one after another, nor when they
// recover one after another. A member doubts long before something of it is stuck, and says that it is able only when it has
// been for longer than all others take to recover.
func TestOutageMovesNothing(t *testing.T) {
	w := small(t)
	before := w.in.Current.Seats
	steps := []struct {
		name string
		do   func(m *Member)
	}{
		{"doubts", func(m *Member) { m.Able = false }},
		{"is stuck", func(m *Member) { m.Stuck = w.ownedBy(m.Name) }},
		{"gets on", func(m *Member) { m.Stuck = nil }},
		{"is able", func(m *Member) { m.Able = true }},
	}
	for _, step := range steps {
		for i := range w.in.Members {
			step.do(&w.in.Members[i])
			for range 3 {
				if moved := w.round(); moved != 0 {
					t.Fatalf("%d units moved when member %d %s", moved, i, step.name)
				}
			}
		}
	}
	if moves := w.settle(); len(moves) != 0 || len(w.in.Current.Shuns) != 0 || !sameOwners(before, w.in.Current.Seats) {
		t.Errorf("afterwards %v moved, %v is remembered", moves, w.in.Current.Shuns)
	}
}

func sameOwners(a, b map[Unit]Seat) bool {
	return maps.EqualFunc(a, b, func(s, t Seat) bool { return s.Owner == t.Owner })
}

// What is stuck moves only to who is able, even if that is neither its standby nor the one with the least load.
func TestStuckMovesToTheAble(t *testing.T) {
	for _, able := range []string{"m0", "m2"} {
		t.Run(able, func(t *testing.T) {
			w := small(t)
			sick, other := w.byInstance("m1"), w.byInstance(able)
			for i := range w.in.Members {
				w.in.Members[i].Able = w.in.Members[i].Name == other.Name
			}
			sick.Stuck = w.ownedBy(sick.Name)
			had := w.owned(other.Name)
			if moved := w.round(); moved != len(sick.Stuck) || w.owned(other.Name) != had+moved {
				t.Errorf("%d of %d units moved, %d to %s", moved, len(sick.Stuck), w.owned(other.Name)-had, able)
			}
		})
	}
}

// Nothing moves to even out loads to a member that is not able. Where it has a share that is too small for that, it gets the
// rest when it is able again.
func TestUnableTakesNothing(t *testing.T) {
	w := small(t)
	added := w.join("added", "zone-3", 1)
	w.byInstance("added").Able = false
	if moves := w.settle(); w.owned(added) != 0 {
		t.Errorf("it got %d units: %v", w.owned(added), moves)
	}
	w.byInstance("added").Able = true
	if w.settle(); w.owned(added) != 3 {
		t.Errorf("it got %d units, want 3 of 12", w.owned(added))
	}
}

// One unit that is stuck at a member that else gets on moves, alone; the member may take others, and does not get that one
// back. A member that is cut off has some units without traffic, which are not stuck yet: it gets nothing whatever until the
// cut is over.
func TestOneStuckUnit(t *testing.T) {
	for name, able := range map[string]bool{"gets on": true, "is cut off": false} {
		t.Run(name, func(t *testing.T) {
			w := small(t)
			sick := w.byInstance("m1")
			one := slices.MinFunc(slices.Collect(maps.Keys(w.ownedBy(sick.Name))), Unit.Compare)
			sick.Stuck, sick.Able = map[Unit]bool{one: true}, able
			w.round()
			sick.Stuck = nil
			w.settle()
			want := 3
			if able {
				want = 4
			}
			if got, owner := w.owned(sick.Name), w.in.Current.Seats[one].Owner; got != want || owner == sick.Name {
				t.Errorf("it has %d units, want %d; %s is with %s", got, want, one, owner)
			}
			sick.Able = true
			if w.settle(); w.owned(sick.Name) != 4 {
				t.Errorf("afterwards it has %d units, want 4", w.owned(sick.Name))
			}
		})
	}
}

// One topic that is stuck wherever it is tries every member once, and then stays; the others stay where they are.
func TestStuckTopicTriesEverybodyOnce(t *testing.T) {
	w := small(t)
	u := Unit{"t04", 0, 1}
	var had []string
	for range 40 {
		owner := w.in.Current.Seats[u].Owner
		for i := range w.in.Members {
			w.in.Members[i].Stuck = map[Unit]bool{u: w.in.Members[i].Name == owner}
		}
		w.round()
		if now := w.in.Current.Seats[u].Owner; now != owner {
			had = append(had, owner)
		}
	}
	slices.Sort(had)
	if len(had) != 2 || len(slices.Compact(had)) != 2 {
		t.Errorf("it moved away from %v, want two of three, once", had)
	}
}

// Of single units so many are remembered, and always that a member made no progress at all.
func TestShunsAreBounded(t *testing.T) {
	w := newWorld(t, 1)
	w.joinMany(4, 4)
	w.zipf(600, 1, 0)
	w.settle()
	for _, instance := range []string{"m0", "m1"} {
		m := w.byInstance(instance)
		for u := range w.ownedBy(m.Name) {
			if len(m.Stuck) < 60 {
				m.Stuck[u] = true
			}
		}
	}
	all := w.byInstance("m2")
	all.Stuck = w.ownedBy(all.Name)
	w.round()
	whole, units := 0, 0
	for _, s := range w.in.Current.Shuns {
		if left := s.Until.Sub(w.in.Now); left != shunTime {
			t.Errorf("%+v is remembered for %v", s, left)
		}
		if s.Unit == (Unit{}) {
			whole++
		} else {
			units++
		}
	}
	if whole != 1 || units != maxShuns {
		t.Errorf("%d whole members and %d units are remembered, want 1 and %d", whole, units, maxShuns)
	}
}
