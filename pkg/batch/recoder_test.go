package batch_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/snappy/xerial"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/batch"
)

// add is Add for sources that must be accepted.
func add(t testing.TB, r *batch.Recoder, b batch.Batch, from int64, skip int) {
	t.Helper()
	if err := r.Add(b, from, skip); err != nil {
		t.Fatalf("add batch at offset %d: %v", b.BaseOffset(), err)
	}
}

// takeAll takes until nothing is pending and returns the records as a consumer sees them. Every batch is checked against want,
// the records that are pending.
func takeAll(t testing.TB, r *batch.Recoder, want []record, codec batch.Codec, maxBytes int) []record {
	t.Helper()
	var out []record
	for {
		if n, size := r.Pending(); n == 0 {
			if size != 0 {
				t.Fatalf("no records pending in %d bytes", size)
			}
			return out
		}
		out = append(out, takeOne(t, r, want[len(out):], codec, maxBytes)...)
	}
}

// takeOne takes one batch, which must hold the first records of want.
func takeOne(t testing.TB, r *batch.Recoder, want []record, codec batch.Codec, maxBytes int) []record {
	t.Helper()
	pending, _ := r.Pending()
	prefix := []byte("before")
	recoded, dst, err := r.Take(prefix, codec, maxBytes)
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	b := recoded.Batch
	if !bytes.HasPrefix(dst, prefix) || len(dst) != len(prefix)+len(b) || &dst[len(prefix)] != &b[0] {
		t.Fatalf("the batch of %d bytes does not extend dst, now %d bytes", len(b), len(dst))
	}
	if maxBytes > 0 && len(b) > maxBytes {
		t.Fatalf("got a batch of %d bytes, want at most %d", len(b), maxBytes)
	}
	if b.ProducerID() != -1 || b.ProducerEpoch() != -1 || b.BaseSequence() != -1 || b.LeaderEpoch() != -1 {
		t.Fatalf("the batch names a producer: %x", b[:batch.HeaderLen])
	}
	b.Seal(batch.Producer{ID: 8, Epoch: 1}, 77)
	if b.BaseSequence() != 77 || b.Attributes() != uint16(codec) {
		t.Fatalf("wrong header: %x", b[:batch.HeaderLen])
	}
	got, err := decode(b)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	for i, g := range got {
		if g.Offset != int64(i) {
			t.Fatalf("record %d has offset %d", i, g.Offset)
		}
	}
	if n, _ := r.Pending(); n != pending-len(got) {
		t.Fatalf("%d records are pending after %d of %d were taken", n, len(got), pending)
	}
	if len(got) == 0 || len(got) > len(want) || !b.Dense() {
		t.Fatalf("got %d records of %d, dense %v", len(got), len(want), b.Dense())
	}
	checkSame(t, got, want[:len(got)])
	checkReport(t, recoded, want[:len(got)])
	return got
}

// checkReport compares what Take says of a batch with the source records in it.
func checkReport(t testing.TB, got batch.Recoded, want []record) {
	t.Helper()
	newest := want[0].Timestamp
	for _, r := range want {
		newest = max(newest, r.Timestamp)
	}
	last := want[len(want)-1]
	if got.Next != last.Offset+1 || got.FirstTimestamp != want[0].Timestamp || got.MaxTimestamp != newest {
		t.Fatalf("got next %d, times %d to %d; want %d, %d to %d", got.Next, got.FirstTimestamp, got.MaxTimestamp,
			last.Offset+1, want[0].Timestamp, newest)
	}
	if got.Batch.BaseTimestamp() != got.FirstTimestamp || got.Batch.MaxTimestamp() != got.MaxTimestamp {
		t.Fatalf("header says times %d to %d", got.Batch.BaseTimestamp(), got.Batch.MaxTimestamp())
	}
}

// log makes random source batches, each starting where the one before ended, and tells which records a consumer sees.
type log struct {
	rng   *rand.Rand
	next  int64
	epoch int32
}

func (l *log) batch(t testing.TB) (batch.Batch, []record) {
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

func (l *log) record(now int64) record {
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
func (l *log) bytes() []byte {
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
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 99))
		l := &log{rng: rng, next: rng.Int64N(1 << 40)}
		r := batch.NewRecoder(1 << 20)
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
				r := batch.NewRecoder(1 << 20)
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
		r := batch.NewRecoder(1 << 20)
		add(t, r, s.build(t), 0, 0)
		checkSame(t, takeAll(t, r, s.records, batch.None, 0), s.records)
	}
}

func TestRecodeLeaderEpoch(t *testing.T) {
	r := batch.NewRecoder(1 << 20)
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
		r := batch.NewRecoder(1 << 20)
		add(t, r, b, 0, 0)
		checkSame(t, takeAll(t, r, records, batch.Snappy, 0), records)
		if t.Failed() {
			t.Fatalf("in the %s form", name)
		}
	}
}

