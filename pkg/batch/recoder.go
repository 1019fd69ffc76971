package batch

import (
	"fmt"
	"math"
	"slices"
)

// A buffer that is emptied stays with the Recoder up to these capacities. Larger ones are left to the collector, so that one
// giant batch does not hold its memory for ever.
const (
	keepBytes = 4 << 20
	keepRuns  = 1 << 16
)

// Recoder collects records of one or several source batches and writes new batches of them: it closes offset gaps, cuts and
// merges batches, settles LogAppendTime and changes the codec. Attributes, key, value, headers and order of every record stay as
// they are, and so does its time. It is not safe for concurrent use; its buffers are reused, and it keeps no reference to
// the batches it was given.
type Recoder struct {
	pending
	unpacker unpacker
	packer   packer
	scratch  []byte // records rewritten for a batch that does not take all pending ones
}

// pending holds the collected records in wire form, as the records of one batch: with offset deltas from 0 and timestamp
// deltas from base.
type pending struct {
	records []byte
	count   int   // records in records
	base    int64 // time of the first record
	newest  int64 // largest time of all records
	runs    []run // the source offsets of the records from taken on

	start int // where in records the first record not yet taken begins
	taken int // records before start

	lent loan // of records, when they are a large batch's own
}

// run is a stretch of records with consecutive source offsets from one source batch.
type run struct {
	offset int64 // of the first record
	count  int
	epoch  int32 // leader epoch of the source batch
}

// NewRecoder returns an empty Recoder. A compressed source batch may grow to maxDecompressed bytes, which must be positive; a
// larger one is ErrTooLarge however its own headers describe it. A batch that grows to more than 16 MiB has to pass gate, and
// holds it until all of its records are taken, or Reset.
func NewRecoder(maxDecompressed int, gate *Gate) *Recoder {
	return &Recoder{unpacker: unpacker{limit: maxDecompressed, gate: gate}}
}

// Pending returns the number of records not yet taken and their size in bytes before compression.
func (r *Recoder) Pending() (records, bytes int) {
	return r.count - r.taken, len(r.records) - r.start
}

// Reset forgets all records not yet taken.
func (r *Recoder) Reset() {
	r.clear()
	r.settle()
}

// settle lets go of what only pending records need, when there are none left.
func (r *Recoder) settle() {
	if r.count == 0 {
		r.scratch = emptied(r.scratch, keepBytes)
		r.unpacker.release()
	}
}

// Add verifies b's CRC32C, decompresses it and collects its records with offsets >= from, except the first skip of those (all,
// if there are fewer). Under LogAppendTime the time of each record becomes b's MaxTimestamp. It adds either all these
// records or, on an error, nothing: ErrCRC, ErrControl, ErrTooLarge, a *CodecError, ErrRecord, or the decompressor's error;
// and ErrPending for a batch so large that it must stand alone, and for any batch behind such a one: take first what is
// pending, then add it again. b may be reused at once.
func (r *Recoder) Add(b Batch, from int64, skip int) error {
	if err := b.Verify(); err != nil {
		return err
	}
	if b.IsControl() {
		return ErrControl
	}
	if r.lent.on {
		return ErrPending
	}
	records, err := r.unpacker.unpack(b.Codec(), b.Payload())
	if err != nil {
		return fmt.Errorf("decompress batch at offset %d: %w", b.BaseOffset(), err)
	}
	if r.unpacker.large {
		return r.addLarge(b, records, from, skip)
	}
	return r.add(b, records, from, skip)
}

// add collects the wanted records of b, which are given decompressed and not needed any more.
func (r *Recoder) add(b Batch, records []byte, from int64, skip int) error {
	if r.taken > 0 {
		r.rebase()
	}
	before := r.pending
	err := r.collect(b, records, from, skip)
	r.unpacker.release()
	if err != nil {
		r.pending = before // runs and records only grew, so the old lengths undo everything
		return fmt.Errorf("read batch at offset %d: %w", b.BaseOffset(), err)
	}
	return nil
}

