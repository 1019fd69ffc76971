package verify

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// print128 is the keyed fingerprint of a record.
type print128 struct{ hi, lo uint64 }

// less orders fingerprints.
func (p print128) less(o print128) bool { return p.hi < o.hi || p.hi == o.hi && p.lo < o.lo }

// secret is that of one comparison: nobody who writes records can aim at sums he cannot compute.
type secret struct {
	prefix [32]byte
	seed   maphash.Seed
}

func newSecret() (*secret, error) {
	s := &secret{seed: maphash.MakeSeed()}
	_, err := rand.Read(s.prefix[:])
	return s, err
}

// digester computes fingerprints. Not safe for concurrent use.
type digester struct {
	secret *secret
	buf    []byte
}

func newDigester(s *secret) *digester {
	return &digester{secret: s, buf: append(make([]byte, 0, 4096), s.prefix[:]...)}
}

// record returns the fingerprint of a record.
func (d *digester) record(r *record) (print128, error) {
	buf, err := appendCanonical(d.buf[:len(d.secret.prefix)], r)
	if err != nil {
		return print128{}, err
	}
	d.buf = buf
	sum := sha256.Sum256(buf)
	return print128{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])}, nil
}

// key returns the fingerprint of a record's key alone.
func (d *digester) key(r *record) print128 {
	d.buf = appendNullable(d.buf[:len(d.secret.prefix)], r.key)
	sum := sha256.Sum256(d.buf)
	return print128{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])}
}

// parts returns short hashes of key, value and headers, to tell which of them differ.
func (d *digester) parts(r *record) [3]uint32 {
	headers := r.headers
	if r.headerCount == 0 {
		headers = nil
	}
	return [3]uint32{d.part(r.key), d.part(r.value), d.part(headers)}
}

// part never gives null and anything else the same hash.
func (d *digester) part(b []byte) uint32 {
	if b == nil {
		return 0
	}
	return uint32(maphash.Bytes(d.secret.seed, b)) | 1
}

// link binds a record to the one before it in its stream. The sum of all links of a stream changes with its order.
func link(before, p print128) uint64 {
	hi, lo := bits.Mul64(before.lo^0x9e3779b97f4a7c15, p.hi^0xd1b54a32d192ed03)
	return hi ^ lo ^ bits.RotateLeft64(p.lo, 29)
}

// tally sums up records whatever their order, and the links between them.
type tally struct {
	records, bytes int64
	hi, lo         uint64 // sum of the fingerprints modulo 2^128: unlike XOR it sees a record that is there twice
	links          uint64
}

func (t *tally) add(p print128, size int, link uint64) {
	t.records++
	t.bytes += int64(size)
	var carry uint64
	t.lo, carry = bits.Add64(t.lo, p.lo, 0)
	t.hi, _ = bits.Add64(t.hi, p.hi, carry)
	t.links += link
}

func (t *tally) merge(o tally) {
	t.records += o.records
	t.bytes += o.bytes
	var carry uint64
	t.lo, carry = bits.Add64(t.lo, o.lo, 0)
	t.hi, _ = bits.Add64(t.hi, o.hi, carry)
	t.links += o.links
}
