package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// pack compresses in the way of the clients.
func pack(t testing.TB, c codec, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	switch c {
	case codecGzip:
		w := gzip.NewWriter(&out)
		w.Write(b)
		w.Close()
	case codecSnappy:
		return snappy.Encode(nil, b)
	case codecLZ4:
		w := lz4.NewWriter(&out)
		w.Write(b)
		w.Close()
	case codecZstd:
		w, err := zstd.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(b)
		w.Close()
	default:
		return b
	}
	return out.Bytes()
}

// xerial frames snappy blocks as the Java client does.
func xerial(blocks ...[]byte) []byte {
	out := append([]byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}, 0, 0, 0, 1, 0, 0, 0, 1)
	for _, b := range blocks {
		packed := snappy.Encode(nil, b)
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(packed))), packed...)
	}
	return out
}

// v2 makes a batch of records at offset base.
func v2(base, first, greatest int64, attributes int16, payload []byte, records []*record) []byte {
	b := make([]byte, headerBytes)
	binary.BigEndian.PutUint64(b, uint64(base))
	b[magicAt] = 2
	binary.BigEndian.PutUint16(b[21:], uint16(attributes))
	binary.BigEndian.PutUint32(b[23:], uint32(records[len(records)-1].offset-base))
	binary.BigEndian.PutUint64(b[27:], uint64(first))
	binary.BigEndian.PutUint64(b[35:], uint64(greatest))
	binary.BigEndian.PutUint64(b[43:], 77)
	binary.BigEndian.PutUint32(b[57:], uint32(len(records)))
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-frameBytes))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[crcFrom:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func v2Payload(base, first int64, records []*record) []byte {
	var out []byte
	for _, r := range records {
		body := []byte{0}
		body = binary.AppendVarint(body, r.timestamp-first)
		body = binary.AppendVarint(body, r.offset-base)
		body = appendVarBytes(appendVarBytes(body, r.key), r.value)
		body = binary.AppendVarint(body, int64(r.headerCount))
		body = append(body, r.headers...)
		out = append(binary.AppendVarint(out, int64(len(body))), body...)
	}
	return out
}

func (r *record) at(offset int64) *record {
	r.offset = offset
	return r
}

func decodeAll(b []byte) (out []*record, err error) {
	var d decoder
	for len(b) > 0 {
		e, ok := cutEntry(b)
		if !ok {
			return out, errBatch
		}
		b = b[len(e):]
		if err := d.records(e, func(r *record) error {
			c := *r
			c.key, c.value, c.headers = bytes.Clone(r.key), bytes.Clone(r.value), bytes.Clone(r.headers)
			out = append(out, &c)
			return nil
		}); err != nil {
			return out, err
		}
	}
	return out, nil
}

func requireRecords(t *testing.T, b []byte, want []*record) {
	t.Helper()
	got, err := decodeAll(b)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, want, func(a, b *record) bool { return a.offset == b.offset && sameRecord(a, b) }) {
		t.Errorf("got %d records, want %d", len(got), len(want))
		for i := range min(len(got), len(want)) {
			t.Logf("got %+v want %+v", got[i], want[i])
		}
	}
}

func TestBatches(t *testing.T) {
	records := []*record{
		build(1000, []byte("k"), []byte("v")).at(10),
		build(990, nil, []byte{}).at(12), // a gap, and time going back
		build(1005, []byte{}, nil, header{[]byte("a"), nil}, header{[]byte("a"), []byte("x")}).at(13),
		build(1005, []byte("k"), bytes.Repeat([]byte("long "), 50_000)).at(14),
	}
	payload := v2Payload(10, 1000, records)
	for c := codecNone; c <= codecZstd; c++ {
		requireRecords(t, v2(10, 1000, 1005, int16(c), pack(t, c, payload), records), records)
	}
	requireRecords(t, v2(10, 1000, 1005, int16(codecSnappy), xerial(payload[:100], payload[100:]), records), records)
	var linked bytes.Buffer
	w := lz4.NewWriter(&linked)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(payload)))); err != nil {
		t.Fatal(err)
	}
	w.Write(payload)
	w.Close()
	requireRecords(t, v2(10, 1000, 1005, int16(codecLZ4), linked.Bytes(), records), records)
	appended := []*record{build(2000, []byte("k"), []byte("v")).at(10)}
	requireRecords(t, v2(10, 1000, 2000, logAppendTime, v2Payload(10, 1000, records[:1]), records[:1]), appended)
}