// TestSplitIsDeterministic holds a used Recoder against a new one.
func TestSplitIsDeterministic(t *testing.T) {
	used := batch.NewRecoder(1 << 20)
	for _, codec := range codecs {
		l := &log{rng: rand.New(rand.NewPCG(5, 6))}
		fresh := batch.NewRecoder(1 << 20)
		for range 30 {
			b, _ := l.batch(t)
			add(t, used, b, 0, 0)
			add(t, fresh, b, 0, 0)
		}
		for n, _ := fresh.Pending(); n > 0; n, _ = fresh.Pending() {
			a, _, errA := used.Take(nil, codec, 9000)
			b, _, errB := fresh.Take(nil, codec, 9000)
			if errA != nil || errB != nil || !bytes.Equal(a.Batch, b.Batch) {
				t.Fatalf("%s: batches of %d and %d bytes differ (%v, %v)", codec, len(a.Batch), len(b.Batch), errA, errB)
			}
		}
	}
}

func TestTakeFillsBatches(t *testing.T) {
	const maxBytes = 10_000
	for _, codec := range codecs {
		r := batch.NewRecoder(1 << 20)
		records := plain(0, 2000, 100)
		add(t, r, source{base: 0, records: records}.build(t), 0, 0)
		_, total := r.Pending()
		taken := 0
		for n, _ := r.Pending(); n > 0; n, _ = r.Pending() {
			records = records[len(takeOne(t, r, records, codec, maxBytes)):]
			taken++
		}
		// Uncompressed batches are full but for one record; compressed ones hold records of at least a quarter of the limit.
		if most := total/(maxBytes-200) + 1; codec == batch.None && taken > most || taken > 4*total/maxBytes {
			t.Errorf("%s: %d bytes went into %d batches of up to %d", codec, total, taken, maxBytes)
		}
	}
}

func TestRecordTooLarge(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	hard := make([]byte, 3000)
	for i := range hard {
		hard[i] = byte(rng.Uint32())
	}
	records := plain(10, 3, 40)
	records[1].Value = hard
	for _, codec := range codecs {
		t.Run(codec.String(), func(t *testing.T) {
			r := batch.NewRecoder(1 << 20)
			add(t, r, source{base: 10, records: records}.build(t), 0, 0)
			takeOne(t, r, records[:1], codec, 1000)
			dst := []byte("kept")
			for range 2 { // nothing changes by trying
				_, out, err := r.Take(dst, codec, 1000)
				typed, ok := errors.AsType[*batch.RecordTooLargeError](err)
				if !ok || typed.Offset != 11 || typed.Limit != 1000 || typed.Size < 3000 || string(out) != "kept" {
					t.Fatalf("got %v, dst %q", err, out)
				}
			}
			checkSame(t, takeAll(t, r, records[1:], codec, 4000), records[1:])
		})
	}
}

func TestTakeNothing(t *testing.T) {
	r := batch.NewRecoder(1 << 20)
	if _, _, err := r.Take(nil, batch.None, 0); !errors.Is(err, batch.ErrEmpty) {
		t.Errorf("got %v, want ErrEmpty", err)
	}
	add(t, r, source{base: 1, lastDelta: 3}.build(t), 0, 0) // emptied by the cleaner
	if n, size := r.Pending(); n != 0 || size != 0 {
		t.Errorf("got %d records, %d bytes", n, size)
	}
	add(t, r, source{base: 1, records: plain(1, 1, 8)}.build(t), 0, 0)
	if _, _, err := r.Take(nil, 6, 0); !errors.Is(err, batch.ErrCodec) {
		t.Errorf("got %v, want ErrCodec", err)
	}
}

// TestMergingSettles keeps one batch's worth pending while others are taken: what was taken must not pile up.
func TestMergingSettles(t *testing.T) {
	r := batch.NewRecoder(1 << 20)
	var buf []byte
	next := int64(0)
	step := func() {
		b := source{base: next, records: plain(next, 10, 100)}.build(t)
		next += 10
		if err := r.Add(b, 0, 0); err != nil {
			t.Fatal(err)
		}
		if _, size := r.Pending(); size > 50_000 {
			recoded, out, err := r.Take(buf[:0], batch.None, 49_000)
			if err != nil || recoded.Batch.Count() < 300 {
				t.Fatal(recoded.Batch.Count(), err)
			}
			buf = out
		}
	}
	for range 1000 {
		step()
	}
	source := source{base: next, records: plain(next, 10, 100)}.build(t)
	allocs := testing.AllocsPerRun(500, func() {
		if err := r.Add(source, 0, 0); err != nil {
			t.Fatal(err)
		}
		if _, size := r.Pending(); size > 50_000 {
			_, out, err := r.Take(buf[:0], batch.None, 49_000)
			if err != nil {
				t.Fatal(err)
			}
			buf = out
		}
	})
	if allocs != 0 {
		t.Errorf("got %v allocations per batch in the long run, want none", allocs)
	}
}
