package mirror

import (
	"errors"
	"fmt"

	"tributary/pkg/batch"
)

// mergeable says whether b is small enough to be worth merging with its neighbours. Uncompressed that costs less than to
// forward it. To unpack and pack again costs more, and is done where the destination is behind: it takes few batches at a time
// from a partition, of old records one, and over a long way a backlog of small ones would never come to an end.
func (in *Intake) mergeable(b batch.Batch) bool {
	return len(b) < min(mergeBelowBytes, in.p.wanted().MaxBytes/2) && (b.Codec() == batch.None || in.late)
}

// keep holds a small batch back until its neighbour comes: two are merged, a lone one is forwarded as it is.
func (in *Intake) keep(b batch.Batch, hold *Buffer) {
	if records, _ := in.recoder.Pending(); records > 0 {
		in.merge(b, hold)
		return
	}
	if in.kept == nil {
		in.kept, in.keptIn = b, hold
		in.p.next, in.p.nextEpoch = b.NextOffset(), b.LeaderEpoch()
		return
	}
	first := in.kept
	in.kept = nil
	in.p.next = first.BaseOffset()
	if in.merge(first, in.keptIn); in.reading() {
		in.keep(b, hold)
	}
}

// merge takes b into the recoder. What cannot be taken apart is forwarded as it is, as it would be without neighbours: that
// costs a batch, and no reader of the source is better off with a partition that stands still.
func (in *Intake) merge(b batch.Batch, hold *Buffer) {
	if err := in.unpack(b, in.codecFor(b.Codec())); err != nil && in.flush() {
		in.forward(b, hold)
	}
}

// rewrite takes the wanted records of b into the recoder, and writes a batch when enough have come together.
func (in *Intake) rewrite(b batch.Batch, codec batch.Codec) {
	if err := in.unpack(b, codec); err != nil && in.flush() {
		in.unreadable(b, err)
	}
}

// unpack is rewrite, but for a batch that cannot be taken apart: of that it returns why, and takes nothing.
func (in *Intake) unpack(b batch.Batch, codec batch.Codec) error {
	p := in.p
	if (in.kept != nil || codec != in.codec || p.skip > 0) && !in.flush() || !in.reading() {
		return nil
	}
	in.codec = codec
	if err := in.collect(b); err != nil {
		return err
	}
	_, size := in.recoder.Pending()
	passed := p.skip > 0
	p.skip = 0 // the position stays where it is until the rest of the batch is acknowledged
	p.next, p.nextEpoch = b.NextOffset(), b.LeaderEpoch()
	if p.narrow.on {
		in.takeCuts()
		return nil
	}
	if passed || size >= p.link.mergeTarget() || codec != batch.None && !p.link.recompress && !in.late {
		in.take()
	}
	return nil
}

// collect takes the wanted records of b into the recoder. A large batch stands alone there: it takes turns with those of all
// other lanes, and is written before rewrite returns.
func (in *Intake) collect(b batch.Batch) error {
	err := in.recoder.Add(b, in.p.next, int(in.p.skip))
	if errors.Is(err, batch.ErrPending) && in.flush() {
		err = in.recoder.Add(b, in.p.next, int(in.p.skip))
	}
	return err
}

// codecFor is the codec that records are written with which the source has in the given one.
func (in *Intake) codecFor(source batch.Codec) batch.Codec {
	if in.p.link.recompress {
		return in.p.link.codec
	}
	return source
}

// reading says whether the rest of the response is still wanted: what was taken in may have halted the partition, or stand
// before something that cannot be copied.
func (in *Intake) reading() bool {
	return in.p.active() && in.p.ending == nil && in.p.generation == in.gen
}

// flush queues what was held back, and says whether the rest of the response is still wanted.
func (in *Intake) flush() bool {
	if b := in.kept; b != nil {
		in.kept = nil
		in.p.next = b.BaseOffset()
		in.forward(b, in.keptIn)
	}
	if records, _ := in.recoder.Pending(); records > 0 && in.reading() {
		in.take()
	}
	return in.reading()
}

// take writes everything that the recoder holds as batches no larger than the destination accepts.
func (in *Intake) take() {
	next, epoch := in.p.next, in.p.nextEpoch
	for {
		records, size := in.recoder.Pending()
		if records == 0 {
			in.p.next, in.p.nextEpoch = next, epoch // offsets that were empty behind the last record are read, too
			return
		}
		if _, ok := in.write(records, size); !ok {
			return
		}
	}
}

// write queues one batch of at most n of the records that the recoder holds, size bytes in all. When it cannot, the
// partition stops there.
func (in *Intake) write(n, size int) (batch.Recoded, bool) {
	p := in.p
	buf := in.room(min(size, p.wanted().MaxBytes) + batch.HeaderLen + 1024)
	r, out, err := in.recoder.TakeUpTo(n, buf.Bytes[in.filled:in.filled], in.codec, p.wanted().MaxBytes)
	if large, ok := errors.AsType[*batch.RecordTooLargeError](err); ok {
		in.oversize(large)
		return r, false
	}
	if err != nil {
		in.recoder.Reset()
		p.spoil(&culprit{cause: CauseBadRecord, why: fmt.Sprintf("rewrite before source offset %d: %v", p.next, err), from: p.next, to: p.next})
		return r, false
	}
	in.filled += len(out)
	p.counters.BatchesRecoded++
	r.Batch.Seal(p.producer(), p.sequence)
	p.push(Sealed{Bytes: r.Batch, Sequence: p.sequence, Records: r.Batch.Count(), from: r.First, end: r.Next, next: r.Next, sourceEpoch: r.LeaderEpoch,
		first: r.FirstTimestamp, max: r.MaxTimestamp, read: in.read, hold: buf})
	return r, true
}

// room returns the output buffer with at least n bytes left in it.
func (in *Intake) room(n int) *Buffer {
	if in.out != nil && len(in.out.Bytes)-in.filled < n {
		in.out.Release()
		in.out = nil
	}
	if in.out == nil {
		n = max(n, min(recodeBytes, in.response))
		in.out, in.filled = in.budget.overdraw(int64(n)), 0
		in.out.Grow(n)
	}
	return in.out
}