func TestCorruptBatches(t *testing.T) {
	records := []*record{build(1000, []byte("k"), []byte("v")).at(10), build(1000, []byte("k"), []byte("v")).at(11)}
	payload := v2Payload(10, 1000, records)
	good := v2(10, 1000, 1000, 0, payload, records)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	newer := bytes.Clone(good)
	newer[magicAt] = 3
	for _, test := range []struct {
		name string
		b    []byte
		last int64
		want error
	}{
		{"checksum", flipped, 11, errChecksum},
		{"unknown format", newer, 10, nil},
		{"unknown codec", v2(10, 1000, 1000, 6, payload, records), 11, nil},
		{"payload too long", v2(10, 1000, 1000, 0, append(bytes.Clone(payload), 0), records), 11, errBatch},
		{"payload too short", v2(10, 1000, 1000, 0, payload[:len(payload)-2], records), 11, errRecord},
		{"bomb", v2(10, 1000, 1000, int16(codecSnappy), binary.AppendUvarint(nil, maxUnpackedBytes+1), records), 11, errTooLarge},
		{"not gzip", v2(10, 1000, 1000, int16(codecGzip), []byte("nonsense"), records), 11, nil},
		{"not lz4", v2(10, 1000, 1000, int16(codecLZ4), []byte("nonsense"), records), 11, errLZ4},
	} {
		_, err := decodeAll(test.b)
		bad, ok := errors.AsType[*corrupt](err)
		if !ok || bad.base != 10 || bad.last != test.last || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want a corrupt batch from 10 to %d with %v", test.name, err, test.last, test.want)
		}
	}
}

// old makes messages of format 0 or 1, wrapped if compressed.
func old(t *testing.T, version int8, c codec, wrapper int64, inner ...int64) []byte {
	t.Helper()
	message := func(offset int64, key, value []byte, c codec, at time.Time) []byte {
		b := make([]byte, magicAt, 64)
		binary.BigEndian.PutUint64(b, uint64(offset))
		b = append(b, byte(version), byte(c))
		if version == 1 {
			b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli()))
		}
		for _, part := range [][]byte{key, value} {
			if part == nil {
				b = binary.BigEndian.AppendUint32(b, ^uint32(0))
				continue
			}
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
		}
		binary.BigEndian.PutUint32(b[8:], uint32(len(b)-frameBytes))
		binary.BigEndian.PutUint32(b[oldChecksumAt:], crc32.ChecksumIEEE(b[magicAt:]))
		return b
	}
	var set []byte
	for _, offset := range inner {
		set = append(set, message(offset, nil, []byte("v"), codecNone, time.UnixMilli(1000+offset))...)
	}
	if c == codecNone {
		return set
	}
	return message(wrapper, nil, pack(t, c, set), c, time.UnixMilli(5000))
}

func TestOldMessages(t *testing.T) {
	v0 := []*record{build(-1, nil, []byte("v")).at(5), build(-1, nil, []byte("v")).at(6)}
	v1 := []*record{build(1000, nil, []byte("v")).at(20), build(1001, nil, []byte("v")).at(21)}
	requireRecords(t, old(t, 0, codecNone, 0, 5, 6), v0)
	for _, c := range []codec{codecGzip, codecSnappy, codecLZ4} {
		requireRecords(t, old(t, 0, c, 6, 5, 6), v0)
		requireRecords(t, old(t, 1, c, 21, 0, 1), v1)
	}
	requireRecords(t, old(t, 1, codecNone, 0, 20, 21)[:0], nil)
	plain := old(t, 1, codecNone, 0, 20)
	requireRecords(t, plain, []*record{build(1020, nil, []byte("v")).at(20)})
	plain[len(plain)-1] ^= 1
	if _, err := decodeAll(plain); !errors.Is(err, errChecksum) {
		t.Errorf("flipped byte: got %v, want %v", err, errChecksum)
	}
}

// Nothing a broker may send makes the decoder panic or emit a record outside of its batch.
func FuzzRecords(f *testing.F) {
	records := []*record{build(1000, []byte("k"), []byte("v"), header{[]byte("h"), nil}).at(10), build(1000, nil, nil).at(11)}
	for c := codecNone; c <= codecZstd; c++ {
		f.Add(v2(10, 1000, 1000, int16(c), pack(f, c, v2Payload(10, 1000, records)), records))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			e, ok := cutEntry(b)
			if !ok {
				return
			}
			b = b[len(e):]
			if e.modern() { // the checksum keeps the fuzzer out
				binary.BigEndian.PutUint32(e[17:], crc32.Checksum(e[crcFrom:], crc32.MakeTable(crc32.Castagnoli)))
				e.isAbort()
			} else if len(e) >= oldFields {
				binary.BigEndian.PutUint32(e[oldChecksumAt:], crc32.ChecksumIEEE(e[magicAt:]))
			}
			var d decoder
			err := d.records(e, func(r *record) error {
				if e.modern() && (r.offset < e.base() || r.offset > e.last()) {
					t.Errorf("offset %d in a batch from %d to %d", r.offset, e.base(), e.last())
				}
				r.headerList()
				return nil
			})
			if _, ok := errors.AsType[*corrupt](err); err != nil && !ok {
				t.Errorf("error %v is no corrupt batch", err)
			}
		}
	})
}
