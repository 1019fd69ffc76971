package batch_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/batch"
)

// Attribute bits, stated anew so that the tests do not take them from the code.
const (
	logAppendTime = 0x08
	transactional = 0x10
	control       = 0x20
	deleteHorizon = 0x40
)

var codecs = []batch.Codec{batch.None, batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd}

// record is what a consumer sees of a record.
type record struct {
	Offset     int64
	Timestamp  int64
	Attributes int8
	Key, Value []byte
	Headers    []kmsg.Header
}

// source describes a batch as it lies in a log. Its records carry the times a consumer sees.
type source struct {
	base       int64
	lastDelta  int32 // 0: that of the last record
	epoch      int32
	attributes int16 // without codec
	codec      batch.Codec
	horizon    int64 // base timestamp when attributes say deleteHorizon
	records    []record
}

// encodeRecords returns the records uncompressed, with their deltas relative to the given bases.
func encodeRecords(records []record, baseOffset, baseTimestamp int64) []byte {
	var out []byte
	for _, r := range records {
		k := kmsg.Record{
			Attributes:       r.Attributes,
			TimestampDelta64: r.Timestamp - baseTimestamp,
			OffsetDelta:      int32(r.Offset - baseOffset),
			Key:              r.Key,
			Value:            r.Value,
			Headers:          r.Headers,
		}
		k.Length = int32(len(k.AppendTo(nil)) - 1) // the zero length takes one byte
		out = k.AppendTo(out)
	}
	return out
}

// build encodes s with franz-go's codecs, independently of the package under test.
func (s source) build(t testing.TB) batch.Batch {
	t.Helper()
	h := kmsg.RecordBatch{
		FirstOffset: s.base, PartitionLeaderEpoch: s.epoch, Magic: 2, Attributes: s.attributes | int16(s.codec),
		LastOffsetDelta: s.lastDelta, FirstTimestamp: -1, MaxTimestamp: -1,
		ProducerID: 4711, ProducerEpoch: 3, FirstSequence: 99, NumRecords: int32(len(s.records)),
	}
	for i, r := range s.records {
		if i == 0 {
			h.FirstTimestamp, h.MaxTimestamp = r.Timestamp, r.Timestamp
		}
		h.MaxTimestamp = max(h.MaxTimestamp, r.Timestamp)
		if s.lastDelta == 0 {
			h.LastOffsetDelta = int32(r.Offset - s.base)
		}
	}
	if s.attributes&deleteHorizon != 0 {
		h.FirstTimestamp = s.horizon
	}
	if s.attributes&logAppendTime != 0 {
		h.FirstTimestamp -= 5000 // the producer's time, which no consumer sees
	}
	if len(s.records) > 0 {
		h.Records = compress(t, s.codec, encodeRecords(s.records, s.base, h.FirstTimestamp))
	}
	return seal(h.AppendTo(nil))
}

// seal fills in length and CRC.
func seal(b []byte) batch.Batch {
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crcOf(b))
	return b
}

func crcOf(b []byte) uint32 { return crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)) }

// compressors and decompressor are franz-go's; they pool what is costly to make and may be shared.
var (
	compressors  = newCompressors()
	decompressor = kgo.DefaultDecompressor()
)

func newCompressors() (table [5]kgo.Compressor) {
	for i, codec := range []kgo.CompressionCodec{
		batch.Gzip: kgo.GzipCompression(), batch.Snappy: kgo.SnappyCompression(),
		batch.LZ4: kgo.Lz4Compression(), batch.Zstd: kgo.ZstdCompression(),
	} {
		c, err := kgo.DefaultCompressor(codec)
		if err != nil {
			panic(err)
		}
		table[i] = c
	}
	return table
}

func compress(t testing.TB, c batch.Codec, records []byte) []byte {
	t.Helper()
	if c == batch.None {
		return records
	}
	out, used := compressors[c].Compress(new(bytes.Buffer), records)
	if used != kgo.CompressionCodecType(c) {
		t.Fatalf("compressed with codec %d, want %s", used, c)
	}
	return bytes.Clone(out)
}

// decode reads b with franz-go's codecs as a consumer would and checks the header against the records.
func decode(b []byte) ([]record, error) {
	var h kmsg.RecordBatch
	if err := h.ReadFrom(b); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	if got, want := uint32(h.CRC), crcOf(b); got != want {
		return nil, fmt.Errorf("got CRC %08x, want %08x", got, want)
	}
	if got, want := int(h.Length), len(b)-12; got != want {
		return nil, fmt.Errorf("got length %d, want %d", got, want)
	}
	payload, err := decompressor.Decompress(h.Records, kgo.CompressionCodecType(h.Attributes&7))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	var out []record
	for range h.NumRecords {
		length, n := binary.Varint(payload)
		if n <= 0 || length < 0 || length > int64(len(payload)-n) {
			return nil, fmt.Errorf("record %d is cut", len(out))
		}
		var k kmsg.Record
		one := payload[:n+int(length)]
		payload = payload[len(one):]
		if err := k.ReadFrom(one); err != nil {
			return nil, fmt.Errorf("record %d: %w", len(out), err)
		}
		if !bytes.Equal(k.AppendTo(nil), one) {
			return nil, fmt.Errorf("record %d is not in canonical form", len(out))
		}
		r := record{
			Offset: h.FirstOffset + int64(k.OffsetDelta), Timestamp: h.FirstTimestamp + k.TimestampDelta64,
			Attributes: k.Attributes, Key: k.Key, Value: k.Value, Headers: k.Headers,
		}
		if h.Attributes&logAppendTime != 0 {
			r.Timestamp = h.MaxTimestamp
		}
		out = append(out, r)
	}
	if len(payload) > 0 {
		return nil, fmt.Errorf("%d bytes after the records", len(payload))
	}
	return out, nil
}

// checkSame compares what was copied with what should have been, offsets aside.
func checkSame(t testing.TB, got, want []record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		g.Offset = w.Offset
		if len(g.Headers) == 0 && len(w.Headers) == 0 {
			g.Headers = w.Headers // no headers are written in one way only
		}
		if !reflect.DeepEqual(g, w) {
			t.Fatalf("record %d: got %+v, want %+v", i, g, w)
		}
	}
}

// plain returns n records of size bytes each with consecutive offsets and times.
func plain(offset int64, n, size int) []record {
	out := make([]record, n)
	for i := range out {
		at := offset + int64(i)
		value := bytes.Repeat([]byte{byte(at), byte(at >> 8), 'x', 'y'}, size/4)
		out[i] = record{Offset: at, Timestamp: 1_700_000_000_000 + at, Key: fmt.Append(nil, at), Value: value}
	}
	return out
}
