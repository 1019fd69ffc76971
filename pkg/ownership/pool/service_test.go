package pool

import (
	"errors"
	"testing"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
)

func TestFrozenMemberLosesItsLeaseAndRejoins(t *testing.T) {
	within(t, 30, func(t *testing.T, r *region) {
		a, b, c := trio(r)
		had, was := len(a.tenures()), a.incarnation()
		a.freeze(true)
		begun := time.Now()
		r.until("its units are owned by others", timeout+time.Second, func() bool { return len(b.tenures())+len(c.tenures()) == 30 })
		if took := time.Since(begun); took < timeout/2 || had == 0 {
			t.Errorf("%d units moved after %v", had, took)
		}
		if n := validOf(a); n != 0 || len(a.tenures()) != had {
			t.Errorf("the sleeper believes in %d units, %d of them validly", len(a.tenures()), n)
		}
		for _, u := range b.tenures() {
			if u.Term > 1 && u.Before != mirror.PredecessorUnknown {
				t.Errorf("%s: predecessor %d", u.Unit, u.Before)
			}
		}
		a.freeze(false)
		r.until("it has rejoined", time.Second, func() bool { return a.incarnation() != "" && a.incarnation() != was })
		r.await(time.Minute)
		if v := a.View(); v.Expired != 1 || v.Changes[ChangeLost] != had {
			t.Errorf("expired %d times, changes %v", v.Expired, v.Changes)
		}
	})
}

func TestCutMemberHoldsUntilItsLeaseEnds(t *testing.T) {
	within(t, 30, func(t *testing.T, r *region) {
		a, _, _ := trio(r)
		a.client.Cut()
		lease := a.client.Lease()
		r.pass(time.Until(lease) - 100*time.Millisecond)
		if n := validOf(a); n != len(a.tenures()) || n == 0 {
			t.Errorf("%d of %d valid shortly before the lease ends", n, len(a.tenures()))
		}
		if v := a.View(); v.Phase != coord.Suspended || len(v.Problems) == 0 {
			t.Errorf("phase %v, problems %q", v.Phase, v.Problems)
		}
		r.pass(200 * time.Millisecond)
		if n := validOf(a); n != 0 {
			t.Errorf("%d are valid after the lease", n)
		}
		a.client.Restore()
		r.await(time.Minute)
	})
}

func TestServiceDownMovesNothing(t *testing.T) {
	within(t, 30, func(t *testing.T, r *region) {
		trio(r)
		before := map[string]mirror.Tenure{}
		for _, a := range r.actors {
			for _, u := range a.tenures() {
				before[a.name+u.String()] = u
			}
		}
		r.ensemble.Down()
		r.pass(5 * time.Minute)
		r.ensemble.Up()
		r.await(time.Second)
		for _, a := range r.actors {
			for _, u := range a.tenures() {
				if before[a.name+u.String()] != u {
					t.Errorf("%s has %+v, had %+v", a.name, u, before[a.name+u.String()])
				}
			}
		}
	})
}

func TestServiceDownAtTheStart(t *testing.T) {
	within(t, 6, func(t *testing.T, r *region) {
		r.ensemble.Down()
		a := r.start("a")
		r.pass(time.Minute)
		if v := a.View(); v.Phase != coord.Connecting || len(v.Problems) != 1 || len(v.Unowned) != 6 || v.Unowned[0].Why == "" {
			t.Errorf("view %+v", v)
		}
		if err := a.Update(t.Context(), "eu", "topic-001", mirror.Identities{}); !errors.Is(err, errNotJoined) {
			t.Errorf("update: %v", err)
		}
		r.ensemble.Up()
		r.await(5 * time.Second)
		r.until("nothing is wrong any more", time.Second, func() bool { return len(a.View().Problems)+len(a.View().Unowned) == 0 })
	})
}
