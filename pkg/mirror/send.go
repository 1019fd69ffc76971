package mirror

import (
	"time"

	"tributary/pkg/mirror/protocol"
)

// Taken is a batch on loan to a produce lane, and what the lane needs to bring its answer back.
type Taken struct {
	Sealed
	Flight  uint64
	Limited bool // with protocol.Wait: for the link's rate; see Link.RateWait
}

// Take gives the produce lane the next batch to send. With protocol.Wait there is none now; with protocol.Calm the
// partition has to join again before it may send. The lane holds a reference to the batch's buffer until it has written it.
func (p *Pipeline) Take(now time.Time) (Taken, protocol.Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &p.window
	if !p.active() || !p.joined || p.holdsBack() || p.refused || w.sent == w.n || now.Before(p.retryAt) {
		return Taken{}, protocol.Wait
	}
	b := w.at(w.sent)
	ages := p.ages(now)
	ages.Batch, ages.First = p.old(b.max, now), p.old(b.first, now)
	step := protocol.Next(p.doubt(), ages, w.sent)
	if step == protocol.Calm {
		p.detach(p.calm())
		p.restartAtPosition()
	}
	if step != protocol.Send {
		return Taken{}, step
	}
	idle := now.Sub(p.lastAck) > p.idleClose()/2
	if protocol.NeedsLease(p.run, ages, p.opening, idle) && !p.tenant.valid() {
		p.trouble(ErrorOther, "ownership cannot be proven at the moment")
		p.unproved = true
		return Taken{}, protocol.Wait
	}
	if !p.link.allowance.take(len(b.Bytes), now) { // last: what it lets go is sent at once, and judged by its age of now
		return Taken{Limited: true}, protocol.Wait
	}
	p.opening, p.tried, p.unproved = false, true, false
	if w.sent == 0 {
		p.owedSince = now
	}
	w.sent++
	p.sentTo = max(p.sentTo, b.next)
	b.hold.Retain()
	return Taken{Sealed: *b, Flight: p.flight}, protocol.Send
}

// doubt is the run as far as it makes the partition wait. A request that may still arrive can bring records a second time at
// the worst: a link that promises no more than at least once waits for none.
func (p *Pipeline) doubt() protocol.Run {
	run := p.run
	run.Dirty = run.Dirty && !p.link.atLeastOnce()
	return run
}

// holdsBack says that nothing more is to be sent. A stop that comes while the partition is ending must not leave behind what
// the source may not have any more.
func (p *Pipeline) holdsBack() bool {
	if p.ending != nil {
		return p.ending.dest
	}
	return p.closing
}

// calm is how a partition waits until no old request can be under way. What is not counted may have sent something of its
// window before: it must not send other records under the same sequences, so it takes a new epoch.
func (p *Pipeline) calm() protocol.Recovery {
	if p.uncounted && p.tried {
		return protocol.Restart
	}
	return protocol.ScanCalm
}

// ages tells of the last acknowledged batch and of those in flight.
func (p *Pipeline) ages(now time.Time) protocol.Ages {
	a := protocol.Ages{LastAcked: p.acked && p.old(p.ackedMax, now)}
	for i := range p.window.sent {
		a.InFlight = a.InFlight || p.old(p.window.at(i).max, now)
	}
	return a
}
