package model

import "fmt"

// check returns what is wrong with s, or "".
func (c *Config) check(s *state) string {
	if c.Faults.Losses > 0 {
		return c.checkNoticed(s)
	}
	there, wrong := c.checkLog(s)
	if wrong != "" {
		return wrong
	}
	for i := range s.In {
		p := &s.In[i]
		if p.Phase == halted && !c.HaltIsFine {
			return "HALT for a hole or truncation that an operator must judge"
		}
		if missing := below(p.At.Src) &^ there &^ s.Removed; missing != 0 {
			return fmt.Sprintf("LOSS: an instance passed over %s", missing)
		}
	}
	if missing := below(s.Group.At.Src) &^ there &^ s.Removed; s.Group.Valid && missing != 0 {
		return fmt.Sprintf("LOSS: the committed position passed over %s", missing)
	}
	if c.Compacted && c.quiet(s) {
		return c.checkFinal(s)
	}
	return ""
}

// checkLog wants a plain destination to be a prefix of the source below the watermark, and says what is there.
func (c *Config) checkLog(s *state) (there recs, wrong string) {
	for i := range s.HW {
		r := s.Log[i].Recs
		if !c.Compacted {
			switch want := below(there.end()+r.count()) &^ there; {
			case r&there != 0:
				return there, fmt.Sprintf("DUPLICATE: %s is twice in the destination", r&there)
			case r != want:
				return there, fmt.Sprintf("LOSS OR DISORDER: %s where %s belongs", r, want)
			}
		}
		there |= r
	}
	return there, ""
}

// checkNoticed is for faults that no protocol survives: the loss must not go unnoticed.
func (c *Config) checkNoticed(s *state) string {
	var there recs
	for i := range s.HW {
		there |= s.Log[i].Recs
	}
	for i := range s.In {
		if p := &s.In[i]; p.Phase == running && p.At.Src == uint8(c.N) && there.count() != uint8(c.N) && s.Left.Losses == 0 {
			return "SILENT LOSS: an instance is through and the destination lacks records"
		}
	}
	return ""
}

// checkFinal wants the last value of each key to be the source's.
func (c *Config) checkFinal(s *state) string {
	var final, last [8]uint8
	for i := range c.N {
		final[c.Keys[i]] = uint8(i + 1)
	}
	for i := range s.Len {
		for j := range c.N {
			if s.Log[i].Recs>>j&1 == 1 {
				last[c.Keys[j]] = uint8(j + 1)
			}
		}
	}
	if final != last {
		return "WRONG FINAL VALUE of a key though the owner is through"
	}
	return ""
}

// quiet says that the instance that owns, or that started last, is through. Whatever a zombie or a late request does
// then must not spoil the result.
func (c *Config) quiet(s *state) bool { return s.through(c, &s.In[s.Owner]) }

// through says that p has nothing left to copy and knows it.
func (s *state) through(c *Config, p *instance) bool {
	return p.Phase == running && p.inWindow() == 0 && s.nextOf(c, p.At.Src, 1) == 0
}

// goal says that the copy is complete, or that the bounds of the model forbid to complete it.
func (c *Config) goal(s *state) bool {
	if c.HaltIsFine && (s.In[0].Phase == halted || s.In[1].Phase == halted) {
		return true
	}
	if c.Compacted {
		return c.quiet(s) || s.Len == maxLog || s.Store.Epoch+1 >= c.MaxEpoch
	}
	return s.through(c, &s.In[0]) || s.through(c, &s.In[1])
}
