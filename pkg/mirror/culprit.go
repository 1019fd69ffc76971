package mirror

import (
	"errors"
	"fmt"
	"slices"

	"tributary/pkg/batch"
)

// damagedReads is how often a batch is read whose checksum is wrong: it may have been damaged on its way.
const damagedReads = 3

// culprit is what cannot be copied: records that stand alone, or a batch that cannot be taken apart. While a pipeline has
// one it reads nothing; once everything before it is acknowledged the partition halts, or the culprit is parked.
type culprit struct {
	cause    Cause
	reason   SkipReason // "" when it must not be parked, whatever the policy: it is not known where it ends, or whose fault it is
	why      string
	from, to int64       // source offsets
	epoch    int32       // leader epoch at the source
	records  batch.Batch // one of ours that holds nothing else, nil when raw is all there is
	raw      []byte      // the source's batch as fetched
	time     int64       // of raw, the greatest; ms
	count    int64       // records in raw, as it says of itself
	trouble  string      // why it is not parked yet
}

func (c *culprit) status() string {
	text := c.why + "; everything before it is being acknowledged first"
	if c.trouble != "" {
		text = c.why + "; it is not parked yet: " + c.trouble
	}
	return text
}

// number is how many records there are.
func (c *culprit) number() int64 {
	if c.records != nil {
		return int64(c.records.Count())
	}
	return max(1, c.count)
}

// span names source offsets.
func span(from, to int64) string {
	if to == from+1 {
		return fmt.Sprintf("source offset %d", from)
	}
	return fmt.Sprintf("source offsets %d to %d", from, to-1)
}

// held says whether nothing is read for now: a culprit waits to be judged, or a refused batch is sent again in parts.
func (p *Pipeline) held() bool { return p.culprit != nil || p.narrow.queued() && p.window.n > 0 }

// spoil stops reading at what cannot be copied. What the window holds goes first. Called under mu, with unlock to follow.
func (p *Pipeline) spoil(c *culprit) {
	p.generation++
	if p.window.n == 0 && p.skip == 0 && p.position.Sequence != p.sequence { // the destination has what a scan found before it
		p.position = p.scanned
		p.position.Source, p.position.SourceEpoch = c.from, c.epoch
	}
	if c.reason == "" || p.link.cfg.Parking == nil {
		p.end(c.ending())
		return
	}
	p.culprit = c
	if p.window.n == 0 {
		p.judge()
	}
}

// ending is how the partition halts at c.
func (c *culprit) ending() ending {
	return ending{cause: c.cause, why: c.why, from: c.from, to: c.to, cut: notKnown, resume: c.to}
}

// judge has a culprit parked that everything before is acknowledged of: the position lies right before it. While something
// sent may still arrive, nothing is passed over: the sequence of what is sent next may be in it.
func (p *Pipeline) judge() {
	if p.strayed {
		p.detach(p.calm())
		p.restartAtPosition() // it comes upon the culprit again
		p.rejoin = true
		return
	}
	p.link.parks <- p
}

// settled goes on once everything in the window is acknowledged.
func (p *Pipeline) settled() {
	switch {
	case p.ending != nil: // it comes first
	case p.culprit != nil:
		p.judge()
	case p.narrow.queued():
		p.narrow = narrowing{}
		p.leftOut = true // it wants more, and nobody else says so
	}
}

// unreadable deals with a batch of the source that cannot be taken in. Everything before it is in the window.
func (in *Intake) unreadable(b batch.Batch, err error) {
	p := in.p
	if bad := b.Verify(); bad != nil {
		err = bad
	}
	damaged := errors.Is(err, batch.ErrCRC)
	if damaged && p.readAgain(b.BaseOffset()) {
		return
	}
	c := &culprit{cause: CauseBadRecord, reason: unreadableReason(err), from: max(b.BaseOffset(), p.next), to: b.NextOffset(),
		epoch: b.LeaderEpoch(), raw: slices.Clone(b), time: b.MaxTimestamp(), count: int64(b.Count())}
	if damaged && (!b.Dense() || c.to > p.sourceEnd) { // the checksum covers the count of offsets too
		c.reason, c.to = "", c.from+1
		c.why = fmt.Sprintf("batch at source offset %d: %v, and where it ends cannot be told", c.from, err)
	} else {
		c.why = fmt.Sprintf("batch at %s: %v", span(c.from, c.to), err)
	}
	p.spoil(c)
}

// unreadableMessage is unreadable for a message of the formats v0 and v1, whose offset is that of its last record and not
// covered by its checksum.
func (in *Intake) unreadableMessage(m batch.Message, err error) {
	p := in.p
	if errors.Is(err, batch.ErrCRC) && p.readAgain(m.Offset()) {
		return
	}
	c := &culprit{cause: CauseBadRecord, reason: unreadableReason(err), from: p.next, to: m.Offset() + 1, epoch: -1, raw: slices.Clone(m), time: m.Timestamp()}
	c.why = fmt.Sprintf("message of format v%d at %s: %v", m.Magic(), span(c.from, c.to), err)
	p.spoil(c)
}

// Broken takes note of bytes where the next batch should be that are none. Where they end, nobody knows.
func (in *Intake) Broken(err error) {
	p := in.p
	p.mu.Lock()
	defer p.unlock()
	if in.reading() && in.flush() && !p.readAgain(p.next) {
		p.spoil(&culprit{cause: CauseBadRecord, from: p.next, to: p.next + 1, epoch: p.nextEpoch,
			why: fmt.Sprintf("batch at source offset %d: %v, and where it ends cannot be told", p.next, err)})
	}
}

func unreadableReason(err error) SkipReason {
	switch {
	case errors.Is(err, batch.ErrCRC), errors.Is(err, batch.ErrRecord), errors.Is(err, batch.ErrCount):
		return SkipCorrupt
	case errors.Is(err, batch.ErrCodec):
		return SkipUnknownFormat
	}
	return SkipDecompression
}

// readAgain says whether the batch at offset is to be fetched once more, and sees to it.
func (p *Pipeline) readAgain(offset int64) bool {
	if p.damagedAt != offset {
		p.damagedAt, p.damaged = offset, 0
	}
	p.damaged++
	if p.damaged >= damagedReads {
		p.damaged = 0
		return false
	}
	p.generation++
	p.leftOut = true
	return true
}

// oversize deals with the next record of the recoder, which alone is more than the destination accepts.
func (in *Intake) oversize(large *batch.RecordTooLargeError) {
	p := in.p
	r, _, err := in.recoder.TakeUpTo(1, nil, batch.None, 0)
	in.recoder.Reset()
	if err != nil {
		p.spoil(&culprit{cause: CauseBadRecord, why: fmt.Sprintf("rewrite record at source offset %d: %v", large.Offset, err), from: large.Offset, to: large.Offset + 1})
		return
	}
	p.spoil(&culprit{cause: CauseTooLarge, reason: SkipOversize, from: r.First, to: r.Next, epoch: r.LeaderEpoch, records: r.Batch,
		why: fmt.Sprintf("record at source offset %d has %d bytes, the destination accepts %d: raise max.message.bytes of %s there", r.First, large.Size, large.Limit, p.dest.Topic)})
}
