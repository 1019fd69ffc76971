package mirror

import (
	"strings"
	"testing"
	"time"

	"tributary/pkg/mirror/protocol"
)

// TestEndsWhenAllThatWasReadIsAcknowledged pins that a loss at the source does not cost what is in hand: it is sent first, and
// what is lost begins behind it.
func TestEndsWhenAllThatWasReadIsAcknowledged(t *testing.T) {
	for _, test := range []struct {
		name string
		lose func(b *bench, generation uint64)
		want Loss
		at   int64 // where it goes on
	}{
		{"retention", func(b *bench, generation uint64) {
			b.source.start, b.source.end = 30, 40
			b.p.OutOfRange(generation)
			b.examine()
		}, Loss{From: 8, To: 30, Records: 22, Until: time.UnixMilli(1_000_030)}, 30},
		{"cut, told by the fetch", func(b *bench, generation uint64) { b.p.Diverged(generation, 2, 5) }, Loss{From: 8, To: 8, Surplus: &Range{5, 8}}, 5},
		{"cut and grown again", func(b *bench, generation uint64) {
			b.source.end, b.source.cutAt = 40, 3
			b.p.OutOfRange(generation)
			b.examine()
		}, Loss{From: 8, To: 8, Surplus: &Range{3, 8}}, 3},
		{"cut", func(b *bench, generation uint64) {
			b.source.end = 7
			b.p.OutOfRange(generation)
			b.examine()
		}, Loss{From: 8, To: 8, Surplus: &Range{7, 8}}, 7},
		{"made anew", func(b *bench, _ uint64) {
			b.p.obstruct(obstacle{cause: CauseSourceRecreated, why: "made anew"}, b.id)
			b.examine()
		}, Loss{From: 8, To: 8}, logStart},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := hot(t, 3) // a batch of 2 records is acknowledged, 3 are queued
			sent := b.take(2)
			_, _, generation, _ := b.p.FetchFrom()
			test.lose(b, generation)
			if s := b.p.Status(time.Now()); s.State != StateWaiting || !strings.Contains(s.Why, "halts once region has what was read") {
				t.Fatalf("got %s, %q; want waiting for the answers", s.State, s.Why)
			}
			if _, _, _, appetite := b.p.FetchFrom(); appetite != Away {
				t.Errorf("reads on: appetite %d", appetite)
			}
			b.respond(generation, dense(1, 2, gzipCodec, 1))
			b.p.close() // even a stop waits for them
			for i, taken := range append(sent, b.take(1)...) {
				if b.p.drained() {
					t.Errorf("drained before answer %d", i)
				}
				b.answer(taken, 0, int64(2+2*i), GoOn)
			}
			s := b.p.Status(time.Now())
			if s.State != StateHalted || s.Next != 8 || b.p.resume != test.at {
				t.Fatalf("got %+v, goes on at %d; want it to halt behind all it has read, and go on at %d", s, b.p.resume, test.at)
			}
			got := *s.Loss
			got.Since = time.Time{}
			if surplus := got.Surplus; !sameRange(surplus, test.want.Surplus) {
				t.Errorf("surplus %v, want %v", surplus, test.want.Surplus)
			}
			got.Surplus, test.want.Surplus = nil, nil
			if got != test.want {
				t.Errorf("loss %+v, want %+v", got, test.want)
			}
			if kinds := b.events.kinds(); len(kinds) != 1 || kinds[0] != EventHalted {
				t.Errorf("events %v", kinds)
			}
			b.wantNothingHeld()
		})
	}
}

// TestEndsAfterALookWhereAnswersAreMissing pins that the loss begins behind what the destination has, not behind what it
// acknowledged: after a kill the position is behind.
func TestEndsAfterALookWhereAnswersAreMissing(t *testing.T) {
	for _, test := range []struct {
		name  string
		tail  int32 // records that the destination has beyond the position
		start int64
		known bool // the position was saved
		cause Cause
		from  int64
	}{
		{"nothing beyond", 0, 9, true, CauseRetention, 0},
		{"some beyond", 4, 9, true, CauseRetention, 4},
		{"more than the source lost, if there were no gaps", 12, 9, true, CausePositionLost, 12},
		{"no position, a sent head is gone", 4, 9, false, CausePositionLost, 4},
		{"no position, nothing was sent", 0, 9, false, CauseRetention, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.p.begin(b.id, b.id.Base, test.known)
			var tail []protocol.Header
			if test.tail > 0 {
				tail = append(tail, protocol.Header{ProducerID: testProducer, Records: test.tail, Next: int64(test.tail), MaxTimestamp: 7})
			}
			b.join(tail...)
			b.source.start, b.source.end = test.start, 50
			_, _, generation, _ := b.p.FetchFrom()
			b.p.OutOfRange(generation)
			b.examine()
			if s := b.p.Status(time.Now()); s.State == StateHalted {
				t.Fatal("halted before old requests are gone")
			}
			b.join(tail...) // calmly
			s := b.p.Status(time.Now())
			if s.Cause != test.cause || s.Loss.From != test.from || s.Loss.To != max(test.from, test.start) {
				t.Errorf("got %s, %+v, %s", s.Cause, s.Loss, s.Why)
			}
			if got := len(b.sink.joiners()); got != 1 {
				t.Errorf("joined again %d times, want once", got)
			}
			if want := max(test.from, test.start); b.p.resume != want {
				t.Errorf("goes on at %d, want %d", b.p.resume, want)
			}
		})
	}
}

