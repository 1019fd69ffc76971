package pool

import (
	"slices"
	"testing"
	"time"

	"tributary/pkg/mirror"
)

// gets lets an actor's link report how it gets on.
func (a *actor) gets(stuck, able bool) {
	r := mirror.Report{Able: able}
	for _, u := range a.tenures() {
		r.Loads = append(r.Loads, mirror.Load{Unit: u.Unit, BytesPerSecond: 1, Stuck: stuck})
	}
	a.Report(r)
}

// A member that has lost a Kafka cluster hands its units over as soon as it says that they are stuck, whether it leads or not:
// the minute is over by then, and only what has to be told and written is to come. That it doubts moves nothing.
func TestStuckUnitsMoveAtOnce(t *testing.T) {
	for name, leads := range map[string]bool{"leader": true, "another": false} {
		t.Run(name, func(t *testing.T) {
			within(t, 12, func(t *testing.T, r *region) {
				trio(r)
				r.pass(2 * time.Minute)
				a := r.actors[slices.IndexFunc(r.actors, func(a *actor) bool { return leads == (a.View().Leader == a.incarnation()) })]
				had := len(a.tenures())
				a.gets(false, false)
				r.pass(45 * time.Second)
				if got := len(a.tenures()); got != had || had == 0 {
					t.Fatalf("a doubt moved %d of %d units", had-got, had)
				}
				a.gets(true, false)
				begun := time.Now()
				r.until("it has handed them over", 2*time.Second, func() bool { return len(a.tenures()) == 0 })
				r.await(time.Second)
				t.Logf("took %v", time.Since(begun))
				a.gets(false, true)
				r.pass(5 * time.Minute)
				if got := len(a.tenures()); got != 0 {
					t.Errorf("%d units are back within ten minutes", got)
				}
			})
		})
	}
}

// While a cluster is away all members doubt and are stuck, one after another, and recover one after another. Nothing moves.
func TestOutageOfAClusterMovesNothing(t *testing.T) {
	within(t, 12, func(t *testing.T, r *region) {
		trio(r)
		r.pass(2 * time.Minute)
		before := r.owners()
		for _, state := range []struct{ stuck, able bool }{{false, false}, {true, false}, {false, false}, {false, true}} {
			for _, a := range r.actors {
				a.gets(state.stuck, state.able)
				r.pass(5 * time.Second)
			}
			r.pass(time.Minute)
			for key, owner := range r.owners() {
				if before[key] != owner {
					t.Fatalf("%s went from %s to %s as members were %+v", key, before[key], owner, state)
				}
			}
		}
	})
}

// That a member doubts is told at once, and not with its next report: what is stuck elsewhere does not go there.
func TestDoubtIsToldAtOnce(t *testing.T) {
	within(t, 12, func(t *testing.T, r *region) {
		a, b, c := trio(r)
		r.pass(2 * time.Minute)
		report := func() int32 { n, _ := r.ensemble.Node(c.paths.Report(c.incarnation())); return n.Version }
		was := report()
		r.until("its next report", 15*time.Second, func() bool { return report() > was })
		had := len(c.tenures())
		c.gets(false, false)
		r.pass(2 * time.Second)
		a.gets(true, false)
		r.until("another has handed its units over", 2*time.Second, func() bool { return len(a.tenures()) == 0 })
		r.await(time.Second)
		if len(c.tenures()) != had || len(b.tenures()) != 12-had {
			t.Errorf("%d units are with who gets on, and %d with who doubts, which had %d", len(b.tenures()), len(c.tenures()), had)
		}
	})
}
