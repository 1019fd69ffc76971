package mirror

import (
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// under returns the batch as read under a leader epoch, which no CRC covers.
func (e entry) under(epoch uint32) []byte {
	b := e.bytes()
	binary.BigEndian.PutUint32(b[12:], epoch)
	return b
}

// TestWalkMeetsNewerEpoch walks over records that the destination holds beyond the position, when the source was cut among
// them and written anew.
func TestWalkMeetsNewerEpoch(t *testing.T) {
	first := entry{base: 0, ids: []int64{0, 1}, producer: -1, stamp: 1}
	second := entry{base: 2, ids: []int64{2, 3, 4}, producer: -1, stamp: 1}
	for _, test := range []struct {
		name   string
		epochs int32 // of the identity
		epoch  uint32
		halted bool
	}{
		{"the epoch was foretold: the leader moved", testEpoch + 2, testEpoch + 1, false},
		{"it was not: others stand there", testEpoch + 1, testEpoch + 1, true},
		{"it was not, by far", testEpoch + 1, testEpoch + 5, true},
		{"a rebuilt identity does not know", 0, testEpoch + 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, func(_ *LinkConfig, _ *Limits, id *protocol.Identity) { id.SourceEpochs = test.epochs })
			b.join(protocol.Header{ProducerID: testProducer, Records: 4, Next: 4, MaxTimestamp: 1})
			_, _, generation, _ := b.p.FetchFrom()
			b.respondBytes(generation, second.next(), [][]byte{first.bytes(), second.under(test.epoch)})
			if test.halted { // after a calm look at what is there
				b.join(protocol.Header{ProducerID: testProducer, Sequence: 2, Records: 2, Next: 4, MaxTimestamp: 1})
			}
			s := b.p.Status(time.Now())
			if got := s.State == StateHalted; got != test.halted {
				t.Fatalf("halted %v (%s %s), want %v", got, s.Cause, s.Why, test.halted)
			}
			if !test.halted {
				return
			}
			if s.Cause != CauseTruncated || s.Loss == nil || s.Loss.Surplus == nil || *s.Loss.Surplus != (Range{2, 4}) || s.Loss.Records != 0 {
				t.Errorf("got %s, %+v; want truncated with a surplus of [2, 4) and nothing lost", s.Cause, s.Loss)
			}
			if s.Next != 2 {
				t.Errorf("the acknowledged prefix ends at %d, want 2", s.Next)
			}
		})
	}
}

// TestNewEpochIsStoredFirst has the leader move while the store cannot be written: what was read before goes on, nothing
// of the new epoch is sent, until the store has it.
func TestNewEpochIsStoredFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(config())
		wait(time.Second)
		r.feed(0, []entry{{base: 0, ids: []int64{0}, producer: -1, stamp: 1}})
		wait(time.Second)
		r.store.mu.Lock()
		r.store.refuse = errors.New("disk is full")
		r.store.mu.Unlock()

		p := r.pipeline(0)
		b := &bench{t: t, budget: NewBudget(1 << 20), p: p}
		b.intake = NewIntake(b.budget)
		old, young := entry{base: 1, ids: []int64{1}, producer: -1, stamp: 1}, entry{base: 2, ids: []int64{2}, producer: -1, stamp: 1}
		offer := func() {
			if _, _, generation, appetite := p.FetchFrom(); appetite == Hungry {
				b.respondBytes(generation, 3, [][]byte{old.bytes(), young.under(testEpoch + 3)})
			}
		}
		offer()
		wait(10 * time.Second)
		offer()
		if s := r.status(0); s.Next != 2 || s.State != StateWaiting {
			t.Errorf("with a store that refuses: got %s (%s), %d acknowledged; want waiting, 2", s.State, s.Why, s.Next)
		}
		r.store.mu.Lock()
		if got := r.store.topics["clicks"].Partitions[0].SourceEpochs; got != testEpoch+1 {
			t.Errorf("the store says %d epochs, want %d", got, testEpoch+1)
		}
		r.store.refuse = nil
		r.store.mu.Unlock()
		wait(10 * time.Second)
		offer()
		wait(time.Second)
		if s := r.status(0); s.Next != 3 {
			t.Errorf("got %s (%s), %d acknowledged, want 3", s.State, s.Why, s.Next)
		}
		r.store.mu.Lock()
		if got := r.store.topics["clicks"].Partitions[0].SourceEpochs; got != testEpoch+4 {
			t.Errorf("the store says %d epochs, want %d", got, testEpoch+4)
		}
		r.store.mu.Unlock()
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}
