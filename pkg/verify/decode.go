package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The layout of a record batch, format v2, and what it shares with older formats.
const (
	frameBytes  = 12 // base offset and length, which every format begins with
	magicAt     = 16
	headerBytes = 61 // of format v2
	crcFrom     = 21

	codecMask     = 0x07
	logAppendTime = 0x08
	transactional = 0x10
	controlBatch  = 0x20
)

var (
	errChecksum = errors.New("checksum does not match")
	errBatch    = errors.New("batch is malformed")
)

// corrupt says that the records of a batch cannot be read.
type corrupt struct {
	base, last int64
	err        error
}

// Error names the offsets.
func (c *corrupt) Error() string {
	return fmt.Sprintf("batch at offsets %d to %d: %v", c.base, c.last, c.err)
}

// Unwrap returns why.
func (c *corrupt) Unwrap() error { return c.err }

// entry is a batch of any format, or an old message with its header, as a broker delivered it.
type entry []byte

// cutEntry returns the first whole entry of b; none when only the beginning of one is there.
func cutEntry(b []byte) (e entry, ok bool) {
	if len(b) < magicAt+1 {
		return nil, false
	}
	n := int64(int32(binary.BigEndian.Uint32(b[8:]))) + frameBytes
	if n < magicAt+1 || n > int64(len(b)) {
		return nil, false
	}
	return entry(b[:n:n]), true
}

func (e entry) base() int64  { return int64(binary.BigEndian.Uint64(e)) }
func (e entry) magic() int8  { return int8(e[magicAt]) }
func (e entry) modern() bool { return e.magic() == 2 && len(e) >= headerBytes }

// last is the offset of the last record; that of an old wrapper is its own.
func (e entry) last() int64 {
	if !e.modern() {
		return e.base()
	}
	return e.base() + int64(int32(binary.BigEndian.Uint32(e[23:])))
}

func (e entry) attributes() int16 { return int16(binary.BigEndian.Uint16(e[21:])) }
func (e entry) producer() int64   { return int64(binary.BigEndian.Uint64(e[43:])) }
func (e entry) isControl() bool   { return e.modern() && e.attributes()&controlBatch != 0 }
func (e entry) inTransaction() bool {
	return e.modern() && e.attributes()&transactional != 0
}

// isAbort says whether a control batch ends a transaction by aborting it.
func (e entry) isAbort() bool {
	r := record{}
	rest, err := r.read(e[headerBytes:], e, 0, 0)
	return err == nil && len(rest) == 0 && len(r.key) >= 4 && binary.BigEndian.Uint16(r.key[2:]) == 0
}

// decoder reads the records of entries. Not safe for concurrent use.
type decoder struct {
	unpacker unpacker
	inner    unpacker // of compressed messages of old formats
	record   record
}

// records calls emit with each record of an entry. The error of bytes that cannot be read is a *corrupt; records before
// it were emitted already only where the checksum was right. Errors of emit end it as they are.
func (d *decoder) records(e entry, emit func(*record) error) error {
	var err error
	switch {
	case e.modern():
		err = d.batch(e, emit)
	case e.magic() == 0 || e.magic() == 1:
		err = d.message(e, emit)
	default:
		err = fmt.Errorf("format %d is unknown", e.magic())
	}
	if failed, ok := errors.AsType[emitError](err); ok {
		return failed.err
	}
	if err != nil {
		return &corrupt{e.base(), max(e.base(), e.last()), err}
	}
	return nil
}

// emitError is an error of the caller, which says nothing about the log.
type emitError struct{ err error }

// Error is that of the caller.
func (e emitError) Error() string { return e.err.Error() }

func (d *decoder) batch(e entry, emit func(*record) error) error {
	if crc32.Checksum(e[crcFrom:], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(e[17:]) {
		return errChecksum
	}
	count := int32(binary.BigEndian.Uint32(e[57:]))
	if count < 0 || e.last() < e.base() {
		return errBatch
	}
	payload, err := d.unpacker.unpack(codec(e.attributes()&codecMask), e[headerBytes:])
	if err != nil {
		return err
	}
	first, greatest := int64(binary.BigEndian.Uint64(e[27:])), int64(binary.BigEndian.Uint64(e[35:]))
	r := &d.record
	r.producer, r.aborted = e.producer(), false
	for range count {
		if payload, err = r.read(payload, e, first, greatest); err != nil {
			return err
		}
		if err := emit(r); err != nil {
			return emitError{err}
		}
	}
	if len(payload) > 0 {
		return errBatch
	}
	return nil
}

// read cuts one record of format v2 off b.
func (r *record) read(b []byte, e entry, first, greatest int64) (rest []byte, err error) {
	size, used := binary.Varint(b)
	if used <= 0 || size < 1 || size > int64(len(b)-used) {
		return nil, errRecord
	}
	body, rest := b[used:used+int(size)], b[used+int(size):]
	body = body[1:] // attributes, none of which mean anything
	delta, used := binary.Varint(body)
	if used <= 0 {
		return nil, errRecord
	}
	body = body[used:]
	place, used := binary.Varint(body)
	if used <= 0 || place < 0 || place > e.last()-e.base() {
		return nil, errRecord
	}
	body = body[used:]
	r.offset, r.timestamp = e.base()+place, first+delta
	if e.attributes()&logAppendTime != 0 {
		r.timestamp = greatest
	}
	if r.key, body, err = varBytes(body); err != nil {
		return nil, err
	}
	if r.value, body, err = varBytes(body); err != nil {
		return nil, err
	}
	count, used := binary.Varint(body)
	if used <= 0 || count < 0 || count > int64(len(body)) {
		return nil, errRecord
	}
	r.headers, r.headerCount = body[used:], int(count)
	return rest, nil
}
