package batch_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/snappy/xerial"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/batch"
)

// feed makes random source batches, each starting where the one before ended, and tells which records a consumer sees.
type feed struct {
	rng   *rand.Rand
	next  int64
	epoch int32
}

func (l *feed) batch(t testing.TB) (batch.Batch, []record) {
	s := source{base: l.next, epoch: l.epoch, codec: codecs[l.rng.IntN(len(codecs))]}
	l.epoch += int32(l.rng.IntN(2))
	now := int64(1_700_000_000_000) + l.next*7
	gaps := l.rng.IntN(3) == 0
	for i, n := 0, 1+l.rng.IntN(40); i < n; i++ {
		if gaps && l.rng.IntN(2) == 0 {
			l.next += l.rng.Int64N(5)
		}
		s.records = append(s.records, l.record(now))
		l.next++
	}
	if gaps {
		l.next += l.rng.Int64N(5)
	}
	s.lastDelta = int32(l.next - s.base - 1)
	switch l.rng.IntN(5) {
	case 0:
		s.attributes, s.horizon = deleteHorizon, now+1_000_000_000
	case 1:
		s.attributes = logAppendTime
	}
	b := s.build(t)
	if s.attributes == logAppendTime {
		for i := range s.records {
			s.records[i].Timestamp = b.MaxTimestamp()
		}
	}
	return b, s.records
}

func (l *feed) record(now int64) record {
	r := record{Offset: l.next, Timestamp: now + l.rng.Int64N(2000) - 1000, Attributes: int8(l.rng.IntN(2)), Key: l.bytes(), Value: l.bytes()}
	if l.rng.IntN(20) == 0 {
		r.Timestamp = -1 // "no timestamp"
	}
	for range l.rng.IntN(4) {
		r.Headers = append(r.Headers, kmsg.Header{Key: string("kkl"[l.rng.IntN(3)]), Value: l.bytes()})
	}
	return r
}

// bytes is null, empty, easy or hard to compress.
func (l *feed) bytes() []byte {
	switch n := l.rng.IntN(300); l.rng.IntN(4) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return bytes.Repeat([]byte{byte(n)}, n)
	default:
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(l.rng.Uint32())
		}
		return b
	}
}

// TestAnyPartitionKeepsRecords adds random batches and takes others, in any order and any sizes: what comes out is what went in.
func TestAnyPartitionKeepsRecords(t *testing.T) {
	r := batch.NewRecoder(1<<20, batch.NewGate())
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 99))
		l := &feed{rng: rng, next: rng.Int64N(1 << 40)}
		var want []record
		for range 1 + rng.IntN(25) {
			b, records := l.batch(t)
			from, skip := b.BaseOffset(), 0
			if rng.IntN(4) == 0 {
				from += rng.Int64N(8)
				skip = rng.IntN(4)
			}
			add(t, r, b, from, skip)
			for _, k := range records {
				if k.Offset >= from {
					if skip == 0 {
						want = append(want, k)
					} else {
						skip--
					}
				}
			}
			if n, _ := r.Pending(); n > 0 && rng.IntN(3) == 0 {
				want = want[len(takeOne(t, r, want, codecs[rng.IntN(len(codecs))], 2500+rng.IntN(20000))):]
			}
		}
		if n, _ := r.Pending(); n != len(want) {
			t.Fatalf("seed %d: got %d pending records, want %d", seed, n, len(want))
		}
		maxBytes := 0
		if rng.IntN(4) > 0 {
			maxBytes = 2500 + rng.IntN(20000)
		}
		checkSame(t, takeAll(t, r, want, codecs[rng.IntN(len(codecs))], maxBytes), want)
	}
}

func TestRecodeFromAndSkip(t *testing.T) {
	s := source{base: 100, lastDelta: 19, records: append(plain(103, 3, 20), plain(110, 3, 20)...)} // 103-105, 110-112
	tests := []struct {
		name string
		from int64
		skip int
		want []record
	}{
		{"all", 0, 0, s.records},
		{"exactly the first", 103, 0, s.records},
		{"one inside", 104, 0, s.records[1:]},
		{"in the gap", 107, 0, s.records[3:]},
		{"skip", 0, 2, s.records[2:]},
		{"skip after the wanted offset", 104, 3, s.records[4:]},
		{"skip all", 104, 5, nil},
		{"skip more than there are", 104, 50, nil},
		{"behind the last record", 113, 0, nil},
	}
	for _, tt := range tests {
		for _, codec := range codecs {
			t.Run(tt.name+"/"+codec.String(), func(t *testing.T) {
				r := batch.NewRecoder(1<<20, batch.NewGate())
				s.codec = codec
				add(t, r, s.build(t), tt.from, tt.skip)
				checkSame(t, takeAll(t, r, tt.want, codec, 0), tt.want)
			})
		}
	}
}

func TestRecodeEdgeTimestamps(t *testing.T) {
	for _, times := range [][]int64{{-1, -1}, {0, 1 << 62, -1 << 62}, {-1 << 63, 1<<63 - 1}, {1<<63 - 1, -1 << 63, 0}} {
		s := source{base: 1, lastDelta: int32(len(times) + 1)}
		for i, at := range times {
			s.records = append(s.records, record{Offset: int64(i) + 2, Timestamp: at, Key: []byte{}})
		}
		r := batch.NewRecoder(1<<20, batch.NewGate())
		add(t, r, s.build(t), 0, 0)
		checkSame(t, takeAll(t, r, s.records, batch.None, 0), s.records)
	}
}

