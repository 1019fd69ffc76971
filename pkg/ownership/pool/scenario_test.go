package pool

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
)

// trio starts three members and waits until they share everything.
func trio(r *region) (a, b, c *actor) {
	a, b, c = r.start("a"), r.start("b"), r.start("c")
	r.await(10 * time.Second)
	r.pass(30 * time.Second)
	return a, b, c
}

// pass lets time pass, and looks whether anything is owned twice.
func (r *region) pass(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		time.Sleep(20 * time.Millisecond)
		r.owners()
	}
}

// until waits for something.
func (r *region) until(what string, within time.Duration, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		synctest.Wait()
		r.owners()
		if ok() {
			return
		}
		if time.Now().After(end) {
			r.dump()
			r.t.Fatalf("after %v still not: %s", within, what)
		}
	}
}

func validOf(a *actor) (n int) {
	for _, t := range a.tenures() {
		if a.Valid(t) {
			n++
		}
	}
	return n
}

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

func TestPredecessors(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(r *region, a *actor)
		want mirror.Predecessor
		why  Change
	}{
		"drained":     {func(r *region, a *actor) { r.quit(a) }, mirror.PredecessorNone, ChangeHandover},
		"proven dead": {func(r *region, a *actor) { r.kill(a, true) }, mirror.PredecessorDead, ChangeDead},
		"silent":      {func(r *region, a *actor) { r.kill(a, false) }, mirror.PredecessorUnknown, ChangeSilent},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, 12, func(t *testing.T, r *region) {
				a, b, _ := trio(r)
				for _, u := range b.tenures() {
					if u.Before != mirror.PredecessorNone || u.Term != 1 {
						t.Errorf("first owner: %+v", u)
					}
				}
				c.end(r, a)
				r.await(timeout + time.Second)
				n := 0
				for _, u := range b.tenures() {
					if u.Term == 1 {
						continue
					}
					n++
					if u.Before != c.want || u.Term != 2 || (u.Wait > 0) != (c.want != mirror.PredecessorNone) {
						t.Errorf("%+v", u)
					}
				}
				v := b.View()
				if n == 0 || v.Changes[c.why] != n {
					t.Errorf("%d taken over, changes %v", n, v.Changes)
				}
				if c.want != mirror.PredecessorNone && (v.Failover.Units != n || v.Failover.From != "a") {
					t.Errorf("failover %+v", v.Failover)
				}
			})
		})
	}
}

// A unit whose silent predecessor nobody has waited out goes from hand to hand with that, until it is settled.
func TestWaitIsHandedOn(t *testing.T) {
	within(t, 1, func(t *testing.T, r *region) {
		a := r.start("a")
		r.await(5 * time.Second)
		r.kill(a, false)
		take := func(name string) (*actor, mirror.Tenure) {
			b := r.start(name)
			r.until(name+" has it", 30*time.Second, func() bool { return len(b.tenures()) == 1 })
			return b, b.tenures()[0]
		}
		b, u := take("b")
		if u.Before != mirror.PredecessorUnknown {
			t.Errorf("after a silent end: %+v", u)
		}
		r.quit(b)
		b, u = take("c")
		if u.Before != mirror.PredecessorUnknown {
			t.Errorf("after one that drained, and had not waited: %+v", u)
		}
		r.oracle.settle(u)
		b.Settle(u)
		r.pass(time.Second)
		r.quit(b)
		if _, u = take("d"); u.Before != mirror.PredecessorNone || u.Term != 4 {
			t.Errorf("after one that had waited: %+v", u)
		}
	})
}

func TestTwoDeathsLeaveOneWithAll(t *testing.T) {
	within(t, 60, func(t *testing.T, r *region) {
		a, b, c := trio(r)
		r.kill(a, true)
		time.Sleep(100 * time.Millisecond)
		r.kill(b, true)
		r.until("the survivor has all", time.Second, func() bool { return validOf(c) == 60 })
		if v := c.View(); v.Evictions == 0 || v.LastEviction.Incarnation == "" {
			t.Errorf("evictions %d, %+v", v.Evictions, v.LastEviction)
		}
	})
}

func TestOneEvictionAMinute(t *testing.T) {
	within(t, 12, func(t *testing.T, r *region) {
		a, b, _ := trio(r)
		was := a.incarnation()
		r.oracle.expect(false, true)
		r.peers.tell(was) // it is alive
		r.until("it has rejoined", time.Second, func() bool { return a.incarnation() != "" && a.incarnation() != was })
		r.await(5 * time.Second)
		was = a.incarnation()
		r.peers.tell(was)
		r.pass(10 * time.Second)
		if a.incarnation() != was {
			t.Error("evicted twice within a minute")
		}
		r.pass(time.Minute)
		r.kill(a, true)
		r.until("the third is gone", time.Second, func() bool { return len(b.View().Members) == 2 })
	})
}

func TestDrainPinAndUnpin(t *testing.T) {
	within(t, 30, func(t *testing.T, r *region) {
		a, b, _ := trio(r)
		ctx := t.Context()
		if err := b.Drain(ctx, true); err != nil {
			t.Fatal(err)
		}
		r.until("b has nothing", 10*time.Second, func() bool { return len(b.tenures()) == 0 })
		r.await(time.Second)
		r.until("a sees it drain", time.Second, func() bool {
			return slices.ContainsFunc(a.View().Members, func(m Member) bool { return m.Instance == "b" && m.Draining })
		})
		if err := b.Drain(ctx, false); err != nil {
			t.Fatal(err)
		}
		r.until("b has its share again", 10*time.Minute, func() bool { return len(b.tenures()) >= 7 })
		var topic string
		for _, u := range a.tenures() {
			topic = u.Topic
		}
		if err := a.Pin(ctx, topic, "b"); err != nil {
			t.Fatal(err)
		}
		r.until("b has what is pinned to it", time.Minute, func() bool { return len(b.Tenures(topic)) == 1 })
		if pins := a.View().Pins; pins[topic] != "b" {
			t.Errorf("pins %v", pins)
		}
		for range 2 {
			if err := a.Unpin(ctx, topic); err != nil {
				t.Fatal(err)
			}
		}
		r.until("nothing is pinned", time.Second, func() bool { return len(b.View().Pins) == 0 })
		if err := a.Pin(ctx, "no/topic", "b"); err == nil {
			t.Error("a name that is none was pinned")
		}
		a.client.Cut()
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := a.Drain(short, true); err == nil || !strings.Contains(err.Error(), "eu") {
			t.Errorf("drain without a connection: %v", err)
		}
	})
}

func TestTopicsComeAndGo(t *testing.T) {
	within(t, 10, func(_ *testing.T, r *region) {
		trio(r)
		offer := func() {
			for _, a := range r.actors {
				a.Offer(maps.Clone(r.topics))
			}
		}
		r.topics["new"] = 4
		offer()
		r.await(2 * time.Second)
		delete(r.topics, "topic-003")
		offer()
		r.until("nobody has it", 20*time.Second, func() bool {
			return !slices.ContainsFunc(r.actors, func(a *actor) bool { return len(a.Tenures("topic-003")) > 0 })
		})
		r.topics["topic-003"] = 4
		offer()
		r.await(20 * time.Second)
	})
}
