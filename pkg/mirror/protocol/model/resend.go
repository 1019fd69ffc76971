package model

import "tributary/pkg/mirror/protocol"

// resend closes the connection and makes the window ready to be sent again.
func (c *Config) resend(s *state, i int, run protocol.Run, act action, emit func(action, state)) {
	for keep := 0; keep <= s.In[i].unhandled(); keep++ {
		t := *s
		p := &t.In[i]
		if !t.orphan(p, keep, c.Orphans) {
			break
		}
		p.Run, p.Open, p.Idle, p.Checked = run, false, false, false
		if keep > 0 {
			p.Run.Dirty = true
		}
		c.again(p)
		act.C = uint8(keep)
		emit(act, t)
	}
}

// resendHere makes a refused window ready to be sent again on the connection it has, once every request on it has got
// its answer.
func (c *Config) resendHere(s *state, i int, act action, emit func(action, state)) {
	for _, w := range s.In[i].Win {
		if w.Res == inFlight || w.Res == appended || w.Res == lost {
			return
		}
	}
	t := *s
	c.again(&t.In[i])
	emit(act, t)
}

// again makes the window wait to be sent: the same batches, the same cuts, the same order (R9).
func (c *Config) again(p *instance) {
	for j := range p.Win {
		if p.Win[j].Res != unused {
			p.Win[j] = slot{B: p.Win[j].B, Res: queued}
		}
	}
	if b := &p.Win[0].B; c.has(otherContent) && b.Recs.count() == 1 && b.Recs.end() < uint8(c.N) {
		b.Recs <<= 1 // a resend of one record carries the next one
	}
	if c.has(otherCut) && p.Win[1].Res != unused {
		p.Win[0].B.Recs |= p.Win[1].B.Recs
		p.Win[1] = slot{}
	}
}
