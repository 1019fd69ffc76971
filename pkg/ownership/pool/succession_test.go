package pool

import (
	"testing"
	"time"

	"tributary/pkg/mirror"
)

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

// A proof of death may be wrong, and who is taken for dead goes by the lease of its own session: old records wait that long, also
// where those who take over have sessions with a shorter timeout.
func TestDeadOwnersSessionIsWaitedFor(t *testing.T) {
	within(t, 12, func(t *testing.T, r *region) {
		a := r.startWith("a", 5*timeout)
		b := r.start("b")
		r.await(10 * time.Second)
		r.pass(30 * time.Second)
		if len(a.tenures()) == 0 {
			t.Fatal("nothing is to be taken over")
		}
		r.kill(a, true)
		r.until("b has all", 10*time.Second, func() bool { return len(b.tenures()) == 12 })
		n := 0
		for _, u := range b.tenures() {
			if u.Before != mirror.PredecessorDead {
				continue
			}
			if n++; u.Wait < 5*timeout {
				t.Errorf("%s waits for %v, and the session of its former owner may live for %v", u, u.Wait, 5*timeout)
			}
		}
		if n == 0 {
			t.Error("nothing was taken over from a dead owner")
		}
	})
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
