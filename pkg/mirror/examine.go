package mirror

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Times of looking into a suspicion.
const (
	examineAtOnce  = 8 // partitions
	examineTimeout = 15 * time.Second
)

// Log is what the leader of a source partition says of it.
type Log struct {
	Of       Whose
	Start    int64
	End      int64 // high watermark
	Stable   int64 // last stable offset: how far committed records may be read
	Epoch    int32 // the greatest leader epoch that is not above the one asked for, -1 when there is none
	EpochEnd int64 // where that epoch ends, -1 when there is none
}

// suspicion is something that only a look at a cluster can settle. Nothing is read until then.
type suspicion struct {
	cause Cause  // what it is already known to be, "" when that is to be found out
	why   string // for people
	next  int64  // what was read from, and under which leader epoch the record before
	epoch int32
}

func (s *suspicion) String() string { return "looking into it: " + s.why }

// OutOfRange tells that the source has refused to be read from where a fetch of the given generation wanted to: the log
// begins behind it, ends before it, or does not know the leader epoch of the record before. The link finds out which.
func (p *Pipeline) OutOfRange(generation uint64) {
	p.mu.Lock()
	defer p.unlock()
	if p.generation == generation {
		p.suspect(&suspicion{why: fmt.Sprintf("%s says that offset %d is out of range", p.link.cfg.From, p.next)})
	}
}

// Diverged tells that the log which a fetch of the given generation wanted to go on with is another one: leader epoch ends
// at offset end there, before what was read under it or under a later one.
func (p *Pipeline) Diverged(generation uint64, epoch int32, end int64) {
	p.mu.Lock()
	defer p.unlock()
	if p.generation == generation {
		p.end(p.truncated(epoch, end))
	}
}

// truncated is the end of a partition whose source log was cut at end.
func (p *Pipeline) truncated(epoch int32, end int64) ending {
	return ending{cause: CauseTruncated, from: notKnown, to: notKnown, cut: end, resume: end,
		why: fmt.Sprintf("the source's log was cut at offset %d, where its leader epoch %d ends; it had been read up to offset %d under leader epoch %d", end, epoch, p.next, p.nextEpoch)}
}

// suspect has the link look into it. It is called under mu.
func (p *Pipeline) suspect(s *suspicion) {
	if !p.active() || p.suspicion != nil || p.ending != nil && !p.ending.dest {
		return
	}
	s.next, s.epoch = p.next, p.nextEpoch
	p.suspicion = s
	p.link.suspects <- p
}

// examiner looks into suspicions until ctx ends.
func (l *Link) examiner(ctx context.Context) {
	var g sync.WaitGroup
	defer g.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-l.suspects:
			g.Go(func() { l.examine(ctx, p) })
		}
	}
}

