package verify

import (
	"encoding/binary"
	"errors"
	"math"
)

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