// TestEndingKeepsItsWindow pins that a destination which is away while the source loses records does not make them read again.
func TestEndingKeepsItsWindow(t *testing.T) {
	b := hot(t, 5)
	sent := b.take(3)
	_, _, generation, _ := b.p.FetchFrom()
	b.p.Diverged(generation, 2, 0)
	b.p.mu.Lock()
	b.p.giveUp()
	kept := b.p.window.n
	b.p.mu.Unlock()
	if kept != 5 || b.budget.kept == 0 {
		t.Fatalf("keeps %d batches in %d bytes, want all 5", kept, b.budget.kept)
	}
	b.answer(sent[0], 0, 2, Nothing)
	b.join(protocol.Header{ProducerID: testProducer, Sequence: 2, Records: 4, Next: 6, MaxTimestamp: time.Now().UnixMilli()}) // two of them arrived
	for i := range 3 {
		taken := b.take(1)[0]
		if want := int32(6 + 2*i); taken.Sequence != want {
			t.Errorf("sends sequence %d, want %d", taken.Sequence, want)
		}
		b.answer(taken, 0, int64(6+2*i), GoOn)
	}
	if s := b.p.Status(time.Now()); s.Cause != CauseTruncated || s.Next != 12 {
		t.Errorf("got %+v", s)
	}
	if b.budget.kept != 0 || b.budget.Used() != 0 {
		t.Errorf("%d bytes are kept, %d used", b.budget.kept, b.budget.Used())
	}
}

func TestEndingFindsOtherCuts(t *testing.T) {
	b := young(t, 0, nil)
	b.feed(dense(3, 4, gzipCodec, time.Now().UnixMilli()))
	_, _, generation, _ := b.p.FetchFrom()
	b.p.Diverged(generation, 2, 0)
	b.p.Broken(time.Now())
	b.p.mu.Lock()
	b.p.giveUp()
	b.p.mu.Unlock()
	header := protocol.Header{ProducerID: testProducer, Records: 6, Next: 6} // in the middle of the second batch
	b.join(header)
	if s := b.p.Status(time.Now()); s.State == StateHalted {
		t.Fatal("halted before old requests are gone")
	}
	at := b.position()
	b.join(protocol.Header{ProducerID: testProducer, Sequence: at.Sequence, Records: 6 - at.Sequence, Next: 6})
	if s := b.p.Status(time.Now()); s.Cause != CauseTruncated || s.Loss.From != 6 || *s.Loss.Surplus != (Range{0, 6}) {
		t.Errorf("got %s, %+v", s.Cause, s.Loss)
	}
	b.wantNothingHeld()
}

// TestEndingOfAnotherProducer pins that a kept window is made that of the new producer or epoch.
func TestEndingOfAnotherProducer(t *testing.T) {
	b := newBench(t, func(cfg *LinkConfig, _ *Limits, _ *protocol.Identity) { cfg.AtLeastOnce = true })
	b.join()
	b.feed(dense(4, 1, gzipCodec, time.Now().UnixMilli()))
	b.answer(b.take(1)[0], 0, 0, GoOn)
	_, _, generation, _ := b.p.FetchFrom()
	b.p.Diverged(generation, 2, 0)
	b.p.mu.Lock()
	b.p.giveUp()
	b.p.mu.Unlock()
	if _, ok := b.p.Plan(); ok {
		t.Fatal("joins without having started anew")
	}
	id := b.id
	id.ProducerID = 77
	at := b.position()
	at.ProducerID, at.Sequence = 77, 0
	b.p.begin(id, at, true)
	b.join()
	for i := range 3 {
		taken := b.take(1)[0]
		if taken.Bytes.ProducerID() != 77 || taken.Sequence != int32(i) || taken.Bytes.BaseSequence() != int32(i) {
			t.Errorf("batch %d is of producer %d, sequence %d", i, taken.Bytes.ProducerID(), taken.Sequence)
		}
		b.answer(taken, 0, int64(1+i), GoOn)
	}
	if s := b.p.Status(time.Now()); s.Cause != CauseTruncated || s.Next != 4 {
		t.Errorf("got %+v", s)
	}
}

func TestKeptWindowsAreBounded(t *testing.T) {
	g := NewBudget(1 << 20)
	a := g.keep(200 << 10)
	if a == nil || g.keep(100<<10) != nil {
		t.Fatalf("first %v, and a second beyond a quarter of the budget", a)
	}
	a.Release()
	if b := g.keep(100 << 10); b == nil {
		t.Error("nothing is kept any more, and no room")
	}
}

// TestSuspicionGoesAway pins that an answer which was of before does not stop the partition.
func TestSuspicionGoesAway(t *testing.T) {
	b := hot(t, 1)
	b.answer(b.take(1)[0], 0, 2, GoOn)
	b.source.start, b.source.end = 0, 50
	_, _, generation, _ := b.p.FetchFrom()
	b.p.OutOfRange(generation)
	if _, _, _, appetite := b.p.FetchFrom(); appetite != Away {
		t.Errorf("reads on while it is looked into: appetite %d", appetite)
	}
	b.examine()
	if from, _, _, appetite := b.p.FetchFrom(); from != 4 || appetite != Hungry {
		t.Errorf("reads from %d, appetite %d", from, appetite)
	}
	b.p.OutOfRange(generation + 1)
	if _, _, _, appetite := b.p.FetchFrom(); appetite != Hungry {
		t.Error("an answer of another generation counts")
	}
}
