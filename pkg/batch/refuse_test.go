package batch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy/xerial"

	"tributary/pkg/batch"
)

// withPayload returns a batch of count records in that codec whose payload is given as it is.
func withPayload(t testing.TB, c batch.Codec, payload []byte, count int32) batch.Batch {
	b := source{base: 50, lastDelta: count - 1, codec: c}.build(t)
	binary.BigEndian.PutUint32(b[57:], uint32(count))
	return seal(append(b, payload...))
}

// TestAddIsAllOrNothing refuses bad batches while good records are pending; these must come out untouched.
func TestAddIsAllOrNothing(t *testing.T) {
	good := plain(1, 20, 50)
	records := plain(50, 5, 30)
	wire := encodeRecords(records, 50, 0)
	swapped := encodeRecords([]record{records[1], records[0]}, 50, 0)
	badCRC := source{base: 50, records: records}.build(t)
	badCRC[70]++
	unknown := withPayload(t, batch.None, wire, 5)
	unknown[22] = 7

	tests := []struct {
		name string
		b    batch.Batch
		want error
	}{
		{"wrong crc", badCRC, batch.ErrCRC},
		{"control", source{base: 50, attributes: control, records: records}.build(t), batch.ErrControl},
		{"unknown codec", seal(unknown), batch.ErrCodec},
		{"too few records", withPayload(t, batch.None, wire, 6), batch.ErrRecord},
		{"too many records", withPayload(t, batch.None, wire, 4), batch.ErrRecord},
		{"negative count", withPayload(t, batch.None, wire, -5), batch.ErrRecord},
		{"giant count", withPayload(t, batch.None, wire, 1<<31-1), batch.ErrRecord},
		{"no count", withPayload(t, batch.None, wire, 0), batch.ErrRecord},
		{"cut record", withPayload(t, batch.None, wire[:len(wire)-1], 5), batch.ErrRecord},
		{"empty record at the end", withPayload(t, batch.None, append(bytes.Clone(wire[:len(wire)/5]), 0), 2), batch.ErrRecord},
		{"byte behind", withPayload(t, batch.None, append(bytes.Clone(wire), 0), 5), batch.ErrRecord},
		{"offsets go back", withPayload(t, batch.None, swapped, 2), batch.ErrRecord},
		{"offset repeats", withPayload(t, batch.None, append(bytes.Clone(wire[:len(wire)/5]), wire[:len(wire)/5]...), 2), batch.ErrRecord},
		{"offset behind the batch", withPayload(t, batch.None, encodeRecords(records[1:2], 50, 0), 1), batch.ErrRecord},
		{"offset before the batch", withPayload(t, batch.None, encodeRecords(records[:1], 51, 0), 1), batch.ErrRecord},
		{"gzip that is none", withPayload(t, batch.Gzip, wire, 5), nil},
		{"snappy that is none", withPayload(t, batch.Snappy, []byte{0x05, 0xff, 0xff}, 5), nil},
		{"lz4 that is none", withPayload(t, batch.LZ4, wire, 5), nil},
		{"zstd that is none", withPayload(t, batch.Zstd, wire, 5), nil},
		{"cut gzip", withPayload(t, batch.Gzip, cut(compress(t, batch.Gzip, wire)), 5), nil},
		{"cut snappy", withPayload(t, batch.Snappy, cut(compress(t, batch.Snappy, wire)), 5), nil},
		{"cut xerial", withPayload(t, batch.Snappy, cut(xerial.Encode(nil, wire)), 5), nil},
		{"cut xerial length", withPayload(t, batch.Snappy, xerial.Encode(nil, wire)[:18], 5), nil},
		{"cut lz4", withPayload(t, batch.LZ4, compress(t, batch.LZ4, wire)[:40], 5), nil},
		{"cut zstd", withPayload(t, batch.Zstd, cut(compress(t, batch.Zstd, wire)), 5), nil},
	}
	r := batch.NewRecoder(1<<16, batch.NewGate())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			add(t, r, source{base: 1, records: good}.build(t), 0, 0)
			takeOne(t, r, good, batch.None, 500)
			n, size := r.Pending()
			err := r.Add(tt.b, 0, 0)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if gotN, gotSize := r.Pending(); gotN != n || gotSize > size {
				t.Errorf("got %d records, %d bytes; want %d, %d", gotN, gotSize, n, size)
			}
			rest := good[len(good)-n:]
			add(t, r, source{base: 21, codec: batch.LZ4, records: plain(21, 3, 50)}.build(t), 0, 0)
			want := append(append([]record(nil), rest...), plain(21, 3, 50)...)
			checkSame(t, takeAll(t, r, want, batch.Gzip, 0), want)
		})
	}
}

func cut(b []byte) []byte { return b[:len(b)*2/3] }

// TestBombs gives the Recoder payloads that decompress, or claim to, to far more than it allows.
func TestBombs(t *testing.T) {
	const limit, real = 1 << 20, 64 << 20
	zeros := make([]byte, real)
	claim := binary.AppendUvarint(nil, 1<<32-1)
	oneTooMany := zeros[:limit+1]
	tests := []struct {
		name    string
		codec   batch.Codec
		payload []byte
	}{
		{"gzip", batch.Gzip, compress(t, batch.Gzip, zeros)},
		{"snappy", batch.Snappy, compress(t, batch.Snappy, zeros)},
		{"snappy that lies", batch.Snappy, append(claim, 0, 0, 0)},
		{"xerial", batch.Snappy, xerial.Encode(nil, zeros)},
		{"xerial that lies", batch.Snappy, append(xerial.Encode(nil, []byte("x")), append([]byte{0, 0, 0, 5}, claim...)...)},
		{"lz4", batch.LZ4, compress(t, batch.LZ4, zeros)},
		{"zstd", batch.Zstd, compress(t, batch.Zstd, zeros)},
		{"zstd that lies about its size", batch.Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0}},
		{"zstd with a giant window", batch.Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 1, 0, 0}},
		{"gzip, one byte too many", batch.Gzip, compress(t, batch.Gzip, oneTooMany)},
		{"snappy, one byte too many", batch.Snappy, s2.EncodeSnappy(nil, oneTooMany)},
		{"xerial, one byte too many", batch.Snappy, xerial.Encode(nil, oneTooMany)},
		{"lz4, one byte too many", batch.LZ4, compress(t, batch.LZ4, oneTooMany)},
		{"zstd, one byte too many", batch.Zstd, compress(t, batch.Zstd, oneTooMany)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := withPayload(t, tt.codec, tt.payload, 3)
			r := batch.NewRecoder(limit, batch.NewGate())
			var err error
			bytes := allocated(func() { err = r.Add(b, 0, 0) })
			if !errors.Is(err, batch.ErrTooLarge) {
				t.Errorf("got %v, want ErrTooLarge", err)
			}
			// zstd may use its smallest window of 8 MiB; the sum of all growth steps is below four times the largest.
			if bytes > 40<<20 {
				t.Errorf("allocated %d MiB, want at most 40", bytes>>20)
			}
		})
	}
}

// TestLimitIsInclusive takes batches that decompress to exactly what is allowed.
func TestLimitIsInclusive(t *testing.T) {
	records := plain(50, 100, 100)
	wire := encodeRecords(records, 50, 0)
	for _, codec := range codecs {
		r := batch.NewRecoder(len(wire), batch.NewGate())
		if err := r.Add(withPayload(t, codec, compress(t, codec, wire), 100), 0, 0); err != nil {
			t.Errorf("%s: %v", codec, err)
		}
	}
}
