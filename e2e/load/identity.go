package load

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Identity names one generated record. It travels inside the record, so that a
// copy is recognised whatever partition and offset it lands on.
type Identity struct {
	Producer  uint64 `json:"producer"`  // random-looking, unique per seed and producer index
	Partition int32  `json:"partition"` // partition it was produced to, below 65536
	Sequence  int64  `json:"sequence"`  // 0, 1, 2 ... per producer and partition, below 2^48
}

const (
	tokenMagic  = "tb1."
	tokenBytes  = len("tb1.0123456789abcdef.0123.0123456789ab")
	eventPrefix = `{"id":"`    // a JSON value starts with it, then the token
	tokenHeader = "load-token" // holds the token when the value is too short
)

// String returns the identity as it stands in records.
func (id Identity) String() string { return string(id.appendToken(nil)) }

func (id Identity) appendToken(b []byte) []byte {
	return fmt.Appendf(b, "%s%016x.%04x.%012x", tokenMagic, id.Producer, uint16(id.Partition), uint64(id.Sequence))
}

// hash spreads the identity over 64 bits; the result is never 0.
func (id Identity) hash() uint64 {
	return mix(id.Producer^mix(uint64(id.Sequence)<<16|uint64(uint16(id.Partition)))) | 1
}

// identify finds the identity in a record: at the start of its value, or in a
// header. The second result is false for records that carry none.
func identify(r *kgo.Record) (Identity, bool) {
	for _, start := range [...]int{0, len(eventPrefix)} {
		if len(r.Value) >= start+tokenBytes {
			if id, ok := parseToken(r.Value[start : start+tokenBytes]); ok {
				return id, true
			}
		}
	}
	for _, h := range r.Headers {
		if h.Key == tokenHeader && len(h.Value) == tokenBytes {
			if id, ok := parseToken(h.Value); ok {
				return id, true
			}
		}
	}
	return Identity{}, false
}

func parseToken(b []byte) (Identity, bool) {
	const producerAt, partitionAt, sequenceAt = 4, 21, 26
	if string(b[:producerAt]) != tokenMagic || b[partitionAt-1] != '.' || b[sequenceAt-1] != '.' {
		return Identity{}, false
	}
	var producer [8]byte
	if _, err := hex.Decode(producer[:], b[producerAt:partitionAt-1]); err != nil {
		return Identity{}, false
	}
	partition, err := strconv.ParseUint(string(b[partitionAt:sequenceAt-1]), 16, 16)
	if err != nil {
		return Identity{}, false
	}
	sequence, err := strconv.ParseUint(string(b[sequenceAt:]), 16, 48)
	if err != nil {
		return Identity{}, false
	}
	id := Identity{Partition: int32(partition), Sequence: int64(sequence)}
	for _, c := range producer {
		id.Producer = id.Producer<<8 | uint64(c)
	}
	return id, true
}

// mix is the finaliser of splitmix64: a bijection that scatters nearby inputs.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
