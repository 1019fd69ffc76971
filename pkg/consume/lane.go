package consume

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
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
	fullPause         = 10 * time.Millisecond // of a partition whose window is full
	grownFor          = time.Second           // since a partition was added: others may be about to be ready
	grownWait         = 20 * time.Millisecond // of the hot fetch meanwhile: idle ones must not hold up those that come next
	coldWait          = 10 * time.Second
	coldAfter         = 10 * time.Second // without records a partition moves to the cold fetch
	manyPartitions    = 1000             // with more than that in a fetch, fetches are at least crowdPause apart
	crowdPause        = 5 * time.Millisecond
	nameTrust         = time.Second            // see trusted
	namePause         = 50 * time.Millisecond  // for the id to be asked
	errorPause        = 250 * time.Millisecond // of a partition that answered with an error
)

// entry is a pipeline as lanes see it.
type entry struct {
	p    *mirror.Pipeline
	tp   mirror.TopicPartition
	lane atomic.Pointer[lane]
	good atomic.Int64 // when it last answered without an error, ns since 1970; see trusted

	taking sync.Mutex  // held while a response's batches are handed to p, which lasts as long as they take to arrive
	busy   atomic.Bool // taking is held: by the other fetch of the lane, if a fetch is being put together
	gone   bool        // guarded by taking: detached

	// Guarded by the lane's mu.
	cold     bool      // in the cold fetch
	lastData time.Time // when records came last
	retryAt  time.Time // after an error
	doubted  time.Time // when it answered with an error last
	turn     uint64    // of the fetch that asked for it last; kept where several read the partition

	// Bytes of the largest recent batch. A partition that has just become hot is in a response of the cold fetch too.
	largest atomic.Int64
}

// lane fetches from one broker: a small hot fetch for the partitions that had records lately, which answers at the first
// record, and beside it a large cold one for the others, which costs next to nothing while they are idle.
type lane struct {
	source *Source
	broker int32
	hot    *fetcher
	cold   *fetcher
	byName atomic.Bool // the broker knows no topic ids in fetches

	mu      sync.Mutex
	members []*entry                      // guarded by mu
	strays  []*entry                      // guarded by mu: members that another broker leads by now
	grown   time.Time                     // guarded by mu: when a member was added last
	turns   uint64                        // guarded by mu: fetches put together while several read a partition
	readers map[mirror.TopicPartition]int // guarded by mu: members by partition; several where links share a topic
}

func newLane(s *Source, broker int32) *lane {
	l := &lane{source: s, broker: broker, readers: map[mirror.TopicPartition]int{}}
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
		l.readers[e.tp]++
		l.grown = time.Now()
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
			if l.readers[e.tp]--; l.readers[e.tp] == 0 {
				delete(l.readers, e.tp)
			}
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
	portion    int   // bytes that it may take of the response at most; 0: as many as others
	failed     int16 // the broker's error code for it
}

// portion is what a fetch may bring of e where its link has a rate; 0: as much as of others. A batch must fit in.
func (e *entry) portion() int {
	if most := e.p.Link().Portion(); most > 0 {
		return max(most, 2*int(e.largest.Load()))
	}
	return 0
}

// collect lists what the next fetch asks for. wait is how long the fetch may wait for records: a partition that is left
// out of it because its window is full, or that is in error, must not wait for long.
func (l *lane) collect(list []asked, cold bool, now time.Time) (_ []asked, wait time.Duration) {
	wait = hotWait
	if cold {
		wait = coldWait
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !cold && now.Sub(l.grown) < grownFor {
		wait = grownWait
	}
	for _, e := range l.members {
		if e.cold != cold && !(cold && !e.cold && now.Sub(e.lastData) > coldAfter) {
			continue
		}
		if now.Before(e.retryAt) {
			wait = min(wait, errorPause)
			continue
		}
		if e.busy.Load() { // what the other fetch brings is on its way, and may be for long
			wait = min(wait, fullPause)
			continue
		}
		next, epoch, generation, appetite := e.p.FetchFrom()
		if appetite == mirror.Full {
			wait = min(wait, fullPause)
		}
		if appetite != mirror.Hungry {
			continue
		}
		leader, id, known := l.source.Leader(e.tp.Topic, e.tp.Partition)
		if !known || leader.Broker != l.broker {
			e.retryAt, wait = now.Add(errorPause), min(wait, errorPause)
			l.strays = append(l.strays, e)
			continue
		}
		if want := e.p.SourceID(); want != id && want != (kafka.TopicID{}) && id != (kafka.TopicID{}) {
			e.retryAt, wait = now.Add(errorPause), min(wait, errorPause)
			continue // made anew: the offset means nothing there. The link sees the same, and halts it
		}
		if l.byName.Load() && id != (kafka.TopicID{}) && !l.trusted(e, now) {
			l.source.Refresh()
			e.retryAt, wait = now.Add(namePause), min(wait, namePause)
			continue
		}
		e.cold = cold
		list = append(list, asked{e: e, leader: leader, topicID: id, next: next, epoch: epoch, generation: generation, portion: e.portion()})
	}
	if len(l.readers) < len(l.members) {
		return l.oneEachLocked(list, wait)
	}
	return list, wait
}

// oneEachLocked keeps, of those that read one partition, the one whose turn is longest ago: a request names a partition
// once. Of two places a broker answers the last only, and the answer does not say whose it is. Where one that is left out
// is behind, there are records for it, and the fetch must not wait long.
func (l *lane) oneEachLocked(list []asked, wait time.Duration) ([]asked, time.Duration) {
	l.turns++
	turn := make(map[mirror.TopicPartition]*asked, len(list))
	for i := range list {
		a := &list[i]
		if first := turn[a.e.tp]; first == nil || a.e.turn < first.e.turn {
			turn[a.e.tp] = a
		}
	}
	kept := make([]asked, 0, len(turn))
	for i := range list {
		switch a, first := &list[i], turn[list[i].e.tp]; {
		case a == first:
			a.e.turn = l.turns
			kept = append(kept, *a)
		case a.next < first.next:
			wait = min(wait, fullPause)
		}
	}
	return kept, wait
}

// trusted says that a name still means the topic that it meant. Where a fetch cannot name the id, a topic that was made anew
// goes on at the old offset as if nothing had happened. While one fetch follows the other that cannot be: a deletion answers
// an open fetch with an error. After an error, or a pause, the id must have been asked again, and just before.
func (l *lane) trusted(e *entry, now time.Time) bool {
	if now.Sub(time.Unix(0, e.good.Load())) < nameTrust {
		return true
	}
	return l.source.Asked().After(e.doubted) && now.Sub(l.source.Answered()) < nameTrust
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
	e.doubted = now
	e.good.Store(0)
}

// thaw makes the cold ones hot when the cold fetch broke: nobody asks for them at the moment.
func (l *lane) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.members {
		e.cold = false
	}
}

// followStrays moves what the last collect came upon. A partition's refusal may come before the news of its new leader.
func (l *lane) followStrays() {
	l.mu.Lock()
	list := l.strays
	l.strays = nil
	l.mu.Unlock()
	for _, e := range list {
		l.source.router.Follow(e)
	}
}

// tell shows an error of the whole lane at each of its partitions, and counts it once for each link.
func (l *lane) tell(err error) {
	var counted []*mirror.Link
	class := catalog.Classify(err)
	for _, e := range l.all() {
		e.p.SourceTrouble(class, err.Error())
		if link := e.p.Link(); !slices.Contains(counted, link) {
			counted = append(counted, link)
			link.CountError(mirror.SideSource, class)
		}
	}
}
