package mirror

import (
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// flow is a rig whose topic has one partition, into which something can be fed at any time.
type flow struct {
	*rig
	own  *fakeOwnership
	next int64
}

func newFlow(t *testing.T) *flow {
	r, own := poolRig(t)
	r.source.set("clicks", TopicInfo{"source-id", 1})
	cfg := config()
	cfg.Drain = 30 * time.Second
	r.start(cfg)
	own.set("clicks", whole("clicks", 1))
	wait(5 * time.Second)
	return &flow{rig: r, own: own}
}

// feed lets a record come.
func (f *flow) feed() {
	f.t.Helper()
	f.rig.feed(0, []entry{{base: f.next, ids: idRange(f.next, 1), producer: -1, attrs: gzipCodec, stamp: time.Now().UnixMilli()}})
	f.next++
	f.source.mu.Lock()
	f.source.end = max(f.source.end, f.next)
	f.source.mu.Unlock()
}

// run lets a record come every second for so long.
func (f *flow) run(d time.Duration) {
	f.t.Helper()
	for range d / time.Second {
		f.feed()
		wait(time.Second)
	}
}

// after returns how long it takes until ok, at most an hour.
func after(ok func() bool) time.Duration {
	begun := time.Now()
	for time.Since(begun) < time.Hour && !ok() {
		wait(100 * time.Millisecond)
	}
	return time.Since(begun)
}

func (f *flow) stuck() bool { return f.own.load().Stuck }

func (f *flow) want(what string, got, least, most time.Duration) {
	f.t.Helper()
	if got < least || got > most {
		f.t.Errorf("%s after %v, want %v to %v", what, got, least, most)
	}
}

// TestStuckAMinuteAfterTheLastAcknowledgement has the destination fall silent: it is doubted in a quarter of a minute, and the
// unit is stuck after a minute, and both are told within two seconds. It is not stuck from the next acknowledgement on, and
// the member is able half a minute later.
func TestStuckAMinuteAfterTheLastAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		f.run(20 * time.Second)
		if f.stuck() || !f.own.able() {
			t.Fatalf("reported %+v", f.own.report)
		}
		f.silence(true)
		acked := f.status(0).LastAck
		f.feed()
		after(func() bool { return !f.own.able() })
		f.want("doubted", time.Since(acked), doubtAfter, doubtAfter+2*time.Second)
		after(f.stuck)
		f.want("stuck", time.Since(acked), stuckAfter, stuckAfter+2*time.Second)
		wait(5 * time.Minute)
		f.silence(false)
		f.want("not stuck", after(func() bool { return !f.stuck() }), 0, 2*time.Second)
		f.want("able", after(f.own.able), ableAfter-2*time.Second, ableAfter+2*time.Second)
		f.end()
	})
}

// TestPassingOutageIsNotStuck has outages of less than a minute, one after another, and a unit that had nothing to do for an
// hour before its record met an outage.
func TestPassingOutageIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		for _, idle := range []time.Duration{time.Second, time.Second, time.Hour} {
			f.run(2 * time.Second)
			wait(idle)
			f.silence(true)
			f.feed()
			for range 55 * 10 {
				if wait(100 * time.Millisecond); f.stuck() {
					t.Fatalf("stuck within 55 s, after %v without records", idle)
				}
			}
			f.silence(false)
			wait(3 * time.Second)
		}
		f.end()
	})
}

// leaveSource takes the source away, or gives it back.
func (f *flow) leaveSource(away bool, err error) {
	f.source.mu.Lock()
	f.source.away = away
	f.source.mu.Unlock()
	f.source.fail(err)
}

// handOver has the unit wanted elsewhere, and expects it to be let go of soon, not drained.
func (f *flow) handOver() {
	f.t.Helper()
	f.own.set("clicks", leaving(whole("clicks", 1)))
	f.want("handed over", after(func() bool { return len(f.own.given()) == 1 }), 0, 5*time.Second)
	if got := f.own.given(); len(got) != 1 || got[0].drained {
		f.t.Errorf("released %+v, want it not drained", got)
	}
}

// TestStuckWithoutTheSource has a source that is not reached any more. What it has by then is not known, so that a unit without
// contact is stuck as one without acknowledgements is. Handing it over does not wait for positions that cannot be saved.
func TestStuckWithoutTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		f.run(20 * time.Second)
		f.leaveSource(true, errTest)
		f.feed() // the last that came
		seen := time.Now()
		f.want("not able", after(func() bool { return !f.own.able() }), 0, 2*time.Second)
		after(f.stuck)
		f.want("stuck", time.Since(seen), stuckAfter, stuckAfter+2*time.Second)
		f.handOver()
		f.leaveSource(false, nil)
		f.end()
	})
}

