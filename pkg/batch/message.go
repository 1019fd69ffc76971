package batch

import (
	"encoding/binary"
	"hash/crc32"
)

// PeekLen is how many bytes of the records of a Fetch response tell the format and the length of what comes first.
const PeekLen = atMagic + 1

// Where the fields of a message of the formats v0 and v1 start. Offset, length and magic are where a v2 batch has them.
const (
	atMessageCRC        = 12
	atMessageAttributes = 17
	atMessageTimestamp  = 18 // v1 only; v0 goes on with the key
	atMessageKeyV0      = 18
	atMessageKeyV1      = 26
	// messageFieldsLen is the length of a null key and a null value.
	messageFieldsLen = 8
)

// noTimestamp is the time of a record that has none: those of format v0, and those whose producer said so.
const noTimestamp = -1

// Message is one whole entry of a message set, the form of logs before Kafka 0.11 (formats v0 and v1): one record, or a wrapper
// whose value is a compressed message set. It comes from SplitMessage.
type Message []byte

// IsMessage reports whether records, of which at least PeekLen bytes are there, begin with a message of format v0 or v1.
func IsMessage(records []byte) bool { return records[atMagic] <= 1 }

// SplitMessage takes the first message off records, like Split.
func SplitMessage(records []byte) (first Message, rest []byte, err error) {
	if len(records) < PeekLen {
		return nil, records, ErrIncomplete
	}
	if !IsMessage(records) {
		return nil, records, &MagicError{Magic: int8(records[atMagic])}
	}
	length := int(int32(binary.BigEndian.Uint32(records[atLength:])))
	if length < messageKeyAt(records[atMagic])+messageFieldsLen-lengthFrom {
		return nil, records, ErrLength
	}
	if length > len(records)-lengthFrom {
		return nil, records, ErrIncomplete
	}
	end := lengthFrom + length
	return Message(records[:end:end]), records[end:], nil
}

// messageKeyAt is where the key of a message starts.
func messageKeyAt(magic byte) int {
	if magic == 0 {
		return atMessageKeyV0
	}
	return atMessageKeyV1
}

// Offset returns the message's offset; a wrapper has that of its last record.
func (m Message) Offset() int64 { return int64(binary.BigEndian.Uint64(m[atBaseOffset:])) }

// Magic returns the format version, 0 or 1.
func (m Message) Magic() int8 { return int8(m[atMagic]) }

// Codec returns how a wrapper's records are compressed, None for a record.
func (m Message) Codec() Codec { return Codec(m[atMessageAttributes] & codecMask) }

// Timestamp returns the time of the message in milliseconds since 1970, -1 for none.
func (m Message) Timestamp() int64 {
	if m.Magic() == 0 {
		return noTimestamp
	}
	return int64(binary.BigEndian.Uint64(m[atMessageTimestamp:]))
}

// LogAppendTime reports whether Timestamp is that of the broker, for all records of a wrapper.
func (m Message) LogAppendTime() bool {
	return m.Magic() != 0 && m[atMessageAttributes]&logAppendTimeBit != 0
}

// Verify compares the message's CRC32 with the bytes it covers and returns ErrCRC when they differ.
func (m Message) Verify() error {
	if crc32.ChecksumIEEE(m[atMagic:]) != binary.BigEndian.Uint32(m[atMessageCRC:]) {
		return ErrCRC
	}
	return nil
}

// fields returns key and value, nil for null; ok is false when their lengths do not fill the message.
func (m Message) fields() (key, value []byte, ok bool) {
	key, rest, ok := lengthPrefixed(m[messageKeyAt(m[atMagic]):])
	if !ok {
		return nil, nil, false
	}
	value, rest, ok = lengthPrefixed(rest)
	return key, value, ok && len(rest) == 0
}

// lengthPrefixed takes bytes behind their length of four bytes off p; -1 is null.
func lengthPrefixed(p []byte) (field, rest []byte, ok bool) {
	if len(p) < 4 {
		return nil, nil, false
	}
	n := int64(int32(binary.BigEndian.Uint32(p)))
	p = p[4:]
	switch {
	case n == -1:
		return nil, p, true
	case n < 0 || n > int64(len(p)):
		return nil, nil, false
	}
	return p[:n:n], p[n:], true
}
