package mirror

import "time"

// Appetite says whether a partition wants to be fetched.
type Appetite uint8

// Appetites.
const (
	Hungry Appetite = iota
	Full            // enough is queued; it wants more within moments
	Away            // not started, halted, or without a produce lane; Source.Wake says when that changes
)

// FetchFrom says whether to read p, from where, and under which leader epoch the record before was read.
func (p *Pipeline) FetchFrom() (offset int64, epoch int32, generation uint64, a Appetite) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.active() || !p.joined || p.closing || p.turning || p.foretelling() || p.ending != nil || p.suspicion != nil || p.loop != "" || p.held() || p.paused() || time.Since(p.shortSeen) < shortSourcePause:
		a = Away
	case p.unproved && !p.tenant.valid(): // what is read could not be sent, and would be read again and again
		a = Away
	case p.full(time.Now()):
		a = Full
	}
	p.leftOut = a != Hungry
	return p.next, p.nextEpoch, p.generation, a
}

// late says that the destination does not keep up: what was read a while ago is not acknowledged.
func (p *Pipeline) late(now time.Time) bool {
	return p.window.n > 0 && now.Sub(p.window.at(0).read) > lateAfter
}

// full says that enough is queued.
func (p *Pipeline) full(now time.Time) bool {
	return p.window.bytes > maxQueuedBytes || p.window.n > maxLateBatches && p.late(now) || p.link.crowded()
}
