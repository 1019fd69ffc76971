package pool

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
)

// Two thousand topics with names as long as Kafka allows are planned and claimed; what one session may not hold stays
// without an owner and says why, and goes to the next member.
func TestLongNames(t *testing.T) {
	within(t, 0, func(t *testing.T, r *region) {
		for i := range 2000 {
			r.topics[fmt.Sprintf("%s-%04d", strings.Repeat("n", 244), i)] = 1
		}
		a := r.start("a")
		most := coord.MaxEphemeralBytes / len("/mirror/eu/topics/"+strings.Repeat("n", 249))
		r.until("it has what one session may have", time.Minute, func() bool { return len(a.tenures()) >= most-2 })
		time.Sleep(10 * time.Second)
		bytes := 0
		for _, path := range []string{"members", "reports", "topics"} {
			for _, name := range r.ensemble.Names("/mirror/eu/" + path) {
				bytes += len("/mirror/eu/") + len(path) + 1 + len(name)
			}
		}
		if bytes > coord.MaxEphemeralBytes || len(a.tenures()) > most {
			t.Errorf("%d units with %d bytes of paths", len(a.tenures()), bytes)
		}
		v := a.View()
		if len(v.Unowned)+len(v.Units) != 2000 || !strings.Contains(v.Unowned[0].Why, "512 KiB") || len(v.Problems) == 0 {
			t.Errorf("%d owned, %d not, problems %q", len(v.Units), len(v.Unowned), v.Problems)
		}
		b := r.start("b")
		r.until("both have all", 10*time.Minute, func() bool { return len(a.tenures())+len(b.tenures()) == 2000 && len(r.owners()) == 2000 })
	})
}

func TestNothingLeaks(t *testing.T) {
	within(t, 4, func(t *testing.T, r *region) {
		a := r.start("a")
		r.await(5 * time.Second)
		topics := len(r.topics)
		changes := func() int {
			n := 0
			for _, a := range r.actors {
				n += a.View().Changes[ChangeHandover]
			}
			return n
		}
		settled := func() int {
			r.pass(time.Minute)
			synctest.Wait()
			return runtime.NumGoroutine()
		}
		b := r.start("b")
		r.await(5 * time.Second)
		move := func(i int) {
			for t := range r.topics {
				if err := a.Pin(r.t.Context(), t, []string{"a", "b"}[i%2]); err != nil {
					r.t.Fatal(err)
				}
			}
			to := []*actor{a, b}[i%2]
			r.until("all has moved", 10*time.Minute, func() bool { return validOf(to) == topics })
		}
		move(0)
		before := settled()
		for i := 1; changes() < 200; i++ {
			move(i)
		}
		if after := settled(); after > before+2 {
			t.Errorf("%d goroutines before, %d after %d changes", before, after, changes())
		}
	})
}

// Answers overtake each other, and nothing that is owned is thought lost for that.
func TestSlowAnswersLoseNothing(t *testing.T) {
	within(t, 20, func(t *testing.T, r *region) {
		s := newStorm(r, 1)
		r.jitter = func() time.Duration {
			r.oracle.mu.Lock()
			defer r.oracle.mu.Unlock()
			return time.Duration(s.IntN(200)) * time.Millisecond
		}
		trio(r)
		for i := range 12 {
			to := r.actors[i%3]
			for topic := range r.topics {
				if err := to.Pin(t.Context(), topic, to.name); err != nil {
					t.Fatal(err)
				}
			}
			r.until("all has moved", 10*time.Minute, func() bool { return validOf(to) == len(r.topics) })
		}
		for _, a := range r.actors {
			if v := a.View(); v.Changes[ChangeLost] != 0 {
				t.Errorf("%s: changes %v", a.name, v.Changes)
			}
		}
	})
}

// A leader that cannot see the source plans what others report, and takes nothing away.
func TestLeaderWithoutTheSource(t *testing.T) {
	within(t, 0, func(t *testing.T, r *region) {
		blind := r.start("blind")
		blind.Pool.mu.Lock()
		blind.member.offered = nil
		blind.Pool.mu.Unlock()
		r.pass(time.Minute)
		r.topics["new"] = 2
		other := r.start("other")
		r.until("it has an owner", time.Minute, func() bool { return len(r.owners()) == 2 })
		if l := other.View().Leader; l != blind.incarnation() {
			t.Errorf("%s leads", l)
		}
	})
}

func TestValidAllocatesNothing(t *testing.T) {
	within(t, 1, func(t *testing.T, r *region) {
		a := r.start("a")
		r.await(5 * time.Second)
		u := a.tenures()[0]
		if n := testing.AllocsPerRun(100, func() { a.Valid(u) }); n != 0 || !a.Valid(u) {
			t.Errorf("%v allocations, valid %v", n, a.Valid(u))
		}
		for name, change := range map[string]func(*mirror.Tenure){
			"another term":  func(u *mirror.Tenure) { u.Term++ },
			"another topic": func(u *mirror.Tenure) { u.Topic = "other" },
			"a part of it":  func(u *mirror.Tenure) { u.Of = 2 },
		} {
			other := u
			change(&other)
			if a.Valid(other) {
				t.Errorf("%s is valid", name)
			}
		}
	})
}

// A member that loses its node while nothing else happens joins again by itself, and a turn that finds nothing to do waits.
func TestRejoinsWithoutAnotherEvent(t *testing.T) {
	within(t, 3, func(_ *testing.T, r *region) {
		a := r.start("a")
		r.await(5 * time.Second)
		r.pass(5 * time.Second)
		for range 5 {
			was := a.incarnation()
			r.ensemble.Remove("/mirror/eu/members/" + was)
			r.until("it has rejoined", time.Second, func() bool { return a.incarnation() != "" && a.incarnation() != was })
			r.await(time.Second)
			r.pass(time.Minute)
		}
	})
}

// A session that has ended is not valid any more even where the member has had no time to learn so.
func TestValidKnowsTheSession(t *testing.T) {
	within(t, 1, func(t *testing.T, r *region) {
		a := r.start("a")
		r.await(5 * time.Second)
		u := a.tenures()[0]
		a.Pool.mu.Lock() // no turn can begin
		before := a.Valid(u)
		a.client.Expire()
		after := a.Valid(u)
		a.Pool.mu.Unlock()
		if !before || after {
			t.Errorf("valid before the session's end: %v, after it: %v", before, after)
		}
		r.await(5 * time.Second)
	})
}

// A claim that comes late, when the member that made it is gone, does nothing.
func TestClaimIsOfItsMember(t *testing.T) {
	within(t, 1, func(t *testing.T, r *region) {
		a := r.start("a")
		r.await(5 * time.Second)
		n, _ := r.ensemble.Node("/mirror/eu/plan")
		c := &claim{unit: plan.Unit{Topic: "other", Of: 1}, self: a.incarnation(), guard: check(a.paths.Member(a.incarnation())), version: n.Version}
		r.ensemble.Remove("/mirror/eu/members/" + a.incarnation())
		if _, err := a.member.tryClaim(t.Context(), c); func() outcome { o, _ := judge(err); return o }() != nobody {
			t.Errorf("got %v", err)
		}
		if len(r.ensemble.Names("/mirror/eu/topics")) > 1 {
			t.Error("the unit was claimed")
		}
		r.await(5 * time.Second)
	})
}
