package mirror

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// TestAllowanceLetsGoWhatTheRateSays sends batches of one size as fast as the bucket allows, for a minute.
func TestAllowanceLetsGoWhatTheRateSays(t *testing.T) {
	for _, test := range []struct {
		name       string
		rate, size int
	}{
		{"small batches", 1 << 20, 500},
		{"batches of the burst", 1 << 20, 1 << 17},
		{"batches of two seconds", 64 << 10, 128 << 10},
		{"a batch of a quarter of a minute", 1 << 10, 15 << 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a allowance
				a.set(int64(test.rate), time.Now())
				time.Sleep(time.Hour) // what was not sent is not saved up
				begun, sent := time.Now(), 0
				for time.Since(begun) < time.Minute {
					for a.take(test.size, time.Now()) {
						sent += test.size
						most := float64(test.rate)*(time.Since(begun)+rateBurst).Seconds() + float64(test.size)
						if float64(sent) > most {
							t.Fatalf("%d bytes after %v, want %.0f at most", sent, time.Since(begun), most)
						}
					}
					wait := a.wait(time.Now())
					if wait <= 0 {
						t.Fatal("nothing may go, and there is nothing to wait for")
					}
					time.Sleep(wait)
				}
				if least := test.rate*60 - test.size; sent < least {
					t.Errorf("%d bytes in a minute, want %d at least", sent, least)
				}
			})
		})
	}
}

func TestAllowanceChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a allowance
		want := func(what string, n int, ok bool, wait time.Duration) {
			t.Helper()
			if got := a.take(n, time.Now()); got != ok {
				t.Errorf("%s: taken %v, want %v", what, got, ok)
			}
			if got := a.wait(time.Now()).Round(10 * time.Millisecond); got != wait {
				t.Errorf("%s: wait of %v, want %v", what, got, wait)
			}
		}
		want("no limit", 1<<30, true, 0)
		a.set(1000, time.Now())
		want("what is left of the burst", 99, true, 0)
		want("more than there is", 10_001, true, 10*time.Second)
		want("what is owed", 1, false, 10*time.Second)
		a.set(10_000, time.Now())
		want("owed, at a higher rate", 1, false, time.Second)
		a.spend(10_000)
		want("with frames", 1, false, 2*time.Second)
		a.set(0, time.Now())
		want("no limit any more", 1<<30, true, 0)
		a.set(1000, time.Now())
		want("a limit again", 100, true, 0)
	})
}

// limitedBench is joined, with n batches of 2 young records queued, at a rate that the first batch exceeds by far.
func limitedBench(t *testing.T, n int) *bench {
	return young(t, n, func(c *LinkConfig, _ *Limits, _ *protocol.Identity) { c.Rate = 10 })
}

// TestRateHoldsBackBeforeSending: what waits for the rate is not under way, and is judged by its age of when it goes.
func TestRateHoldsBackBeforeSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limitedBench(t, 3)
		first := b.take(1)[0]
		b.answer(first, 0, 0, GoOn)
		taken, step := b.p.Take(time.Now())
		if step != protocol.Wait || !taken.Limited {
			t.Fatalf("second batch: got step %d, limited %v, want to wait for the rate", step, taken.Limited)
		}
		if s := b.p.Status(time.Now()); s.InFlight != 0 || !s.Fresh {
			t.Errorf("%d batches are under way, fresh %v; want none, fresh", s.InFlight, s.Fresh)
		}
		wait := b.link.RateWait(time.Now())
		if least := time.Duration(len(first.Bytes)-1) * time.Second / 10; wait < least {
			t.Errorf("wait of %v after %d bytes, want %v at least", wait, len(first.Bytes), least)
		}
		time.Sleep(wait)
		b.take(1)
		time.Sleep(13 * time.Hour) // the last acknowledged record is old by then
		if _, step := b.p.Take(time.Now()); step != protocol.Wait {
			t.Errorf("an old record behind one under way: got step %d, want the careful regime's wait", step)
		}
	})
}

