package mirror

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/pkg/mirror/protocol"
)

// take takes n batches and fails when there are fewer.
func (b *bench) take(n int) []Taken {
	b.t.Helper()
	var out []Taken
	for range n {
		taken, step := b.p.Take(time.Now())
		if step != protocol.Send {
			b.t.Fatalf("got step %d after %d batches, want %d", step, len(out), n)
		}
		taken.Hold().Release()
		out = append(out, taken)
	}
	return out
}

func (b *bench) wantWait() {
	b.t.Helper()
	if _, step := b.p.Take(time.Now()); step != protocol.Wait {
		b.t.Errorf("got step %d, want to wait", step)
	}
}

func (b *bench) answer(taken Taken, code int16, base int64, want Verdict) {
	b.t.Helper()
	if got := b.p.Answer(taken.Flight, code, base, time.Now()); got != want {
		b.t.Errorf("answer %d: got verdict %d, want %d", code, got, want)
	}
}

// young returns a joined bench with n young batches of 2 records queued.
func young(t *testing.T, n int, change func(*LinkConfig, *Limits, *protocol.Identity)) *bench {
	b := newBench(t, func(c *LinkConfig, l *Limits, id *protocol.Identity) {
		l.OldAge = 12 * time.Hour
		if change != nil {
			change(c, l, id)
		}
	})
	b.join()
	b.feed(dense(n, 2, gzipCodec, time.Now().UnixMilli()))
	return b
}

// hot is young after one acknowledgement.
func hot(t *testing.T, n int) *bench {
	b := young(t, n+1, nil)
	b.answer(b.take(1)[0], 0, 0, GoOn)
	return b
}

func TestSendOneUntilAcknowledged(t *testing.T) {
	b := young(t, 8, nil)
	first := b.take(1)
	b.wantWait()
	b.answer(first[0], 0, 10, GoOn)
	b.take(5)
	b.wantWait()
	if got := b.position(); got.Source != 2 || got.Sequence != 2 || got.Dest != 12 {
		t.Errorf("position is %+v", got)
	}
}

func TestSendOldOnesAfterACalmScanOneByOne(t *testing.T) {
	b := newBench(t, func(_ *LinkConfig, l *Limits, _ *protocol.Identity) { l.OldAge = 12 * time.Hour })
	b.join()
	b.feed(dense(3, 2, gzipCodec, time.Now().Add(-13*time.Hour).UnixMilli()))
	if _, step := b.p.Take(time.Now()); step != protocol.Calm {
		t.Fatalf("got step %d, want calm", step)
	}
	plan, ok := b.p.Plan()
	if !ok || plan.Need != protocol.ScanCalm || !plan.Count {
		t.Fatalf("got plan %+v, %v", plan, ok)
	}
	b.join()
	b.feed(dense(3, 2, gzipCodec, time.Now().Add(-13*time.Hour).UnixMilli()))
	for i := range int64(3) {
		taken := b.take(1)
		b.wantWait()
		b.answer(taken[0], 0, 2*i, GoOn)
	}
	if s := b.p.Status(time.Now()); s.Fresh || s.Next != 6 {
		t.Errorf("got fresh %v, next %d", s.Fresh, s.Next)
	}
}

func TestRefusedWindowIsSentAgainInOrder(t *testing.T) {
	b := hot(t, 4)
	sent := b.take(4)
	b.answer(sent[0], 19, -1, GoOn)
	b.wantWait()
	b.answer(sent[1], 45, -1, GoOn)
	b.answer(sent[2], 19, -1, GoOn)
	b.answer(sent[3], 45, -1, Pause)
	b.wantWait() // the pause
	if wait := b.p.RetryIn(time.Now()); wait <= 0 || wait > refusedPause {
		t.Errorf("retry in %v", wait)
	}
	b.p.mu.Lock()
	b.p.retryAt = time.Time{}
	b.p.mu.Unlock()
	again := b.take(4)
	for i := range sent {
		if !slices.Equal(sent[i].Bytes, again[i].Bytes) {
			t.Errorf("batch %d is not sent again as it was", i)
		}
	}
	b.answer(sent[0], 0, 7, Nothing) // of the flight before
}

