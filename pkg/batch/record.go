package batch

import (
	"encoding/binary"
	"math/bits"
)

// minRecordLen is the length of the shortest record on the wire: seven fields of one byte each.
const minRecordLen = 7

// head is the part of a record that recoding may change. What follows it (key, value, headers) is only copied. A record is
//
//	length varint | attributes byte | timestampDelta varint | offsetDelta varint | body
//
// where length counts everything after itself and varints are zigzag encoded.
type head struct {
	size           int // bytes of the whole record, the length field included
	body           int // where the body starts in the record
	attributes     byte
	timestampDelta int64
	offsetDelta    int64
}

// readHead reads the head of the record at the start of p; ok is false if p does not hold the whole record or its fields do
// not fit its length. The values of the deltas are not judged.
func readHead(p []byte) (h head, ok bool) {
	length, n := binary.Varint(p)
	if n <= 0 || length < minRecordLen-1 || length > int64(len(p)-n) {
		return head{}, false
	}
	h.size = n + int(length)
	h.attributes = p[n]
	at := n + 1
	if h.timestampDelta, n = binary.Varint(p[at:h.size]); n <= 0 {
		return head{}, false
	}
	at += n
	if h.offsetDelta, n = binary.Varint(p[at:h.size]); n <= 0 {
		return head{}, false
	}
	h.body = at + n
	return h, true
}

// appendRecord appends to dst the record whose bytes are record and whose head is h, with other deltas.
func appendRecord(dst, record []byte, h head, timestampDelta, offsetDelta int64) []byte {
	body := record[h.body:h.size]
	dst = binary.AppendVarint(dst, int64(recordLength(h, timestampDelta, offsetDelta)))
	dst = append(dst, h.attributes)
	dst = binary.AppendVarint(dst, timestampDelta)
	dst = binary.AppendVarint(dst, offsetDelta)
	return append(dst, body...)
}

// recordLength returns what the length field of the record with head h says once it has other deltas.
func recordLength(h head, timestampDelta, offsetDelta int64) int {
	return 1 + varintLen(timestampDelta) + varintLen(offsetDelta) + h.size - h.body
}

// varintLen returns the number of bytes of v as a zigzag varint.
func varintLen(v int64) int {
	return (bits.Len64(uint64(v<<1)^uint64(v>>63)|1) + 6) / 7
}
