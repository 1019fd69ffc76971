package produce

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/mirror"
)

func TestCopies(t *testing.T) {
	fake := newFake(t, 3, 4)
	r := newRig(t, fake, 4)
	for _, n := range []int64{3, 300, 900} {
		r.source.come.Store(n)
		r.acknowledged(4, n)
	}
	r.stop()
	r.wantSame(4, 900)
	if n := r.answers.Load(); n < 900/(20*perBatch) { // a request has one batch of a partition, merged of 20 at most
		t.Errorf("%d answers were measured, want %d at least", n, 900/(20*perBatch))
	}
}

// TestWaitsForAnswersAreCounted slows the broker down, so that the window is full.
func TestWaitsForAnswersAreCounted(t *testing.T) {
	fake := newFake(t, 1, 1)
	fake.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		time.Sleep(20 * time.Millisecond)
		return nil, nil, false
	})
	r := newRig(t, fake, 1)
	r.source.come.Store(1800)
	r.acknowledged(1, 1800)
	flow := r.link.Status().Flow
	if flow.Backpressure[mirror.SideTarget] < 10*time.Millisecond || flow.Backpressure[mirror.SideSource] != 0 {
		t.Errorf("got %v", flow.Backpressure)
	}
	r.stop()
	if again := r.link.Status().Flow; again != r.link.Status().Flow {
		t.Errorf("a wait goes on after the end: %v", again.Backpressure)
	}
}

// TestAnswers pins what a broker's refusals come to: nothing is lost, doubled or reordered.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		err   *kerr.Error
		count int
		class mirror.ErrorClass
	}{
		{kerr.NotEnoughReplicas, 3, mirror.ErrorReplicas},
		{kerr.NotEnoughReplicasAfterAppend, 3, mirror.ErrorReplicas},
		{kerr.RequestTimedOut, 3, mirror.ErrorTimeout},
		{kerr.NotLeaderForPartition, 3, mirror.ErrorLeadership},
		{kerr.OutOfOrderSequenceNumber, 2, mirror.ErrorSequence},
		{kerr.DuplicateSequenceNumber, 2, mirror.ErrorSequence},
		{kerr.KafkaStorageError, 2, mirror.ErrorLeadership},
		{kerr.UnknownServerError, 2, mirror.ErrorOther},
		{kerr.TopicAuthorizationFailed, 1, mirror.ErrorAuthorization},
	} {
		t.Run(test.err.Message, func(t *testing.T) {
			t.Parallel()
			fake := newFake(t, 1, 2)
			r := newRig(t, fake, 2)
			r.source.come.Store(90)
			r.acknowledged(2, 90)
			fault := fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topicName, Partitions: []int32{0}, Err: test.err, Count: test.count})
			r.source.come.Store(900)
			r.acknowledged(2, 900)
			if got := fault.Hits(); got != test.count {
				t.Errorf("%d requests were refused, want %d", got, test.count)
			}
			if got := r.link.Status().Flow.Errors[mirror.SideTarget]; got[test.class] == 0 { // one may end the connection, and the others are not read
				t.Errorf("no error of class %v is counted; all: %v", test.class, got)
			}
			r.stop()
			r.wantSame(2, 900)
		})
	}
}

func TestRejectedHaltsItsPartitionAlone(t *testing.T) {
	fake := newFake(t, 1, 2)
	r := newRig(t, fake, 2)
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topicName, Partitions: []int32{1}, Err: kerr.InvalidRecord, Count: -1})
	r.source.come.Store(300)
	r.acknowledged(1, 300)
	r.eventually("halt", func() bool { return r.status(1).Cause == mirror.CauseRejected })
	if s := r.status(1); s.Next != 0 || !strings.Contains(s.Why, "INVALID_RECORD") {
		t.Errorf("stands at %d, says %q", s.Next, s.Why)
	}
}

// TestFollowsItsLeaders moves leaders, also to where they are: that raises the leader epoch and nothing else.
func TestFollowsItsLeaders(t *testing.T) {
	const partitions = 3
	fake := newFake(t, 3, partitions)
	r := newRig(t, fake, partitions)
	n := int64(0)
	for round := range 8 {
		n += 90
		r.source.come.Store(n)
		for p := range int32(partitions) {
			to := (p + int32(round)) % 3
			if round%3 == 1 {
				to = fake.LeaderFor(topicName, p)
			}
			if err := fake.MoveTopicPartition(topicName, p, to); err != nil {
				t.Fatal(err)
			}
		}
		r.acknowledged(partitions, n)
		if round%4 == 3 {
			r.stop()
			r.start(mirror.Same)
		}
	}
	r.stop()
	r.wantSame(partitions, n)
}

