package model

// Lease says how ownership guards a send.
type Lease uint8

const (
	noLease       Lease = iota // static ownership: no lease; both instances believe that they own
	atomicLease                // nothing happens between the check and the send
	checkThenSend              // the process may be frozen between the two
)

// Config is one model: its bounds, its faults, and what a mutant breaks in the rules.
type Config struct {
	Name             string
	N                int // source records
	MaxBatch, Window int
	Cache            int // batches of a producer that the broker recognises
	Orphans          int // requests of closed connections under way at once
	WatermarkLag     uint8
	MaxEpoch         uint8
	Lease            Lease
	Old              recs
	Keys             [8]uint8
	Faults           Faults

	Replicated bool
	FirstStart bool // neither position nor identity exists yet
	Solo       bool // only one instance, with its own former runs as zombies
	Compacted  bool
	SaveAtOnce bool // saves reach the group at once
	Shed       bool // a plain partition may drop a window and scan in place of any resend
	Recreated  bool // what Faults.Losses takes away is the whole log
	HaltIsFine bool
	SlowLoser  bool // who lost the lease may stay busy through the new owner's long wait without catching up

	Broken defect
}

func (c *Config) has(d defect) bool { return c.Broken&d != 0 }

// ages says whether any record is or becomes old.
func (c *Config) ages() bool { return c.Old != 0 || c.Faults.Days > 0 }

// counts says whether the tail of the destination is counted to find the place in the source.
func (c *Config) counts() bool { return !c.Compacted || c.has(countCompacted) }

func (c *Config) initial() state {
	s := state{Old: c.Old, Left: c.Faults}
	if !c.FirstStart {
		s.Group.Valid, s.Store.Made = true, true
		s.Pids = 1
	}
	return s
}

// next emits every step that is possible in s.
func (c *Config) next(s *state, emit func(action, state)) {
	c.brokerSteps(s, emit)
	c.handover(s, emit)
	for i := range s.In {
		if !c.Solo || i == 0 {
			c.instanceSteps(s, i, emit)
		} else if s.In[i].Save.Valid { // of a former run
			c.saveArrives(s, i, emit)
		}
	}
}

// instanceSteps are what instance i may do next.
func (c *Config) instanceSteps(s *state, i int, emit func(action, state)) {
	p := &s.In[i]
	if p.Save.Valid {
		c.saveArrives(s, i, emit)
	}
	switch p.Phase {
	case down:
		c.start(s, i, emit)
		return
	case scanFast, scanCalm:
		c.scan(s, i, emit)
	case running:
		c.checkLease(s, i, emit)
		c.send(s, i, emit)
		c.save(s, i, emit)
	}
	if p.inWindow() > 0 {
		c.handle(s, i, emit)
		if p.Phase == running {
			c.answer(s, i, emit)
			if p.sent() > 0 {
				c.timeout(s, i, emit)
			}
			c.shed(s, i, emit)
		}
	}
	if s.Left.Crashes > 0 {
		t := *s
		t.Left.Crashes--
		c.stop(&t, i, action{Op: opCrash, I: i}, emit)
	}
}

// owns says whether i may act as the owner at this instant.
func (c *Config) owns(s *state, i int) bool { return c.Lease == noLease || int(s.Owner) == i }
