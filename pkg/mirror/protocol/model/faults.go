package model

// brokerSteps are what may happen without either instance: replication, late requests, elections, restarts, expiry.
func (c *Config) brokerSteps(s *state, emit func(action, state)) {
	if s.HW < s.Len || s.Shown < s.HW {
		t := *s
		if t.Shown < t.HW {
			t.Shown++
		} else {
			t.HW++
			t.Shown = t.HW
		}
		emit(action{Op: opReplicate, A: t.Shown}, t)
	}
	c.late(s, emit)
	c.elect(s, emit)
	c.lose(s, emit)
	if s.Left.Restarts > 0 && s.Len > 0 {
		t := *s
		t.Left.Restarts--
		t.Floor = t.Len - 1
		t.loseAnswers()
		emit(action{Op: opRestart}, t)
	}
	if last := s.lastOf(0); last >= 0 && s.isOld(s.Log[last].Recs) {
		t := *s
		t.Forgot = t.Len
		emit(action{Op: opForget}, t)
	}
	if s.Left.Days > 0 && s.quietNet(nil) { // no request lives for a day
		t := *s
		t.Left.Days--
		t.Old = below(uint8(c.N))
		emit(action{Op: opDay}, t)
	}
	c.clean(s, emit)
}

// late lets a request of a closed connection land.
func (c *Config) late(s *state, emit func(action, state)) {
	for i, o := range s.Orphans {
		if o.B == (batch{}) || o.Chained {
			continue
		}
		t := *s
		t.dropOrphan(i)
		res, at := t.produce(o.B, c.Cache)
		c.settle(&t)
		emit(action{Op: opLate, B: o.B, Res: res, A: at}, t)
	}
}

// elect makes a leader whose log may lack any tail above the watermark and whose own watermark may lag.
func (c *Config) elect(s *state, emit func(action, state)) {
	if s.Left.Elections == 0 {
		return
	}
	for end := s.HW; end <= s.Len; end++ {
		for lag := range min(c.WatermarkLag, s.HW) + 1 {
			t := *s
			t.Left.Elections--
			t.truncate(end)
			t.Began, t.Shown = end, t.HW-lag
			t.loseAnswers()
			emit(action{Op: opElect, A: s.Len - end, C: lag}, t)
		}
	}
}

// lose takes away what every protocol relies on: acknowledged batches, or the identity.
func (c *Config) lose(s *state, emit func(action, state)) {
	if s.Left.StoreLosses > 0 && s.Store.Made {
		t := *s
		t.Left.StoreLosses--
		t.Store = store{}
		emit(action{Op: opStoreLost}, t)
	}
	if s.Left.Losses == 0 || s.HW == 0 || max(s.In[0].At.Src, s.In[1].At.Src) == uint8(c.N) {
		return
	}
	t := *s
	t.Left.Losses--
	if c.Recreated {
		t.truncate(0)
	} else {
		t.truncate(s.HW - 1)
	}
	t.HW, t.Shown, t.Began = t.Len, t.Len, t.Len
	t.Term, t.Cut = t.Term+1, t.Len
	t.loseAnswers()
	emit(action{Op: opUnclean}, t)
}

// clean removes from the source one record that a later one of the same key supersedes.
func (c *Config) clean(s *state, emit func(action, state)) {
	if s.Left.Cleanings == 0 {
		return
	}
	for i := range c.N {
		if s.Removed>>i&1 == 1 || !c.superseded(i) {
			continue
		}
		t := *s
		t.Left.Cleanings--
		t.Removed |= 1 << i
		emit(action{Op: opClean, B: batch{Recs: 1 << i}}, t)
	}
}

func (c *Config) superseded(i int) bool {
	for j := i + 1; j < c.N; j++ {
		if c.Keys[i] == c.Keys[j] {
			return true
		}
	}
	return false
}

// handover moves the lease; the new owner begins a new run, the old one is not told.
func (c *Config) handover(s *state, emit func(action, state)) {
	if s.Left.Handovers == 0 {
		return
	}
	t := *s
	t.Left.Handovers--
	t.Owner = 1 - t.Owner
	c.stop(&t, int(t.Owner), action{Op: opHandover, I: int(t.Owner)}, emit)
}