// TestManyIntoOne sends several source partitions into each destination partition.
func TestManyIntoOne(t *testing.T) {
	fake := newFake(t, 2, 2)
	r := &rig{t: t, fake: fake, source: newMemSource(7), store: newMemStore()}
	r.start(mirror.Spread)
	for _, n := range []int64{30, 300} {
		r.source.come.Store(n)
		r.acknowledged(7, n)
	}
	r.stop()
	r.start(mirror.Spread)
	r.source.come.Store(600)
	r.acknowledged(7, 600)
	r.stop()
	next := make([]int, 7)
	for _, values := range readAll(t, fake, topicName, 2) {
		for _, v := range values {
			var p, i int
			if _, err := fmt.Sscanf(v, "%d/%d/", &p, &i); err != nil {
				t.Fatal(err)
			}
			if i != next[p] {
				t.Fatalf("source partition %d: record %d comes where %d is due", p, i, next[p])
			}
			next[p]++
		}
	}
	for p, n := range next {
		if n != 600 {
			t.Errorf("source partition %d: %d records arrived, want 600", p, n)
		}
	}
}

// TestFindsItsPlace loses the positions, or leaves them behind, while others write into the same partition.
func TestFindsItsPlace(t *testing.T) {
	fake := newFake(t, 1, 1)
	r := newRig(t, fake, 1)
	n := int64(0)
	for round := range 5 {
		n += 60
		r.source.come.Store(n)
		produceRaw(t, fake, 0, kmsg.RecordBatch{ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}, "other", "other")
		r.acknowledged(1, n)
		produceRaw(t, fake, 0, kmsg.RecordBatch{ProducerID: 7_000, FirstSequence: int32(round)}, "other")
		r.stop()
		if round%2 == 0 {
			r.source.forget()
		}
		r.start(mirror.Same)
	}
	n += 60
	r.source.come.Store(n)
	r.acknowledged(1, n)
	if got := r.status(0).Counters.Scans; got == 0 {
		t.Error("the log was never asked")
	}
	r.stop()
	r.wantSame(1, n)
}

func TestHoleHalts(t *testing.T) {
	fake := newFake(t, 1, 1)
	r := newRig(t, fake, 1)
	r.source.come.Store(30)
	r.acknowledged(1, 30)
	r.stop()
	id := r.store.ids[topicName].Partitions[0]
	produceRaw(t, fake, 0, kmsg.RecordBatch{ProducerID: id.ProducerID, ProducerEpoch: 1, FirstSequence: 0}, "other")
	r.start(mirror.Same)
	r.eventually("halt", func() bool { return r.status(0).Cause == mirror.CauseSequenceHole })
	if s := r.status(0); s.Next != 30 {
		t.Errorf("stands at %d, want 30", s.Next)
	}
}

func TestDestinationMadeAnew(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("running %v", running), func(t *testing.T) {
			fake := newFake(t, 1, 1)
			r := newRig(t, fake, 1)
			r.source.come.Store(30)
			r.acknowledged(1, 30)
			if !running {
				r.stop()
			}
			if err := fake.DeleteTopic(topicName); err != nil {
				t.Fatal(err)
			}
			if err := fake.CreateTopic(topicName, 1, nil); err != nil {
				t.Fatal(err)
			}
			r.source.come.Store(60)
			if !running {
				r.start(mirror.Same)
			}
			r.eventually("halt", func() bool { return r.status(0).State == mirror.StateHalted })
			cause := r.status(0).Cause
			// While running, the log may be looked at before the news that it is another topic's.
			if cause != mirror.CauseDestinationRecreated && (!running || cause != mirror.CauseDestinationTruncated) {
				t.Errorf("got cause %q", cause)
			}
		})
	}
}

// TestDestinationCut pins that acknowledged records which are gone halt the partition, though the topic is the same.
func TestDestinationCut(t *testing.T) {
	fake := newFake(t, 1, 1)
	r := newRig(t, fake, 1)
	r.source.come.Store(30)
	r.acknowledged(1, 30)
	r.stop()
	r.source.mu.Lock()
	for tp, at := range r.source.group { // as if ten more had been acknowledged, of which the log knows nothing
		at.Source, at.Sequence, at.Dest = at.Source+10, at.Sequence+10, at.Dest+10
		r.source.group[tp] = at
	}
	r.source.mu.Unlock()
	r.source.come.Store(60)
	r.start(mirror.Same)
	r.eventually("halt", func() bool { return r.status(0).Cause == mirror.CauseDestinationTruncated })
}

