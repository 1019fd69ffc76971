package batch

import "fmt"

// loan says how to read pending records that are a large batch's own, in the memory that they were decompressed to: a copy would
// double it. Their deltas are those of the source.
type loan struct {
	on    bool
	exact bool // their deltas are also those that a batch of all of them has
	base  int64
	epoch int32 // leader epoch of the batch
	clock clock
}

func (l loan) offsetOf(h head) int64 { return l.base + h.offsetDelta }

// addLarge is add for a batch for which the gate is held. What is wanted of it is always its end; when that is little, it is
// copied after all.
func (r *Recoder) addLarge(b Batch, records []byte, from int64, skip int) error {
	lent, err := lend(b, records, from, skip)
	switch {
	case err != nil:
		err = fmt.Errorf("read batch at offset %d: %w", b.BaseOffset(), err)
	case len(lent.records) <= keepBytes:
		return r.add(b, records, from, skip)
	case r.count > r.taken:
		err = ErrPending
	}
	if err != nil {
		r.unpacker.release()
		return err
	}
	r.clear()
	r.pending = lent
	return nil
}

// lend returns the records of b with offsets >= from, except the first skip of those, where they lie.
func lend(b Batch, records []byte, from int64, skip int) (pending, error) {
	p := pending{lent: loan{on: true, exact: true, base: b.BaseOffset(), epoch: b.LeaderEpoch(), clock: clockOf(b)}}
	count, last := int(b.Count()), int64(b.LastOffsetDelta())
	if count < 0 || count > len(records)/minRecordLen {
		return p, fmt.Errorf("%w: %d records in %d bytes", ErrRecord, count, len(records))
	}
	at, begin, previous := 0, 0, int64(-1)
	for range count {
		h, ok := readHead(records[at:])
		if !ok || h.offsetDelta <= previous || h.offsetDelta > last {
			return p, fmt.Errorf("%w: at byte %d of %d", ErrRecord, at, len(records))
		}
		previous, at = h.offsetDelta, at+h.size
		switch {
		case p.lent.offsetOf(h) < from:
			begin = at
		case skip > 0:
			begin, skip = at, skip-1
		default:
			timestampDelta := p.place(p.lent.clock.timeOf(h))
			p.lent.exact = p.lent.exact && timestampDelta == h.timestampDelta && h.offsetDelta == int64(p.count-1)
		}
	}
	if at != len(records) {
		return p, fmt.Errorf("%w: %d bytes after the last one", ErrRecord, len(records)-at)
	}
	p.records = records[begin:]
	return p, nil
}

// at returns the head of the pending record that begins there.
func (p *pending) at(start int) head {
	h, ok := readHead(p.records[start:])
	if !ok {
		panic("batch: a collected record is not readable")
	}
	return h
}

// next returns the head of the next record to take.
func (p *pending) next() head { return p.at(p.start) }

// timeOf returns the time of a pending record.
func (p *pending) timeOf(h head) int64 {
	if p.lent.on {
		return p.lent.clock.timeOf(h)
	}
	return p.base + h.timestampDelta
}
