package verify

import (
	"encoding/binary"
	"errors"
)

// record is one record of a log. Its bytes are valid until the next one is read.
type record struct {
	offset    int64
	timestamp int64 // milliseconds; -1 none
	producer  int64 // id of the producer of its batch, -1 none
	aborted   bool  // by its transaction

	key, value  []byte // nil is null
	headers     []byte // as in format v2
	headerCount int
}

// header is one header of a record. A nil value is null.
type header struct{ key, value []byte }

var errRecord = errors.New("record is malformed")

// nextHeader cuts the first header off b.
func nextHeader(b []byte) (h header, rest []byte, err error) {
	if h.key, b, err = varBytes(b); err != nil {
		return h, nil, err
	}
	if h.key == nil {
		return h, nil, errRecord
	}
	h.value, b, err = varBytes(b)
	return h, b, err
}

// varBytes cuts bytes behind their zigzag length off b; -1 is null.
func varBytes(b []byte) (value, rest []byte, err error) {
	n, used := binary.Varint(b)
	if used <= 0 || n < -1 || n > int64(len(b)-used) {
		return nil, nil, errRecord
	}
	b = b[used:]
	if n < 0 {
		return nil, b, nil
	}
	return b[:n:n], b[n:], nil
}
