package mirror

import "tributary/pkg/batch"

// keep holds on to the window of an ending partition where it would be read again otherwise: the source may not have it any
// more. It is copied, since a connection may still be writing from where it lies, and since the buffers there hold what is
// of others. Kept windows take at most a quarter of the budget, beside it for the moment; beyond that the records count as
// lost.
func (p *Pipeline) keep() bool {
	w := &p.window
	if p.ending == nil || p.ending.dest || w.n == 0 {
		return false
	}
	if w.at(0).hold.kept {
		return true
	}
	buf := w.at(0).hold.budget.keep(int64(w.bytes))
	if buf == nil {
		return false
	}
	at := 0
	for i := range w.n {
		s := w.at(i)
		end := at + copy(buf.Bytes[at:], s.Bytes)
		s.hold.Release()
		s.Bytes, s.hold = batch.Batch(buf.Bytes[at:end:end]), buf
		buf.Retain()
		at = end
	}
	buf.Release()
	return true
}

// reseal makes a kept window that of another producer, or of another epoch, which begins at the acknowledged prefix.
func (p *Pipeline) reseal() {
	p.sequence = p.position.Sequence
	for i := range p.window.n {
		s := p.window.at(i)
		s.Bytes.Seal(p.producer(), p.sequence)
		s.Sequence = p.sequence
		p.sequence = batch.AddSequence(p.sequence, s.Records)
	}
}

// foundInWindow takes n records off the head of a kept window that the destination was found to have, and returns how many
// of them are in the middle of a batch: of other cuts, sent before.
func (p *Pipeline) foundInWindow(n int64) int64 {
	for n > 0 && p.window.n > 0 && int64(p.window.at(0).Records) <= n {
		p.window.sent++ // as pop wants it
		s := p.window.pop()
		n -= int64(s.Records)
		p.position.Source, p.position.SourceEpoch = s.next, s.sourceEpoch
		p.position.Sequence = batch.AddSequence(s.Sequence, s.Records)
	}
	return n
}
