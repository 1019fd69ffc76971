package produce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

const (
	joinRetry = 250 * time.Millisecond
	// grace is how long a calm scan lets old requests die. Their connections are closed and their senders' kernels have
	// thrown away what was not sent (SO_LINGER 0), so what is left is what a broker has read and not handled yet, or still
	// reads from its own socket buffer. It is counted only while the leader answers promptly, as a frozen broker keeps requests
	// for as long as it is frozen; and from the end of a quota's pause on, see throttle.go.
	grace       = 3 * time.Second
	promptly    = time.Second
	logEndPoll  = 20 * time.Millisecond
	logEndWait  = 2 * time.Second  // for the high watermark to reach the log's end
	joinTimeout = 60 * time.Second // of one attempt, without the grace
)

// joiner is an entry with what it has to find out.
type joiner struct {
	e    *entry
	plan mirror.JoinPlan
	at   catalog.Leader // the leader that was asked
	end  int64          // high watermark
	tail *protocol.Tail

	start answer // where the log begins, of a counted one
	head  []byte // the first records of its tail, if a fetch for many brought them
}

// joinAll lets entries join until ctx ends: what they have to know is asked on connections of its own, while the lane's
// connection is open. If that breaks meanwhile, Joined comes too late and they join the next one.
func (l *lane) joinAll(ctx context.Context, address string) {
	var calm sync.WaitGroup
	defer calm.Wait()
	for ctx.Err() == nil { // those that cannot join any more wait for the next connection
		quick, slow := l.takeJoiners()
		if len(slow) > 0 {
			calm.Go(func() { l.joinCalmly(ctx, address, slow) })
		}
		if len(quick) > 0 {
			l.joinNow(ctx, address, quick)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-l.joinUp:
		}
	}
}

// takeJoiners takes those that want to join, apart from those that first have to wait out a grace.
func (l *lane) takeJoiners() (quick, slow []*joiner) {
	l.mu.Lock()
	list := l.joiners
	l.joiners = nil
	muted := l.muted
	l.mu.Unlock()
	for _, e := range list {
		e.joining.Store(false)
		plan, ok := e.p.Plan()
		if plan.Need == protocol.ScanCalm && muted.After(plan.NotBefore) {
			plan.NotBefore = muted
		}
		switch {
		case !ok:
			l.ready(e) // it may have joined already
		case e.lane.Load() != l:
		case plan.NotBefore.After(time.Now()):
			l.lookLater(e, plan.NotBefore, true)
		case plan.Need == protocol.ScanCalm:
			slow = append(slow, &joiner{e: e, plan: plan})
		default:
			quick = append(quick, &joiner{e: e, plan: plan})
		}
	}
	return quick, slow
}

// joinNow lets them join, and puts those aside for which it did not work.
func (l *lane) joinNow(ctx context.Context, address string, list []*joiner) {
	bounded, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	l.finish(ctx, list, l.find(bounded, address, list))
}

// joinCalmly is joinNow after the grace.
func (l *lane) joinCalmly(ctx context.Context, address string, list []*joiner) {
	lasting, err := l.waitGrace(ctx, address, list)
	if len(lasting) > 0 {
		bounded, cancel := context.WithTimeout(ctx, joinTimeout)
		defer cancel()
		err = cmp.Or(err, l.find(bounded, address, lasting))
	}
	l.finish(ctx, list, err)
}

// finish tells what came of it. An error concerns all that are not marked as settled by a nil plan.
func (l *lane) finish(ctx context.Context, list []*joiner, err error) {
	if ctx.Err() != nil {
		for _, j := range list {
			if j.e != nil {
				l.join(j.e)
			}
		}
		return
	}
	later := time.Now().Add(joinRetry)
	var all errorCount
	for _, j := range list {
		if j.e == nil {
			continue // settled
		}
		j.e.p.DestTrouble(catalog.Classify(err), fmt.Sprintf("join %s/%d at %s: %v", j.e.dest.Topic, j.e.dest.Partition, l.sink.cluster.Name(), err))
		all.add(j.e.p.Link(), err)
		if !l.sink.router.Follow(j.e) {
			l.lookLater(j.e, later, true)
		}
	}
	if err != nil {
		l.sink.Refresh()
	}
	l.kick()
}