// examine settles what p is suspected of, however long the clusters take to answer.
func (l *Link) examine(ctx context.Context, p *Pipeline) {
	ctx, cancel := during(ctx, p.tenant.life)
	defer cancel()
	for wait := startRetryMin; ctx.Err() == nil; wait = min(2*wait, startRetryMax) {
		s, at := p.suspected()
		if s == nil {
			return
		}
		var found *ending
		err := within(ctx, l.examining, examineTimeout, func(ctx context.Context) (err error) {
			found, err = l.find(ctx, p, *s, at)
			return err
		})
		if err == nil {
			p.examined(s, found)
			return
		}
		if ctx.Err() == nil {
			p.SourceTrouble(ErrorOther, err.Error())
			l.log.Warn("partition not looked into", "topic", p.source.Topic, "partition", p.source.Partition, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// suspected returns what has to be looked into, nil when nothing has, and where the acknowledged prefix ends at the
// destination, 0 when there is none.
func (p *Pipeline) suspected() (*suspicion, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active() {
		return nil, 0
	}
	if p.position.Dest <= p.identity.Base.Dest { // nothing was copied: the record before is of somebody else
		return p.suspicion, 0
	}
	return p.suspicion, p.position.Dest
}

// find asks the clusters what is behind a suspicion. nil means nothing: the partition goes on.
func (l *Link) find(ctx context.Context, p *Pipeline, s suspicion, dest int64) (*ending, error) {
	e, err := l.judge(ctx, p, s)
	if err != nil || e == nil || e.dest {
		return e, err
	}
	if e.to > 0 {
		if e.until, err = l.source.TimeFrom(ctx, p.source, e.to); err != nil {
			return nil, err
		}
	}
	// The last record copied gives the time where none was acknowledged since the start. The destination may be down: then
	// the time is not known.
	if dest == 0 {
		return e, nil
	}
	e.since, err = l.sink.TimeBefore(ctx, p.dest, dest)
	if err != nil && ctx.Err() == nil {
		l.log.Info("time of the last copied record not read", "topic", p.dest.Topic, "partition", p.dest.Partition, "err", err)
	}
	return e, nil
}

func (l *Link) judge(ctx context.Context, p *Pipeline, s suspicion) (*ending, error) {
	switch s.cause {
	case CauseDestinationTruncated:
		is, err := l.sink.Whose(ctx, p.dest.Topic)
		if err != nil {
			return nil, err
		}
		return p.destEnding(is), nil
	case "":
		log, err := l.source.Log(ctx, p.source, s.epoch)
		if err != nil {
			return nil, err
		}
		return p.sourceEnding(s, log), nil
	}
	return &ending{cause: s.cause, why: s.why, from: notKnown, to: notKnown, cut: notKnown, resume: logStart}, nil
}

// sourceEnding says why the source refuses to be read from where the partition is, nil when it has no reason any more.
func (p *Pipeline) sourceEnding(s suspicion, log Log) *ending {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, is := p.identity.SourceTopicID, log.Of.TopicID
	anew := ending{cause: CauseSourceRecreated, from: notKnown, to: notKnown, cut: notKnown, resume: logStart}
	switch {
	case differ(p.identity.SourceCluster, log.Of.Cluster):
		anew.cause, anew.why = CauseWrongCluster, wrongClusterText("source", p.identity.SourceCluster, log.Of.Cluster)
		return &anew
	case differ(id, is):
		anew.why = recreatedText("source", p.source.Topic, id, is)
		return &anew
	case s.epoch >= 0 && log.EpochEnd < 0 && (id == "" || is == ""): // where there are no ids
		anew.why = fmt.Sprintf("source topic %s seems to have been made anew: it was read up to offset %d under leader epoch %d, which it does not know", p.source.Topic, s.next, s.epoch)
		return &anew
	case s.epoch >= 0 && log.EpochEnd >= log.Start && log.EpochEnd < s.next:
		e := p.truncated(log.Epoch, log.EpochEnd)
		return &e
	case s.next < log.Start:
		return &ending{cause: CauseRetention, from: notKnown, to: log.Start, cut: notKnown, resume: log.Start}
	case s.next > log.End:
		return &ending{cause: CauseTruncated, from: notKnown, to: notKnown, cut: log.End, resume: log.End,
			why: fmt.Sprintf("the source's log ends at offset %d, before offset %d up to which it was read", log.End, s.next)}
	case s.epoch >= 0 && log.EpochEnd < 0:
		return &ending{cause: CauseTruncated, from: notKnown, to: notKnown, cut: notKnown, resume: logStart,
			why: fmt.Sprintf("the source does not know leader epoch %d, under which it was read up to offset %d: its log is an older one, and where they part cannot be known", s.epoch, s.next)}
	}
	return nil
}

// examined ends the partition, or lets it go on.
func (p *Pipeline) examined(s *suspicion, found *ending) {
	p.mu.Lock()
	defer p.unlock()
	if p.suspicion != s {
		return
	}
	p.suspicion = nil
	switch {
	case found == nil:
		p.sourceTrouble = ""
	case p.ending != nil: // of the destination: now it is known which
		p.ending = found
	default:
		p.end(*found)
	}
}

func wrongClusterText(side, was, is string) string {
	return fmt.Sprintf("%s cluster id is %s, the identity of this partition was made with %s", side, is, was)
}

func recreatedText(side, topic, was, is string) string {
	return fmt.Sprintf("%s topic %s was deleted and made anew: its id was %s, is %s", side, topic, was, is)
}
