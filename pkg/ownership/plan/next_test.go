package plan

import (
	"fmt"
	"maps"
	"math"
	"testing"
	"time"
)

// small is a world at rest with three members in three zones, and twelve topics of the same load.
func small(t *testing.T) *world {
	w := newWorld(t, 1)
	w.joinMany(3, 3)
	for i := range 12 {
		name := fmt.Sprintf("t%02d", i)
		w.in.Topics[name] = 4
		w.in.Load[Unit{name, 0, 1}] = 1e6
	}
	w.settle()
	return w
}

func (w *world) byInstance(instance string) *Member {
	for i := range w.in.Members {
		if w.in.Members[i].Instance == instance {
			return &w.in.Members[i]
		}
	}
	w.fatalf("no member %s", instance)
	return nil
}

// restart lets a member die, and come back ten seconds after that was seen.
func (w *world) restart(instance string) string {
	m := w.die(w.byInstance(instance).Name)
	w.round()
	name := w.join(m.Instance, m.Zone, m.Capacity)
	w.round()
	return name
}

func TestDrain(t *testing.T) {
	w := small(t)
	leaving := w.byInstance("m1")
	had := w.owned(leaving.Name)
	leaving.Draining = true
	if moved := w.round(); moved != had || w.owned(leaving.Name) != 0 {
		t.Errorf("one round moved %d of %d units and left %d", moved, had, w.owned(leaving.Name))
	}
	if w.settle(); w.owned(leaving.Name) != 0 {
		t.Errorf("%d units came back", w.owned(leaving.Name))
	}
	for u, s := range w.in.Current.Seats {
		if s.Standby == leaving.Name {
			t.Errorf("%s: who drains stands by", u)
		}
	}
	for i := range w.in.Members { // somebody has to mirror
		w.in.Members[i].Draining = true
	}
	w.round()
}

func TestBlindMembersGetNothingOfWhatTheyDoNotSee(t *testing.T) {
	w := small(t)
	for _, instance := range []string{"m0", "m1"} {
		w.byInstance(instance).Blind = map[string]bool{"t00": true, "new": true}
	}
	heavy := Unit{"new", 0, 1}
	w.in.Topics["new"], w.in.Load[heavy] = 1, 3e6
	w.settle()
	sees := w.byInstance("m2").Name
	if s := w.in.Current.Seats[heavy]; s.Owner != sees {
		t.Errorf("%s has %+v, want %s to own it", heavy, s, sees)
	}
	w.die(sees)
	w.settle()
	if s := w.in.Current.Seats[heavy]; s.Owner == "" {
		t.Errorf("%s has nobody, though nobody sees it better than who lives", heavy)
	}
}

func TestFlap(t *testing.T) {
	w := small(t)
	w.restart("m1")
	w.settle()
	name := w.restart("m1") // the third arrival
	for range 16 {
		if w.round(); w.owned(name) != 0 {
			t.Fatalf("who came three times has %d units after %s", w.owned(name), w.in.Now.Sub(w.in.Current.Arrivals[name].At))
		}
	}
	if w.in.Now = w.in.Now.Add(30 * time.Second); len(w.settle()) == 0 || w.owned(name) == 0 {
		t.Errorf("who has stayed for three minutes has %d units", w.owned(name))
	}
	w.restart("m1")
	for _, m := range []string{"m0", "m2"} {
		w.die(w.byInstance(m).Name)
	}
	w.round() // the only one gets everything, which round checks
	if len(w.in.Current.Arrivals) > 6 {
		t.Errorf("%d arrivals are remembered", len(w.in.Current.Arrivals))
	}
	if w.in.Now = w.in.Now.Add(time.Hour); w.round() != 0 || len(w.in.Current.Arrivals) != 1 {
		t.Errorf("after an hour %d arrivals are remembered, want that of the one that lives", len(w.in.Current.Arrivals))
	}
}

// All of a pool that comes and goes is not damped: nobody else could take anything.
func TestAllFlap(t *testing.T) {
	w := small(t)
	for range 4 {
		for i := range 3 {
			w.restart(fmt.Sprint("m", i))
		}
	}
	if w.settle(); w.worst() > 0.15 {
		t.Errorf("somebody is %.0f %% above its share", 100*w.worst())
	}
}