func TestRefusedThenAcceptedHangsUp(t *testing.T) {
	b := hot(t, 2)
	sent := b.take(2)
	b.answer(sent[0], 19, -1, GoOn)
	b.answer(sent[1], 0, 5, Hangup)
	if got := b.position().Source; got != 2 {
		t.Errorf("position is %d, want 2", got)
	}
}

// TestDeniedIsNotDrained: what was sent behind a denied batch is under way on an open connection until it is answered. A hand-over
// before that would let the next owner go on at once with old records, of which the broker forgets the producer.
func TestDeniedIsNotDrained(t *testing.T) {
	for name, test := range map[string]struct {
		code int16
		why  string
	}{"no right": {29, "WRITE on topic clicks at region"}, "no topic": {3, "code 3"}} {
		t.Run(name, func(t *testing.T) {
			b := hot(t, 4)
			sent := b.take(4)
			b.p.close()
			b.answer(sent[0], test.code, -1, GoOn)
			b.wantWait()
			for i, code := range []int16{test.code, 45, test.code} {
				if b.p.drained() {
					t.Fatalf("drained with %d batches unanswered", 3-i)
				}
				want := GoOn
				if i == 2 {
					want = Leave
				}
				b.answer(sent[i+1], code, -1, want)
			}
			if !b.p.drained() {
				t.Error("not drained once all is answered")
			}
			if wait := b.p.RetryIn(time.Now()); wait <= 0 || wait > deniedPause {
				t.Errorf("retry in %v", wait)
			}
			if plan, ok := b.p.Plan(); !ok || plan.Need != protocol.ScanFast {
				t.Errorf("got plan %+v, %v", plan, ok)
			}
			if why := b.p.Status(time.Now()).Why; !strings.Contains(why, test.why) {
				t.Errorf("says %q, want %q", why, test.why)
			}
			b.wantNothingHeld()
		})
	}
}

// TestDeniedTakesNoEpoch: what is denied is not there, so that its sequences are free, and a right that is missing for weeks does not
// use up the epochs of a compacted source.
func TestDeniedTakesNoEpoch(t *testing.T) {
	compacted := func(_ *LinkConfig, _ *Limits, id *protocol.Identity) { id.Compacted = true }
	now := time.Now()
	log := dense(3, 2, gzipCodec, now.UnixMilli())
	b := young(t, 3, compacted)
	b.answer(b.take(1)[0], 0, 0, GoOn)
	for range 3 {
		sent := b.take(2)
		b.answer(sent[0], 29, -1, GoOn)
		b.answer(sent[1], 45, -1, Leave)
		if plan, ok := b.p.Plan(); !ok || plan.Need != protocol.Resend {
			t.Fatalf("got plan %+v, %v", plan, ok)
		}
		b.join()
		b.feed(log[1:])
	}
	sent := b.take(2)
	if sent[0].Sequence != 2 || sent[0].from != 2 {
		t.Errorf("goes on with sequence %d from %d", sent[0].Sequence, sent[0].from)
	}
	b.answer(sent[0], 0, 2, GoOn)
	b.answer(sent[1], 0, 4, GoOn)
	if got := b.position(); got.Source != 6 || got.Sequence != 6 || got.Epoch != 0 {
		t.Errorf("position is %+v", got)
	}

	b = young(t, 2, compacted)
	b.take(1)
	b.p.Broken(now) // from here on something may be under way
	b.join()
	b.answer(b.take(1)[0], 29, -1, Leave)
	b.p.mu.Lock()
	need := b.p.need
	b.p.mu.Unlock()
	if need != protocol.Restart {
		t.Errorf("needs %d while a request may be under way, want a new epoch", need)
	}
}

// TestDeniedThenAcceptedHangsUp: the log has what follows on a batch that it does not have.
func TestDeniedThenAcceptedHangsUp(t *testing.T) {
	b := hot(t, 2)
	sent := b.take(2)
	b.answer(sent[0], 29, -1, GoOn)
	b.answer(sent[1], 0, 5, Hangup)
	if got := b.position().Source; got != 2 {
		t.Errorf("position is %d, want 2", got)
	}
}

