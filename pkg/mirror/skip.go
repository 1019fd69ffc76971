package mirror

import (
	"context"
	"fmt"
	"slices"

	"tributary/pkg/mirror/protocol"
)

// Skip lets a halted partition go on where c says, giving up what is lost by that. The partition becomes a new one: a new
// producer, whose identity begins at that place, with the ids that the clusters and topics have now. That is stored by
// compare-and-set before anything is read or sent; from then on positions of the former producer count for nothing, so that
// a crash at any moment leaves the partition either halted as it was, or begun at the chosen place. An at-least-once link
// has no identities: there the position saved in the group is what counts, and it is saved first.
//
// Nothing of the former producer is under way by then: a partition halts when its answers are there, and where it could not
// wait for them the new one waits out their grace before it sends.
//
// The errors are ErrUnknownPartition, ErrNotHalted, ErrOutOfRange, ErrNoPlace, ErrConflict, or a cluster's or the store's;
// with any of them nothing has changed. Safe for concurrent use; one call at a time gets through per partition.
func (l *Link) Skip(ctx context.Context, tp TopicPartition, c Choice) (Skipped, error) {
	s, err := l.skip(ctx, tp, c)
	if err != nil {
		return Skipped{}, fmt.Errorf("skip %s/%d of link %s: %w", tp.Topic, tp.Partition, l.cfg.Name, err)
	}
	return s, nil
}

func (l *Link) skip(ctx context.Context, tp TopicPartition, c Choice) (Skipped, error) {
	t, p := l.pipeline(tp)
	if p == nil {
		return Skipped{}, ErrUnknownPartition
	}
	h, err := p.claim()
	if err != nil {
		return Skipped{}, err
	}
	defer p.unclaim()
	place, err := l.place(ctx, tp, h, c)
	if err != nil {
		return Skipped{}, err
	}
	if p.stopped() { // it went to another owner meanwhile
		return Skipped{}, ErrUnknownPartition
	}
	b, err := t.renew(ctx, p, h, place)
	if err != nil {
		return Skipped{}, err
	}
	done := Skipped{Topic: tp.Topic, Partition: tp.Partition, Cause: h.cause, Loss: place.loss, ResumesAt: place.offset}
	if p.revive(b, h, done, place.passed) {
		l.attach(p)
	}
	return done, nil
}

// pipeline returns what mirrors a partition, nil when nothing does.
func (l *Link) pipeline(tp TopicPartition) (*topic, *Pipeline) {
	l.mu.Lock()
	t := l.topics[tp.Topic]
	l.mu.Unlock()
	if t == nil {
		return nil, nil
	}
	list := t.pipelines()
	i, found := slices.BinarySearchFunc(list, tp.Partition, func(p *Pipeline, partition int32) int { return int(p.source.Partition - partition) })
	if !found {
		return t, nil
	}
	return t, list[i]
}

// halted is a halted partition as a skip finds it.
type halted struct {
	cause    Cause
	loss     Loss
	resume   int64 // see Pipeline.resume
	identity protocol.Identity
	position protocol.Position // the destination's records end there
}

// claim reserves a halted partition for one skip.
func (p *Pipeline) claim() (halted, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cause == "" || !p.started || p.closing || p.claimed {
		return halted{}, ErrNotHalted
	}
	p.claimed = true
	h := halted{p.cause, *newLoss(p.position.Source, p.position.Source), p.resume, p.identity, p.position}
	if p.loss != nil {
		h.loss = *p.loss
	}
	return h, nil
}

func (p *Pipeline) unclaim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claimed = false
}

// place is where a partition goes on.
type place struct {
	offset int64
	epoch  int32 // leader epoch of the record before, -1 when unknown
	loss   Loss  // what that gives up
	passed int64 // records that the choice passes over

	topicID string // of the source topic that has it, "" where there are no ids
}

// place turns a choice into an offset that the source has now.
func (l *Link) place(ctx context.Context, tp TopicPartition, h halted, c Choice) (place, error) {
	log, err := l.source.Log(ctx, tp, -1)
	if err != nil {
		return place{}, err
	}
	at := place{offset: c.Offset, epoch: -1, loss: h.loss, topicID: log.Of.TopicID}
	switch c.Where {
	case Beginning:
		at.offset = log.Start
	case AtOffset:
		if c.Offset < log.Start || c.Offset > log.Stable {
			return place{}, fmt.Errorf("%w: %d; it has %d to %d", ErrOutOfRange, c.Offset, log.Start, log.Stable)
		}
	default:
		if at.offset, err = h.after(log); err != nil {
			return place{}, err
		}
	}
	if h.cause == CauseRetention && log.Start > at.loss.To && at.offset >= log.Start { // it went on meanwhile
		grown := *newLoss(at.loss.From, log.Start)
		grown.Since = at.loss.Since
		at.loss = grown
	}
	begin := max(h.position.Source, h.loss.From) // what the destination has
	switch {
	case h.onDestination():
		begin = h.position.Source
	case h.cause == CauseSourceRecreated, h.cause == CauseWrongCluster:
		begin = log.Start
	}
	at.passed = max(0, at.offset-begin)
	if h.onDestination() && at.offset == h.position.Source {
		at.epoch = h.position.SourceEpoch // the very next record: the log before it is still the one that was read
	}
	return at, nil
}

// after is the source offset at which each cause goes on by default.
func (h halted) after(log Log) (int64, error) {
	switch {
	case h.resume == notKnown:
		return 0, ErrNoPlace
	case h.resume == logStart:
		return log.Start, nil
	case h.resume > log.Stable:
		return 0, fmt.Errorf("%w: %d; it has %d to %d", ErrOutOfRange, h.resume, log.Start, log.Stable)
	case h.onDestination(): // what the source lost meanwhile is another loss, to be named
		return h.resume, nil
	}
	return max(h.resume, log.Start), nil
}

// onDestination says that the source's log is still the one that was read.
func (h halted) onDestination() bool {
	return h.cause == CauseDestinationTruncated || h.cause == CauseDestinationRecreated || h.cause == CauseSequenceHole
}

// revive begins a halted partition anew. It returns false when that was stopped meanwhile: its next owner finds what is stored.
func (p *Pipeline) revive(b beginning, h halted, done Skipped, passed int64) bool {
	p.mu.Lock()
	defer p.unlock()
	if p.over {
		return false
	}
	if more := done.Loss.Records - h.loss.Records; h.loss.Records >= 0 {
		p.tally.lose(h.cause, more)
	}
	p.tally.skip(SkipOperator, passed)
	p.cause, p.reason, p.loss, p.resume = "", "", nil, notKnown
	p.acked, p.everJoined, p.disorders = false, false, 0
	p.sourceTrouble, p.destTrouble = "", ""
	p.startAt(b.id, b.at, b.saved)
	if h.onDestination() || h.cause == CauseWrongCluster {
		p.need = max(p.need, protocol.ScanCalm) // what was in flight when it halted dies first
	}
	loss := done.Loss
	p.note(Event{Kind: EventSkipped, Cause: h.cause, Loss: &loss, ResumesAt: done.ResumesAt,
		Text: fmt.Sprintf("goes on at source offset %d; given up: %s", done.ResumesAt, loss)})
	return true
}
