package mirror

import "time"

// tally counts what a partition lost and passed over. It outlives halts. Guarded by the pipeline's mu.
type tally struct {
	lost    map[Cause]int64
	skipped map[SkipReason]int64
}

func (t *tally) lose(cause Cause, records int64) {
	if records <= 0 {
		return
	}
	if t.lost == nil {
		t.lost = map[Cause]int64{}
	}
	t.lost[cause] += records
}

func (t *tally) skip(reason SkipReason, records int64) {
	if records <= 0 {
		return
	}
	if t.skipped == nil {
		t.skipped = map[SkipReason]int64{}
	}
	t.skipped[reason] += records
}

// addTally adds what the partition lost and passed over.
func (p *Pipeline) addTally(lost map[Cause]int64, skipped map[SkipReason]int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally.addTo(lost, skipped)
}

func (t *tally) addTo(lost map[Cause]int64, skipped map[SkipReason]int64) {
	for cause, n := range t.lost {
		lost[cause] += n
	}
	for reason, n := range t.skipped {
		skipped[reason] += n
	}
}

// halt stops the partition for an operator to judge. Its siblings go on. loss is what it cannot deliver, nil when there is
// nothing to say about that.
func (p *Pipeline) halt(cause Cause, reason string, loss *Loss) {
	p.window.drop()
	p.generation++
	p.flight++
	p.joined = false
	p.cause, p.reason, p.loss = cause, reason, loss
	p.ending, p.suspicion, p.resume = nil, nil, notKnown
	p.culprit, p.narrow, p.refusal, p.refused = nil, narrowing{}, nil, false
	if loss != nil {
		p.tally.lose(cause, loss.Records)
	}
	p.note(Event{Kind: EventHalted, Cause: cause, Text: reason, Loss: loss})
}

// Halt stops the partition for an operator to judge, naming what was found and, when it is known, what was lost.
func (p *Pipeline) Halt(cause Cause, reason string, loss *Loss) {
	p.mu.Lock()
	defer p.unlock()
	if p.active() {
		p.halt(cause, reason, loss)
		if cause == CauseSequenceHole {
			p.resume = p.position.Source
		}
	}
}

// note keeps an event until the lock is let go.
func (p *Pipeline) note(e Event) {
	e.Time, e.Link, e.Topic, e.Partition = time.Now(), p.link.cfg.Name, p.source.Topic, p.source.Partition
	p.notes = append(p.notes, e)
}

// unlock lets go of mu after what may have brought an ending partition to its end, and then tells what happened.
func (p *Pipeline) unlock() {
	rejoin := p.ending != nil && p.settle() || p.rejoin
	notes := p.notes
	p.notes, p.rejoin = nil, false
	p.mu.Unlock()
	if rejoin {
		p.link.rejoin(p)
	}
	for _, e := range notes {
		p.link.record(e)
	}
}

// record tells the log and the link's events.
func (l *Link) record(e Event) {
	if e.Kind == EventHalted {
		loss := "none"
		if e.Loss != nil {
			loss = e.Loss.String()
		}
		l.log.Error("partition halted", "topic", e.Topic, "partition", e.Partition, "cause", string(e.Cause), "err", e.Text, "lost", loss)
	}
	if e.Kind == EventSkipped {
		l.log.Warn("partition skipped", "topic", e.Topic, "partition", e.Partition, "cause", string(e.Cause), "next", e.ResumesAt, "lost", e.Loss.String())
	}
	if e.Kind == EventParked {
		l.log.Warn("bad records parked", "topic", e.Topic, "partition", e.Partition, "cause", string(e.Cause), "err", e.Text, "next", e.ResumesAt)
	}
	l.events.Record(e)
}
