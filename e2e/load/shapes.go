package load

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Shapes is the set of unusual forms a generated record may take, each record
// drawing from the set at random. The zero value makes plain records only: a
// key, a JSON value of 200 bytes to 2 KiB, no headers.
type Shapes uint32

// The forms. Keys, values, headers and timestamps are drawn independently.
const (
	NullKey         Shapes = 1 << iota // key null
	EmptyKey                           // key of length 0
	NullValue                          // value null (identity in a header)
	EmptyValue                         // value of length 0 (identity in a header)
	Tiny                               // values of 1 to 37 bytes (identity in a header)
	Large                              // one value in 50 is 10 to 100 KiB
	Binary                             // key and value bytes that are not UTF-8
	Headers                            // one to five ordinary headers
	RepeatedHeaders                    // the same header key several times
	NullHeader                         // a header whose value is null
	EmptyHeader                        // a header whose value (or key) has length 0
	OddTimes                           // timestamps -1, 0, 1970, 30 days ago and 30 minutes ahead

	Everything Shapes = 1<<iota - 1 // all of the above
)

const (
	largeMinBytes, largeMaxBytes = 10 << 10, 100 << 10
	plainMinBytes, plainMaxBytes = 200, 2 << 10
	futureLimit                  = 30 * time.Minute // brokers of 4.x refuse more than one hour
)

// maker computes records. The same identity, shapes and base time always give
// the same record. Not safe for concurrent use.
type maker struct {
	shapes Shapes
	base   int64 // milliseconds since 1970 of sequence 0; later ones follow at 1 ms
	fresh  bool  // timestamps are taken from the clock instead

	source *rand.PCG
	rng    *rand.Rand // draws from source, seeded anew for each record
}

func newMaker(shapes Shapes, base int64, fresh bool) *maker {
	source := rand.NewPCG(0, 0)
	return &maker{shapes: shapes, base: base, fresh: fresh, source: source, rng: rand.New(source)}
}

// record computes the record of id. Its topic is left empty.
func (m *maker) record(id Identity) *kgo.Record {
	m.source.Seed(id.Producer^uint64(id.Partition)<<48, uint64(id.Sequence))
	r := &kgo.Record{Partition: id.Partition, Key: m.key(id)}
	r.Value = m.value(id)
	r.Headers = m.headers()
	if got, ok := identify(r); !ok || got != id {
		token := kgo.RecordHeader{Key: tokenHeader, Value: id.appendToken(nil)}
		at := m.rng.IntN(len(r.Headers) + 1)
		r.Headers = append(r.Headers[:at:at], append([]kgo.RecordHeader{token}, r.Headers[at:]...)...)
	}
	r.Timestamp = m.timestamp(id)
	return r
}

// pick draws one of the forms of want that are switched on, or 0 for the plain one.
func (m *maker) pick(want ...Shapes) Shapes {
	forms := [8]Shapes{0} // the plain form has a place among the others
	n := 1
	for _, w := range want {
		if m.shapes&w != 0 {
			forms[n] = w
			n++
		}
	}
	return forms[m.rng.IntN(n)]
}

func (m *maker) key(id Identity) []byte {
	switch m.pick(NullKey, EmptyKey, Binary) {
	case NullKey:
		return nil
	case EmptyKey:
		return []byte{}
	case Binary:
		return m.bytes(1 + m.rng.IntN(32))
	default: // some hundred users per partition, so that keys repeat
		return fmt.Appendf(nil, "user-%04x-%03x", uint16(id.Partition), m.rng.IntN(500))
	}
}

func (m *maker) value(id Identity) []byte {
	switch m.pick(NullValue, EmptyValue, Tiny, Binary) {
	case NullValue:
		return nil
	case EmptyValue:
		return []byte{}
	case Tiny:
		return m.bytes(1 + m.rng.IntN(tokenBytes-1))
	case Binary:
		return append(id.appendToken(make([]byte, 0, plainMaxBytes)), m.bytes(1+m.rng.IntN(plainMaxBytes-tokenBytes))...)
	}
	size := plainMinBytes + m.rng.IntN(plainMaxBytes-plainMinBytes)
	if m.shapes&Large != 0 && m.rng.IntN(50) == 0 {
		size = largeMinBytes + m.rng.IntN(largeMaxBytes-largeMinBytes)
	}
	return appendEvent(make([]byte, 0, size+64), id.appendToken, m.rng, size)
}

func (m *maker) headers() []kgo.RecordHeader {
	switch m.pick(Headers, RepeatedHeaders, NullHeader, EmptyHeader) {
	case Headers:
		all := make([]kgo.RecordHeader, 1+m.rng.IntN(5))
		for i := range all {
			all[i] = kgo.RecordHeader{Key: fmt.Sprintf("h%d", i), Value: m.bytes(1 + m.rng.IntN(20))}
		}
		return all
	case RepeatedHeaders:
		return []kgo.RecordHeader{{Key: "trace", Value: m.bytes(4)}, {Key: "hop", Value: []byte("edge")}, {Key: "trace", Value: m.bytes(4)}, {Key: "trace"}}
	case NullHeader:
		return []kgo.RecordHeader{{Key: "null"}, {Key: "empty", Value: []byte{}}, {Key: "null"}}
	case EmptyHeader:
		return []kgo.RecordHeader{{Key: "empty", Value: []byte{}}, {Key: "", Value: []byte("no key")}}
	default:
		return nil
	}
}

func (m *maker) timestamp(id Identity) time.Time {
	base := m.base + id.Sequence
	if m.fresh {
		base = time.Now().UnixMilli()
	}
	if m.pick(OddTimes) == OddTimes {
		odd := [...]int64{-1, 0, 1 + m.rng.Int64N(1e9), base - (30 * 24 * time.Hour).Milliseconds(), m.base + futureLimit.Milliseconds()}
		base = odd[m.rng.IntN(len(odd))]
	}
	return time.UnixMilli(base)
}

func (m *maker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.rng.Uint32())
	}
	return b
}
