package mirror

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// TestReleasedWithSomethingUnderWay has a partition come to its end while the positions of a hand-over are being saved: it
// sends what it has in hand, which the unit must not be said to be drained of.
func TestReleasedWithSomethingUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.start(config())
		own.set("clicks", whole("clicks", 1))
		wait(time.Second)
		log := dense(3, 3, gzipCodec, 1)
		r.source.mu.Lock()
		r.source.refuse = errTest
		r.source.mu.Unlock()
		r.feed(0, log[:1])
		wait(50 * time.Millisecond)
		r.silence(true)
		r.feed(0, log[1:]) // in hand, and nothing of it sent
		p := r.pipeline(0)
		own.set("clicks", leaving(whole("clicks", 1)))
		wait(100 * time.Millisecond)
		if _, step := p.Take(time.Now()); step != protocol.Wait {
			t.Fatalf("a partition that leaves sends: step %d", step)
		}
		r.source.set("clicks", TopicInfo{"another-id", 2})
		wait(100 * time.Millisecond)
		taken, step := p.Take(time.Now())
		if step != protocol.Send {
			t.Fatalf("a partition that comes to its end sends nothing: step %d", step)
		}
		defer taken.Hold().Release()
		r.source.mu.Lock()
		r.source.refuse = nil
		r.source.mu.Unlock()
		wait(2 * time.Second)
		if got := own.given(); len(got) != 1 || got[0].drained {
			t.Errorf("released %+v while a batch is under way, want not drained", got)
		}
		r.end()
	})
}

// TestReleasedUnitWritesNothing has a partition that is being started anew when its unit is given back. What it would store
// then would be beside what the next owner has read.
func TestReleasedUnitWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.source.compacted["clicks"] = true
		r.start(config())
		own.set("clicks", whole("clicks", 1))
		wait(time.Second)
		r.silence(true)
		r.feed(0, dense(1, 3, gzipCodec, time.Now().UnixMilli()))
		p := r.pipeline(0)
		taken, _ := p.Take(time.Now())
		taken.Hold().Release()
		r.store.hangs("clicks", true)
		p.Answer(taken.Flight, 45, -1, time.Now()) // from now on it takes a new epoch
		p.Plan()
		wait(time.Second)
		own.set("clicks", leaving(whole("clicks", 1)))
		wait(100 * time.Millisecond)
		if got := own.given(); len(got) != 1 {
			t.Fatalf("released %+v", got)
		}
		before := r.store.now("clicks").Version
		r.store.hangs("clicks", false)
		wait(time.Minute)
		if after := r.store.now("clicks").Version; after != before {
			t.Errorf("identities were stored %d times after the unit was released", after-before)
		}
		own.set("clicks")
		r.end()
	})
}

// TestStopTellsUnitsApart stops a link of which one topic's positions are refused. The other topic's units were drained all the
// same: old records would wait for nothing at their next owner.
func TestStopTellsUnitsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		cfg := config()
		cfg.Match = func(string) bool { return true }
		r.start(cfg)
		own.set("clicks", whole("clicks", 1))
		own.set("other", whole("other", 1))
		wait(time.Second)
		r.source.mu.Lock()
		r.source.denied = "clicks"
		r.source.mu.Unlock()
		for _, topic := range r.link.all() {
			p := topic.pipelines()[0]
			b := &bench{t: t, budget: NewBudget(1 << 20), p: p}
			b.intake = NewIntake(b.budget)
			log := dense(1, 3, gzipCodec, 1)
			b.feed(log)
			wait(50 * time.Millisecond)
			b.feed(log)
		}
		wait(50 * time.Millisecond)
		if err := r.stop(); !errors.Is(err, errTest) {
			t.Errorf("stop: %v", err)
		}
		got := map[string]bool{}
		for _, g := range own.given() {
			got[g.Topic] = g.drained
		}
		if len(got) != 2 || got["clicks"] || !got["other"] {
			t.Errorf("released as drained: %v, want other alone", got)
		}
	})
}

