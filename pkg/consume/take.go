package consume

import (
	"fmt"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// Error codes of a partition in a fetch response.
const (
	codeOffsetOutOfRange   = 1
	codeUnknownTopic       = 3
	codeTopicAuthorization = 29
	codeUnknownTopicID     = 100
)

// partition begins the part of a partition; it returns whether its batches are wanted. The place in asked is looked for
// from the last one on, as brokers mostly answer in the order asked.
func (t *taker) partition(h *partitionHead) bool {
	t.finish()
	f := t.f
	k := f.find(h, f.walker.place)
	if k < 0 {
		return false
	}
	f.walker.place = k + 1
	a := &f.asked[k]
	a.failed = h.code
	if h.diverging && h.code == 0 {
		a.e.p.Diverged(a.generation, h.divergingEpoch, h.divergesAt)
		return false
	}
	if h.code != 0 {
		return false
	}
	if !a.e.taking.TryLock() { // the other fetch has it, and may wait for bytes: this one goes on, and asks again
		return false
	}
	if a.e.gone || !f.intake.Begin(a.e.p, a.generation, mirror.Fetched{High: h.high, Stable: h.stable, LogStart: h.logStart, Aborted: h.aborted}) {
		a.e.taking.Unlock()
		return false
	}
	t.at = k
	a.e.busy.Store(true)
	a.e.good.Store(time.Now().UnixNano())
	if h.bytes > 0 {
		if f.lane.heard(a.e, time.Now()) {
			signal(f.lane.hot.wake)
		}
		a.e.largest.Add(-a.e.largest.Load() / 16) // forgets a large batch of long ago
	}
	return true
}

// batch takes in one batch of the partition.
func (t *taker) batch(b batch.Batch) {
	e := t.f.asked[t.at].e
	e.sized(len(b))
	t.f.intake.Batch(b, t.buf)
}

// sized notes the size of a batch. Two that meet may forget one of the sizes, which decides only how much is asked for.
func (e *entry) sized(n int) {
	if int64(n) > e.largest.Load() {
		e.largest.Store(int64(n))
	}
}

// message takes in one message of a format before v2.
func (t *taker) message(m batch.Message) {
	e := t.f.asked[t.at].e
	e.sized(len(m))
	t.f.intake.Message(m)
}

// broken stops the partition at bytes that are no batch.
func (t *taker) broken(err error) {
	t.f.intake.Broken(err)
	t.finish()
}

// finish ends the part of the partition under way, if there is one.
func (t *taker) finish() {
	if t.at < 0 {
		return
	}
	t.f.intake.End()
	e := t.f.asked[t.at].e
	e.busy.Store(false)
	e.taking.Unlock()
	t.at = -1
}

// find returns the place of a partition in asked, or -1.
func (f *fetcher) find(h *partitionHead, from int) int {
	for i := range f.asked {
		k := from + i
		if k >= len(f.asked) {
			k -= len(f.asked)
		}
		a := &f.asked[k]
		if a.e.tp.Partition != h.partition {
			continue
		}
		if f.encoder.version >= byIDVersion && a.topicID == h.topicID || f.encoder.version < byIDVersion && a.e.tp.Topic == string(h.topic) {
			return k
		}
	}
	return -1
}

// refused deals with a partition that answered with an error code.
func (l *lane) refused(a *asked, now time.Time) {
	l.failed(a.e, now)
	err := kafka.ErrorCode(a.failed)
	class := catalog.Classify(err)
	a.e.p.Link().CountError(mirror.SideSource, class)
	switch a.failed {
	case codeOffsetOutOfRange:
		a.e.p.OutOfRange(a.generation)
		return
	case codeTopicAuthorization:
		err = fmt.Errorf("READ on topic %s at %s is missing: %w", a.e.tp.Topic, l.source.cluster.Name(), err)
	case codeUnknownTopic, codeUnknownTopicID:
		err = fmt.Errorf("topic %s at %s: %w", a.e.tp.Topic, l.source.cluster.Name(), err)
	default:
		err = fmt.Errorf("fetch %s/%d from broker %d of %s: %w", a.e.tp.Topic, a.e.tp.Partition, l.broker, l.source.cluster.Name(), err)
	}
	a.e.p.SourceTrouble(class, err.Error())
	l.source.Refresh()
	l.source.router.Follow(a.e)
}
