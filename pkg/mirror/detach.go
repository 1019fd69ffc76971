package mirror

import (
	"time"

	"tributary/pkg/mirror/protocol"
)

const (
	shedAfter     = time.Second // a partition that cannot send for so long gives its memory back
	shedUncounted = time.Minute // the same where that costs a producer epoch, of which there are 32,767
)

// Broken tells that the connection which carried a flight is closed, so that the outcome of what was in flight is unknown.
func (p *Pipeline) Broken(now time.Time) {
	p.mu.Lock()
	defer p.unlock()
	if !p.active() || !p.joined {
		return
	}
	if p.window.sent == 0 {
		p.detach(protocol.Resend)
		return
	}
	kind, run := protocol.Unknown(p.run, p.ages(now), p.uncounted)
	p.run = run
	p.detach(kind)
	if kind == protocol.Resend {
		p.counters.Resends++
		return
	}
	p.restartAtPosition()
}

// detach takes the partition from its produce lane until it joins one again by way of kind.
func (p *Pipeline) detach(kind protocol.Recovery) {
	if p.joined {
		p.blockedSince = time.Now()
	}
	p.joined = false
	p.need = max(kind, p.need) // a stronger need stays until it is met
	p.flight++
	p.strayed = p.strayed || p.window.sent > 0
	p.window.sent, p.refused, p.answering, p.refusal = 0, false, 0, nil
}

// restartAtPosition empties the window and reads on from the acknowledged prefix.
func (p *Pipeline) restartAtPosition() {
	if !p.keep() {
		p.rewind(p.position)
	}
}

// shed gives the memory of a partition back that has not been able to send for a while; it reads again from the
// acknowledged prefix later, and has to join a lane again. Partitions that can send are left alone.
func (p *Pipeline) shed(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	blocked := !p.joined || p.destTrouble != ""
	if !p.active() || p.window.n == 0 || !blocked || now.Sub(p.blockedSince) < p.patience() || p.window.at(0).hold.kept {
		return false
	}
	if p.window.sent > 0 {
		return false // answers are still to come; the connection's deadline bounds the wait
	}
	p.giveUp()
	return true
}

// patience is how long a partition keeps its window before it gives up.
func (p *Pipeline) patience() time.Duration {
	if p.uncounted {
		return shedUncounted
	}
	return shedAfter
}

// giveUp drops the window, whatever of it was sent, to find out later what became of it.
func (p *Pipeline) giveUp() {
	kind := protocol.ScanFast
	if p.uncounted {
		kind = protocol.Restart
	}
	p.run = protocol.Start()
	p.detach(kind)
	p.restartAtPosition()
}
