package mirror

import (
	"fmt"
	"time"

	"tributary/pkg/mirror/protocol"
)

const (
	// unknownIdleClose is for how long a silent owner's connections are taken to stay open where the destination does not tell
	// its connections.max.idle.ms, or closes none: Kafka's default.
	unknownIdleClose = 10 * time.Minute
	// quietMargin is beyond what a request that was received may still take.
	quietMargin = 10 * time.Second
	// rebuiltMargin is by how much the clocks of two members may differ.
	rebuiltMargin = time.Hour
)

// quietAt is from when on a former owner sends nothing any more; what it sent before dies in the grace of a calm scan. It is
// the zero time where that is so from the beginning. It is called under mu.
func (p *Pipeline) quietAt() time.Time {
	since, wait := p.tenant.Since, p.tenant.Wait
	switch p.before {
	case PredecessorDead:
		return since.Add(wait)
	case PredecessorUnknown:
		return since.Add(max(wait, p.idleClose()))
	}
	return time.Time{}
}

// idleClose is for how long a connection to the destination is taken to stay open on which nothing moves. It is called under mu.
func (p *Pipeline) idleClose() time.Duration {
	if p.limits.IdleClose <= 0 {
		return unknownIdleClose
	}
	return p.limits.IdleClose
}

// forgotten says that the pool forgot who was there before, so lately that they may still hold open connections: an identity
// was rebuilt. Owners since then know of each other alone, and by their own clocks.
func (tn *tenant) forgotten(id protocol.Identity, idleClose time.Duration) bool {
	return id.Rebuilt != 0 && !tn.Since.IsZero() && tn.Since.Sub(time.UnixMilli(id.Rebuilt)) < idleClose+rebuiltMargin
}

// unquiet tells people why old records wait, and until when.
func (p *Pipeline) unquiet() string {
	to := p.link.cfg.To
	why := "the former owner fell silent and may still hold open connections to " + to
	if p.before == PredecessorDead {
		why = "the former owner's process is gone, and what it sent to " + to + " last may still arrive"
	}
	return fmt.Sprintf("old records wait until %s: %s", p.quietAt().UTC().Format(time.RFC3339), why)
}

// waitsForQuiet says that p has old records to send and waits until a former owner can send nothing more.
func (p *Pipeline) waitsForQuiet(now time.Time) bool {
	return p.active() && !p.joined && p.need == protocol.ScanCalm && now.Before(p.quietAt())
}

// calm says, once for each tenant, that nothing of any former owner can arrive any more.
func (t *topic) calm(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tn := range t.tenants {
		if tn.settled || tn.released || len(tn.list) == 0 {
			continue
		}
		var quiet time.Time
		for _, p := range tn.list {
			p.mu.Lock()
			if at := p.quietAt(); at.After(quiet) {
				quiet = at
			}
			p.mu.Unlock()
		}
		if now.After(quiet.Add(quietMargin)) {
			tn.settled = true
			t.link.own.Settle(tn.Tenure)
		}
	}
}
