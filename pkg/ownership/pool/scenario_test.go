package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
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
	within(t, 10, func(t *testing.T, r *region) {
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

func TestIdentities(t *testing.T) {
	within(t, 2, func(t *testing.T, r *region) {
		a, b, _ := trio(r)
		ctx := t.Context()
		id := func(pid int64) mirror.Identities {
			return mirror.Identities{Partitions: map[int32]protocol.Identity{2: {SourceTopicID: "s", DestTopic: "d", ProducerID: pid, Base: protocol.Position{Source: 7, SourceEpoch: -1, ProducerID: pid}}}}
		}
		first := id(5)
		a.client.Drop(true)
		if err := a.Update(ctx, "eu", "topic-000", first); err != nil {
			t.Fatalf("a write whose answer was lost, and that was done: %v", err)
		}
		if err := b.Update(ctx, "eu", "topic-000", id(6)); !errors.Is(err, mirror.ErrConflict) {
			t.Errorf("a second first one: %v", err)
		}
		got, err := b.Read(ctx, "eu", "topic-000")
		if err != nil || got.Version != 1 || got.Partitions[2] != first.Partitions[2] {
			t.Fatalf("got %+v, %v", got, err)
		}
		a.client.Drop(false)
		next := id(8)
		next.Version = 1
		if err := a.Update(ctx, "eu", "topic-000", next); err == nil || errors.Is(err, mirror.ErrConflict) {
			t.Errorf("a write that was lost: %v", err)
		}
		if err := b.Update(ctx, "eu", "topic-000", next); err != nil {
			t.Fatal(err)
		}
		if err := a.Update(ctx, "eu", "topic-000", next); !errors.Is(err, mirror.ErrConflict) {
			t.Errorf("a version that is over: %v", err)
		}
		r.ensemble.Put("/mirror/eu/identities/topic-001", []byte("garbage"))
		if _, err := a.Read(ctx, "eu", "topic-001"); err == nil || !strings.Contains(err.Error(), "/mirror/eu/identities/topic-001") || !strings.Contains(err.Error(), "delete it") {
			t.Errorf("garbage: %v", err)
		}
		if n, _ := r.ensemble.Node("/mirror/eu/identities/topic-001"); string(n.Data) != "garbage" {
			t.Error("garbage was overwritten")
		}
		r.ensemble.Remove("/mirror/eu/identities")
		if got, err := a.Read(ctx, "eu", "topic-000"); err != nil || got.Version != 0 || len(got.Partitions) != 0 || got.Partitions == nil {
			t.Errorf("after the tree was emptied: %+v, %v", got, err)
		}
		if err := a.Update(ctx, "eu", "topic-000", first); !errors.Is(err, mirror.ErrConflict) {
			t.Errorf("a write where the nodes above it are gone: %v", err)
		}
		if err := a.Update(ctx, "eu", "topic-000", first); err != nil {
			t.Errorf("the same again: %v", err)
		}
	})
}

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

// A member that has lost its Kafka clusters hands its units over, as soon as it says that they are stuck.
func TestStuckUnitsMove(t *testing.T) {
	within(t, 12, func(t *testing.T, r *region) {
		a, _, _ := trio(r)
		r.pass(2 * time.Minute)
		var loads []mirror.Load
		for _, u := range a.tenures() {
			loads = append(loads, mirror.Load{Unit: u.Unit, BytesPerSecond: 1, Stuck: true})
		}
		begun := time.Now()
		a.Report(loads)
		r.until("it has handed them over", 45*time.Second, func() bool { return len(a.tenures()) == 0 })
		t.Logf("took %v", time.Since(begun))
		r.await(time.Second)
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
	within(t, 3, func(t *testing.T, r *region) {
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
