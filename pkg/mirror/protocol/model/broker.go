package model

// produce applies the broker's rules for an idempotent batch, as measured on 2.8, 3.9 and 4.1, and returns the outcome
// and the batch's place in the log.
func (s *state) produce(b batch, cache int) (result, uint8) {
	last := s.lastOf(b.Pid)
	if last < 0 { // unknown producer: any epoch and sequence is accepted
		return s.append(b)
	}
	cur := s.Log[last]
	switch {
	case b.Epoch < cur.Epoch:
		return fenced, 0
	case b.Epoch > cur.Epoch && b.Seq != 0:
		return outOfOrder, 0
	case b.Epoch > cur.Epoch:
		return s.append(b)
	}
	if at := s.cached(b, last, cache); at >= 0 {
		return appended, uint8(at)
	}
	if b.Seq != cur.nextSeq() {
		return outOfOrder, 0
	}
	return s.append(b)
}

// cached returns where the dedup cache knows b's sequence range, or -1. Content is not compared.
func (s *state) cached(b batch, last, cache int) int {
	for i, left := last, cache; i >= int(max(s.Forgot, s.Floor)) && left > 0; i-- {
		l := s.Log[i]
		if l.Pid != b.Pid {
			continue
		}
		if l.Epoch != b.Epoch {
			break
		}
		if l.Seq == b.Seq && l.Recs.count() == b.Recs.count() {
			return i
		}
		left--
	}
	return -1
}

func (s *state) append(b batch) (result, uint8) {
	if s.Len == maxLog {
		return refused, 0
	}
	s.Log[s.Len] = b
	s.Len++
	return appended, s.Len - 1
}

// lastOf returns the index of pid's last batch that the broker remembers, or -1.
func (s *state) lastOf(pid uint8) int {
	for i := int(s.Len) - 1; i >= int(s.Forgot); i-- {
		if s.Log[i].Pid == pid {
			return i
		}
	}
	return -1
}

// loseAnswers makes every answer not yet given one that never comes (election, restart).
func (s *state) loseAnswers() {
	for i := range s.In {
		for j := range s.In[i].Win {
			if w := &s.In[i].Win[j]; w.Res == appended {
				w.Res, w.At = lost, 0
			}
		}
	}
}

func (s *state) truncate(end uint8) {
	for i := end; i < s.Len; i++ {
		s.Log[i] = batch{}
	}
	s.Len = end
	s.Forgot, s.Floor = min(s.Forgot, end), min(s.Floor, end)
}

// settle replicates at once when the model is of one replica.
func (c *Config) settle(s *state) {
	if !c.Replicated {
		s.HW, s.Shown = s.Len, s.Len
	}
}