// TestRefusedPositionIsNotOthers has the group refuse the positions of one topic, as it does where the right to READ it is gone, and
// say so. The others are saved: they are not written again every second, and what is handed over of them is as well as drained.
func TestRefusedPositionIsNotOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		cfg := config()
		cfg.Match = func(string) bool { return true }
		r.source.denied, r.source.named = "clicks", true
		r.start(cfg)
		own.set("clicks", whole("clicks", 1))
		own.set("other", whole("other", 1))
		wait(time.Second)
		for _, topic := range r.link.all() {
			b := &bench{t: t, budget: NewBudget(1 << 20), p: topic.pipelines()[0]}
			b.intake = NewIntake(b.budget)
			b.feed(dense(1, 3, gzipCodec, 1)) // its leader epoch is stored first
			wait(50 * time.Millisecond)
			b.feed(dense(1, 3, gzipCodec, 1))
		}
		wait(2 * time.Second)
		if at, _ := r.source.saved("other", 0); at.Source != 3 {
			t.Fatalf("position of what is not refused: %+v", at)
		}
		written := func() int {
			r.source.mu.Lock()
			defer r.source.mu.Unlock()
			return r.source.written["other"]
		}
		before := written()
		wait(time.Minute)
		if n := written() - before; n > 0 {
			t.Errorf("a position that stands still was saved %d times in a minute", n)
		}
		if s := r.link.Status(); s.SaveProblem == "" {
			t.Error("nothing tells that a position is refused")
		}
		own.set("other", leaving(whole("other", 1)))
		own.set("clicks", leaving(whole("clicks", 1)))
		wait(time.Second)
		if got := own.given(); len(got) != 1 || got[0].Topic != "other" || !got[0].drained {
			t.Errorf("released %+v, want other, as drained, at once", got)
		}
		wait(time.Minute)
		if got := own.given(); len(got) != 2 || got[1].drained {
			t.Errorf("released %+v, want clicks too, whose position is not saved", got)
		}
		r.end()
	})
}

// TestWhatFailsDoesNotHoldOthersUp has more partitions of a topic to be started anew than are at a time, all in vain, and then
// one of another topic.
func TestWhatFailsDoesNotHoldOthersUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.source.set("clicks", TopicInfo{"source-id", restartAtOnce + 1})
		r.source.compacted["clicks"], r.source.compacted["other"] = true, true
		cfg := config()
		cfg.Match = func(string) bool { return true }
		r.start(cfg)
		wait(time.Second)
		r.source.mu.Lock()
		r.source.denied = "clicks"
		r.source.mu.Unlock()
		anew := func(p *Pipeline) {
			p.mu.Lock()
			p.position.Source++ // something is to be saved first
			p.detach(protocol.Restart)
			p.mu.Unlock()
			p.link.rejoin(p)
		}
		for _, p := range r.link.all()[0].pipelines() {
			anew(p)
		}
		wait(time.Second)
		p := r.link.all()[1].pipelines()[0]
		anew(p)
		wait(time.Minute)
		if b := (&bench{p: p}); b.position().Epoch != 1 {
			t.Errorf("another topic's partition is %+v", p.Status(time.Now()))
		}
		if s := r.status(0); s.State == StateCaughtUp || s.Why == "" {
			t.Errorf("a partition that does not start again is %s: %s", s.State, s.Why)
		}
		r.source.mu.Lock()
		r.source.denied = ""
		r.source.mu.Unlock()
		r.end()
	})
}

// TestLateFloorLowersNone has a floor to be raised for a culprit that was passed over long ago: by a later owner too.
func TestLateFloorLowersNone(t *testing.T) {
	for name, test := range map[string]struct {
		floor int64
		gone  bool // the partition was stopped
		want  int64
	}{
		"below":   {3, false, 5},
		"above":   {9, false, 9},
		"stopped": {3, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			id := b.id
			id.Floor = protocol.Position{Source: test.floor, ProducerID: testProducer}
			if err := b.link.store.Update(t.Context(), "link", "clicks", Identities{Partitions: map[int32]protocol.Identity{0: id}}); err != nil {
				t.Fatal(err)
			}
			if test.gone {
				b.p.stop()
			}
			err := b.link.raiseFloor(t.Context(), b.p, protocol.Position{Source: 5, ProducerID: testProducer})
			if superseded := errors.Is(err, errSuperseded); superseded != (test.want != 5) {
				t.Errorf("got error %v", err)
			}
			ids, _ := b.link.store.Read(t.Context(), "link", "clicks")
			if got := ids.Partitions[0].Floor.Source; got != test.want {
				t.Errorf("floor is %d, want %d", got, test.want)
			}
		})
	}
}

// TestSkipEndsWithItsTenure has a partition go to another owner while a skip makes its new identity.
func TestSkipEndsWithItsTenure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.start(config())
		own.set("clicks", whole("clicks", 1))
		wait(time.Second)
		p := r.pipeline(0)
		p.Halt(CauseSequenceHole, "as the test wants it", nil)
		r.store.hangs("clicks", true)
		done := make(chan error, 1)
		go func() {
			_, err := r.link.Skip(t.Context(), TopicPartition{"clicks", 0}, Choice{})
			done <- err
		}()
		wait(time.Second)
		before := r.store.now("clicks")
		own.set("clicks")
		wait(time.Second)
		r.store.hangs("clicks", false)
		wait(time.Second)
		select {
		case err := <-done:
			if !errors.Is(err, ErrUnknownPartition) {
				t.Errorf("skip: %v, want that the partition is not here", err)
			}
		default:
			t.Error("the skip goes on")
		}
		if after := r.store.now("clicks"); after.Version != before.Version {
			t.Errorf("a skip stored %+v after the unit was lost", after.Partitions[0])
		}
		r.end()
	})
}
