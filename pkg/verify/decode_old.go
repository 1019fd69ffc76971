package verify

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Messages of format 0 and 1: offset, size, checksum, format, attributes, in format 1 a timestamp, then key and value,
// each behind its length. A compressed one wraps others in its value.
const (
	oldChecksumAt = 12
	oldFields     = 18 // where what comes after the attributes begins
)

var errNested = errors.New("compressed message within a compressed message")

// message emits an old message, or those that it wraps.
func (d *decoder) message(e entry, emit func(*record) error) error {
	r := &d.record
	if err := r.readOld(e); err != nil {
		return err
	}
	attributes := e[oldFields-1]
	if attributes&codecMask == 0 {
		if err := emit(r); err != nil {
			return emitError{err}
		}
		return nil
	}
	wrapped, err := d.inner.unpack(codec(attributes&codecMask), r.value)
	if err != nil {
		return err
	}
	appended := int64(noTimestamp)
	if e.magic() == 1 && attributes&logAppendTime != 0 {
		appended = r.timestamp
	}
	shift, err := wrappedShift(wrapped, e)
	if err != nil {
		return err
	}
	for len(wrapped) > 0 {
		in, ok := cutEntry(wrapped)
		if !ok || in.magic() > 1 {
			return errBatch
		}
		wrapped = wrapped[len(in):]
		if err := r.readOld(in); err != nil {
			return err
		}
		if in[oldFields-1]&codecMask != 0 {
			return errNested
		}
		if r.offset += shift; appended != noTimestamp {
			r.timestamp = appended
		}
		if err := emit(r); err != nil {
			return emitError{err}
		}
	}
	return nil
}

const noTimestamp = -1

// wrappedShift is what the offsets within a wrapper lack: in format 1 they count from the wrapper's beginning, and the
// wrapper has the offset of its last message.
func wrappedShift(wrapped []byte, wrapper entry) (int64, error) {
	if wrapper.magic() == 0 {
		return 0, nil
	}
	last := int64(0)
	for len(wrapped) > 0 {
		in, ok := cutEntry(wrapped)
		if !ok {
			return 0, errBatch
		}
		last = in.base()
		wrapped = wrapped[len(in):]
	}
	return wrapper.base() - last, nil
}

// readOld reads one message.
func (r *record) readOld(e entry) error {
	if len(e) < oldFields || crc32.ChecksumIEEE(e[magicAt:]) != binary.BigEndian.Uint32(e[oldChecksumAt:]) {
		return errChecksum
	}
	*r = record{offset: e.base(), timestamp: noTimestamp, producer: -1}
	b := []byte(e[oldFields:])
	if e.magic() == 1 {
		if len(b) < 8 {
			return errRecord
		}
		r.timestamp = int64(binary.BigEndian.Uint64(b))
		b = b[8:]
	}
	var err error
	if r.key, b, err = fixedBytes(b); err != nil {
		return err
	}
	if r.value, b, err = fixedBytes(b); err != nil {
		return err
	}
	if len(b) > 0 {
		return errRecord
	}
	return nil
}

// fixedBytes cuts bytes behind a length of four bytes off b; -1 is null.
func fixedBytes(b []byte) (value, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errRecord
	}
	n := int64(int32(binary.BigEndian.Uint32(b)))
	b = b[4:]
	switch {
	case n == -1:
		return nil, b, nil
	case n < 0 || n > int64(len(b)):
		return nil, nil, errRecord
	}
	return b[:n:n], b[n:], nil
}
