package model

import "tributary/pkg/mirror/protocol"

// resend sends the window again, in order, on a new connection.
func (c *Config) resend(s *state, i int, run protocol.Run, act action, emit func(action, state)) {
	begin := *s
	begin.In[i].Open, begin.In[i].Idle = false, false
	if !c.mayProduce(&begin, i, s.agesOf(&s.In[i], s.In[i].Win[0].B.Recs)) {
		if !c.owns(s, i) {
			c.stop(s, i, act, emit)
		}
		return
	}
	for keep := 0; keep <= s.In[i].unhandled(); keep++ {
		t := begin
		if !t.orphan(&t.In[i], keep, c.Orphans) {
			break
		}
		t.In[i].Run = run
		if keep > 0 {
			t.In[i].Run.Dirty = true
		}
		c.again(&t.In[i])
		act.C = uint8(keep)
		emit(act, t)
	}
}

// resendHere sends a refused window again on the connection it has, once every request on it has got its answer.
func (c *Config) resendHere(s *state, i int, act action, emit func(action, state)) {
	for _, w := range s.In[i].Win {
		if w.Res == inFlight || w.Res == appended || w.Res == lost {
			return
		}
	}
	t := *s
	if !c.mayProduce(&t, i, s.agesOf(&s.In[i], s.In[i].Win[0].B.Recs)) {
		return
	}
	c.again(&t.In[i])
	emit(act, t)
}

// again puts the window on its way: the same batches, the same cuts, the same order (R9).
func (c *Config) again(p *instance) {
	for j := range p.Win {
		if p.Win[j].Res != unused {
			p.Win[j] = slot{B: p.Win[j].B, Res: inFlight}
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