// collect appends the wanted records of b, which are given decompressed. Records whose deltas do not change are copied in
// one piece with their neighbours.
func (p *pending) collect(b Batch, records []byte, from int64, skip int) error {
	count, last := int(b.Count()), int64(b.LastOffsetDelta())
	if count < 0 || count > len(records)/minRecordLen {
		return fmt.Errorf("%w: %d records in %d bytes", ErrRecord, count, len(records))
	}
	clock := clockOf(b)
	firstRun := len(p.runs)
	at, copied, previous := 0, 0, int64(-1)
	for range count {
		h, ok := readHead(records[at:])
		if !ok || h.offsetDelta <= previous || h.offsetDelta > last {
			return fmt.Errorf("%w: at byte %d of %d", ErrRecord, at, len(records))
		}
		previous = h.offsetDelta
		record := records[at : at+h.size]
		offset := b.BaseOffset() + h.offsetDelta
		wanted := offset >= from
		if wanted && skip > 0 {
			wanted, skip = false, skip-1
		}
		if wanted {
			timestampDelta, offsetDelta := p.place(clock.timeOf(h)), int64(p.count-1)
			p.noteOffset(firstRun, offset, b.LeaderEpoch())
			if timestampDelta == h.timestampDelta && offsetDelta == h.offsetDelta {
				at += h.size
				continue
			}
			p.records = append(p.records, records[copied:at]...)
			p.records = appendRecord(p.records, record, h, timestampDelta, offsetDelta)
		} else {
			p.records = append(p.records, records[copied:at]...)
		}
		at += h.size
		copied = at
	}
	if at != len(records) {
		return fmt.Errorf("%w: %d bytes after the last one", ErrRecord, len(records)-at)
	}
	p.records = append(p.records, records[copied:]...)
	return nil
}

// place makes room for one more record of that time and returns its timestamp delta; its offset delta is count-1.
func (p *pending) place(timestamp int64) (delta int64) {
	if p.count == 0 {
		p.base, p.newest = timestamp, timestamp
	}
	p.newest = max(p.newest, timestamp)
	p.count++
	return timestamp - p.base
}

// noteOffset records the source offset of the record placed last. Runs before firstRun belong to other batches.
func (p *pending) noteOffset(firstRun int, offset int64, epoch int32) {
	if last := len(p.runs) - 1; last >= firstRun && p.runs[last].offset+int64(p.runs[last].count) == offset {
		p.runs[last].count++
		return
	}
	p.runs = append(p.runs, run{offset: offset, count: 1, epoch: epoch})
}

// clock tells the times of a source batch's records.
type clock struct {
	base  int64
	fixed bool // every record has the time base
}

func clockOf(b Batch) clock {
	if b.LogAppendTime() {
		return clock{base: b.MaxTimestamp(), fixed: true}
	}
	return clock{base: b.BaseTimestamp()}
}

func (c clock) timeOf(h head) int64 {
	if c.fixed {
		return c.base
	}
	return c.base + h.timestampDelta
}

// firstOffset returns the source offset of the next record to take. There must be one.
func (p *pending) firstOffset() int64 {
	if p.lent.on {
		return p.lent.offsetOf(p.next())
	}
	return p.runs[0].offset
}

// advance marks the records of taken as taken and returns the offset after the last of them and its leader epoch.
func (p *pending) advance(taken piece) (next int64, epoch int32) {
	n := taken.count
	p.taken += n
	p.start += taken.sourceLen
	if p.lent.on {
		next, epoch = p.lent.base+taken.lastDelta+1, p.lent.epoch
		if p.taken == p.count {
			p.clear()
		}
		return next, epoch
	}
	gone := 0
	for n > 0 {
		first := &p.runs[gone]
		step := min(n, first.count)
		first.offset += int64(step)
		first.count -= step
		n -= step
		next, epoch = first.offset, first.epoch
		if first.count == 0 {
			gone++
		}
	}
	p.runs = slices.Delete(p.runs, 0, gone)
	if p.taken == p.count {
		p.clear()
	}
	return next, epoch
}

// clear forgets all records and keeps the buffers.
func (p *pending) clear() {
	*p = pending{records: emptied(p.records, keepBytes), runs: emptied(p.runs, keepRuns)}
}

// emptied returns s without content, and without its memory if its capacity is above keep.
func emptied[E any](s []E, keep int) []E {
	if cap(s) > keep {
		return nil
	}
	return s[:0]
}

// sizeLimit returns the largest batch allowed: maxBytes, or what a length field can say.
func sizeLimit(maxBytes int) int {
	if maxBytes <= 0 {
		return math.MaxInt32
	}
	return min(maxBytes, math.MaxInt32)
}
