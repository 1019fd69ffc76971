package model

import "tributary/pkg/mirror/protocol"

// scan reads the destination from p's destination offset to the high watermark and finds what is there already. A calm
// scan first waits until nothing of before can land (the grace) and until the watermark is at the log end (W).
func (c *Config) scan(s *state, i int, emit func(action, state)) {
	p := &s.In[i]
	if s.Shown < s.Began && !c.has(watermarkFromFetch) {
		return // OFFSET_NOT_AVAILABLE until the new leader's watermark has caught up (KIP-207)
	}
	calm := p.Phase == scanCalm
	if calm && (!c.has(noGrace) && !s.quietNet(p) || !c.has(noLogEnd) && s.HW < s.Len) {
		return
	}
	low := s.Shown
	if c.has(followerScan) {
		low = min(p.At.Dest, s.Shown)
	}
	for end := low; end <= s.Shown; end++ {
		t := *s
		q := &t.In[1-i]
		busy := q.Open && !q.Idle
		if calm && !c.has(noIdleGrace) { // so long a wait that the loser's connection is idle, or closed by the broker
			q.Idle = q.Open
			q.Checked = q.Checked && !q.Open && c.has(leaseBeforeDial)
		}
		c.resume(&t, i, end)
		act := action{Op: opScan, I: i, A: end, C: t.In[i].At.Src, Calm: calm}
		emit(act, t)
		if calm && busy && (q.nextToSend() == act.C || c.SlowLoser) { // it stayed busy, and stands before the same old record
			q.Idle = false
			emit(act, t)
		}
	}
}

// resume continues p's run after a scan up to end.
func (c *Config) resume(t *state, i int, end uint8) {
	p := &t.In[i]
	run := c.scanned(p)
	p.Phase, p.Run = running, run
	if !c.counts() {
		return // only the network had to calm down
	}
	if t.wasCut(p) && !c.has(noTruncationCheck) {
		*p = instance{Phase: halted, Save: p.Save}
		return
	}
	tail, last, err := c.readTail(t, p, end)
	if err != nil {
		*p = instance{Phase: halted, Save: p.Save}
		return
	}
	src := p.At.Src
	for range tail.Records { // walk the source, by the same filter as the copy path
		src = t.nextOf(c, src, 1).end()
	}
	if c.has(roundDown) {
		src &^= 1 // to the start of the source's batch of two
	}
	p.At.Src, p.At.Seq, p.At.Term = src, uint8(tail.Sequence()), t.Term
	p.At.Dest = max(p.At.Dest, uint8(tail.Dest))
	if last != 0 {
		p.Last = last
	}
	if c.has(newEpochOnPlain) && p.At.Epoch < c.MaxEpoch {
		p.At.Epoch, p.At.Seq = p.At.Epoch+1, 0
	}
}

// readTail folds the log between p's destination offset and end, and returns the last batch found.
func (c *Config) readTail(t *state, p *instance, end uint8) (tail *protocol.Tail, last recs, err error) {
	from := p.At.Dest
	if c.has(noScan) {
		from = end
	}
	tail = protocol.NewTail(p.At.position(), 0)
	for j := from; j < end; j++ {
		b := t.Log[j]
		h := protocol.Header{ProducerID: int64(b.Pid), ProducerEpoch: int16(b.Epoch), Sequence: int32(b.Seq),
			Records: int32(b.Recs.count()), Next: int64(j) + 1}
		if c.has(highestWins) && h.Sequence > tail.Sequence() {
			h.Records += h.Sequence - tail.Sequence()
			h.Sequence = tail.Sequence()
		}
		before := tail.Records
		if err := tail.Add(h); err != nil {
			return tail, last, err
		}
		if tail.Records > before {
			last = b.Recs
		}
	}
	return tail, last, nil
}

// wasCut says that acknowledged batches are gone: the leader epoch under which p learnt its destination offset ends
// below that offset (OffsetForLeaderEpoch), or the topic id is another.
func (s *state) wasCut(p *instance) bool { return p.At.Term < s.Term && p.At.Dest > s.Cut }
