package batch

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// maxRatio bounds how many bytes of records go into a compressed batch: this many times its own limit. It keeps the work of
// finding the split, and a consumer's memory, within reason.
const maxRatio = 16

// Recoded is a batch a Recoder built.
type Recoded struct {
	Batch          Batch // without producer and CRC: Seal it
	First          int64 // source offset of its first record
	Next           int64 // source offset after its last record; offsets the log cleaner emptied behind it are not counted
	FirstTimestamp int64 // time of its first record, milliseconds since 1970
	MaxTimestamp   int64 // largest time of its records, milliseconds since 1970
	LeaderEpoch    int32 // of the source batch its last record comes from
}

// Take builds one batch of the next pending records, appended to dst, and returns it with the extended dst, which it aliases.
// It takes as many records as fit a batch of maxBytes in that codec; 0 means no limit. Where all of them compress to more, it
// tries fewer by halving, so the split depends on nothing but the pending records and the arguments. Call it until nothing is
// pending.
//
// On an error dst is returned as it was and nothing is taken: a *RecordTooLargeError when a single record does not fit,
// ErrEmpty when none is pending, a *CodecError.
func (r *Recoder) Take(dst []byte, codec Codec, maxBytes int) (Recoded, []byte, error) {
	return r.TakeUpTo(math.MaxInt, dst, codec, maxBytes)
}

// TakeUpTo is Take of at most records records, which must be positive.
func (r *Recoder) TakeUpTo(records int, dst []byte, codec Codec, maxBytes int) (Recoded, []byte, error) {
	n, _ := r.Pending()
	n = min(n, records)
	if n == 0 {
		return Recoded{}, dst, ErrEmpty
	}
	limit := sizeLimit(maxBytes)
	at := len(dst)
	for {
		p := r.cut(n, room(codec, limit))
		if size := HeaderLen + len(p.records); codec == None && size > limit { // a lone record: no need to copy it to see that
			return Recoded{}, dst, &RecordTooLargeError{Offset: r.firstOffset(), Size: size, Limit: limit}
		}
		out, err := r.packer.pack(append(dst, make([]byte, HeaderLen)...), codec, p.records)
		if err != nil {
			return Recoded{}, dst, fmt.Errorf("compress %d records as %s: %w", p.count, codec, err)
		}
		size := len(out) - at
		if size <= limit {
			return r.finish(Batch(out[at:len(out):len(out)]), codec, p), out, nil
		}
		if p.count == 1 {
			return Recoded{}, dst, &RecordTooLargeError{Offset: r.firstOffset(), Size: size, Limit: limit}
		}
		// As many halvings at once as the size asks for.
		n = max(1, p.count>>bits.Len(uint(size/limit)))
		dst = out[:at]
	}
}

// room returns how many bytes of records to try for a batch of at most limit bytes.
func room(codec Codec, limit int) int {
	if codec == None {
		return limit - HeaderLen
	}
	return min(limit, math.MaxInt32/maxRatio) * maxRatio
}

// finish writes the header of the batch built of p and takes its records off the pending ones.
func (r *Recoder) finish(b Batch, codec Codec, p piece) Recoded {
	writeHeader(b, codec, p)
	first := r.firstOffset()
	next, epoch := r.advance(p)
	r.settle()
	return Recoded{Batch: b, First: first, Next: next, FirstTimestamp: p.base, MaxTimestamp: p.newest, LeaderEpoch: epoch}
}

// writeHeader fills in b's header except for the CRC, with no producer.
func writeHeader(b Batch, codec Codec, p piece) {
	clear(b[:HeaderLen])
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-lengthFrom))
	b[atMagic] = byte(magicV2)
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(codec))
	binary.BigEndian.PutUint32(b[atLastOffsetDelta:], uint32(p.count-1))
	binary.BigEndian.PutUint64(b[atBaseTimestamp:], uint64(p.base))
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(p.newest))
	binary.BigEndian.PutUint32(b[atCount:], uint32(p.count))
	for _, none := range [][]byte{b[atLeaderEpoch:atMagic], b[atProducerID:atCount]} {
		for i := range none {
			none[i] = 0xff // -1 in every width
		}
	}
}

// piece is the records of one batch to be, ready for the wire.
type piece struct {
	records   []byte
	count     int
	base      int64 // time of the first record
	newest    int64 // largest time
	sourceLen int   // bytes the records occupy among the pending ones
	lastDelta int64 // offset delta of the last record among the pending ones
}

// cut returns the next records as those of a batch of their own: at most n of them and at most room bytes, but at least one.
// They stay valid until the next cut or Add.
func (r *Recoder) cut(n, room int) piece {
	if n == r.count && (n == 1 || len(r.records) <= room) && (!r.lent.on || r.lent.exact) {
		return piece{records: r.records, count: n, base: r.base, newest: r.newest, sourceLen: len(r.records), lastDelta: int64(n - 1)}
	}
	if r.lent.on {
		room = min(room, softBytes)
		r.scratch = slices.Grow(r.scratch[:0], min(room, len(r.records)-r.start)+readSlack)
	}
	p := piece{records: r.scratch[:0]}
	for p.count < n {
		h := r.at(r.start + p.sourceLen)
		timestamp := r.timeOf(h)
		if p.count == 0 {
			p.base, p.newest = timestamp, timestamp
		}
		length := recordLength(h, timestamp-p.base, int64(p.count))
		if p.count > 0 && len(p.records)+varintLen(int64(length))+length > room {
			break
		}
		record := r.records[r.start+p.sourceLen:][:h.size]
		p.records = appendRecord(p.records, record, h, timestamp-p.base, int64(p.count))
		p.newest = max(p.newest, timestamp)
		p.sourceLen, p.lastDelta = p.sourceLen+h.size, h.offsetDelta
		p.count++
	}
	r.scratch = p.records
	return p
}

// rebase makes the records not yet taken the only ones held, so that taken ones do not pile up while others are added.
func (r *Recoder) rebase() {
	n, _ := r.Pending()
	p := r.cut(n, math.MaxInt)
	r.scratch = emptied(r.records, keepBytes)
	r.pending = pending{records: p.records, count: n, base: p.base, newest: p.newest, runs: r.runs}
}