// TestOldRecordsGoAfterAGrace pins the careful regime: a calm scan first, then one batch at a time.
func TestOldRecordsGoAfterAGrace(t *testing.T) {
	fake := newFake(t, 1, 1)
	r := &rig{t: t, fake: fake, source: newMemSource(1), store: newMemStore()}
	r.source.age = 30 * 24 * time.Hour
	r.source.come.Store(60)
	begun := time.Now()
	r.start(mirror.Same)
	r.eventually("first records", func() bool { return r.status(0).Next > 0 })
	if took := time.Since(begun); took < grace {
		t.Errorf("old records went after %v, want a grace of %v before", took, grace)
	}
	r.acknowledged(1, 60)
	if s := r.status(0); s.Fresh {
		t.Error("old records are no ground for the fresh regime")
	}
	r.stop()
	r.wantSame(1, 60)
}

// TestThrottled pins that a throttled answer is no failure.
func TestThrottled(t *testing.T) {
	fake := newFake(t, 1, 1)
	r := newRig(t, fake, 1)
	r.source.come.Store(30)
	r.acknowledged(1, 30)
	l := r.lane()
	s := &session{lane: l}
	l.mu.Lock()
	before := s.patience(time.Now())
	l.muted = time.Now().Add(time.Minute)
	after := s.patience(time.Now())
	l.mu.Unlock()
	if after < before+50*time.Second {
		t.Errorf("patience grows from %v to %v for a minute's mute", before, after)
	}
}

func (r *rig) lane() *lane {
	r.sink.mu.RLock()
	defer r.sink.mu.RUnlock()
	return r.sink.lanes[0]
}

// TestFinishAfterTheConnectionBroke pins that what has joined already is left alone when a session ends meanwhile.
func TestFinishAfterTheConnectionBroke(t *testing.T) {
	fake := newFake(t, 1, 2)
	r := newRig(t, fake, 2)
	r.source.come.Store(3)
	r.acknowledged(2, 3)
	l := r.lane()
	list := l.all()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	joined := &joiner{e: list[0]}
	joined.settle()
	l.finish(ended, []*joiner{joined, {e: list[1]}}, context.Canceled)
}

// TestLaneKeepsNoStrangers pins that nothing of a partition stays with a lane that it has left: its next lane queues it.
func TestLaneKeepsNoStrangers(t *testing.T) {
	a, b := newLane(&Sink{}, 1), newLane(&Sink{}, 2)
	e := &entry{p: &mirror.Pipeline{}, slot: &slot{}}
	a.Add(e)
	a.ready(e)
	a.lookLater(e, time.Now(), true)
	a.Remove(e)
	a.ready(e)
	a.join(e)
	if len(a.readied)+len(a.joiners)+len(a.later) != 0 {
		t.Errorf("lane left behind: %d ready, %d joiners, %d later", len(a.readied), len(a.joiners), len(a.later))
	}
	b.Add(e)
	b.ready(e)
	if len(b.joiners) != 1 || len(b.readied) != 1 {
		t.Errorf("next lane has %d joiners, %d ready, want one each", len(b.joiners), len(b.readied))
	}
	a.Remove(e) // late, by a lane that does not have it
	if e.lane.Load() != b || len(b.joiners) != 1 {
		t.Error("a lane took a partition from another")
	}
}

// TestUnderFire runs links while connections are cut in mid-answer, leaders move, and the link itself starts anew.
func TestUnderFire(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			underFire(t, seed)
		})
	}
}

func underFire(t *testing.T, seed uint64) {
	const partitions = 4
	rnd := rand.New(rand.NewPCG(seed, 8))
	cut := &cutter{rnd: rand.New(rand.NewPCG(seed, 9))}
	fake := newFake(t, 3, partitions, kfake.ListenFn(cut.listen))
	r := newRig(t, fake, partitions)
	n := int64(0)
	for range 8 {
		cut.set(10 + rnd.IntN(40))
		n += int64(perBatch * rnd.IntN(100))
		r.source.come.Store(n)
		for range rnd.IntN(3) {
			if err := fake.MoveTopicPartition(topicName, rnd.Int32N(partitions), rnd.Int32N(3)); err != nil {
				t.Fatal(err)
			}
		}
		if rnd.IntN(3) == 0 {
			fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: []*kerr.Error{kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend}[rnd.IntN(3)], Count: 1 + rnd.IntN(5)})
		}
		if rnd.IntN(3) == 0 {
			r.acknowledged(partitions, n/2)
		}
		if rnd.IntN(4) == 0 {
			cut.set(0) // a drain that is cut short is an error of its own
			r.stop()
			if rnd.IntN(2) == 0 {
				r.source.forget()
			}
			r.start(mirror.Same)
		}
	}
	cuts := cut.set(0)
	r.acknowledged(partitions, n)
	r.stop()
	r.wantSame(partitions, n)
	if cuts == 0 {
		t.Logf("seed %d: no connection was cut", seed)
	}
}
