package load

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fingerprint is SHA-256 of a record's canonical form, cut to 128 bits.
type fingerprint [16]byte

// digests tell which part of a record differs from another's; they are too
// short to prove equality.
type digests [fields]uint32

// The parts of a record, indexes of digests.
const (
	fieldKey = iota
	fieldValue
	fieldHeaders
	fieldTimestamp
	fields
)

// fieldNames is indexed by part.
var fieldNames = [fields]string{"key", "value", "headers", "timestamp"}

// digester computes fingerprints. Its results compare only with results of the
// same digester. Not safe for concurrent use.
type digester struct {
	seed maphash.Seed
	buf  []byte // reused
}

func newDigester() *digester { return &digester{seed: maphash.MakeSeed()} }

// digest fingerprints what a mirror must keep: timestamp, key, value and
// headers in order, null apart from empty. It leaves out what a mirror may
// change: offset, leader epoch, producer, batch shape, codec, timestamp type.
func (d *digester) digest(r *kgo.Record) (fingerprint, digests) {
	var ends [fields]int
	b := appendBytes(d.buf[:0], r.Key)
	ends[fieldKey] = len(b)
	b = appendBytes(b, r.Value)
	ends[fieldValue] = len(b)
	b = binary.AppendUvarint(b, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		b = append(binary.AppendUvarint(b, uint64(len(h.Key))), h.Key...)
		b = appendBytes(b, h.Value)
	}
	ends[fieldHeaders] = len(b)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Timestamp.UnixMilli()))
	ends[fieldTimestamp] = len(b)
	d.buf = b

	var parts digests
	start := 0
	for i, end := range ends {
		parts[i] = uint32(maphash.Bytes(d.seed, b[start:end]))
		start = end
	}
	sum := sha256.Sum256(b)
	return fingerprint(sum[:16]), parts
}

// appendBytes appends a nullable string of bytes so that no two differ only in
// where they end: length+1 (0 for null), then the bytes.
func appendBytes(b, s []byte) []byte {
	if s == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(s))+1), s...)
}

// handle is what a record is recognised by at the destination: its identity,
// or its whole content when it carries none.
func handle(r *kgo.Record, f fingerprint) uint64 {
	if id, ok := identify(r); ok {
		return id.hash()
	}
	return binary.BigEndian.Uint64(f[:]) &^ 1 // even; identities hash to odd numbers
}

// differing names the parts in which two records differ.
func (d digests) differing(o digests) []string {
	var names []string
	for i := range d {
		if d[i] != o[i] {
			names = append(names, fieldNames[i])
		}
	}
	return names
}
