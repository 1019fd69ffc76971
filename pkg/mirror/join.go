package mirror

import (
	"time"

	"tributary/pkg/mirror/protocol"
)

// JoinPlan is what a produce lane must find out before a partition may send through it.
type JoinPlan struct {
	Need     protocol.Recovery // Resend: only that the destination still holds what was acknowledged
	Count    bool              // fold the tail from Position on; else a calm scan is only a wait
	Position protocol.Position
	// NotBefore is when the grace of a calm scan may begin: until then a former owner may send. The zero time is at once.
	NotBefore time.Time
	flight    uint64
}

// Plan returns what has to be found out. ok is false when the partition does not want to join: it has, it is halted, or
// it must be started anew by its link first.
func (p *Pipeline) Plan() (plan JoinPlan, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active() || p.joined || p.ending != nil && p.ending.dest {
		return JoinPlan{}, false
	}
	if p.need == protocol.Restart {
		p.started = false
		if !p.keep() {
			p.window.drop()
		}
		p.link.restart(p)
		return JoinPlan{}, false
	}
	plan = JoinPlan{Need: p.need, Count: !p.uncounted, Position: p.position, flight: p.flight}
	if p.need == protocol.ScanCalm {
		plan.NotBefore = p.quietAt()
	}
	return plan, true
}

// Joined completes a plan: tail is what the scan found, nil when the plan asked for none; epoch is the destination
// partition's leader epoch under which all that was true. Afterwards the lane may take batches.
func (p *Pipeline) Joined(plan JoinPlan, tail *protocol.Tail, epoch int32) {
	p.mu.Lock()
	p.join(plan, tail, epoch)
	wake := p.makesRoom(time.Now())
	p.unlock()
	if wake {
		p.link.source.Wake(p)
	}
}

func (p *Pipeline) join(plan JoinPlan, tail *protocol.Tail, epoch int32) {
	if !p.active() || p.flight != plan.flight || p.joined || p.need != plan.Need {
		return
	}
	p.run = protocol.Scanned(p.run, plan.Need)
	p.strayed = p.strayed && plan.Need != protocol.ScanCalm
	p.destEpoch = epoch
	if tail != nil {
		p.apply(tail, epoch)
	}
	if p.window.n == 0 && p.skip == 0 && p.next >= p.sourceEnd {
		p.destTrouble = "" // there is nothing that an acknowledgement could clear it for
	}
	p.joined, p.everJoined, p.opening, p.need = true, true, true, protocol.Resend
	p.retryAt = time.Time{} // nobody looks again at a pause that the lane before was to end
}

// apply takes over what the destination's log says about us. What it holds beyond the position is passed over when the
// source delivers it again, by the very filter of the copy path.
func (p *Pipeline) apply(tail *protocol.Tail, epoch int32) {
	p.counters.Scans++
	p.scanned = p.position
	p.scanned.Sequence, p.scanned.DestEpoch = tail.Sequence(), epoch
	p.scanned.Dest = max(p.position.Dest, tail.Dest)
	p.skip = tail.Records
	if p.window.n > 0 { // kept
		p.skip = p.foundInWindow(p.skip)
		if p.skip > 0 {
			p.window.drop()
			p.next, p.nextEpoch = p.position.Source, p.position.SourceEpoch
		}
	}
	if p.window.n == 0 {
		p.sequence = tail.Sequence()
	}
	if tail.Dest != 0 {
		p.acked, p.ackedMax = true, tail.MaxTimestamp
	}
	if tail.Records > 0 {
		p.disorders = 0
	}
	if p.skip > 0 {
		return
	}
	p.position.Dest, p.position.DestEpoch = p.scanned.Dest, epoch
}

// TakePosition returns the position to be saved, and false when it is the one saved last and that is younger than every.
func (p *Pipeline) takePosition(now time.Time, every time.Duration) (protocol.Position, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.position == (protocol.Position{}) || p.unproven() || p.position == p.saved && now.Sub(p.savedAt) < every {
		return protocol.Position{}, false
	}
	return p.position, true
}

// unproven says that the position is a guess, which must not replace what stands in the group: the next start would take it
// for the truth.
func (p *Pipeline) unproven() bool {
	return p.cause == CausePositionLost || p.ending != nil && p.ending.cause == CausePositionLost
}

// savedPosition notes that at is in the source's group.
func (p *Pipeline) savedPosition(at protocol.Position, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saved, p.savedAt = at, now
}
