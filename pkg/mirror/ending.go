package mirror

import (
	"fmt"
	"time"

	"tributary/pkg/mirror/protocol"
)

// Places that are no offsets.
const (
	notKnown = -1
	logStart = -2 // wherever the source's log begins at the time
)

// ending is a halt that waits: for the answers to what is in flight, and where the source is the reason also for all that
// was read, as the source may not have it any more. What is lost begins exactly where the destination's records end.
type ending struct {
	cause Cause
	why   string
	dest  bool // the destination is the reason: nothing more is sent, and what is not in flight is read again later

	// In offsets of the source; notKnown where they are not.
	from   int64 // what is lost; notKnown: it begins where the destination's records end
	to     int64
	cut    int64 // of a log that was cut: where it was
	resume int64 // where AfterLoss goes on; logStart is possible

	since, until time.Time // of the records on either side, zero when not known
}

// end stops the partition as soon as what it has in hand is at the destination. It is called under mu, and unlock does what
// is left to do when there is nothing in hand.
func (p *Pipeline) end(e ending) {
	if !p.active() || p.ending != nil {
		return
	}
	p.ending = &e
	if e.dest {
		p.window.trim()
	}
	if e.cause == CauseSourceRecreated || e.cause == CauseWrongCluster {
		p.generation++ // what a fetch by name brings is of another log
	}
}

// settle halts an ending partition once nothing of it is under way. It says whether the partition has to join again first:
// where something sent may still arrive that no open connection answers, the log is looked at after a grace.
func (p *Pipeline) settle() (rejoin bool) {
	e := p.ending
	switch {
	case e == nil || !p.active() || p.feeding || p.suspicion != nil:
		return false
	case e.dest && p.window.sent == 0:
		p.finish(*e)
		return false
	case e.dest || p.window.n > 0 || !p.joined:
		return false
	case p.doubt().Dirty && (!p.run.Hot || p.sentTo > p.position.Source):
		p.detach(protocol.ScanCalm)
		return true
	}
	p.finish(*e)
	return false
}

// finish halts, now that it is known where the destination's records end.
func (p *Pipeline) finish(e ending) {
	have := p.position.Source + p.skip
	if e.dest {
		have = p.position.Source
	}
	if p.skip > 0 && e.cause == CauseRetention && (!p.known || have >= e.to) {
		p.lostCount(&e, have)
	}
	loss := newLoss(have, e.to)
	switch e.cause {
	case CauseRetention:
		if have >= e.to { // the fetch that was refused is of before
			p.ending = nil
			return
		}
		e.why = fmt.Sprintf("the source deleted the records at offsets %d to %d before they were copied", have, e.to-1)
	case CauseTruncated:
		loss = newLoss(have, max(have, p.stable))
		if e.cut >= 0 {
			loss.Surplus = &Range{min(e.cut, have), have}
		}
	case CauseSourceRecreated, CauseWrongCluster:
		if !e.dest && p.stable >= have {
			loss = newLoss(have, p.stable)
		}
	}
	if e.from >= 0 {
		loss = newLoss(e.from, e.to)
	}
	loss.Since, loss.Until = e.since, e.until
	if p.acked && p.ackedMax >= 0 {
		loss.Since = time.UnixMilli(p.ackedMax)
	}
	if loss.From == loss.To && loss.Surplus == nil {
		loss.Since, loss.Until = time.Time{}, time.Time{}
	}
	p.halt(e.cause, e.why, loss)
	p.resume = e.resume
	if e.resume == notKnown && (e.dest || e.cause == CausePositionLost) {
		p.resume = have
	}
}

// lostCount turns an overtaken partition into one of which is not known where it stands: the destination was found to have
// records that the source has no longer, and they cannot be told from its gaps how far they reach.
func (p *Pipeline) lostCount(e *ending, have int64) {
	e.cause, e.resume = CausePositionLost, max(have, e.to)
	e.why = fmt.Sprintf("the destination has %d records from source offset %d on, and the source's log begins at offset %d, so that they cannot be counted: if the log had no gaps (transactions, compaction) they end at offset %d",
		p.skip, p.position.Source, e.to, have)
}

// waitingToEnd is what an ending partition waits for, in words.
func (p *Pipeline) waitingToEnd() string {
	why := string(p.ending.cause)
	if p.ending.why != "" {
		why += ": " + p.ending.why
	}
	text := fmt.Sprintf("%s; halts once %s has what was read", why, p.link.cfg.To)
	if p.destTrouble != "" {
		text += ": " + p.destTrouble
	}
	return text
}
