package mirror

import (
	"fmt"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

const (
	refusedPause   = 250 * time.Millisecond // before a refused window is sent again
	deniedPause    = 5 * time.Second        // before trying again without the right
	disorderLimit  = 6                      // OUT_OF_ORDER answers in a row, with scans that find nothing new
	calmAtDisorder = 3                      // from so many on the scan is a calm one
)

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
		return p.deny(code)
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
	switch a {
	case protocol.Refused, protocol.Denied, protocol.Disorder, protocol.Rejected:
	default:
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
	switch {
	case p.refusal != nil && protocol.Judge(p.refusal.Code) == protocol.Denied:
		return p.withdraw()
	case p.refusal != nil:
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

// deny deals with a right or a topic that is missing: nothing was appended. What was sent behind it is answered first. Until
// then it is under way on an open connection, which no hand-over waits for: the partition must not count as drained.
func (p *Pipeline) deny(code int16) Verdict {
	p.trouble(ClassOf(code), fmt.Sprintf("%s: WRITE on topic %s at %s", p.link.codeName(code), p.dest.Topic, p.link.cfg.To))
	p.refused, p.answering, p.refusal = true, p.window.sent-1, &Refusal{Code: code}
	return p.tryAgain()
}

// withdraw waits for what was denied to come back. Nothing of the window is under way.
func (p *Pipeline) withdraw() Verdict {
	p.window.sent = 0
	pause := deniedPause
	if p.uncounted && !p.strayed { // nothing has these sequences: to take an epoch for each try would use them up in weeks
		p.detach(protocol.Resend)
		p.restartAtPosition()
	} else {
		p.giveUp()
		pause = max(pause, p.patience())
	}
	p.retryAt = time.Now().Add(pause)
	return Leave
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
