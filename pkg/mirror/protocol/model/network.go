package model

import "cmp"

// orphan leaves the first keep unhandled requests of p's connection to the network. It reports false when the network
// would hold more than limit of them.
func (s *state) orphan(p *instance, keep, limit int) bool {
	free := 0
	for free < maxOrphans && s.Orphans[free].B != (batch{}) {
		free++
	}
	chained := false
	for i := range p.Win {
		if keep == 0 {
			return true
		}
		if p.Win[i].Res != inFlight {
			continue
		}
		if free >= limit {
			return false
		}
		s.Orphans[free] = orphan{p.Win[i].B, chained}
		chained = true
		free++
		keep--
	}
	return keep == 0
}

// dropOrphan removes orphan i; the next on its connection becomes the first.
func (s *state) dropOrphan(i int) {
	if i+1 < maxOrphans && s.Orphans[i+1].Chained && !s.Orphans[i].Chained {
		s.Orphans[i+1].Chained = false
	}
	copy(s.Orphans[i:], s.Orphans[i+1:])
	s.Orphans[maxOrphans-1] = orphan{}
}

// quietNet says that no request sent earlier is still under way, p's own window aside.
func (s *state) quietNet(p *instance) bool {
	if s.Orphans[0].B != (batch{}) {
		return false
	}
	for i := range s.In {
		if &s.In[i] != p && s.In[i].unhandled() > 0 {
			return false
		}
	}
	return true
}

// canon gives equal states one form: what no longer matters is cleared, orphaned connections are sorted and, with swap,
// the two instances.
func (s *state) canon(c *Config, swap bool) {
	if s.Shown >= s.Began {
		s.Began = 0
	}
	if int(s.Len-s.Floor) >= c.Cache {
		s.Floor = 0
	}
	if !c.ages() {
		for i := range s.In {
			s.In[i].Last, s.In[i].Run.Dirty = 0, false
		}
	}
	s.sortOrphans()
	if swap && !c.Solo && cmpInstance(&s.In[1], &s.In[0]) < 0 {
		s.In[0], s.In[1] = s.In[1], s.In[0]
		s.Owner = 1 - s.Owner
	}
}

// sortOrphans bubbles whole connections of one request.
func (s *state) sortOrphans() {
	o := &s.Orphans
	for range maxOrphans - 1 {
		for j := range maxOrphans - 1 {
			a, b := o[j], o[j+1]
			single := !a.Chained && !b.Chained && (j+2 >= maxOrphans || !o[j+2].Chained)
			if single && b.B != (batch{}) && cmpBatch(b.B, a.B) < 0 {
				o[j], o[j+1] = b, a
			}
		}
	}
}

func cmpBatch(a, b batch) int {
	return cmp.Or(cmp.Compare(a.Pid, b.Pid), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Recs, b.Recs))
}

func cmpPlace(a, b place) int {
	return cmp.Or(cmp.Compare(a.Pid, b.Pid), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Src, b.Src),
		cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Dest, b.Dest), cmp.Compare(a.Term, b.Term))
}

func cmpInstance(a, b *instance) int {
	order := cmp.Or(cmp.Compare(a.Phase, b.Phase), cmpPlace(a.At, b.At), cmp.Compare(a.Last, b.Last),
		cmp.Compare(a.flags(), b.flags()), cmp.Compare(a.Saved, b.Saved), cmpPlace(a.Save.At, b.Save.At))
	for i := range a.Win {
		if order != 0 {
			return order
		}
		x, y := &a.Win[i], &b.Win[i]
		order = cmp.Or(cmpBatch(x.B, y.B), cmp.Compare(x.Res, y.Res), cmp.Compare(x.At, y.At))
	}
	return order
}

// flags packs an instance's truths into one number, to be compared.
func (p *instance) flags() uint8 {
	var n uint8
	for _, f := range [...]bool{p.Run.Hot, p.Run.Dirty, p.Open, p.Idle, p.Checked, p.Save.Valid} {
		n <<= 1
		if f {
			n |= 1
		}
	}
	return n
}
