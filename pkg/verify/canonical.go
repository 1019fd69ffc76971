package verify

import (
	"encoding/binary"
	"errors"
	"math"
)

// canonicalVersion begins the canonical form; another form gets another number.
const canonicalVersion = 1

// appendCanonical appends the canonical form of a record: version, timestamp, key, value, number of headers, and each
// header in order. Null and empty differ. Different records have different forms. What a copy does not keep is left out:
// offset, producer, shape and compression of the batch, and whether the log or the producer set the timestamp.
func appendCanonical(dst []byte, r *record) ([]byte, error) {
	dst = append(dst, canonicalVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.timestamp))
	dst = appendNullable(dst, r.key)
	dst = appendNullable(dst, r.value)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.headerCount))
	return appendHeaders(dst, r)
}

// appendHeaders appends the canonical form of the headers.
func appendHeaders(dst []byte, r *record) ([]byte, error) {
	rest := r.headers
	for range r.headerCount {
		h, after, err := nextHeader(rest)
		if err != nil {
			return nil, err
		}
		rest = after
		dst = appendNullable(dst, h.key)
		dst = appendNullable(dst, h.value)
	}
	if len(rest) > 0 {
		return nil, errRecord
	}
	return dst, nil
}

// appendNullable appends a flag, the length and the bytes; of null only the flag.
func appendNullable(dst, value []byte) []byte {
	if value == nil {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

var errCanonical = errors.New("canonical form is malformed")

// parseCanonical reads what appendCanonical wrote, and refuses everything else.
func parseCanonical(b []byte) (*record, error) {
	if len(b) < 9 || b[0] != canonicalVersion {
		return nil, errCanonical
	}
	r := &record{timestamp: int64(binary.BigEndian.Uint64(b[1:])), producer: -1}
	b = b[9:]
	var err error
	if r.key, b, err = nullable(b); err != nil {
		return nil, err
	}
	if r.value, b, err = nullable(b); err != nil {
		return nil, err
	}
	if len(b) < 4 {
		return nil, errCanonical
	}
	count := binary.BigEndian.Uint32(b)
	b = b[4:]
	if count > math.MaxInt32 || int64(count) > int64(len(b)) {
		return nil, errCanonical
	}
	r.headerCount = int(count)
	for range r.headerCount {
		var h header
		if h.key, b, err = nullable(b); err != nil || h.key == nil {
			return nil, errCanonical
		}
		if h.value, b, err = nullable(b); err != nil {
			return nil, err
		}
		r.headers = appendVarBytes(appendVarBytes(r.headers, h.key), h.value)
	}
	if len(b) > 0 {
		return nil, errCanonical
	}
	return r, nil
}

func nullable(b []byte) (value, rest []byte, err error) {
	switch {
	case len(b) >= 1 && b[0] == 0:
		return nil, b[1:], nil
	case len(b) < 5 || b[0] != 1:
		return nil, nil, errCanonical
	}
	n := int64(binary.BigEndian.Uint32(b[1:]))
	b = b[5:]
	if n > int64(len(b)) {
		return nil, nil, errCanonical
	}
	return b[:n:n], b[n:], nil
}

// appendVarBytes appends bytes behind their zigzag length, as format v2 has them.
func appendVarBytes(dst, value []byte) []byte {
	if value == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(value))), value...)
}