// TestAtLeastOnceWaitsForNoOldRequest: it promises nothing that a late request could break.
func TestAtLeastOnceWaitsForNoOldRequest(t *testing.T) {
	b := newBench(t, func(c *LinkConfig, l *Limits, _ *protocol.Identity) {
		c.AtLeastOnce, l.OldAge = true, 12*time.Hour
	})
	b.p.before = PredecessorUnknown
	b.p.tenant.Since = time.Now()
	b.join()
	b.feed(dense(3, 2, gzipCodec, time.Now().Add(-13*time.Hour).UnixMilli()))
	for i := range int64(3) {
		taken := b.take(1) // one by one all the same: a broker that forgot the producer would take the second without the first
		b.wantWait()
		b.answer(taken[0], 0, 2*i, GoOn)
	}
}

// TestPauseEndsWithItsLane pins that a partition which was to be looked at again later is not forgotten when the lane
// that knew of it lost its connection.
func TestPauseEndsWithItsLane(t *testing.T) {
	for _, code := range []int16{19, 29} {
		b := hot(t, 1)
		want := Pause
		if code == 29 {
			want = Leave
		}
		b.answer(b.take(1)[0], code, -1, want)
		b.p.Broken(time.Now())
		b.join()
		if code == 29 {
			b.feed(dense(2, 2, gzipCodec, time.Now().UnixMilli())[1:])
		}
		b.take(1)
	}
}

func TestBroken(t *testing.T) {
	now := time.Now()
	t.Run("hot and young: the same again", func(t *testing.T) {
		b := hot(t, 3)
		sent := b.take(3)
		b.p.Broken(now)
		plan, _ := b.p.Plan()
		if plan.Need != protocol.Resend {
			t.Errorf("needs %d", plan.Need)
		}
		b.join()
		for i, again := range b.take(3) {
			if !slices.Equal(again.Bytes, sent[i].Bytes) {
				t.Errorf("batch %d is not the same", i)
			}
		}
		b.answer(sent[0], 0, 1, Nothing)
		if got := b.p.Status(now).Counters.Resends; got != 1 {
			t.Errorf("counted %d resends", got)
		}
	})
	t.Run("not hot: the log is asked", func(t *testing.T) {
		b := young(t, 2, nil)
		b.take(1)
		b.p.Broken(now)
		if plan, _ := b.p.Plan(); plan.Need != protocol.ScanFast {
			t.Errorf("needs %d", plan.Need)
		}
		b.join(protocol.Header{ProducerID: testProducer, Records: 2, Next: 30, MaxTimestamp: now.UnixMilli()})
		b.feed(dense(2, 2, gzipCodec, now.UnixMilli()))
		if got := b.position(); got.Source != 2 || got.Sequence != 2 || got.Dest != 30 {
			t.Errorf("position is %+v after what was there was passed over", got)
		}
		b.wantQueued("[[2 3]]")
	})
	t.Run("nothing in flight: the window stays", func(t *testing.T) {
		b := young(t, 2, nil)
		b.p.Broken(now)
		b.join()
		b.take(1)
	})
	t.Run("void plans do not join", func(t *testing.T) {
		b := hot(t, 2)
		b.p.Broken(now)
		plan, _ := b.p.Plan()
		b.p.mu.Lock()
		b.p.detach(protocol.ScanFast)
		b.p.mu.Unlock()
		b.p.Joined(plan, nil, 3)
		if _, ok := b.p.Plan(); !ok {
			t.Error("joined by a plan from before")
		}
	})
}

func TestAnswersThatEndAFlight(t *testing.T) {
	for _, test := range []struct {
		name string
		code int16
		need protocol.Recovery
	}{
		{"out of order", 45, protocol.ScanFast},
		{"fenced", 47, protocol.Restart},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := hot(t, 3)
			sent := b.take(3)
			b.answer(sent[0], test.code, -1, Hangup)
			b.answer(sent[1], 45, -1, Nothing)
			b.p.mu.Lock()
			need := b.p.need
			b.p.mu.Unlock()
			if need != test.need {
				t.Errorf("needs %d, want %d", need, test.need)
			}
			b.wantNothingHeld()
		})
	}
}

