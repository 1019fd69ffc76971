package model

import "tributary/pkg/mirror/protocol"

// This file is where the instances ask package protocol, and where a mutant distorts the question or the answer.

// agesOf describes p's window and next, the batch to be sent; next is empty after doubt.
func (s *state) agesOf(p *instance, next recs) protocol.Ages {
	a := protocol.Ages{LastAcked: s.isOld(p.Last), Batch: s.isOld(next), First: s.isOld(next.first())}
	for j := range p.sent() {
		a.InFlight = a.InFlight || s.isOld(p.Win[j].B.Recs)
	}
	return a
}

// step asks whether a batch of these ages may be sent, perhaps again, with n in flight.
func (c *Config) step(r protocol.Run, a protocol.Ages, n int, again bool) protocol.Step {
	if c.has(blindResend) && again {
		r.Dirty = false
	}
	if c.has(noSlowStart) {
		r.Hot = true
	}
	if c.has(noCalm) {
		r.Dirty = false
	}
	if c.has(ageByBatch) {
		a.First = false
	}
	if c.has(windowThoughOld) && r.Hot && !r.Dirty && n < c.Window {
		n = 0
	}
	if n >= c.Window { // the model's window stands for the broker's
		n = protocol.Window
	}
	return protocol.Next(r, a, n)
}

// needsLease asks whether p's send must prove ownership.
func (c *Config) needsLease(p *instance, a protocol.Ages) bool {
	r, opening, idle := p.Run, !p.Open, p.Idle
	if c.has(leaseIgnoresOpening) {
		opening = false
	}
	if c.has(leaseIgnoresIdle) {
		idle = false
	}
	if c.has(leaseIgnoresAge) {
		a = protocol.Ages{}
	}
	if c.has(leaseIgnoresCold) {
		r.Hot = true
	}
	return c.Lease != noLease && !c.has(leaseIgnored) && protocol.NeedsLease(r, a, opening, idle)
}

// doubt asks what follows an outcome that nobody can know.
func (c *Config) doubt(s *state, p *instance) (protocol.Recovery, protocol.Run) {
	r, a := p.Run, s.agesOf(p, 0)
	if c.has(blindResend) {
		r.Hot, a = true, protocol.Ages{}
	}
	if c.has(resendCold) {
		r.Hot = true
	}
	if c.has(resendOld) {
		a = protocol.Ages{}
	}
	how, run := protocol.Unknown(r, a, !c.counts())
	return c.weaken(how, run, p)
}

// disorder asks what follows OUT_OF_ORDER_SEQUENCE_NUMBER.
func (c *Config) disorder(s *state, p *instance) (protocol.Recovery, protocol.Run) {
	how, run := protocol.OutOfOrder(s.agesOf(p, 0), !c.counts())
	return c.weaken(how, run, p)
}

func (c *Config) weaken(how protocol.Recovery, run protocol.Run, p *instance) (protocol.Recovery, protocol.Run) {
	if c.has(staysHot) {
		run.Hot = p.Run.Hot
	}
	if c.has(startsClean) {
		run.Dirty = false
	}
	if c.has(neverCalmScan) && how == protocol.ScanCalm {
		how = protocol.ScanFast
	}
	return how, run
}

// begun is the state in which a run starts.
func (c *Config) begun() protocol.Run {
	r := protocol.Start()
	if c.has(startsClean) {
		r.Dirty = false
	}
	return r
}

// scanned asks what a completed scan proves.
func (c *Config) scanned(p *instance) protocol.Run {
	kind := protocol.ScanFast
	if p.Phase == scanCalm || c.has(fastScanCleans) {
		kind = protocol.ScanCalm
	}
	return protocol.Scanned(p.Run, kind)
}

// codes are the Kafka error codes of the model's results.
var codes = map[result]int16{appended: 0, outOfOrder: 45, refused: 19, fenced: 47, lost: 6}

// judge asks what the broker's answer means.
func (c *Config) judge(r result) protocol.Answer {
	switch answer := protocol.Judge(codes[r]); {
	case answer == protocol.Uncertain && c.has(notLeaderIsRefusal):
		return protocol.Refused
	case answer == protocol.Disorder && c.has(disorderIsAck):
		return protocol.Done
	case answer == protocol.Disorder && c.has(disorderIsRefusal):
		return protocol.Refused
	default:
		return answer
	}
}

// phaseOf is the phase in which a recovery other than a resend continues.
func phaseOf(how protocol.Recovery) phase {
	switch how {
	case protocol.ScanFast:
		return scanFast
	case protocol.ScanCalm:
		return scanCalm
	default:
		return down
	}
}
