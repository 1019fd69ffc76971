package produce

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/catalog"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// scanRig is a lane with pipelines that want to join it, driven by hand.
type scanRig struct {
	*rig
	lane   *lane
	leader catalog.Leader
	ps     []*mirror.Pipeline
}

// newScanRig starts a link whose partitions stand at the beginning of their logs. before gets the number of the partitions to
// write more into.
func newScanRig(t *testing.T, partitions int, before func(fake *kfake.Cluster, partition int32)) *scanRig {
	fake := newFake(t, 1, partitions)
	r := newRig(t, fake, partitions)
	r.eventually("identities", func() bool {
		r.source.mu.Lock()
		defer r.source.mu.Unlock()
		return len(r.source.group) == partitions
	})
	r.stop()
	for p := range int32(partitions) {
		before(fake, p)
	}
	r.catch = make(chan *mirror.Pipeline, partitions)
	r.start(mirror.Same)
	s := &scanRig{rig: r, lane: newLane(r.sink, fake.LeaderFor(topicName, 0))}
	for range partitions {
		s.ps = append(s.ps, <-r.catch)
	}
	leader, _, ok := r.sink.Leader(topicName, 0)
	if !ok {
		t.Fatal("no leader is known")
	}
	s.leader = leader
	return s
}

// joiners are made anew for each attempt, as the lane does.
func (s *scanRig) joiners(entries map[*mirror.Pipeline]*entry) []*joiner {
	var list []*joiner
	for _, p := range s.ps {
		e := entries[p]
		if e == nil {
			e = &entry{p: p, dest: p.Dest(), slot: &slot{}}
			entries[p] = e
		}
		if plan, ok := p.Plan(); ok {
			list = append(list, &joiner{e: e, plan: plan})
		}
	}
	return list
}

func (s *scanRig) joined() (n int) {
	for _, p := range s.ps {
		if _, ok := p.Plan(); !ok {
			n++
		}
	}
	return n
}

// other appends batches of another producer.
func other(t *testing.T, fake *kfake.Cluster, partition int32, n int) {
	for range n {
		produceRaw(t, fake, partition, kmsg.RecordBatch{ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}, "other")
	}
}

// TestLongScanGoesOn has more to scan than one attempt has time for. The next goes on where it ended, and what has less to
// scan does not wait for it.
func TestLongScanGoesOn(t *testing.T) {
	const long = 30
	s := newScanRig(t, 2, func(fake *kfake.Cluster, partition int32) { other(t, fake, partition, []int{long, 3}[partition]) })
	slices.SortFunc(s.ps, func(a, b *mirror.Pipeline) int { return int(a.Dest().Partition - b.Dest().Partition) })
	var fetches atomic.Int64
	var end atomic.Pointer[context.CancelFunc]
	s.fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		s.fake.KeepControl()
		fetch := req.(*kmsg.FetchRequest)
		fetch.MaxBytes = 1 // a batch at a time
		for i := range fetch.Topics {
			for k := range fetch.Topics[i].Partitions {
				fetch.Topics[i].Partitions[k].PartitionMaxBytes = 1
			}
		}
		if fetches.Add(1)%10 == 0 {
			(*end.Load())() // the time of the attempt is over
		}
		return nil, nil, false
	})
	entries := map[*mirror.Pipeline]*entry{}
	for attempt := range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		end.Store(&cancel)
		_ = s.lane.find(ctx, s.leader.Address, s.joiners(entries)) // it has no time
		cancel()
		if _, wants := s.ps[1].Plan(); wants {
			t.Fatalf("attempt %d: the short scan waits for the long one", attempt)
		}
		if s.joined() == 2 {
			break
		}
	}
	if s.joined() < 2 || fetches.Load() > 2*long {
		t.Errorf("%d of 2 joined, with %d fetches for %d batches", s.joined(), fetches.Load(), long)
	}
}

// TestLongScanTakesTurns has somebody else want to join while a long scan is under way.
func TestLongScanTakesTurns(t *testing.T) {
	const long = 40
	s := newScanRig(t, 1, func(fake *kfake.Cluster, partition int32) { other(t, fake, partition, long) })
	var fetches atomic.Int64
	s.fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		s.fake.KeepControl()
		fetches.Add(1)
		for _, topic := range req.(*kmsg.FetchRequest).Topics {
			topic.Partitions[0].PartitionMaxBytes = 1 // a batch at a time
		}
		time.Sleep(scanTurn / long * 2)
		return nil, nil, false
	})
	entries := map[*mirror.Pipeline]*entry{}
	list := s.joiners(entries)
	s.lane.joiners = []*entry{{}}
	if err := s.lane.find(t.Context(), s.leader.Address, list); err == nil || s.joined() > 0 {
		t.Fatalf("a scan of %d batches took no turns: %v", fetches.Load(), err)
	}
	s.lane.joiners = nil
	if err := s.lane.find(t.Context(), s.leader.Address, s.joiners(entries)); err != nil || s.joined() < 1 || fetches.Load() > long+3 {
		t.Errorf("%d joined after %d fetches of %d batches: %v", s.joined(), fetches.Load(), long, err)
	}
}

