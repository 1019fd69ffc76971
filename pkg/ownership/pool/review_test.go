package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// TestRepeatedReleaseLeavesTheHeirAlone: a release whose answer is lost was done nevertheless. When it is repeated another has
// the unit.
func TestRepeatedReleaseLeavesTheHeirAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t, 1)
		defer r.end()
		old, heir := r.start("m1"), r.start("m2")
		r.await(time.Minute)
		time.Sleep(30 * time.Second)
		if len(old.tenures()) == 0 {
			old, heir = heir, old
		}
		old.mu.Lock() // its link does nothing any more
		old.frozen = true
		old.mu.Unlock()
		if err := old.Drain(context.Background(), true); err != nil {
			t.Fatal(err)
		}
		leaving := func() bool { ts := old.tenures(); return len(ts) == 1 && ts[0].Leaving }
		for begun := time.Now(); !leaving(); time.Sleep(time.Millisecond) {
			if time.Since(begun) > time.Minute {
				t.Fatalf("nothing leaves: %+v", old.tenures())
			}
		}
		given := old.tenures()[0]
		old.client.Drop(true)
		r.oracle.end(given, endedDrained)
		old.Release(given, true)
		for begun := time.Now(); len(heir.tenures()) == 0; time.Sleep(time.Millisecond) {
			if time.Since(begun) > time.Minute {
				t.Fatal("nobody took the unit over")
			}
		}
		got := heir.tenures()[0]
		time.Sleep(30 * time.Second)
		if now := heir.tenures(); len(now) != 1 || now[0].Term != got.Term || got.Term != given.Term+1 || got.Before != mirror.PredecessorNone {
			t.Errorf("after term %d the heir had %+v, and has %+v", given.Term, got, now)
		}
		if n := heir.View().Changes[ChangeLost]; n != 0 {
			t.Errorf("the heir lost %d units", n)
		}
	})
}

// TestLeftoverIsKnownByWhoMadeIt: a node that was made anew after a claim looked at it is not removed, though its version is
// what it was.
func TestLeftoverIsKnownByWhoMadeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t, 1)
		defer r.end()
		a := r.start("m1")
		r.await(time.Minute)
		u := a.tenures()[0].Unit
		path := a.paths.Owner(plan.Unit(u))
		was, ok := r.ensemble.Node(path)
		if !ok {
			t.Fatal("there is no owner node")
		}
		left := leftover{path, was.Version, was.Created}
		if ops, err := a.member.clear(t.Context(), nil, []leftover{left}); err != nil || len(ops) != 1 || ops[0].Version != was.Version {
			t.Errorf("as it was: got %+v, %v", ops, err)
		}
		left.created--
		for name, remove := range map[string]bool{"made anew": false, "gone": true} {
			if remove {
				r.ensemble.Remove(path)
			}
			_, err := a.member.clear(t.Context(), make([]coord.Op, 2), []leftover{left})
			if o, op := judge(err); o != refused || op != 2 {
				t.Errorf("%s: got %v, want a refusal of op 2", name, err)
			}
		}
	})
}

func TestHowATermEndsOfWhichNothingIsUnderWay(t *testing.T) {
	for _, test := range []struct {
		before  mirror.Predecessor
		settled bool
		want    znode.Ended
	}{
		{mirror.PredecessorNone, true, znode.EndedDrained},
		{mirror.PredecessorDead, false, znode.EndedDead},
		{mirror.PredecessorDead, true, znode.EndedDrained},
		{mirror.PredecessorUnknown, false, znode.EndedDrained}, // the term's wait says the rest
	} {
		if got := endedBy(test.before, test.settled); got != test.want {
			t.Errorf("endedBy(%v, %v) = %v, want %v", test.before, test.settled, got, test.want)
		}
	}
}
