package batch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/klauspost/compress/snappy/xerial"

	"tributary/pkg/batch"
)

const (
	largeLimit = 64 << 20 // what the recoders of these tests decompress at most
	largeWire  = 40 << 20
	aboveSoft  = 17 << 20 // just above what is decompressed without a gate
)

// large returns count records that take about size bytes on the wire, and hardly any when compressed.
func large(base int64, count, size int) []record {
	records := plain(base, count, 0)
	for i := range records {
		records[i].Value = bytes.Repeat([]byte{byte(i)}, size/count)
	}
	return records
}

// compressions are the forms in which a payload comes.
var compressions = []struct {
	name   string
	codec  batch.Codec
	xerial bool
}{
	{"gzip", batch.Gzip, false}, {"snappy", batch.Snappy, false}, {"xerial", batch.Snappy, true},
	{"lz4", batch.LZ4, false}, {"zstd", batch.Zstd, false},
}

// TestLargeIsAllocatedOnce takes in 40 MiB: beside them only what is tried first, up to 16 MiB in a buffer that grows.
func TestLargeIsAllocatedOnce(t *testing.T) {
	records := large(50, 40, largeWire)
	wire := encodeRecords(records, 50, records[0].Timestamp)
	for _, tt := range compressions {
		t.Run(tt.name, func(t *testing.T) {
			b := largeBatch(t, records, wire, tt.codec, tt.xerial)
			r := batch.NewRecoder(largeLimit, batch.NewGate())
			var err error
			before := inUse()
			got := allocated(func() { err = r.Add(b, 0, 0) })
			if err != nil {
				t.Fatal(err)
			}
			if most := uint64(len(wire)) + tried(tt.codec); got > most {
				t.Errorf("allocated %d MiB, want at most %d", got>>20, most>>20)
			}
			if got, most := inUse()-before, int64(len(wire))+8<<20; got > most {
				t.Errorf("in use: %d MiB more, want at most %d", got>>20, most>>20)
			}
			checkSame(t, takeAll(t, r, records, batch.LZ4, 1<<20), records)
			if got := inUse() - before; got > 8<<20 {
				t.Errorf("in use when all is taken: %d MiB more, want at most 8", got>>20)
			}
		})
	}
}

// tried is how much the first try may allocate: a buffer that grows to 16 MiB adds up to less than six times as much, and the
// decoders have blocks of their own. A buffer that grew to 40 MiB would add up to 200. Snappy tells its size beforehand.
func tried(c batch.Codec) uint64 {
	if c == batch.Snappy {
		return 1 << 20
	}
	return (6*16 + 32) << 20
}

// inUse returns the live bytes of the heap.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func largeBatch(t testing.TB, records []record, wire []byte, c batch.Codec, framed bool) batch.Batch {
	payload := compress(t, c, wire)
	if framed {
		payload = xerial.Encode(nil, wire)
	}
	b := source{base: records[0].Offset, lastDelta: int32(records[len(records)-1].Offset - records[0].Offset), codec: c}.build(t)
	binary.BigEndian.PutUint64(b[27:], uint64(records[0].Timestamp))
	binary.BigEndian.PutUint32(b[57:], uint32(len(records)))
	return seal(append(b, payload...))
}

// TestLargeBombs refuses what is above the limit with no more memory than the first try takes.
func TestLargeBombs(t *testing.T) {
	zeros := make([]byte, largeLimit+1)
	for _, tt := range compressions {
		t.Run(tt.name, func(t *testing.T) {
			payload := compress(t, tt.codec, zeros)
			if tt.xerial {
				payload = xerial.Encode(nil, zeros)
			}
			r := batch.NewRecoder(largeLimit, batch.NewGate())
			b := withPayload(t, tt.codec, payload, 3)
			var err error
			if got := allocated(func() { err = r.Add(b, 0, 0) }); got > tried(tt.codec) {
				t.Errorf("allocated %d MiB, want at most %d", got>>20, tried(tt.codec)>>20)
			}
			if !errors.Is(err, batch.ErrTooLarge) {
				t.Errorf("got %v, want ErrTooLarge", err)
			}
			good := plain(1, 3, 50) // the gate is open again
			add(t, r, source{base: 1, records: good, codec: tt.codec}.build(t), 0, 0)
			checkSame(t, takeAll(t, r, good, batch.None, 0), good)
		})
	}
}