func TestOutOfOrderForEverHalts(t *testing.T) {
	b := hot(t, 1)
	now := time.Now().UnixMilli()
	var needs []protocol.Recovery
	for range disorderLimit {
		taken := b.take(1)
		v := b.p.Answer(taken[0].Flight, 45, -1, time.Now())
		if v != Hangup {
			t.Fatalf("got verdict %d", v)
		}
		b.p.Broken(time.Now())
		plan, ok := b.p.Plan()
		if !ok {
			break
		}
		needs = append(needs, plan.Need)
		b.join()
		b.feed([]entry{{base: 2, ids: idRange(2, 2), producer: -1, attrs: gzipCodec, stamp: now}})
	}
	b.wantHalted(CauseSequenceHole, "out of order")
	if !slices.Contains(needs, protocol.ScanCalm) || needs[0] != protocol.ScanFast {
		t.Errorf("recovered by %v, want fast scans first, then calm ones", needs)
	}
}

func TestLeaseIsProvenAtTheMomentOfSending(t *testing.T) {
	b := young(t, 3, nil)
	b.lease.lose(true)
	b.wantWait()
	if s := b.p.Status(time.Now()); s.State != StateWaiting || !strings.Contains(s.Why, "ownership") {
		t.Errorf("got %s, %q", s.State, s.Why)
	}
	b.lease.lose(false)
	b.answer(b.take(1)[0], 0, 0, GoOn)
	b.lease.lose(true)
	b.take(1) // hot, young, busy: the broker refuses a second writer
	b.p.mu.Lock()
	b.p.limits.IdleClose, b.p.lastAck = time.Minute, time.Now().Add(-31*time.Second)
	b.p.mu.Unlock()
	b.wantWait()
}

func TestShed(t *testing.T) {
	b := hot(t, 3)
	b.take(1)
	if later := time.Now().Add(time.Hour); b.p.shed(later) {
		t.Error("shed a partition that can send")
	}
	b.p.Broken(time.Now())
	if b.p.shed(time.Now()) {
		t.Error("shed at once")
	}
	if !b.p.shed(time.Now().Add(shedAfter)) {
		t.Fatal("not shed after a second")
	}
	if used := b.budget.Used(); used != 0 {
		t.Errorf("%d bytes of the budget are still used", used)
	}
	plan, ok := b.p.Plan()
	if !ok || plan.Need != protocol.ScanFast {
		t.Errorf("got plan %+v, %v; want a scan, as something was sent", plan, ok)
	}
	b.join()
	if from, _, _, appetite := b.p.FetchFrom(); from != 2 || appetite != Hungry {
		t.Errorf("reads from %d, appetite %d; want the acknowledged prefix, 2", from, appetite)
	}
}

func TestHaltIsForGood(t *testing.T) {
	b := hot(t, 2)
	sent := b.take(2)
	b.p.Halt(CauseRetention, "gone", newLoss(4, 9))
	b.p.Halt(CauseTruncated, "later", nil)
	b.wantHalted(CauseRetention, "gone")
	b.answer(sent[0], 0, 5, Nothing)
	if s := b.p.Status(time.Now()); s.Loss == nil || *s.Loss != (Loss{From: 4, To: 9, Records: 5}) {
		t.Errorf("loss %v", s.Loss)
	}
	if _, _, _, appetite := b.p.FetchFrom(); appetite != Away {
		t.Errorf("got appetite %d", appetite)
	}
}

func TestUncountedTakesANewEpochAfterDoubt(t *testing.T) {
	compacted := func(_ *LinkConfig, _ *Limits, id *protocol.Identity) { id.Compacted, id.Epoch = true, -1 }
	b := young(t, 3, compacted)
	if plan := b.p.position; plan.Epoch != -1 && plan.Epoch != 0 {
		t.Fatalf("position is %+v", plan)
	}
	b.answer(b.take(1)[0], 0, 0, GoOn)
	b.answer(b.take(1)[0], 45, -1, Hangup)
	b.p.Broken(time.Now())
	if _, ok := b.p.Plan(); ok {
		t.Error("joins without a new epoch")
	}
	select {
	case p := <-b.link.restarts:
		if p != b.p {
			t.Error("another partition is to be started again")
		}
	default:
		t.Error("nobody was asked to start it again")
	}
	b.wantNothingHeld()
}

