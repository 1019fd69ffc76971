package mirror

import (
	"fmt"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

// Patience of the writing side.
const (
	refusedPause   = 250 * time.Millisecond // before a refused window is sent again
	shedAfter      = time.Second            // a partition that cannot send for so long gives its memory back
	shedUncounted  = time.Minute            // the same where that costs a producer epoch, of which there are 32,767
	deniedPause    = 5 * time.Second        // before trying again without the right
	disorderLimit  = 6                      // OUT_OF_ORDER answers in a row, with scans that find nothing new
	calmAtDisorder = 3                      // from so many on the scan is a calm one
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
	step := protocol.Next(p.run, ages, w.sent)
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

// Verdict is what a produce lane does after an answer.
type Verdict uint8

// Verdicts.
const (
	GoOn    Verdict = iota // take from the partition again when there is something
	Pause                  // take again after RetryIn
	Hangup                 // close the connection; every partition on it gets Broken
	Leave                  // the partition is not this lane's any more: it joins again
	Nothing                // the answer was to a batch that nobody waits for
)

// Answer brings the broker's answer to the oldest unanswered batch of a flight: the error code and, when it is 0, the
// offset of the batch's first record.
func (p *Pipeline) Answer(flight uint64, code int16, base int64, now time.Time) Verdict {
	p.mu.Lock()
	v := p.answer(flight, code, base, now)
	wake := p.makesRoom(now)
	p.unlock()
	if wake {
		p.link.source.Wake(p)
	}
	return v
}

// makesRoom says, once, that a partition left out of the last fetch wants more.
func (p *Pipeline) makesRoom(now time.Time) bool {
	wake := p.leftOut && p.active() && p.joined && !p.held() && !p.full(now)
	p.leftOut = p.leftOut && !wake
	return wake
}

func (p *Pipeline) answer(flight uint64, code int16, base int64, now time.Time) Verdict {
	if p.flight != flight || !p.active() {
		return Nothing
	}
	answer := protocol.Judge(code)
	if p.refused {
		return p.answerBehindRefusal(answer, code)
	}
	switch answer {
	case protocol.Done:
		if base < p.position.Dest { // of a log that was cut, or made anew, and knows no producer
			p.destGone(base)
		}
		p.acknowledge(base, now)
		return GoOn
	case protocol.Refused:
		p.trouble(ClassOf(code), "destination refuses for now: "+p.link.codeName(code))
		p.refused, p.answering = true, p.window.sent-1
		return p.tryAgain()
	case protocol.Denied:
		p.deny(code, now)
		return Leave
	case protocol.Rejected:
		return p.reject(Refusal{Code: code})
	case protocol.Disorder:
		p.disorder(now)
		return Hangup
	case protocol.Fenced:
		p.detach(protocol.Restart)
		return Hangup
	}
	p.trouble(ClassOf(code), "destination answered "+p.link.codeName(code))
	return Hangup // Broken decides
}

// acknowledge moves the acknowledged prefix over the head of the window.
func (p *Pipeline) acknowledge(base int64, now time.Time) {
	b := p.window.pop()
	p.run = protocol.Acked(p.run)
	p.position.Source, p.position.SourceEpoch = b.next, b.sourceEpoch
	p.position.Sequence = batch.AddSequence(b.Sequence, b.Records)
	p.position.Dest = base + int64(b.Records)
	p.position.DestEpoch = p.destEpoch
	p.known = true
	p.acked, p.ackedMax, p.lastAck, p.disorders, p.destTrouble = true, b.max, now, 0, ""
	p.owedSince = now
	p.counters.RecordsAcked += int64(b.Records)
	p.counters.BytesAcked += int64(len(b.Bytes))
	if p.window.n == 0 {
		p.settled()
	}
}

// answerBehindRefusal takes the answers to the batches that were sent behind a refused one. They are refused too, or out
// of order because of it; anything else means that the log and we disagree.
func (p *Pipeline) answerBehindRefusal(a protocol.Answer, code int16) Verdict {
	if a != protocol.Refused && a != protocol.Disorder && a != protocol.Rejected {
		p.trouble(ClassOf(code), "destination answered "+p.link.codeName(code)+" behind a refused batch")
		return Hangup
	}
	p.answering--
	return p.tryAgain()
}

// tryAgain makes the refused window ready to be sent again, same batches in the same order, once all of it is answered.
func (p *Pipeline) tryAgain() Verdict {
	if p.answering > 0 {
		return GoOn
	}
	if p.refusal != nil {
		return p.narrowDown()
	}
	p.refused = false
	p.window.sent = 0
	p.flight++
	p.counters.Resends++
	p.retryAt = time.Now().Add(refusedPause)
	return Pause
}

// RetryIn is how long a paused partition waits before its next Take.
func (p *Pipeline) RetryIn(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.retryAt.Sub(now)
}

// deny waits for a right or a topic to come back: nothing was appended.
func (p *Pipeline) deny(code int16, now time.Time) {
	p.giveUp()
	p.retryAt = now.Add(max(deniedPause, p.patience()))
	p.trouble(ClassOf(code), fmt.Sprintf("%s: WRITE on topic %s at %s", p.link.codeName(code), p.dest.Topic, p.link.cfg.To))
}

// disorder answers OUT_OF_ORDER: the log is right about what comes next, unless it says so for ever.
func (p *Pipeline) disorder(now time.Time) {
	p.disorders++
	if p.disorders >= disorderLimit {
		p.halt(CauseSequenceHole, fmt.Sprintf("%s refuses sequence %d as out of order, and its log shows nothing beyond it", p.link.cfg.To, p.position.Sequence), nil)
		p.resume = p.position.Source
		return
	}
	kind, run := protocol.OutOfOrder(p.ages(now), p.uncounted)
	if kind == protocol.ScanFast && p.disorders >= calmAtDisorder {
		kind = protocol.ScanCalm
	}
	p.run = run
	p.detach(kind)
	p.restartAtPosition()
}

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