// settle takes j out of the list: it joined, halted, or moved.
func (j *joiner) settle() { j.e = nil }

// waitGrace returns once the leader has answered promptly before and after a whole grace, with those of which it told each
// time. The error is the first reason why it did not of others.
func (l *lane) waitGrace(ctx context.Context, address string, list []*joiner) (lasting []*joiner, first error) {
	if err := l.waitThrottle(ctx, address); err != nil {
		return nil, err
	}
	conn, err := l.sink.cluster.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	some := apart(list)[0] // every partition is in it once
	ask := func() time.Duration {
		begun := time.Now()
		told, err := l.logEnds(ctx, conn, some)
		first = cmp.Or(first, err)
		some = slices.DeleteFunc(some, func(j *joiner) bool { _, ok := told[j]; return !ok })
		return time.Since(begun)
	}
	ask()
	for took := promptly; len(some) > 0 && took >= promptly; took = ask() {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(grace):
		}
	}
	told := map[mirror.TopicPartition]bool{}
	for _, j := range some {
		told[j.e.dest] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(j *joiner) bool { return !told[j.e.dest] }), first
}

var errNoLeader = errors.New("no leader is known; if that lasts, the topic is gone or the right to DESCRIBE it is missing")

// find asks the leader what each of list has to know, and lets those join for which it is answered. The error is the
// first reason why some did not.
func (l *lane) find(ctx context.Context, address string, list []*joiner) error {
	conn, err := l.sink.cluster.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	var first error
	for _, some := range apart(list) {
		if err := l.findOn(ctx, conn, some); first == nil {
			first = err
		}
	}
	return first
}

// apart divides list so that no part names a destination partition twice: brokers answer once for each, or refuse.
func apart(list []*joiner) [][]*joiner {
	var parts [][]*joiner
	times := map[mirror.TopicPartition]int{}
	for _, j := range list {
		k := times[j.e.dest]
		times[j.e.dest]++
		if k == len(parts) {
			parts = append(parts, nil)
		}
		parts[k] = append(parts[k], j)
	}
	return parts
}

// findOn is find for partitions that are all different.
func (l *lane) findOn(ctx context.Context, conn *kafka.Conn, all []*joiner) error {
	var list []*joiner
	for _, j := range all {
		leader, id, ok := l.sink.Leader(j.e.dest.Topic, j.e.dest.Partition)
		if !ok || leader.Broker != l.broker {
			return fmt.Errorf("%s/%d: %w", j.e.dest.Topic, j.e.dest.Partition, errNoLeader)
		}
		if j.at = leader; !l.recreated(j, id) {
			list = append(list, j)
		}
	}
	first := l.checkEpochs(ctx, conn, list)
	if err := l.findEnds(ctx, conn, list); first == nil {
		first = err
	}
	if err := l.findStarts(ctx, conn, list); err != nil {
		return err
	}
	for some := range slices.Chunk(list, headsAtOnce) {
		if err := l.fetchHeads(ctx, conn, some); err != nil {
			return err
		}
		for _, j := range some {
			if err := l.scanned(ctx, conn, j); first == nil {
				first = err
			}
		}
	}
	return first
}

// scanned scans the tail of one, and lets it join.
func (l *lane) scanned(ctx context.Context, conn *kafka.Conn, j *joiner) error {
	if j.e == nil || j.end < 0 {
		return nil
	}
	if err := l.scan(ctx, conn, j); err != nil {
		return err
	}
	if e := j.e; e != nil {
		e.p.Joined(j.plan, j.tail, j.at.Epoch)
		j.settle()
		l.ready(e)
	}
	return nil
}
