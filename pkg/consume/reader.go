package consume

import (
	"encoding/binary"
	"errors"
)

// errMore says that the next piece is not there yet.
var errMore = errors.New("more to come")

// reader reads the primitives of the protocol. After an error it returns zeros.
type reader struct {
	b    []byte
	used int
	err  error
}

func (r *reader) take(n int) []byte {
	if r.err == nil && (n < 0 || len(r.b) < n) {
		r.err = errMore
	}
	if r.err != nil {
		return nil
	}
	out := r.b[:n:n]
	r.b, r.used = r.b[n:], r.used+n
	return out
}

func (r *reader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	switch {
	case n == 0:
		r.err = errMore
		return 0
	case n < 0 || v > 1<<31:
		r.err = errors.New("length out of range")
		return 0
	}
	r.b, r.used = r.b[n:], r.used+n
	return v
}

// count reads the length of an array, a string or bytes; null counts as 0.
func (r *reader) count() int { return max(0, int(r.uvarint())-1) }

// tags passes over tagged fields, and shows each to visit.
func (r *reader) tags(visit func(tag uint64, b []byte)) {
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		tag := r.uvarint()
		b := r.take(int(r.uvarint()))
		if visit != nil && r.err == nil {
			visit(tag, b)
		}
	}
}
