package consume

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"tributary/pkg/catalog"
	"tributary/pkg/mirror"
)

// Sizes and times of fetching; see also the walker.
const (
	maxResponseBytes  = 8 << 20
	minResponseBytes  = 1 << 20
	coldResponseBytes = 1 << 20
	minPartitionBytes = 1 << 20 // of one partition in a response
	batchesPerFetch   = 8       // a partition's part holds at least so many of its batches: the tail cut off is read in vain
	hotWait           = 500 * time.Millisecond
	leftOutWait       = 10 * time.Millisecond // while a partition is left out of the fetch, it must not wait for long
	coldWait          = 10 * time.Second
	coldAfter         = 10 * time.Second // without records a partition moves to the cold fetch
	manyPartitions    = 1000             // with more than that in a fetch, fetches are at least crowdPause apart
	crowdPause        = 5 * time.Millisecond
	errorPause        = 250 * time.Millisecond // of a partition that answered with an error
)

// entry is a pipeline as lanes see it.
type entry struct {
	p    *mirror.Pipeline
	tp   mirror.TopicPartition
	lane atomic.Pointer[lane]

	taking sync.Mutex // held while a response's batches are handed to p
	gone   bool       // guarded by taking: detached

	// Guarded by the lane's mu.
	cold     bool      // in the cold fetch
	lastData time.Time // when records came last
	retryAt  time.Time // after an error

	largest int // owned by the fetcher that has it: bytes of the largest recent batch
}

// lane fetches from one broker: a small hot fetch for the partitions that had records lately, which answers at the first
// record, and beside it a large cold one for the others, which costs next to nothing while they are idle.
type lane struct {
	source *Source
	broker int32
	hot    *fetcher
	cold   *fetcher

	mu      sync.Mutex
	members []*entry // guarded by mu
}

func newLane(s *Source, broker int32) *lane {
	l := &lane{source: s, broker: broker}
	l.hot = newFetcher(l, false)
	l.cold = newFetcher(l, true)
	return l
}

// Run implements catalog.Lane.
func (l *lane) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { l.hot.run(ctx) })
	wg.Go(func() { l.cold.run(ctx) })
	wg.Wait()
}

// Add implements catalog.Lane.
func (l *lane) Add(e *entry) {
	l.mu.Lock()
	if e.lane.Swap(l) != l {
		e.cold, e.lastData, e.retryAt = false, time.Now(), time.Time{}
		l.members = append(l.members, e)
	}
	l.mu.Unlock()
	signal(l.hot.wake)
}

// Remove implements catalog.Lane.
func (l *lane) Remove(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !e.lane.CompareAndSwap(l, nil) {
		return
	}
	for i, m := range l.members {
		if m == e {
			l.members = append(l.members[:i], l.members[i+1:]...)
			return
		}
	}
}

func (l *lane) all() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*entry(nil), l.members...)
}

// asked is a partition in a fetch under way.
type asked struct {
	e          *entry
	leader     catalog.Leader
	topicID    [16]byte
	next       int64
	epoch      int32
	generation uint64
	failed     int16 // the broker's error code for it
}

// collect lists what the next fetch asks for. leftOut says that a partition wants no more at the moment or is in error,
// so that the fetch must come back soon; soonest is when the first of those in error is to be tried again.
func (l *lane) collect(list []asked, cold bool, now time.Time) (_ []asked, leftOut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.members {
		if e.cold != cold && !(cold && !e.cold && now.Sub(e.lastData) > coldAfter) {
			continue
		}
		if now.Before(e.retryAt) {
			leftOut = true
			continue
		}
		next, epoch, generation, ok := e.p.FetchFrom()
		if !ok {
			leftOut = true
			continue
		}
		leader, id, known := l.source.Leader(e.tp.Topic, e.tp.Partition)
		if !known || leader.Broker != l.broker {
			e.retryAt, leftOut = now.Add(errorPause), true
			continue
		}
		e.cold = cold
		list = append(list, asked{e: e, leader: leader, topicID: id, next: next, epoch: epoch, generation: generation})
	}
	return list, leftOut
}

// heard notes that records of e came, which makes it hot; warm says that it was cold before.
func (l *lane) heard(e *entry, now time.Time) (warm bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.lastData = now
	warm, e.cold = e.cold, false
	return warm
}

// failed puts a partition that answered with an error aside for a moment, in the hot fetch.
func (l *lane) failed(e *entry, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.retryAt, e.cold, e.lastData = now.Add(errorPause), false, now
}

// thaw makes the cold ones hot when the cold fetch broke: nobody asks for them at the moment.
func (l *lane) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.members {
		e.cold = false
	}
}

// follow moves members whose leader is another broker by now.
func (l *lane) follow() {
	for _, e := range l.all() {
		l.source.router.Follow(e)
	}
}

// tell shows an error of the whole lane at each of its partitions.
func (l *lane) tell(text string) {
	for _, e := range l.all() {
		e.p.SourceTrouble(text)
	}
}