// TestLargeIsCut takes what is wanted of a large batch, with gaps and times of both kinds, in batches of every size.
func TestLargeIsCut(t *testing.T) {
	gaps := large(50, 400, aboveSoft)
	for i := range gaps {
		gaps[i].Offset += int64(3 * i)
	}
	dense := large(50, 400, aboveSoft)
	tests := []struct {
		name     string
		records  []record
		from     int64
		skip     int
		codec    batch.Codec
		maxBytes int
	}{
		{"whole", dense, 0, 0, batch.Zstd, 0},
		{"whole, no codec", dense, 0, 0, batch.None, 0},
		{"cut", dense, 0, 0, batch.LZ4, 200 << 10},
		{"cut, no codec", dense, 0, 0, batch.None, 1 << 20},
		{"gaps", gaps, 0, 0, batch.Zstd, 1 << 20},
		{"gaps, no limit", gaps, 0, 0, batch.Gzip, 0},
		{"from within", gaps, 65, 7, batch.Zstd, 1 << 20},
		{"little is wanted", gaps, gaps[390].Offset, 2, batch.Zstd, 1 << 20},
		{"one is wanted", gaps, gaps[399].Offset, 0, batch.None, 1 << 20},
		{"none is wanted", gaps, 0, 400, batch.None, 1 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := encodeRecords(tt.records, 50, tt.records[0].Timestamp)
			r := batch.NewRecoder(largeLimit, batch.NewGate())
			add(t, r, largeBatch(t, tt.records, wire, batch.Zstd, false), tt.from, tt.skip)
			want := tt.records
			for len(want) > 0 && want[0].Offset < tt.from {
				want = want[1:]
			}
			want = want[tt.skip:]
			checkSame(t, takeAll(t, r, want, tt.codec, tt.maxBytes), want)
			good := plain(1000000, 3, 50)
			add(t, r, source{base: 1000000, records: good, codec: batch.LZ4}.build(t), 0, 0)
			checkSame(t, takeAll(t, r, good, batch.None, 0), good)
		})
	}
}

// TestLargeStandsAlone has a large batch wait for what is pending, and others for it.
func TestLargeStandsAlone(t *testing.T) {
	good, records := plain(1, 3, 50), large(50, 40, aboveSoft)
	small := source{base: 1, records: good}.build(t)
	b := largeBatch(t, records, encodeRecords(records, 50, records[0].Timestamp), batch.LZ4, false)
	r := batch.NewRecoder(largeLimit, batch.NewGate())
	add(t, r, small, 0, 0)
	if err := r.Add(b, 0, 0); !errors.Is(err, batch.ErrPending) {
		t.Fatalf("behind another: got %v, want ErrPending", err)
	}
	checkSame(t, takeAll(t, r, good, batch.None, 0), good)
	add(t, r, b, 0, 0)
	if err := r.Add(small, 0, 0); !errors.Is(err, batch.ErrPending) {
		t.Fatalf("before another: got %v, want ErrPending", err)
	}
	first := takeOne(t, r, records, batch.LZ4, 1<<20)
	checkSame(t, takeAll(t, r, records[len(first):], batch.LZ4, 1<<20), slices.Clone(records[len(first):]))
	add(t, r, small, 0, 0)
}

// TestLargeWaitsForLarge has two recoders of one process: the second decompresses when the first has let go.
func TestLargeWaitsForLarge(t *testing.T) {
	records := large(50, 40, aboveSoft)
	b := largeBatch(t, records, encodeRecords(records, 50, records[0].Timestamp), batch.LZ4, false)
	lets := map[string]func(*batch.Recoder){
		"reset": func(r *batch.Recoder) { r.Reset() },
		"taken": func(r *batch.Recoder) { takeAll(t, r, records, batch.LZ4, 1<<20) },
	}
	for name, letGo := range lets {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := batch.NewGate()
				first, second := batch.NewRecoder(largeLimit, gate), batch.NewRecoder(largeLimit, gate)
				add(t, first, b, 0, 0)
				done := make(chan error, 1) // one result
				go func() { done <- second.Add(b, 0, 0) }()
				synctest.Wait()
				select {
				case err := <-done:
					t.Fatalf("two were in memory at once: %v", err)
				default:
				}
				letGo(first)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