// TestStuckHandOverWaitsForNoAnswer has a batch in flight for which no answer comes.
func TestStuckHandOverWaitsForNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		f.run(2 * time.Second)
		f.silence(true)
		f.feed()
		if taken, step := f.pipeline(0).Take(time.Now()); step != protocol.Send {
			t.Fatalf("got step %d", step)
		} else {
			defer taken.Hold().Release()
		}
		after(f.stuck)
		f.handOver()
		f.end()
	})
}

// TestSourceNeverSeen begins a tenure while the source is away: it has a minute too.
func TestSourceNeverSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		f.own.set("clicks")
		wait(time.Minute)
		f.leaveSource(true, nil)
		f.own.set("clicks", whole("clicks", 2))
		f.want("stuck", after(f.stuck), stuckAfter, stuckAfter+2*time.Second)
		f.leaveSource(false, nil)
		f.end()
	})
}

// TestBacklogIsNotStuck has more to do than it ever gets done, and an acknowledgement every half a minute.
func TestBacklogIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		f.source.mu.Lock()
		f.source.end = 1000
		f.source.mu.Unlock()
		for range 10 {
			f.feed()
			f.pipeline(0).seen(1000, time.Now())
			if wait(30 * time.Second); f.stuck() {
				t.Fatalf("reported %+v", f.own.report)
			}
		}
		f.end()
	})
}

// TestStuckWhenItCannotStartAnew has a partition that must be started anew, in vain: another member may be able to.
func TestStuckWhenItCannotStartAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		f.run(2 * time.Second)
		f.silence(true)
		f.feed()
		f.source.mu.Lock()
		f.source.denied = "clicks"
		f.source.mu.Unlock()
		p := f.pipeline(0)
		p.mu.Lock()
		p.detach(protocol.Restart)
		p.mu.Unlock()
		if _, ok := p.Plan(); ok {
			t.Fatal("it joins without being started anew")
		}
		f.want("stuck", after(f.stuck), stuckAfter-2*time.Second, stuckAfter+2*time.Second)
		f.source.mu.Lock()
		f.source.denied = ""
		f.source.mu.Unlock()
		f.end()
	})
}

// TestUnprovenOwnershipIsNotStuck has records that wait for a proof of ownership: nobody has one while the coordination service
// is away, and when it is back nothing is to move for that.
func TestUnprovenOwnershipIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		f.run(2 * time.Second)
		f.silence(true)
		f.feed()
		wait(30 * time.Second)
		prove := func(valid bool) {
			f.own.mu.Lock()
			defer f.own.mu.Unlock()
			clear(f.own.invalid)
			if !valid {
				f.own.invalid[Unit{"clicks", 0, 1}] = 1
			}
		}
		prove(false)
		wait(5 * time.Minute)
		prove(true)
		f.want("stuck", after(f.stuck), stuckAfter-time.Second, stuckAfter+2*time.Second)
		f.end()
	})
}

// TestFitness has a member start, doubt, and recover.
func TestFitness(t *testing.T) {
	var f fitness
	begun := time.Now()
	for _, step := range []struct {
		at   int // seconds
		well bool
		want bool
		why  string
	}{
		{0, false, false, "nothing is known yet"},
		{14, false, false, "nothing is known yet"},
		{14, true, true, "a start takes a moment, which is no doubt"},
		{20, true, true, "all is well"},
		{21, false, false, "a doubt"},
		{22, true, false, "it was doubted a moment ago"},
		{50, true, false, "not half a minute ago"},
		{51, true, true, "half a minute ago"},
		{60, false, false, "doubted again"},
		{89, true, false, "not half a minute ago"},
		{90, true, true, "half a minute ago"},
	} {
		if got := f.see(step.well, begun.Add(time.Duration(step.at)*time.Second)); got != step.want {
			t.Errorf("after %d s: able is %v, want %v: %s", step.at, got, step.want, step.why)
		}
	}
	var late fitness
	late.see(false, begun)
	late.see(false, begun.Add(time.Minute))
	if late.see(true, begun.Add(61*time.Second)) {
		t.Error("who started in an outage is able as soon as that is over")
	}
}

// TestDoubtIsOfTheWholeMember has two units, of which one is acknowledged: that one is stuck is no reason to doubt the member.
func TestDoubtIsOfTheWholeMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.start(config())
		own.set("clicks", Tenure{Unit: Unit{"clicks", 0, 2}, Term: 1}, Tenure{Unit: Unit{"clicks", 1, 2}, Term: 1})
		wait(5 * time.Second)
		r.source.mu.Lock()
		r.source.end = 1000 // of both, as look asks for it
		r.source.mu.Unlock()
		for i := range int64(120) {
			r.feed(0, []entry{{base: i, ids: idRange(i, 1), producer: -1, attrs: gzipCodec, stamp: time.Now().UnixMilli()}})
			wait(time.Second)
		}
		own.mu.Lock()
		got := own.report
		own.mu.Unlock()
		if len(got.Loads) != 2 || got.Loads[0].Stuck || !got.Loads[1].Stuck || !got.Able {
			t.Errorf("reported %+v, want the second unit stuck, and the member able", got)
		}
		r.end()
	})
}