func TestRecodeLeaderEpoch(t *testing.T) {
	r := batch.NewRecoder(1<<20, batch.NewGate())
	add(t, r, source{base: 0, epoch: 4, records: plain(0, 2, 400)}.build(t), 0, 0)
	add(t, r, source{base: 2, epoch: 6, records: plain(2, 2, 400)}.build(t), 0, 0)
	for _, want := range []struct {
		next  int64
		epoch int32
	}{{2, 4}, {4, 6}} {
		got, _, err := r.Take(nil, batch.None, 1000)
		if err != nil || got.Next != want.next || got.LeaderEpoch != want.epoch {
			t.Errorf("got next %d, epoch %d, %v; want %+v", got.Next, got.LeaderEpoch, err, want)
		}
	}
	add(t, r, source{base: 4, epoch: 7, records: plain(4, 2, 400)}.build(t), 0, 0)
	add(t, r, source{base: 6, epoch: 9, records: plain(6, 2, 400)}.build(t), 0, 0)
	if got, _, err := r.Take(nil, batch.None, 0); err != nil || got.Next != 8 || got.LeaderEpoch != 9 {
		t.Errorf("merged: got next %d, epoch %d, %v", got.Next, got.LeaderEpoch, err)
	}
}

func TestRecodeReadsSnappyOfEveryClient(t *testing.T) {
	records := plain(7, 400, 400) // several xerial blocks
	s := source{base: 7, codec: batch.Snappy, records: records}
	framed := seal(append([]byte(s.build(t)[:batch.HeaderLen]), xerial.Encode(nil, encodeRecords(records, 7, records[0].Timestamp))...))
	for name, b := range map[string]batch.Batch{"bare": s.build(t), "xerial": framed} {
		r := batch.NewRecoder(1<<20, batch.NewGate())
		add(t, r, b, 0, 0)
		checkSame(t, takeAll(t, r, records, batch.Snappy, 0), records)
		if t.Failed() {
			t.Fatalf("in the %s form", name)
		}
	}
}

func TestReset(t *testing.T) {
	r := batch.NewRecoder(1<<20, batch.NewGate())
	add(t, r, source{base: 1, records: plain(1, 20, 100)}.build(t), 0, 0)
	takeOne(t, r, plain(1, 20, 100), batch.None, 1000)
	r.Reset()
	if n, size := r.Pending(); n != 0 || size != 0 {
		t.Errorf("got %d records, %d bytes after Reset", n, size)
	}
	add(t, r, source{base: 70, records: plain(70, 5, 100)}.build(t), 0, 0)
	checkSame(t, takeAll(t, r, plain(70, 5, 100), batch.None, 0), plain(70, 5, 100))
}

// TestGiantBatchDoesNotStay recodes one batch far above what is kept, then looks at the heap.
func TestGiantBatchDoesNotStay(t *testing.T) {
	r := batch.NewRecoder(64<<20, batch.NewGate())
	b := source{codec: batch.LZ4, records: plain(0, 48, 1<<20)}.build(t)
	before := live()
	add(t, r, b, 0, 0)
	for n, _ := r.Pending(); n > 0; n, _ = r.Pending() {
		if _, _, err := r.Take(nil, batch.None, 2<<20); err != nil {
			t.Fatal(err)
		}
	}
	if got := live() - before; got > 24<<20 {
		t.Errorf("%d MiB stay in use after a batch of 48 MiB", got>>20)
	}
	runtime.KeepAlive(r)
}

// live returns the bytes in use on the heap.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // twice, for what sync.Pools hold
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMergingSettles always leaves some records pending: what was taken must not pile up, and nothing is allocated.
func TestMergingSettles(t *testing.T) {
	b := source{records: plain(0, 10, 100)}.build(t)
	r := batch.NewRecoder(1<<20, batch.NewGate())
	var dst []byte
	merge := func(batches int) {
		for range batches {
			if err := r.Add(b, 0, 0); err != nil {
				t.Fatal(err)
			}
			if _, size := r.Pending(); size > 50_000 {
				_, out, err := r.Take(dst[:0], batch.None, 49_000)
				if err != nil {
					t.Fatal(err)
				}
				dst = out
			}
		}
	}
	merge(200)
	if n, _ := r.Pending(); n == 0 {
		t.Fatal("nothing is pending, so nothing is tested")
	}
	if got := allocated(func() { merge(20_000) }); got > 1<<20 {
		t.Errorf("merging 20 MiB allocated %d bytes", got)
	}
}

// TestRecodingReusesBuffers recodes compressed batches whole.
func TestRecodingReusesBuffers(t *testing.T) {
	b := source{codec: batch.Snappy, records: plain(0, 500, 100)}.build(t)
	r := batch.NewRecoder(1<<20, batch.NewGate())
	dst := make([]byte, 0, 1<<20)
	got := testing.AllocsPerRun(100, func() {
		if err := r.Add(b, 0, 0); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Take(dst, batch.Snappy, 0); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations per batch, want none", got)
	}
}

// allocated returns the bytes allocated while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
