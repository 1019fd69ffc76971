package mirror

import (
	"testing"
	"testing/synctest"
	"time"
)

// A partition that is behind and stands still says so, though no error told it.
func TestStatusNoticesAStandstill(t *testing.T) {
	now := time.Now()
	b := newBench(t, nil)
	b.join()
	b.p.Status(now) // caught up with an empty source; it is looked at every second
	b.feed(dense(3, 2, gzipCodec, now.UnixMilli()))
	for _, step := range []struct {
		name  string
		after time.Duration
		want  State
	}{
		{"new records", 0, StateCopying},
		{"nothing yet", stalledAfter - time.Second, StateCopying},
		{"nothing for too long", stalledAfter, StateWaiting},
	} {
		if s := b.p.Status(now.Add(step.after)); s.State != step.want {
			t.Errorf("%s: got %s (%s), want %s", step.name, s.State, s.Why, step.want)
		}
	}
	b.ackAll(0)
	if s := b.p.Status(now.Add(2 * stalledAfter)); s.State != StateCaughtUp {
		t.Errorf("after the acknowledgement: got %s (%s), want %s", s.State, s.Why, StateCaughtUp)
	}
}

// TestLossesOutliveARange has a range of a topic lost records, and go to another owner: the counts of the topic never fall.
func TestLossesOutliveARange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.start(config())
		first, second := Tenure{Unit: Unit{"clicks", 0, 2}, Term: 1}, Tenure{Unit: Unit{"clicks", 1, 2}, Term: 1}
		own.set("clicks", first, second)
		wait(time.Second)
		r.pipeline(0).Halt(CauseRetention, "as the test wants it", newLoss(0, 7))
		r.pipeline(1).Halt(CauseRetention, "as the test wants it", newLoss(0, 4))
		lost := func() int64 { return r.link.Status().Topics[0].Lost[CauseRetention] }
		if got := lost(); got != 11 {
			t.Fatalf("%d records lost, want 11", got)
		}
		own.set("clicks", leaving(first), second)
		wait(time.Second)
		if got := lost(); got != 11 {
			t.Errorf("%d records lost after a range was handed over, want 11", got)
		}
		own.set("clicks", second)
		wait(time.Second)
		if got := lost(); got != 11 {
			t.Errorf("%d records lost after a range went, want 11", got)
		}
		own.set("clicks", second, Tenure{Unit: first.Unit, Term: 2})
		wait(time.Second)
		own.set("clicks", second)
		wait(time.Second)
		if got := r.link.Status().Topics[0].Former; got.Scans != 2 || lost() != 11 {
			t.Errorf("partitions that went scanned %d times, %d records lost, want 2 and 11", got.Scans, lost())
		}
		own.set("clicks")
		wait(time.Second)
		own.set("clicks", Tenure{Unit: Unit{"clicks", 1, 2}, Term: 3})
		wait(time.Second)
		if got := lost(); got != 0 {
			t.Errorf("%d records lost in a topic that was taken anew", got)
		}
		r.end()
	})
}