// TestScanOfAnotherLogBeginsAnew has the leader move while a scan has no time: what was counted may be gone.
func TestScanOfAnotherLogBeginsAnew(t *testing.T) {
	s := newScanRig(t, 1, func(fake *kfake.Cluster, partition int32) { other(t, fake, partition, 10) })
	entries := map[*mirror.Pipeline]*entry{}
	first := s.joiners(entries)[0]
	first.at, first.end, first.start = s.leader, 10, answer{}
	e := first.e
	for name, test := range map[string]struct {
		change func(*progress)
		want   int64 // offset at which the scan begins
	}{
		"the same":       {func(*progress) {}, 7},
		"another leader": {func(p *progress) { p.epoch++ }, 0},
		"another plan":   {func(p *progress) { p.plan.Position.Dest++ }, 0},
		"retention":      {func(*progress) { first.start.end = 8 }, 8},
	} {
		t.Run(name, func(t *testing.T) {
			first.start.end = 0
			kept := &progress{plan: first.plan, epoch: s.leader.Epoch, tail: protocol.NewTail(first.plan.Position, 0), next: 7}
			test.change(kept)
			e.scanned.Store(kept)
			if _, next := first.begin(); next != test.want {
				t.Errorf("begins at %d, want %d", next, test.want)
			}
			if e.scanned.Load() != nil {
				t.Error("two would go on with one tail")
			}
		})
	}
}

// TestTailsOfFewAreInMemory lets more partitions join than one fetch is for: the tails of the first are counted before those
// of the next are fetched.
func TestTailsOfFewAreInMemory(t *testing.T) {
	const partitions = 2*headsAtOnce + 2
	s := newScanRig(t, partitions, func(fake *kfake.Cluster, partition int32) { other(t, fake, partition, 1) })
	var mu sync.Mutex
	var at []int // guarded by mu
	s.fake.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		s.fake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		at = append(at, s.joined())
		return nil, nil, false
	})
	if err := s.lane.find(t.Context(), s.leader.Address, s.joiners(map[*mirror.Pipeline]*entry{})); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []int{0, headsAtOnce, 2 * headsAtOnce}; !slices.Equal(at, want) || s.joined() != partitions {
		t.Errorf("%d joined; before each fetch %v, want %v", s.joined(), at, want)
	}
}

// tails answers what leaders say of the ends of their logs: of the partitions in ends these, of others the truth; errs are codes.
func (s *scanRig) tails(ends map[int32]int64, errs map[int32]int16) {
	s.fake.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		s.fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		for _, t := range req.(*kmsg.OffsetForLeaderEpochRequest).Topics {
			topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
			topic.Topic = t.Topic
			for _, p := range t.Partitions {
				a := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				a.Partition, a.LeaderEpoch, a.EndOffset, a.ErrorCode = p.Partition, p.LeaderEpoch, ends[p.Partition], errs[p.Partition]
				topic.Partitions = append(topic.Partitions, a)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
}

// TestCalmScanWaitsForTheLogEnd has three partitions join after a grace together, of which the third has a tail that is not
// replicated yet: it may be ours, and counts only once it is decided (rule W). Whatever is wrong with one says nothing of the
// others, and holds none of them up.
func TestCalmScanWaitsForTheLogEnd(t *testing.T) {
	const have = 3
	for name, test := range map[string]struct {
		list *kerr.Error     // of the first partition's end
		tail map[int32]int16 // what the leader answers when it is asked for its log end
		ends []int64
	}{
		"all are asked":               {nil, nil, []int64{have, have, -1}},
		"an end is not told":          {kerr.OffsetNotAvailable, nil, []int64{-1, have, -1}},
		"a log end is not told":       {nil, map[int32]int16{0: kerr.FencedLeaderEpoch.Code}, []int64{-1, have, -1}},
		"the unreplicated one is not": {nil, map[int32]int16{2: kerr.FencedLeaderEpoch.Code}, []int64{have, have, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScanRig(t, 3, func(fake *kfake.Cluster, partition int32) { other(t, fake, partition, have) })
			slices.SortFunc(s.ps, func(a, b *mirror.Pipeline) int { return int(a.Dest().Partition - b.Dest().Partition) })
			s.tails(map[int32]int64{0: have, 1: have, 2: have + 2}, test.tail)
			if test.list != nil {
				s.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: topicName, Partitions: []int32{0}, Err: test.list, Count: -1})
			}
			conn, err := s.sink.cluster.Dial(t.Context(), s.leader.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			list := s.joiners(map[*mirror.Pipeline]*entry{})
			for _, j := range list {
				j.plan.Need, j.at, j.end = protocol.ScanCalm, s.leader, 0
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			begun := time.Now()
			err = s.lane.findEnds(ctx, conn, list)
			for i, j := range list {
				if j.end != test.ends[i] {
					t.Errorf("partition %d is scanned up to %d, want %d", i, j.end, test.ends[i])
				}
			}
			if err == nil || ctx.Err() != nil {
				t.Errorf("after %v: %v, want an error about one, in time for the others", time.Since(begun), err)
			}
		})
	}
}

// TestGraceOfOneIsNotAnothers has a partition of which the leader does not tell its log's end: the others' grace goes on.
func TestGraceOfOneIsNotAnothers(t *testing.T) {
	t.Parallel()
	s := newScanRig(t, 2, func(*kfake.Cluster, int32) {})
	s.tails(nil, map[int32]int16{0: kerr.FencedLeaderEpoch.Code})
	lasting, err := s.lane.waitGrace(t.Context(), s.leader.Address, s.joiners(map[*mirror.Pipeline]*entry{}))
	if len(lasting) != 1 || lasting[0].e.dest.Partition != 1 || err == nil {
		t.Errorf("the grace of %d partitions lasted, error %v; want that of partition 1, and why not of 0", len(lasting), err)
	}
}
