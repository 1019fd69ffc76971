package mirror

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// topics are those that the link shows.
func (r *rig) topics() (names []string) {
	for _, t := range r.link.Status().Topics {
		names = append(names, t.Topic)
	}
	return names
}

// send feeds the first partition of clicks and lets what it has go out; answer acknowledges it.
func (r *rig) send(records int) (answer func()) {
	r.t.Helper()
	r.silence(true)
	r.feed(0, dense(1, records, gzipCodec, 1))
	p := r.pipeline(0)
	taken, step := p.Take(time.Now())
	if step != protocol.Send {
		r.t.Fatalf("got step %d", step)
	}
	taken.Hold().Release()
	return func() { p.Answer(taken.Flight, 0, 0, time.Now()) }
}

func matching(names ...string) func(string) bool {
	return func(topic string) bool { return slices.Contains(names, topic) }
}

// TestExcludedTopicLeavesAndComesBack has the link's pattern change while records are un-acknowledged: they are answered and
// saved first, the other topics go on, and what is included again goes on at the saved position.
func TestExcludedTopicLeavesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.own = new(Alone)
		cfg := config()
		cfg.Match = matching("clicks", "other")
		r.start(cfg)
		wait(time.Second)
		answer := r.send(3)
		r.link.SetMatch(matching("other"))
		wait(200 * time.Millisecond)
		if got := r.topics(); !slices.Equal(got, []string{"clicks", "other"}) {
			t.Fatalf("with records un-acknowledged the link has %v", got)
		}
		answer()
		r.silence(false)
		wait(200 * time.Millisecond)
		if got := r.topics(); !slices.Equal(got, []string{"other"}) {
			t.Fatalf("link has %v, want what is included", got)
		}
		at := r.source.group[TopicPartition{"clicks", 0}]
		if at.Source != 3 {
			t.Errorf("saved %+v, want source offset 3", at)
		}
		if got := len(r.link.all()); got != 1 {
			t.Errorf("the link keeps %d topics in mind, want 1", got)
		}
		r.link.SetMatch(matching("clicks", "other"))
		wait(time.Second)
		if got := r.topics(); !slices.Equal(got, []string{"clicks", "other"}) {
			t.Fatalf("link has %v, want both again", got)
		}
		if next, _, _, appetite := r.pipeline(0).FetchFrom(); next != 3 || appetite != Hungry {
			t.Errorf("reads from %d with appetite %v, want 3, hungry", next, appetite)
		}
		r.end()
	})
}

// TestIncludedAgainWhileItLeaves changes the pattern there and back before what is under way is answered.
func TestIncludedAgainWhileItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.own = new(Alone)
		r.start(config())
		wait(time.Second)
		answer := r.send(1)
		r.link.SetMatch(matching())
		wait(50 * time.Millisecond)
		r.link.SetMatch(matching("clicks"))
		wait(50 * time.Millisecond)
		answer()
		r.silence(false)
		wait(time.Second)
		if next, _, _, appetite := r.pipeline(0).FetchFrom(); next != 1 || appetite != Hungry {
			t.Errorf("reads from %d with appetite %v, want 1, hungry", next, appetite)
		}
		r.end()
	})
}

// TestExcludedUndrained gives a topic up whose records are never answered: its next term waits as after a silent owner.
func TestExcludedUndrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := newRig(t), new(Alone)
		r.own = own
		r.start(config())
		wait(time.Second)
		r.send(1)
		r.link.SetMatch(matching())
		wait(7 * time.Second) // the drain ends
		if got := r.topics(); len(got) > 0 {
			t.Fatalf("link has %v, want nothing", got)
		}
		r.link.SetMatch(matching("clicks"))
		wait(time.Second)
		got := own.Tenures("clicks")
		if len(got) != 1 || got[0].Term != 2 || got[0].Before != PredecessorUnknown || got[0].Since.IsZero() {
			t.Errorf("tenures are %+v, want term 2 after a silent owner", got)
		}
		r.end()
	})
}

// TestGoneTopicIsNotExcluded has the source show a topic no more, which is no reason to give it back.
func TestGoneTopicIsNotExcluded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.own = new(Alone)
		r.start(config())
		wait(time.Second)
		r.source.hide("clicks")
		wait(time.Second)
		if got := r.status(0); got.State != StateWaiting {
			t.Errorf("state is %s (%s), want waiting", got.State, got.Why)
		}
		r.end()
	})
}

// TestPause reads nothing until the pause is over, sends what was read, and lets the lag grow.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(config())
		wait(time.Second)
		r.silence(true)
		r.feed(0, []entry{{base: 0, ids: []int64{0, 1}, stamp: time.Now().UnixMilli()}})
		until := time.Now().Add(time.Hour)
		r.link.SetPauses(map[string]time.Time{WholeLink: until, "clicks": until.Add(-time.Minute)})
		if _, _, _, appetite := r.pipeline(0).FetchFrom(); appetite != Away {
			t.Errorf("appetite is %v, want none", appetite)
		}
		r.silence(false)
		r.source.mu.Lock()
		r.source.end = 50
		r.source.mu.Unlock()
		wait(20 * time.Second)
		s := r.status(0)
		if s.State != StatePaused || s.Next != 2 || s.Committed != 2 || s.Lag() != 48 {
			t.Errorf("status is %+v, want paused at 2, saved, 48 behind", s)
		}
		if l := r.link.Status(); !l.PausedUntil.Equal(until) || !l.Topics[0].PausedUntil.Equal(until) {
			t.Errorf("paused until %v, topic %v, want %v", l.PausedUntil, l.Topics[0].PausedUntil, until)
		}
		woken := r.source.wakes()
		r.link.SetPauses(nil)
		if _, _, _, appetite := r.pipeline(0).FetchFrom(); appetite != Hungry || r.source.wakes() == woken {
			t.Errorf("appetite is %v, want hungry and woken", appetite)
		}
		if s := r.status(0); s.State != StateCopying {
			t.Errorf("state is %s, want copying", s.State)
		}
		r.end()
	})
}

// TestPauseOfOneTopic leaves the others alone.
func TestPauseOfOneTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(config())
		wait(time.Second)
		r.link.SetPauses(map[string]time.Time{"other": time.Now().Add(time.Hour)})
		if _, _, _, appetite := r.pipeline(0).FetchFrom(); appetite != Hungry {
			t.Errorf("appetite is %v, want hungry", appetite)
		}
		if l := r.link.Status(); !l.PausedUntil.IsZero() || !l.Topics[0].PausedUntil.IsZero() {
			t.Errorf("paused until %v, topic %v, want neither", l.PausedUntil, l.Topics[0].PausedUntil)
		}
		r.end()
	})
}
