package batch_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"tributary/pkg/batch"
)

// FuzzSplit walks any bytes as a Fetch response: nothing panics, batches and rest are the input, and Reseal agrees with Seal.
func FuzzSplit(f *testing.F) {
	one := source{base: 5, records: plain(5, 2, 8)}.build(f)
	two := source{base: 7, attributes: control, codec: batch.LZ4, records: plain(7, 1, 8)}.build(f)
	f.Add([]byte(nil), int64(0))
	f.Add([]byte(one), int64(6))
	f.Add(append(append([]byte(nil), one...), two...), int64(7))
	f.Add([]byte(one[:70]), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, from int64) {
		all, rest := bytes.Clone(data), data
		for {
			b, next, err := batch.Split(rest)
			if err != nil {
				if b != nil || len(next) != len(rest) {
					t.Fatalf("got %d bytes and a rest of %d of %d with %v", len(b), len(next), len(rest), err)
				}
				return
			}
			if len(b) < batch.HeaderLen || len(b)+len(next) != len(rest) || b.Magic() != 2 {
				t.Fatalf("%d bytes split into %d and %d", len(rest), len(b), len(next))
			}
			rest = next
			checkHeader(t, b, from)
			if !bytes.Equal(data, all) {
				t.Fatal("reading changed the bytes")
			}
			checkReseal(t, bytes.Clone(b))
		}
	})
}

func checkHeader(t *testing.T, b batch.Batch, from int64) {
	class, err := b.Classify(batch.Limits{From: from, MaxBytes: 1 << 20})
	if (class == batch.Halt) != (err != nil) {
		t.Fatalf("got %v with %v", class, err)
	}
	if class == batch.Raw && (!b.Dense() || b.IsControl() || b.BaseOffset() < from) {
		t.Fatalf("%x must not go raw", b[:batch.HeaderLen])
	}
	b.FirstTimestamp()
	if abort, err := b.IsAbortMarker(); abort && (err != nil || !b.IsControl()) {
		t.Fatalf("got an abort marker with %v", err)
	}
}

func checkReseal(t *testing.T, b batch.Batch) {
	valid := b.Verify() == nil
	sealed := batch.Batch(bytes.Clone(b))
	sealed.Seal(batch.Producer{ID: 12, Epoch: 3}, 45)
	before := bytes.Clone(b)
	err := b.Reseal(batch.Producer{ID: 12, Epoch: 3}, 45)
	switch {
	case valid != (err == nil):
		t.Fatalf("valid is %v but Reseal says %v", valid, err)
	case err == nil && !bytes.Equal(b, sealed):
		t.Fatalf("Reseal and Seal differ: %x, %x", b[:batch.HeaderLen], sealed[:batch.HeaderLen])
	case err != nil && !bytes.Equal(b, before):
		t.Fatal("a refused batch was changed")
	}
	if err := sealed.Verify(); err != nil {
		t.Fatalf("verify a sealed batch: %v", err)
	}
}

// FuzzRecoder recodes any records in any codec. What franz-go can read of the source must be accepted and come out equal; the
// rest must be refused without a trace or come out as well-formed batches.
func FuzzRecoder(f *testing.F) {
	records := plain(0, 4, 8)
	wire := encodeRecords(records, 0, records[0].Timestamp)
	f.Add(wire, uint8(0), uint8(0), int32(4), int32(3), int64(0), uint8(0), uint8(0), uint16(0))
	f.Add(wire, uint8(4), uint8(3), int32(4), int32(9), int64(2), uint8(1), uint8(1), uint16(150))
	f.Add(encodeRecords(plain(2, 3, 8), 0, 5), uint8(2), uint8(1), int32(3), int32(4), int64(0), uint8(0), uint8(4), uint16(0))
	f.Add(compress(f, batch.Zstd, wire), uint8(4|128), uint8(0), int32(4), int32(3), int64(0), uint8(0), uint8(2), uint16(200))
	f.Add(compress(f, batch.LZ4, wire), uint8(3|128), uint8(0), int32(4), int32(3), int64(0), uint8(0), uint8(2), uint16(200))
	f.Fuzz(func(t *testing.T, payload []byte, in, kind uint8, count, lastDelta int32, from int64, skip, out uint8, maxBytes uint16) {
		b := fuzzed(t, payload, in, kind, count, lastDelta)
		r := batch.NewRecoder(1<<16, batch.NewGate())
		good := plain(0, 3, 8)
		add(t, r, source{records: good}.build(t), 0, 0)
		codec := codecs[int(out)%len(codecs)]
		if err := r.Add(b, from, int(skip)); err != nil {
			if want, ok := consumed(b); ok && len(want) > 0 {
				t.Fatalf("%d good records were refused: %v", len(want), err)
			}
			checkSame(t, takeAll(t, r, good, codec, 0), good)
			return
		}
		want, ok := consumed(b)
		if !ok {
			drain(t, r, codec, int(maxBytes))
			return
		}
		for len(want) > 0 && want[0].Offset < from {
			want = want[1:]
		}
		want = append(good, want[min(int(skip), len(want)):]...)
		checkSame(t, takeAll(t, r, want, codec, roomFor(want, int(maxBytes))), want)
	})
}

// fuzzed makes a batch with a right CRC. Bit 7 of in says that payload is already compressed.
func fuzzed(t *testing.T, payload []byte, in, kind uint8, count, lastDelta int32) batch.Batch {
	codec := batch.Codec(in & 7)
	if in&128 == 0 && int(codec) < len(codecs) {
		payload = compress(t, codec, payload)
	}
	s := source{codec: codec, attributes: []int16{0, logAppendTime, deleteHorizon, transactional}[kind%4], horizon: 1 << 41}
	b := append(s.build(t), payload...)
	binary.BigEndian.PutUint32(b[23:], uint32(lastDelta))
	binary.BigEndian.PutUint32(b[57:], uint32(count))
	return seal(b)
}

// consumed returns what a consumer sees of b; ok is false unless b is what a broker may hold and small enough.
func consumed(b batch.Batch) (records []record, ok bool) {
	records, err := decode(b)
	if err != nil || b.Count() < 0 || len(encodeRecords(records, 0, 0)) > 1<<15 {
		return nil, false
	}
	next := b.BaseOffset()
	for _, r := range records {
		if r.Offset < next || r.Offset >= b.NextOffset() {
			return nil, false
		}
		next = r.Offset + 1
	}
	return records, true
}

// roomFor raises maxBytes until the largest record fits, compressed or not; 0 stays.
func roomFor(records []record, maxBytes int) int {
	if maxBytes == 0 {
		return 0
	}
	for i := range records {
		size := len(encodeRecords(records[i:i+1], records[i].Offset, 0))
		maxBytes = max(maxBytes, 200+size+size/8)
	}
	return maxBytes
}

// drain takes everything and checks only the form, where no other decoder knows the content. A record may be too large.
func drain(t *testing.T, r *batch.Recoder, codec batch.Codec, maxBytes int) {
	for n, _ := r.Pending(); n > 0; n, _ = r.Pending() {
		recoded, dst, err := r.Take(nil, codec, maxBytes)
		if err != nil {
			maxBytes = 0
			continue
		}
		b, rest, err := batch.Split(dst)
		if err != nil || len(rest) > 0 || !b.Dense() || b.Count() != recoded.Batch.Count() {
			t.Fatalf("took %d records, dense %v, %d bytes behind, %v", b.Count(), b.Dense(), len(rest), err)
		}
	}
}