func TestPins(t *testing.T) {
	w := small(t)
	for i := range 6 {
		w.in.Pins[fmt.Sprintf("t%02d", i)] = "m2"
	}
	w.in.Pins["t06"] = "nobody"
	w.round() // that pins are followed is in check
	w.settle()
	pinned := w.byInstance("m2")
	if got := w.owned(pinned.Name); got != 6 {
		t.Errorf("with 6 of 12 topics pinned to it a member has %d", got)
	}
	pinned.Draining = true
	if w.round(); w.owned(pinned.Name) != 0 {
		t.Errorf("a pin held %d units at a member that drains", w.owned(pinned.Name))
	}
	pinned.Draining = false
	w.round()
	if w.restart("m2"); w.owned(w.byInstance("m2").Name) < 6 {
		t.Errorf("after a restart it has %d", w.owned(w.byInstance("m2").Name))
	}
	clear(w.in.Pins)
	if w.settle(); w.worst() > 0.1 {
		t.Errorf("without pins somebody is %.0f %% above its share", 100*w.worst())
	}
}

// Of two members of an instance the newer one is meant: the other one is on its way out.
func TestPinMeansNewestOfInstance(t *testing.T) {
	w := small(t)
	newer := w.join("m0", "zone-0", 1)
	w.in.Pins["t03"] = "m0"
	w.round()
	if got := w.in.Current.Seats[Unit{"t03", 0, 1}].Owner; got != newer {
		t.Errorf("pinned to m0, owned by %s, want %s", got, newer)
	}
}

func TestHotTopic(t *testing.T) {
	w := small(t)
	of := func() int {
		for u := range w.in.Current.Seats {
			if u.Topic == "t05" {
				return u.Of
			}
		}
		return 0
	}
	load := func(rate float64) {
		maps.DeleteFunc(w.in.Load, func(u Unit, _ float64) bool { return u.Topic == "t05" })
		for part := range of() {
			w.in.Load[Unit{"t05", part, of()}] = rate / float64(of())
		}
	}
	for _, step := range []struct {
		rate       float64
		partitions int
		of         int
		why        string
	}{
		{1e6, 4, 1, "a quarter of a share"},
		{1.1e6, 4, 1, "below a third of a share"},
		{2e6, 4, 2, "two fifths of a share"},
		{1e6, 4, 2, "the parts are not small enough to be put together"},
		{2e6, 4, 2, "no reason to cut again"},
		{100e6, 4, 4, "no more parts than partitions"},
		{100e6, 9, 8, "with more partitions there may be more parts, a power of two"},
		{2e6, 9, 8, "a part is a sixteenth of a share"},
		{0.1e6, 9, 1, "the parts have become small"},
		{50e6, 9, 8, "hot again"},
		{50e6, 3, 2, "it was made anew with fewer partitions"},
		{50e6, 1, 1, "one partition is not to be cut"},
	} {
		w.in.Topics["t05"] = step.partitions
		load(step.rate)
		w.settle()
		if got := of(); got != step.of {
			t.Fatalf("%g bytes/s, %d partitions: %d parts, want %d: %s", step.rate, step.partitions, got, step.of, step.why)
		}
	}
}

// What hardly anything flows through is not cut, however large its share of that, nor where there is nobody to share it.
func TestNotCut(t *testing.T) {
	tests := []struct {
		name    string
		members int
		rate    float64
	}{{"slow", 3, 60e3}, {"alone", 1, 60e6}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.joinMany(tt.members, 3)
			w.in.Topics = map[string]int{"a": 8, "b": 8}
			w.in.Load = map[Unit]float64{{"a", 0, 1}: tt.rate, {"b", 0, 1}: 0}
			if w.settle(); len(w.in.Current.Seats) != 2 {
				t.Errorf("seats %v", w.in.Current.Seats)
			}
		})
	}
}

func TestIdleTopicsSpreadByNumber(t *testing.T) {
	w := newWorld(t, 1)
	w.joinMany(4, 2)
	for i := range 100 {
		w.in.Topics[fmt.Sprint("t", i)] = 3
	}
	w.settle()
	for _, m := range w.in.Members {
		if got := w.owned(m.Name); got != 25 {
			t.Errorf("%s has %d of 100", m.Name, got)
		}
	}
}

func TestCapacity(t *testing.T) {
	w := newWorld(t, 1)
	w.join("weak", "z1", 1)
	w.join("strong", "z2", 3)
	w.zipf(80, 1, 0.3)
	w.settle()
	loads, _ := w.loads()
	if ratio := loads[w.byInstance("strong").Name] / loads[w.byInstance("weak").Name]; math.Abs(ratio-3) > 0.4 {
		t.Errorf("three times the capacity has %.2f times the load", ratio)
	}
}

