package batch

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
)

// Upgrader makes v2 batches of messages of the formats v0 and v1, as brokers of Kafka 0.11 and later do when a topic's format
// is raised: offsets, gaps, keys, values and times stay, headers there are none. It is not safe for concurrent use; its
// buffers are reused.
type Upgrader struct {
	unpacker unpacker
	lz4      []byte // a copy of a v0 wrapper's payload with the frame's checksum put right
	out      []byte
}

// NewUpgrader returns an Upgrader. A wrapper may decompress to maxDecompressed bytes, which must be positive. One that grows to
// more than 16 MiB has to pass gate, and holds it until Release.
func NewUpgrader(maxDecompressed int, gate *Gate) *Upgrader {
	return &Upgrader{unpacker: unpacker{limit: maxDecompressed, gate: gate}}
}

// Release ends the use of what Upgrade returned. It must be called before another payload passes the gate.
func (u *Upgrader) Release() {
	u.out = emptied(u.out, keepBytes)
	u.unpacker.release()
}

// Upgrade verifies m's CRC32, and those of the records of a wrapper, and returns an uncompressed v2 batch of its records, with
// a CRC32C of its own and no leader epoch; m has neither. The batch is valid until Release, which must follow. The time of every record is
// the one a consumer of the old format sees: under LogAppendTime that of the wrapper, -1 for format v0.
//
// Errors are ErrCRC, a *CodecError, ErrTooLarge, ErrRecord for what is no message set, or the decompressor's.
func (u *Upgrader) Upgrade(m Message) (Batch, error) {
	if err := m.Verify(); err != nil {
		return nil, err
	}
	u.out = append(emptied(u.out, keepBytes), make([]byte, HeaderLen)...)
	b := upgrade{out: u.out}
	if m.Codec() == None {
		if !b.add(m, m.Offset(), m.Timestamp()) {
			return nil, ErrRecord
		}
	} else if err := u.unwrap(&b, m); err != nil {
		return nil, err
	}
	u.out = b.out
	return b.finish(), nil
}

// unwrap adds the records of the wrapper m.
func (u *Upgrader) unwrap(b *upgrade, m Message) error {
	payload, ok := u.payload(m)
	if !ok {
		return ErrRecord
	}
	if m.Codec() == Zstd { // Kafka has it for format v2 only
		return &CodecError{Codec: Zstd}
	}
	set, err := u.unpacker.unpack(m.Codec(), payload)
	if err != nil {
		return fmt.Errorf("decompress message at offset %d: %w", m.Offset(), err)
	}
	if u.unpacker.large {
		b.out = append(make([]byte, 0, HeaderLen+len(set)), b.out...) // a record of v2 is never longer than its message
	}
	shift, err := offsetShift(m, set)
	if err != nil {
		return err
	}
	for len(set) > 0 {
		var inner Message
		if inner, set, err = SplitMessage(set); err != nil {
			return fmt.Errorf("%w: in a wrapper: %w", ErrRecord, err)
		}
		timestamp := inner.Timestamp()
		if m.LogAppendTime() {
			timestamp = m.Timestamp()
		}
		if !b.add(inner, inner.Offset()+shift, timestamp) {
			return ErrRecord
		}
	}
	return nil
}

// payload returns the compressed message set in the wrapper m.
func (u *Upgrader) payload(m Message) ([]byte, bool) {
	_, payload, ok := m.fields()
	if !ok || payload == nil {
		return nil, false
	}
	if m.Magic() == 0 && m.Codec() == LZ4 {
		u.lz4 = append(emptied(u.lz4, keepBytes), payload...)
		payload = u.lz4
		repairLZ4(payload)
	}
	return payload, true
}