func TestStatus(t *testing.T) {
	now := time.Now()
	b := newBench(t, nil)
	if s := b.p.Status(now); s.State != StateStarting || s.Lag() != -1 {
		t.Errorf("new: got %s, lag %d", s.State, s.Lag())
	}
	b.join()
	b.feed(dense(3, 2, gzipCodec, now.UnixMilli()))
	if s := b.p.Status(now); s.State != StateCopying || s.Lag() != 6 || s.Committed != -1 {
		t.Errorf("copying: got %s, lag %d, committed %d", s.State, s.Lag(), s.Committed)
	}
	b.ackAll(0)
	if s := b.p.Status(now); s.State != StateCaughtUp || s.Lag() != 0 {
		t.Errorf("done: got %s, lag %d", s.State, s.Lag())
	}
	if s := b.p.Status(now.Add(2 * sourceFresh)); s.Lag() != -1 {
		t.Errorf("source not heard of: got lag %d, want unknown", s.Lag())
	}
	b.p.SourceTrouble(ErrorTimeout, "no answer")
	if s := b.p.Status(now); s.State != StateWaiting || s.Why != "no answer" {
		t.Errorf("got %s, %q", s.State, s.Why)
	}
}

// TestStatusSaysWhoseTroubleItIs has troubles of both sides, of kinds that are known and not.
func TestStatusSaysWhoseTroubleItIs(t *testing.T) {
	now := time.Now()
	source, target := &Blame{SideSource, ErrorTimeout}, &Blame{SideTarget, ErrorReplicas}
	for _, test := range []struct {
		name string
		do   func(b *bench)
		want *Blame
	}{
		{"none", func(*bench) {}, nil},
		{"of the source", func(b *bench) { b.p.SourceTrouble(ErrorTimeout, "no answer") }, source},
		{"of the destination", func(b *bench) { b.p.DestTrouble(ErrorReplicas, "too few") }, target},
		{"of both", func(b *bench) {
			b.p.SourceTrouble(ErrorTimeout, "no answer")
			b.p.DestTrouble(ErrorReplicas, "too few")
		}, target},
		{"of no known kind", func(b *bench) { b.p.SourceTrouble(ErrorOther, "no disk") }, nil},
		{"both, and the one that is told is of no known kind", func(b *bench) { b.p.SourceTrouble(ErrorTimeout, "no answer"); b.p.DestTrouble(ErrorOther, "why") }, nil},
		{"over", func(b *bench) { b.p.DestTrouble(ErrorReplicas, "too few"); b.ackAll(0) }, nil},
	} {
		b := newBench(t, nil)
		b.join()
		b.feed(dense(3, 2, gzipCodec, now.UnixMilli()))
		test.do(b)
		s := b.p.Status(now)
		if (s.Blame == nil) != (test.want == nil) || s.Blame != nil && *s.Blame != *test.want {
			t.Errorf("%s: got %+v for %q, want %+v", test.name, s.Blame, s.Why, test.want)
		}
	}
}

// TestAcknowledgedBehindThePosition pins that a log which was cut or made anew halts the partition at its first answer: a
// broker that forgot the producer takes any sequence. What is in the new log already is counted, so that it is not sent
// there again.
func TestAcknowledgedBehindThePosition(t *testing.T) {
	b := young(t, 2, nil)
	b.answer(b.take(1)[0], 0, 70, GoOn)
	b.answer(b.take(1)[0], 0, 71, GoOn)
	b.examine()
	b.wantHalted(CauseDestinationTruncated, "offset 72")
	if got := b.position(); got.Source != 4 || got.Dest != 73 {
		t.Errorf("position is %+v, want the end of what is there now", got)
	}
	if s := b.p.Status(time.Now()); *s.Loss != (Loss{From: 1, To: 2, Records: 1, Since: s.Loss.Since}) || b.p.resume != 4 {
		t.Errorf("loss is %+v, goes on at %d; want record 1, 4", s.Loss, b.p.resume)
	}
}