// What others wrote into their nodes is no number, or the plan itself is damaged: a whole plan follows nevertheless.
func TestDamagedInput(t *testing.T) {
	w := small(t)
	w.in.Members[0].Capacity = math.NaN()
	w.in.Members[1].Capacity = -1
	w.in.Members[2].Capacity = math.Inf(1)
	w.in.Load = map[Unit]float64{{"t00", 0, 1}: math.NaN(), {"t01", 0, 1}: math.Inf(1), {"t02", 5, 3}: 7, {"t03", 0, 1}: -5, {"t04", 0, 1}: math.MaxFloat64}
	w.in.Topics["none"] = 0
	w.in.Current.Seats = maps.Clone(w.in.Current.Seats)
	w.in.Current.Seats[Unit{"t05", 1, 3}] = Seat{"x", "y"}
	w.in.Current.Seats[Unit{"t05", 1, 4}] = Seat{"x", "y"}
	w.in.Current.Seats[Unit{"t06", 0, 1}] = Seat{}
	w.in.Current.Arrivals = map[string]Arrival{w.in.Members[0].Name: {"m0", w.in.Now.Add(100 * time.Hour)}, "gone": {"m0", w.in.Now.Add(time.Hour)}}
	w.in.Current.Shuns = []Shun{{Member: w.in.Members[0].Name, Until: w.in.Now.Add(1000 * time.Hour)}}
	p := Next(w.in)
	delete(w.in.Topics, "none") // its number of partitions is made up
	delete(p.Seats, Unit{"none", 0, 1})
	w.check(p)
	if len(p.Shuns) != 0 || len(p.Arrivals) != 3 || p.Arrivals[w.in.Members[0].Name].At.After(w.in.Now) {
		t.Errorf("remembered: %v, %v", p.Shuns, p.Arrivals)
	}
	if q := Next(Input{Now: w.in.Now, Members: w.in.Members}); len(q.Seats) != 0 {
		t.Errorf("seats without topics: %v", q.Seats)
	}
}

func TestUnit(t *testing.T) {
	whole, first, third, second := Unit{"a", 0, 1}, Unit{"a", 0, 4}, Unit{"a", 2, 4}, Unit{"a", 1, 2}
	for _, tt := range []struct {
		a, b Unit
		want bool
	}{{whole, first, true}, {first, third, false}, {first, Unit{"a", 0, 2}, true}, {third, Unit{"a", 0, 2}, true}, {third, second, false}, {whole, Unit{"b", 0, 1}, false}} {
		if tt.a.Overlaps(tt.b) != tt.want || tt.b.Overlaps(tt.a) != tt.want {
			t.Errorf("%s overlaps %s: want %v", tt.a, tt.b, tt.want)
		}
	}
	if got := third.String(); got != "a@3/4" || !third.Has(6) || third.Has(5) {
		t.Errorf("%q has 6: %v, 5: %v", got, third.Has(6), third.Has(5))
	}
	for _, u := range []Unit{{"a", 0, 0}, {"a", 0, 3}, {"a", 4, 4}, {"a", -1, 2}, {"a", 0, 2 * MaxOf}} {
		if u.Valid() {
			t.Errorf("%+v is valid", u)
		}
	}
}

// After a death or a drain nothing moves to even out loads for half a minute, however often a plan is made: who is gone is
// often back by then. And between two moves for that there are five seconds.
func TestNoHaste(t *testing.T) {
	w := small(t)
	m := w.die(w.byInstance("m1").Name)
	w.round()
	died := w.in.Now
	back := w.join(m.Instance, m.Zone, m.Capacity)
	var moves []time.Duration // since the death
	for range 120 {
		w.in.Now = w.in.Now.Add(time.Second)
		p := Next(w.in)
		if n := len(Changes(w.in, p)); n > minMoves {
			t.Fatalf("%d moves at once", n)
		} else if n > 0 {
			moves = append(moves, w.in.Now.Sub(died))
		}
		w.in.Current = p
	}
	if len(moves) != 2 || moves[0] != restTime || moves[1] != restTime+minRound || w.owned(back) != 4 {
		t.Errorf("moves %v after the death; it has %d units", moves, w.owned(back))
	}
}