// offsetShift verifies the messages in the wrapper m and returns what is to be added to their offsets. In format v1 they are
// relative to the first, and the wrapper has the offset of the last; in v0 they are absolute.
func offsetShift(m Message, set []byte) (int64, error) {
	last := int64(0)
	for rest := set; len(rest) > 0; {
		inner, behind, err := SplitMessage(rest)
		if err == nil && (inner.Magic() != m.Magic() || inner.Codec() != None) {
			err = ErrRecord
		}
		if err == nil {
			err = inner.Verify()
		}
		if err != nil {
			return 0, fmt.Errorf("message in the wrapper at offset %d: %w", m.Offset(), err)
		}
		last, rest = inner.Offset(), behind
	}
	switch {
	case len(set) == 0:
		return 0, ErrRecord
	case m.Magic() == 0:
		return 0, nil
	}
	return m.Offset() - last, nil
}

// upgrade is a v2 batch in the making.
type upgrade struct {
	out         []byte
	count       int32
	first, last int64 // offsets
	base, max   int64 // times of the first record, and the greatest
}

// add appends a record; ok is false when m is no record or does not come behind the one before.
func (b *upgrade) add(m Message, offset, timestamp int64) (ok bool) {
	key, value, ok := m.fields()
	if b.count == 0 {
		b.first, b.last, b.base, b.max = offset, offset-1, timestamp, timestamp
	}
	delta := offset - b.first
	if !ok || offset < 0 || offset <= b.last || delta > math.MaxInt32 {
		return false
	}
	b.count, b.last, b.max = b.count+1, offset, max(b.max, timestamp)
	size := 2 + varintLen(timestamp-b.base) + varintLen(delta) + fieldLen(key) + fieldLen(value) // attributes, number of headers
	b.out = binary.AppendVarint(b.out, int64(size))
	b.out = append(b.out, 0)
	b.out = binary.AppendVarint(b.out, timestamp-b.base)
	b.out = binary.AppendVarint(b.out, delta)
	b.out = appendField(b.out, key)
	b.out = appendField(b.out, value)
	b.out = append(b.out, 0)
	return true
}

func fieldLen(field []byte) int {
	if field == nil {
		return 1
	}
	return varintLen(int64(len(field))) + len(field)
}

func appendField(out, field []byte) []byte {
	if field == nil {
		return binary.AppendVarint(out, -1)
	}
	return append(binary.AppendVarint(out, int64(len(field))), field...)
}

// finish writes the header. Unlike a batch of a Recoder this one stands for a source batch, so it has offsets and a CRC.
func (b *upgrade) finish() Batch {
	out := Batch(b.out)
	writeHeader(out, None, piece{count: int(b.count), base: b.base, newest: b.max})
	binary.BigEndian.PutUint64(out[atBaseOffset:], uint64(b.first))
	binary.BigEndian.PutUint32(out[atLastOffsetDelta:], uint32(b.last-b.first))
	binary.BigEndian.PutUint32(out[atCRC:], crc32.Checksum(out[atAttributes:], castagnoli))
	return out
}

// The header of an LZ4 frame: magic number, flags, block size, then by the flags content size and dictionary, then a checksum.
const (
	lz4MagicLen    = 4
	lz4ContentSize = 0x08
	lz4Dictionary  = 0x01
)

// repairLZ4 puts the checksum of an LZ4 frame's header right. Kafka computed it over the wrong bytes in format v0
// (KAFKA-3160), and its own readers of that format ignore it.
func repairLZ4(frame []byte) {
	if len(frame) <= lz4MagicLen {
		return
	}
	end := lz4MagicLen + 2
	if frame[lz4MagicLen]&lz4ContentSize != 0 {
		end += 8
	}
	if frame[lz4MagicLen]&lz4Dictionary != 0 {
		end += 4
	}
	if end < len(frame) {
		frame[end] = byte(xxh32(frame[lz4MagicLen:end]) >> 8)
	}
}

// xxh32 is the 32 bit xxHash with seed 0 of fewer than 16 bytes.
func xxh32(p []byte) uint32 {
	const prime1, prime2, prime3, prime4, prime5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h := uint32(prime5) + uint32(len(p))
	for ; len(p) >= 4; p = p[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(p)*prime3, 17) * prime4
	}
	for _, c := range p {
		h = bits.RotateLeft32(h+uint32(c)*prime5, 11) * prime1
	}
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return h ^ h>>16
}
