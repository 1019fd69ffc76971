// Package batch handles Kafka record batches of format v2 as bytes: it finds them in a Fetch response, checks them, decides how
// each may travel, gives a whole batch a new producer identity without decoding it (Reseal), and rewrites batches record by
// record where that is not enough (Recoder).
//
// It does no I/O, starts no goroutine and keeps no state between calls other than a Recoder's. Keys, values and headers are
// only ever copied, never interpreted.
package batch

import "encoding/binary"

// HeaderLen is the number of bytes before the records of a v2 batch.
const HeaderLen = 61

// Where the header's fields start. All are big endian; the CRC covers everything from the attributes on.
const (
	atBaseOffset      = 0
	atLength          = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atCount           = 57

	// lengthFrom is where the bytes counted by the length field begin.
	lengthFrom = atLength + 4
)

// Bits of the attributes.
const (
	codecMask             = 0x07
	logAppendTimeBit      = 0x08
	transactionalBit      = 0x10
	controlBit            = 0x20
	deleteHorizonBit      = 0x40
	magicV2          int8 = 2
)

// Batch is one whole v2 batch, header included. It comes from Split or Recoder.Take; the accessors rely on the HeaderLen bytes
// these guarantee and panic on fewer. Reading is safe from many goroutines; Reseal and Seal write.
type Batch []byte

// BaseOffset returns the offset to which the records' offset deltas are added.
func (b Batch) BaseOffset() int64 { return int64(binary.BigEndian.Uint64(b[atBaseOffset:])) }

// LeaderEpoch returns the epoch of the leader that appended the batch, -1 when not set.
func (b Batch) LeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b[atLeaderEpoch:])) }

// Magic returns the format version; Split lets only 2 through.
func (b Batch) Magic() int8 { return int8(b[atMagic]) }

// CRC returns the CRC32C stored in the header; Verify compares it with the bytes.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[atCRC:]) }

// Attributes returns all attribute bits.
func (b Batch) Attributes() uint16 { return binary.BigEndian.Uint16(b[atAttributes:]) }

// Codec returns how the payload is compressed; values above Zstd are unknown codecs.
func (b Batch) Codec() Codec { return Codec(b.Attributes() & codecMask) }

// LastOffsetDelta returns the distance from BaseOffset to the last offset the batch stands for. The log cleaner keeps it when
// it removes records.
func (b Batch) LastOffsetDelta() int32 { return int32(binary.BigEndian.Uint32(b[atLastOffsetDelta:])) }

// BaseTimestamp returns the time, in milliseconds since 1970, to which the records' timestamp deltas are added. It is the first
// record's time except where the delete horizon took its place; FirstTimestamp knows.
func (b Batch) BaseTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[atBaseTimestamp:])) }

// MaxTimestamp returns the largest time of a record in milliseconds since 1970, or the broker's append time under
// LogAppendTime. It is -1 when no record has a time.
func (b Batch) MaxTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[atMaxTimestamp:])) }

// ProducerID returns the id of an idempotent producer, else -1.
func (b Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b[atProducerID:])) }

// ProducerEpoch returns the epoch of an idempotent producer, else -1.
func (b Batch) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[atProducerEpoch:])) }

// BaseSequence returns the sequence of the first record of an idempotent producer, else -1.
func (b Batch) BaseSequence() int32 { return int32(binary.BigEndian.Uint32(b[atBaseSequence:])) }

// Count returns the number of records. It is 0 for the shell the log cleaner leaves to remember a producer.
func (b Batch) Count() int32 { return int32(binary.BigEndian.Uint32(b[atCount:])) }

// NextOffset returns the offset after the last one the batch stands for, whether or not a record is left there.
func (b Batch) NextOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) + 1 }

// Payload returns the records, compressed as Codec says. It aliases b.
func (b Batch) Payload() []byte { return b[HeaderLen:] }

// IsControl reports whether the batch holds a transaction marker or another record of the broker's own.
func (b Batch) IsControl() bool { return b.Attributes()&controlBit != 0 }

// IsTransactional reports whether the batch was written inside a transaction.
func (b Batch) IsTransactional() bool { return b.Attributes()&transactionalBit != 0 }

// LogAppendTime reports whether MaxTimestamp is the time of every record, as the broker appended them.
func (b Batch) LogAppendTime() bool { return b.Attributes()&logAppendTimeBit != 0 }

// Dense reports whether there is a record for every offset of the batch. Brokers refuse what is not.
func (b Batch) Dense() bool { return b.Count() > 0 && b.Count()-1 == b.LastOffsetDelta() }

// hasDeleteHorizon reports whether BaseTimestamp is the time after which tombstones may go, put there by the log cleaner.
func (b Batch) hasDeleteHorizon() bool { return b.Attributes()&deleteHorizonBit != 0 }

// FirstTimestamp returns the time of the first record in milliseconds since 1970: BaseTimestamp as producers write it, and
// MaxTimestamp under LogAppendTime. The log cleaner replaces BaseTimestamp by a delete horizon in the future; the time is
// then read from the first record, and where that is compressed or malformed the result is MaxTimestamp, the latest it can be.
func (b Batch) FirstTimestamp() int64 {
	switch {
	case b.LogAppendTime():
		return b.MaxTimestamp()
	case !b.hasDeleteHorizon():
		return b.BaseTimestamp()
	case b.Codec() != None:
		return b.MaxTimestamp()
	}
	h, ok := readHead(b.Payload())
	if !ok {
		return b.MaxTimestamp()
	}
	return b.BaseTimestamp() + h.timestampDelta
}
