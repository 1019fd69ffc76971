package model

import "tributary/pkg/mirror/protocol"

// send puts the next batch on its way, of any allowed size: the two instances may cut differently. What is to be sent
// again goes first, as it was.
func (c *Config) send(s *state, i int, emit func(action, state)) {
	p := &s.In[i]
	if n := p.sent(); n < p.inWindow() {
		c.offer(s, i, n, p.Win[n].B, emit)
		return
	}
	src, seq := p.nextRecord()
	var prev recs
	for size := range c.MaxBatch {
		next := s.nextOf(c, src, size+1)
		if next == prev { // no more records
			return
		}
		prev = next
		c.offer(s, i, p.inWindow(), batch{p.At.Pid, p.At.Epoch, seq, next}, emit)
	}
}

// offer sends b as place n of the window if the rules let it.
func (c *Config) offer(s *state, i, n int, b batch, emit func(action, state)) {
	t := *s
	p := &t.In[i]
	again := n < p.inWindow()
	ages := s.agesOf(p, b.Recs)
	switch c.step(p.Run, ages, n, again) {
	case protocol.Wait:
	case protocol.Calm:
		if again && !c.counts() && !c.has(rereadCompacted) { // nothing tells what became of it: a new epoch
			c.stop(s, i, action{Op: opCalm, I: i}, emit)
			return
		}
		p.Win = [maxWindow]slot{}
		p.Phase, p.Open, p.Idle, p.Checked = scanCalm, false, false, false
		emit(action{Op: opCalm, I: i}, t)
	case protocol.Send:
		if c.mayProduce(&t, i, ages) {
			p.Win[n] = slot{B: b, Res: inFlight}
			emit(action{Op: opSend, I: i, B: b}, t)
		} else if again && !c.owns(s, i) {
			c.stop(s, i, action{Op: opLeave, I: i}, emit)
		}
	}
}

// checkLease is the first of two steps where checking and sending are not one.
func (c *Config) checkLease(s *state, i int, emit func(action, state)) {
	if c.Lease != checkThenSend || s.In[i].Checked || int(s.Owner) != i {
		return
	}
	t := *s
	t.In[i].Checked = true
	emit(action{Op: opCheck, I: i}, t)
}

// mayProduce applies the lease rule (L2) to a send of i.
func (c *Config) mayProduce(t *state, i int, a protocol.Ages) bool {
	p := &t.In[i]
	if c.needsLease(p, a) {
		if c.Lease == checkThenSend && !p.Checked || c.Lease == atomicLease && int(t.Owner) != i {
			return false
		}
		p.Idle, p.Checked = false, false
	}
	p.Open = c.Lease != noLease
	return true
}

// handle lets the broker take the oldest unhandled request of the live connection.
func (c *Config) handle(s *state, i int, emit func(action, state)) {
	for j := range s.In[i].Win {
		if s.In[i].Win[j].Res != inFlight {
			continue
		}
		t := *s
		w := &t.In[i].Win[j]
		w.Res, w.At = t.produce(w.B, c.Cache)
		c.settle(&t)
		emit(action{Op: opHandle, I: i, B: w.B, Res: w.Res, A: w.At}, t)
		if s.Left.Refusals > 0 {
			t := *s
			t.Left.Refusals--
			t.In[i].Win[j].Res = refused
			emit(action{Op: opHandle, I: i, B: w.B, Res: refused}, t)
		}
		return
	}
}
