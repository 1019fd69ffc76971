package mirror

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"testing"

	"tributary/pkg/batch"
)

// Attribute bits of source batches.
const (
	gzipCodec     = 0x01
	logAppendTime = 0x08
	transactional = 0x10
	control       = 0x20
)

// entry is one batch of a source log. Its records have consecutive ids that stand in their values; control batches have
// one record that is nobody's.
type entry struct {
	base     int64
	ids      []int64
	delta    []int32 // offset deltas of the records; nil: dense
	span     int32   // offsets that the batch stands for; 0: as many as records
	attrs    uint16
	producer int64
	abort    bool // of control batches
	stamp    int64
	pad      int  // extra bytes per value
	old      bool // in format v1: one message, or a wrapper of several
}

func (e entry) next() int64 {
	if e.span > 0 {
		return e.base + int64(e.span)
	}
	return e.base + int64(max(1, len(e.ids)))
}

// bytes is the batch as a broker returns it.
func (e entry) bytes() batch.Batch {
	if e.old {
		return e.oldBytes()
	}
	var records []byte
	n := len(e.ids)
	if e.attrs&control != 0 {
		key := []byte{0, 0, 0, 1}
		if e.abort {
			key[3] = 0
		}
		records, n = appendRecord(nil, 0, key, []byte{0, 0, 0, 0, 0, 0}), 1
	}
	for i, id := range e.ids {
		value := e.value(id)
		delta := int32(i)
		if e.delta != nil {
			delta = e.delta[i]
		}
		records = append(records, appendRecord(nil, delta, nil, value)...)
	}
	if e.attrs&7 == gzipCodec {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(records); err != nil {
			panic(err)
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		records = b.Bytes()
	}
	b := make([]byte, batch.HeaderLen, batch.HeaderLen+len(records))
	b = append(b, records...)
	be := binary.BigEndian
	be.PutUint64(b[0:], uint64(e.base))
	be.PutUint32(b[8:], uint32(len(b)-12))
	be.PutUint32(b[12:], testEpoch)
	b[16] = 2
	be.PutUint16(b[21:], e.attrs)
	be.PutUint32(b[23:], uint32(e.next()-e.base-1))
	be.PutUint64(b[27:], uint64(e.stamp))
	be.PutUint64(b[35:], uint64(e.stamp))
	be.PutUint64(b[43:], uint64(e.producer))
	be.PutUint32(b[57:], uint32(n))
	reseal(b)
	return b
}

// oldBytes is the entry in format v1. Its records are dense.
func (e entry) oldBytes() []byte {
	if len(e.ids) == 1 {
		return e.message(e.base, 0, e.value(e.ids[0]))
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	for i, id := range e.ids {
		if _, err := w.Write(e.message(int64(i), 0, e.value(id))); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return e.message(e.next()-1, gzipCodec, zipped.Bytes())
}

func (e entry) message(offset int64, attributes byte, value []byte) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint64(nil, uint64(offset)), uint32(22+len(value)))
	b = append(b, 0, 0, 0, 0, 1, attributes|byte(e.attrs&logAppendTime))
	b = be.AppendUint32(be.AppendUint64(b, uint64(e.stamp)), 0xffffffff) // null key
	b = append(be.AppendUint32(b, uint32(len(value))), value...)
	be.PutUint32(b[12:], crc32.ChecksumIEEE(b[16:]))
	return b
}

func (e entry) value(id int64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(id)), bytes.Repeat([]byte{byte(id)}, e.pad)...)
}

// reseal computes b's CRC anew.
func reseal(b []byte) {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
}

func appendRecord(dst []byte, delta int32, key, value []byte) []byte {
	body := []byte{0} // attributes
	body = binary.AppendVarint(body, 0)
	body = binary.AppendVarint(body, int64(delta))
	for _, field := range [][]byte{key, value} {
		if field == nil {
			body = binary.AppendVarint(body, -1)
			continue
		}
		body = append(binary.AppendVarint(body, int64(len(field))), field...)
	}
	body = binary.AppendVarint(body, 0) // headers
	return append(binary.AppendVarint(dst, int64(len(body))), body...)
}

// idsOf reads a batch that was sent, as a broker and a consumer would.
func idsOf(b batch.Batch) ([]int64, error) {
	if err := b.Verify(); err != nil {
		return nil, err
	}
	if !b.Dense() || b.BaseOffset() != 0 || b.Attributes()&^7 != 0 {
		return nil, fmt.Errorf("header is not a producer's: base offset %d, attributes %#x, %d records, last delta %d", b.BaseOffset(), b.Attributes(), b.Count(), b.LastOffsetDelta())
	}
	records := []byte(b.Payload())
	if b.Codec() == batch.Gzip {
		r, err := gzip.NewReader(bytes.NewReader(records))
		if err != nil {
			return nil, err
		}
		if records, err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
	var ids []int64
	for range b.Count() {
		id, rest, err := readRecord(records, int64(len(ids)))
		if err != nil {
			return nil, err
		}
		ids, records = append(ids, id), rest
	}
	if len(records) > 0 {
		return nil, fmt.Errorf("%d bytes after the records", len(records))
	}
	return ids, nil
}

func readRecord(b []byte, delta int64) (id int64, rest []byte, err error) {
	length, n := binary.Varint(b)
	if n <= 0 || length < 5 || int(length) > len(b)-n {
		return 0, nil, fmt.Errorf("record of length %d in %d bytes", length, len(b))
	}
	body, rest := b[n+1:n+int(length)], b[n+int(length):] // without attributes
	fields := make([]int64, 4)                            // timestamp delta, offset delta, key, value length
	for i := range fields {
		if fields[i], n = binary.Varint(body); n <= 0 {
			return 0, nil, fmt.Errorf("field %d of a record is cut", i)
		}
		body = body[n:]
	}
	if fields[1] != delta || fields[2] != -1 || fields[3] < 8 || len(body) < 8 {
		return 0, nil, fmt.Errorf("record has fields %v, want offset delta %d", fields, delta)
	}
	return int64(binary.BigEndian.Uint64(body)), rest, nil
}

// dense returns n batches of size records each, from offset and id 0.
func dense(n, size int, attrs uint16, stamp int64) []entry {
	var log []entry
	for i := range n {
		log = append(log, entry{base: int64(i * size), ids: idRange(int64(i*size), size), attrs: attrs, producer: -1, stamp: stamp})
	}
	return log
}

func idRange(from int64, n int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = from + int64(i)
	}
	return ids
}

func TestBuilderIsReadBack(t *testing.T) {
	for _, attrs := range []uint16{0, gzipCodec} {
		b := entry{ids: idRange(40, 3), attrs: attrs, stamp: 1}.bytes()
		got, err := idsOf(b)
		if err != nil || fmt.Sprint(got) != "[40 41 42]" {
			t.Errorf("attributes %d: got %v, %v", attrs, got, err)
		}
	}
}