// TestRateIsNoStandstill: what the rate holds back for long is shown as such, is nothing for another member of a pool to
// take, and keeps its memory; what is under way without an answer is not excused by it.
func TestRateIsNoStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limitedBench(t, 3)
		b.answer(b.take(1)[0], 0, 0, GoOn)
		b.p.mu.Lock()
		b.p.sourceEnd, b.p.sourceSeen = 6, time.Now()
		b.p.mu.Unlock()
		look := func() PartitionStatus {
			b.p.mu.Lock()
			b.p.sourceSeen = time.Now()
			b.p.mu.Unlock()
			return b.p.Status(time.Now())
		}
		look()
		b.link.Limit()
		time.Sleep(5 * time.Minute)
		s := look()
		if s.State != StateThrottled || !strings.Contains(s.Why, "limited by rate: 10 bytes per second") {
			t.Errorf("got %s, %q, want throttled", s.State, s.Why)
		}
		if b.p.pace(time.Now()).waits {
			t.Error("another member is to take what the rate holds back")
		}
		if b.p.shed(time.Now()) {
			t.Error("what the rate holds back is read again")
		}
		b.link.Unlimit()
		b.take(1)
		time.Sleep(stalledAfter - time.Second)
		b.link.Limit()
		if s := look(); s.State != StateThrottled {
			t.Errorf("with an answer owed for %v: got %s, want throttled", stalledAfter-time.Second, s.State)
		}
		time.Sleep(time.Second)
		if s := look(); s.State != StateWaiting {
			t.Errorf("with an answer owed for %v: got %s, want waiting", stalledAfter, s.State)
		}
		if !b.p.pace(time.Now()).waits {
			t.Error("an answer that does not come is excused by the rate")
		}
		b.link.Unlimit()
		b.link.SetRate(0)
		if b.link.limited(time.Now()) {
			t.Error("a link without a rate is limited")
		}
	})
}

// TestRateBoundsWhatIsReadAhead: a link with a rate leaves the memory to others.
func TestRateBoundsWhatIsReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			rate, queued int64
			want         Appetite
		}{
			{0, 1 << 40, Hungry},
			{64 << 10, minAhead, Hungry},
			{64 << 10, minAhead + 1, Full},
			{10 << 20, 20 << 20, Hungry},
			{10 << 20, 20<<20 + 1, Full},
		} {
			b := newBench(t, func(c *LinkConfig, _ *Limits, _ *protocol.Identity) { c.Rate = test.rate })
			b.join()
			b.link.queued.Store(test.queued)
			if _, _, _, got := b.p.FetchFrom(); got != test.want {
				t.Errorf("rate %d with %d bytes queued: got appetite %d, want %d", test.rate, test.queued, got, test.want)
			}
		}
	})
}

// TestQueuedBytesOfALink: every way out of a window counts.
func TestQueuedBytesOfALink(t *testing.T) {
	b := young(t, 4, nil)
	b.p.mu.Lock()
	b.p.window.all = &b.link.queued
	b.link.queued.Store(int64(b.p.window.bytes))
	b.p.mu.Unlock()
	want := func(what string) {
		t.Helper()
		if got := b.link.queued.Load(); got != int64(b.p.window.bytes) {
			t.Errorf("%s: %d bytes are counted, %d are queued", what, got, b.p.window.bytes)
		}
	}
	b.answer(b.take(1)[0], 0, 0, GoOn)
	want("one acknowledged")
	b.p.mu.Lock()
	b.p.window.trim()
	b.p.mu.Unlock()
	want("the rest dropped")
	b.feed(dense(6, 2, gzipCodec, time.Now().UnixMilli())[4:])
	want("more came")
	b.p.stop()
	want("stopped")
	if got := b.link.queued.Load(); got != 0 {
		t.Errorf("%d bytes are left", got)
	}
}

func TestSizesFollowTheRate(t *testing.T) {
	for _, test := range []struct {
		rate           int64
		portion, merge int
	}{
		{0, 0, mergeTargetBytes},
		{1 << 10, minPortion, mergeBelowBytes},
		{1 << 20, 1 << 20, 1 << 20 / 10},
		{1 << 40, 1<<31 - 1, mergeTargetBytes},
	} {
		b := newBench(t, func(c *LinkConfig, _ *Limits, _ *protocol.Identity) { c.Rate = test.rate })
		if p, m := b.link.Portion(), b.link.mergeTarget(); p != test.portion || m != test.merge {
			t.Errorf("rate %d: got a portion of %d and batches of %d, want %d and %d", test.rate, p, m, test.portion, test.merge)
		}
	}
}
