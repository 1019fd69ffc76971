package model

import "tributary/pkg/mirror/protocol"

// answer delivers the broker's answer to the head of the window.
func (c *Config) answer(s *state, i int, emit func(action, state)) {
	p := &s.In[i]
	head := p.Win[0]
	if head.Res <= inFlight || head.Res == appended && head.At >= s.HW {
		return
	}
	act := action{Op: opAnswer, I: i, B: head.B, Res: head.Res, A: head.At}
	switch c.judge(head.Res) {
	case protocol.Done:
		t := *s
		c.ack(&t, &t.In[i], head)
		emit(act, t)
	case protocol.Refused:
		t := *s
		if c.has(hotByError) {
			t.In[i].Run = protocol.Acked(t.In[i].Run)
		}
		c.resend(&t, i, t.In[i].Run, act, emit)
		c.resendHere(&t, i, act, emit)
	case protocol.Disorder:
		how, run := c.disorder(s, p)
		c.recover(s, i, how, run, act, emit)
	case protocol.Fenced:
		c.stop(s, i, act, emit)
	case protocol.Uncertain:
		how, run := c.doubt(s, p)
		c.recover(s, i, how, run, act, emit)
	}
}

// ack counts the head of the window, unless the destination was cut since the last one (T).
func (c *Config) ack(t *state, p *instance, head slot) {
	if t.wasCut(p) && !c.has(noTruncationCheck) {
		*p = instance{Phase: halted, Save: p.Save}
		return
	}
	dest := head.At + 1
	if c.has(destIsWatermark) || head.Res != appended {
		dest = t.HW
	}
	copy(p.Win[:], p.Win[1:])
	p.Win[maxWindow-1] = slot{}
	p.At.Src, p.At.Seq, p.Last = head.B.Recs.end(), head.B.nextSeq(), head.B.Recs
	p.At.Dest = max(p.At.Dest, dest)
	p.At.Term = t.Term
	p.Run = protocol.Acked(p.Run)
}

// timeout is an unknown outcome of the whole window.
func (c *Config) timeout(s *state, i int, emit func(action, state)) {
	how, run := c.doubt(s, &s.In[i])
	act := action{Op: opTimeout, I: i}
	if c.has(keepConnection) && (how == protocol.ScanFast || how == protocol.ScanCalm) {
		act.Op = opDoubt // nothing ends the open request's life, so no grace can outlast it
		run.Dirty, how = false, protocol.ScanFast
	}
	c.recover(s, i, how, run, act, emit)
}

// recover goes on after doubt or disorder, on a new connection.
func (c *Config) recover(s *state, i int, how protocol.Recovery, run protocol.Run, act action, emit func(action, state)) {
	switch how {
	case protocol.Resend:
		c.resend(s, i, run, act, emit)
	case protocol.Restart:
		c.stop(s, i, act, emit)
	default:
		c.abandon(s, i, phaseOf(how), run, act, emit)
	}
}

// shed drops a plain partition's window at any time, under memory pressure or when a refusal lasts.
func (c *Config) shed(s *state, i int, emit func(action, state)) {
	if c.Shed && c.counts() {
		c.abandon(s, i, scanFast, c.begun(), action{Op: opShed, I: i}, emit)
	}
}

// stop ends the run; the next one starts from the store and the group.
func (c *Config) stop(s *state, i int, act action, emit func(action, state)) {
	c.abandon(s, i, down, protocol.Run{}, act, emit)
}

// abandon closes the connection and empties the window; requests not handled may still arrive.
func (c *Config) abandon(s *state, i int, to phase, run protocol.Run, act action, emit func(action, state)) {
	for keep := 0; keep <= s.In[i].unhandled(); keep++ {
		t := *s
		if !t.orphan(&t.In[i], keep, c.Orphans) {
			break
		}
		p := &t.In[i]
		if to == down {
			*p = instance{Save: p.Save}
			if c.Solo && p.Save.Valid { // the dead run's save may land in the time of the next
				t.In[1].Save, p.Save = p.Save, saved{}
			}
		} else {
			p.Win = [maxWindow]slot{}
			p.Phase, p.Run, p.Open, p.Idle, p.Checked = to, run, false, false, false
		}
		act.C = uint8(keep)
		emit(act, t)
	}
}
