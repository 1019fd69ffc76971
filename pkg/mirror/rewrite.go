package mirror

import (
	"errors"
	"fmt"

	"tributary/pkg/batch"
)

// mergeable says whether b is small enough to be worth merging with its neighbours: uncompressed, so that it costs less
// than forwarding.
func mergeable(b batch.Batch, limit int) bool {
	return b.Codec() == batch.None && len(b) < min(mergeBelowBytes, limit/2)
}

// keep holds a small batch back until its neighbour comes: two are merged, a lone one is forwarded as it is.
func (in *Intake) keep(b batch.Batch, hold *Buffer) {
	if records, _ := in.recoder.Pending(); records > 0 {
		in.rewrite(b, in.codecFor(b.Codec()))
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
	in.rewrite(first, in.codecFor(first.Codec()))
	in.rewrite(b, in.codecFor(b.Codec()))
}

// rewrite takes the wanted records of b into the recoder, and writes a batch when enough have come together.
func (in *Intake) rewrite(b batch.Batch, codec batch.Codec) {
	p := in.p
	if (in.kept != nil || codec != in.codec || p.skip > 0) && !in.flush() || !p.active() {
		return
	}
	in.codec = codec
	if err := in.recoder.Add(b, p.next, int(p.skip)); err != nil {
		if in.flush() {
			p.halt(CauseBadRecord, fmt.Sprintf("batch at source offset %d: %v", b.BaseOffset(), err), nil)
		}
		return
	}
	_, size := in.recoder.Pending()
	passed := p.skip > 0
	p.skip = 0 // the position stays where it is until the rest of the batch is acknowledged
	p.next, p.nextEpoch = b.NextOffset(), b.LeaderEpoch()
	if passed || size >= mergeTargetBytes || codec != batch.None && !p.link.recompress {
		in.take()
	}
}

// codecFor is the codec that records are written with which the source has in the given one.
func (in *Intake) codecFor(source batch.Codec) batch.Codec {
	if in.p.link.recompress {
		return in.p.link.codec
	}
	return source
}

// flush queues what was held back, and says whether the partition goes on: what was held back may halt it.
func (in *Intake) flush() bool {
	if b := in.kept; b != nil {
		in.kept = nil
		in.forward(b, in.keptIn)
	}
	if records, _ := in.recoder.Pending(); records > 0 {
		in.take()
	}
	return in.p.active() && in.p.ending == nil
}

// take writes everything that the recoder holds as batches no larger than the destination accepts.
func (in *Intake) take() {
	p := in.p
	for {
		records, size := in.recoder.Pending()
		if records == 0 {
			return
		}
		buf := in.room(size + batch.HeaderLen + 1024)
		r, out, err := in.recoder.Take(buf.Bytes[in.filled:in.filled], in.codec, p.wanted().MaxBytes)
		if err != nil {
			in.recoder.Reset()
			var large *batch.RecordTooLargeError
			if errors.As(err, &large) {
				p.halt(CauseTooLarge, fmt.Sprintf("record at source offset %d has %d bytes, the destination accepts %d: raise max.message.bytes of %s there", large.Offset, large.Size, large.Limit, p.dest.Topic), nil)
				return
			}
			p.halt(CauseBadRecord, fmt.Sprintf("rewrite before source offset %d: %v", p.next, err), nil)
			return
		}
		in.filled += len(out)
		p.counters.BatchesRecoded++
		r.Batch.Seal(p.producer(), p.sequence)
		next, epoch := p.next, p.nextEpoch
		p.push(Sealed{Bytes: r.Batch, Sequence: p.sequence, Records: r.Batch.Count(), next: r.Next, sourceEpoch: r.LeaderEpoch,
			first: r.FirstTimestamp, max: r.MaxTimestamp, hold: buf})
		p.next, p.nextEpoch = next, epoch
	}
}

// room returns the output buffer with at least n bytes left in it.
func (in *Intake) room(n int) *Buffer {
	if in.out != nil && len(in.out.Bytes)-in.filled < n {
		in.out.Release()
		in.out = nil
	}
	if in.out == nil {
		n = max(n, recodeBytes)
		in.out, in.filled = in.budget.overdraw(int64(n)), 0
		in.out.Grow(n)
	}
	return in.out
}
