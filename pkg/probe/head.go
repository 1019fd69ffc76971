package probe

import (
	"encoding/binary"
	"slices"
)

// Head is what the first batch from an offset on says of its records.
type Head struct {
	Offset int64 // that was asked for
	First  int64 // timestamp of its first record, Unix time in milliseconds; -1 none
	Max    int64 // the largest timestamp, by which a broker judges the segment at the earliest; -1 none
}

// Where batches have what is needed, in bytes from their begin. All formats have the magic at the same place.
const (
	magicAt            = 16
	attributesAt       = 21 // v2
	firstTimestampAt   = 27 // v2
	maxTimestampAt     = 35 // v2
	headBytes          = 43
	v1AttributesAt     = 17
	v1TimestampAt      = 18 // v1: of a compressed message the largest
	v1HeadBytes        = 26
	appendTimeBit      = 0x08
	magicV0, magicV1   = 0, 1
	magicV2            = 2
	compressionCodecs1 = 0x07
)

// newHead reads the first batch of b. ok is false when b is too short, or in no format that is known.
func newHead(offset int64, b []byte) (h Head, ok bool) {
	if len(b) <= magicAt {
		return h, false
	}
	h = Head{Offset: offset, First: -1, Max: -1}
	switch b[magicAt] {
	case magicV0:
		return h, true
	case magicV1:
		if len(b) < v1HeadBytes {
			return h, false
		}
		h.Max = int64(binary.BigEndian.Uint64(b[v1TimestampAt:]))
		if b[v1AttributesAt]&compressionCodecs1 == 0 || b[v1AttributesAt]&appendTimeBit != 0 {
			h.First = h.Max
		}
		return h, true
	case magicV2:
		if len(b) < headBytes {
			return h, false
		}
		h.First, h.Max = int64(binary.BigEndian.Uint64(b[firstTimestampAt:])), int64(binary.BigEndian.Uint64(b[maxTimestampAt:]))
		if binary.BigEndian.Uint16(b[attributesAt:])&appendTimeBit != 0 {
			h.First = h.Max
		}
		return h, true
	}
	return h, false
}

// keepHeads returns the heads that are still of use: of each wanted offset the newest at or before it.
func keepHeads(heads []Head, wanted []int64) []Head {
	slices.SortFunc(heads, func(a, b Head) int { return int(min(1, max(-1, a.Offset-b.Offset))) })
	var kept []Head
	for i, h := range heads {
		if i+1 < len(heads) && heads[i+1].Offset == h.Offset {
			continue
		}
		if slices.ContainsFunc(wanted, func(w int64) bool { return h.Offset <= w && (i+1 == len(heads) || heads[i+1].Offset > w) }) {
			kept = append(kept, h)
		}
	}
	return kept
}
