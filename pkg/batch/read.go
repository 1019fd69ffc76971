package batch

import (
	"encoding/binary"
	"fmt"
)

// Record is one record of a batch, taken apart.
type Record struct {
	Offset     int64
	Timestamp  int64 // milliseconds since 1970, -1 for none
	Key, Value []byte
	Headers    []Header // nil when there are none
}

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Records takes b apart, without a look at its CRC. A null key or value is nil, an empty one is not. It is for the few
// records that somebody has to look at: keys, values and headers have memory of their own. A compressed batch may grow to
// maxDecompressed bytes. Errors are those of Recoder.Add.
func (b Batch) Records(maxDecompressed int) ([]Record, error) {
	u := unpacker{limit: maxDecompressed, gate: NewGate()}
	wire, err := u.unpack(b.Codec(), b.Payload())
	if err != nil {
		return nil, fmt.Errorf("decompress batch at offset %d: %w", b.BaseOffset(), err)
	}
	clock := clockOf(b)
	var records []Record
	for range b.Count() {
		h, ok := readHead(wire)
		if !ok {
			return nil, fmt.Errorf("read batch at offset %d: %w: number %d", b.BaseOffset(), ErrRecord, len(records))
		}
		r := Record{Offset: b.BaseOffset() + h.offsetDelta, Timestamp: clock.timeOf(h)}
		if !r.readBody(wire[h.body:h.size]) {
			return nil, fmt.Errorf("read batch at offset %d: %w: the body of number %d", b.BaseOffset(), ErrRecord, len(records))
		}
		records, wire = append(records, r), wire[h.size:]
	}
	if len(wire) > 0 {
		return nil, fmt.Errorf("read batch at offset %d: %w: %d bytes after the last one", b.BaseOffset(), ErrRecord, len(wire))
	}
	return records, nil
}

// TimesAround returns the timestamps of the last record of b before offset and of its first one from there on, in
// milliseconds since 1970; -1 where b has none. Where b cannot be taken apart, or grows beyond 16 MiB, the
// answers are the latest and the earliest that its header allows.
func (b Batch) TimesAround(offset int64) (before, from int64) {
	records, err := b.Records(16 << 20)
	if err != nil {
		return b.MaxTimestamp(), b.FirstTimestamp()
	}
	before, from = -1, -1
	for _, r := range records {
		if r.Offset >= offset {
			return before, r.Timestamp
		}
		before = r.Timestamp
	}
	return before, from
}

// readBody reads key, value and headers, and says whether body is nothing but these.
func (r *Record) readBody(body []byte) bool {
	var ok bool
	if r.Key, body, ok = readField(body); !ok {
		return false
	}
	if r.Value, body, ok = readField(body); !ok {
		return false
	}
	count, n := binary.Varint(body)
	if n <= 0 || count < 0 || count > int64(len(body)) {
		return false
	}
	body = body[n:]
	for range count {
		var h Header
		var key []byte
		if key, body, ok = readField(body); !ok || key == nil {
			return false
		}
		if h.Value, body, ok = readField(body); !ok {
			return false
		}
		h.Key = string(key)
		r.Headers = append(r.Headers, h)
	}
	return len(body) == 0
}

// readField reads a field behind its length; a null one is nil.
func readField(p []byte) (field, rest []byte, ok bool) {
	length, n := binary.Varint(p)
	if n <= 0 || length < -1 || length > int64(len(p)-n) {
		return nil, nil, false
	}
	p = p[n:]
	if length < 0 {
		return nil, p, true
	}
	return append([]byte{}, p[:length]...), p[length:], true
}
