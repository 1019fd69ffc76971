package produce

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

const (
	maxInFlight     = 5                // requests; each carries at most one batch of a partition, so also batches of one (R11)
	refillAt        = 3                // with so many answers outstanding it pays to wait for more before the next system call
	maxRequestBytes = 1 << 20          // more partitions than that go into the next request; a larger batch goes alone
	produceTimeout  = 10 * time.Second // how long the broker may wait for its replicas
	answerPatience  = 5 * time.Second  // beyond that, before a silent connection is given up
)

// lane sends to one broker. Its goroutines: run dials and writes, one reads answers, one lets pipelines join.
type lane struct {
	sink   *Sink
	broker int32
	wake   chan struct{} // holds one: ready, window or delayed changed
	joinUp chan struct{} // holds one: joiners changed

	mu        sync.Mutex
	members   map[*entry]bool      // guarded by mu
	links     map[*mirror.Link]int // guarded by mu: members of each
	readied   []*entry             // guarded by mu: may have something to send
	joiners   []*entry             // guarded by mu: want to join
	later     []delayed            // guarded by mu
	inFlight  int                  // guarded by mu: requests not yet answered
	muted     time.Time            // guarded by mu: the broker reads nothing before, for a quota
	throttled time.Time            // guarded by mu: when it said so last

	working []*entry // owned by the writer: taken from readied, in turn
	encoder encoder  // owned by the writer
}

func newLane(s *Sink, broker int32) *lane {
	return &lane{sink: s, broker: broker, wake: make(chan struct{}, 1), joinUp: make(chan struct{}, 1), members: map[*entry]bool{}, links: map[*mirror.Link]int{}}
}

// Add implements catalog.Lane: e joins, or joins again.
func (l *lane) Add(e *entry) {
	l.mu.Lock()
	if !l.members[e] {
		l.members[e] = true
		l.links[e.p.Link()]++
	}
	e.lane.Store(l)
	l.mu.Unlock()
	l.join(e)
}

// Remove implements catalog.Lane.
func (l *lane) Remove(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.members[e] {
		return
	}
	delete(l.members, e)
	if l.links[e.p.Link()]--; l.links[e.p.Link()] == 0 {
		delete(l.links, e.p.Link())
	}
	e.lane.CompareAndSwap(l, nil)
	// Nothing of e stays here: the lane that gets it next starts its own lists of it.
	is := func(other *entry) bool { return other == e }
	l.readied, l.joiners = slices.DeleteFunc(l.readied, is), slices.DeleteFunc(l.joiners, is)
	l.later = slices.DeleteFunc(l.later, func(d delayed) bool { return d.e == e })
	e.queued.Store(false)
	e.joining.Store(false)
}

// ready queues e for the writer. What is not a member is passed over: it is queued where it is one.
func (l *lane) ready(e *entry) {
	if e.queued.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.members[e] && e.queued.CompareAndSwap(false, true) {
		l.readied = append(l.readied, e)
	}
}

func (l *lane) kick() { signal(l.wake) }

// join queues e to join; like ready, only a member.
func (l *lane) join(e *entry) {
	l.mu.Lock()
	if l.members[e] && e.joining.CompareAndSwap(false, true) {
		l.joiners = append(l.joiners, e)
	}
	l.mu.Unlock()
	signal(l.joinUp)
}

// lookLater puts e aside until at; like ready, only a member.
func (l *lane) lookLater(e *entry, at time.Time, join bool) {
	l.mu.Lock()
	if l.members[e] {
		l.later = append(l.later, delayed{e, at, join})
	}
	l.mu.Unlock()
	l.kick()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run implements catalog.Lane: it keeps a connection as long as there are members.
func (l *lane) Run(ctx context.Context) {
	var backoff kafka.Backoff
	for ctx.Err() == nil {
		if !l.waitForMembers(ctx) {
			return
		}
		begun := time.Now()
		err := l.session(ctx)
		l.broken()
		if ctx.Err() != nil {
			return
		}
		l.sink.log.Info("produce connection ended", "broker", l.broker, "err", err)
		l.tell(fmt.Errorf("produce to broker %d of %s: %w", l.broker, l.sink.cluster.Name(), err))
		l.sink.Refresh()
		if time.Since(begun) > time.Second {
			backoff.Reset()
		}
		if !l.sink.router.Pause(ctx, backoff.Next(), l.all) {
			return
		}
	}
}

func (l *lane) waitForMembers(ctx context.Context) bool {
	for {
		l.mu.Lock()
		n := len(l.members)
		l.mu.Unlock()
		if n > 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-l.joinUp:
		case <-l.wake:
		}
	}
}

func (l *lane) all() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*entry, 0, len(l.members))
	for e := range l.members {
		list = append(list, e)
	}
	return list
}

// broken tells every member that the connection is gone: what was in flight has an unknown outcome.
func (l *lane) broken() {
	l.mu.Lock()
	l.readied, l.working, l.inFlight, l.later = nil, nil, 0, nil
	l.mu.Unlock()
	now := time.Now()
	for _, e := range l.all() {
		e.queued.Store(false)
		e.p.Broken(now)
		l.join(e)
	}
}

// tell shows an error of the whole lane at each of its members.
func (l *lane) tell(err error) {
	var all errorCount
	for _, e := range l.all() {
		e.p.DestTrouble(catalog.Classify(err), err.Error())
		all.add(e.p.Link(), err)
	}
}

// session dials and works until the connection breaks or ctx ends. It returns when all it started has ended.
func (l *lane) session(ctx context.Context) error {
	address, ok := l.address()
	if !ok {
		return fmt.Errorf("broker %d is not in the cluster's metadata", l.broker)
	}
	conn, err := l.sink.cluster.Dial(ctx, address)
	if err != nil {
		return err
	}
	work, hangUp := context.WithCancelCause(ctx)
	s := &session{lane: l, conn: conn, hangUp: hangUp, sent: make(chan *request, maxInFlight)}
	stop := context.AfterFunc(work, func() { _ = conn.Close() }) // unblocks reads and writes; the cause is told
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { s.readAnswers(work) })
	wg.Go(func() { l.joinAll(work, address) })
	hangUp(s.write(work))
	_ = conn.Close() // the session is over; what it ended with is the cause
	close(s.sent)
	wg.Wait()
	return context.Cause(work)
}

// address is where the broker listens, by any partition that it leads.
func (l *lane) address() (string, bool) {
	for _, e := range l.all() {
		if leader, _, ok := l.sink.Leader(e.dest.Topic, e.dest.Partition); ok && leader.Broker == l.broker {
			return leader.Address, true
		}
	}
	return "", false
}

// due takes the delayed entries whose time has come, and returns when the next one's will.
func (l *lane) due(now time.Time) (next time.Time) {
	l.mu.Lock()
	var come []delayed
	l.later = slices.DeleteFunc(l.later, func(d delayed) bool {
		if d.at.After(now) {
			if next.IsZero() || d.at.Before(next) {
				next = d.at
			}
			return false
		}
		come = append(come, d)
		return true
	})
	l.mu.Unlock()
	for _, d := range come {
		if d.join {
			l.join(d.e)
		} else {
			l.ready(d.e)
		}
	}
	return next
}
