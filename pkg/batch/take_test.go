package batch_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

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

// TestSplitIsDeterministic holds a used Recoder against a new one.
func TestSplitIsDeterministic(t *testing.T) {
	used := batch.NewRecoder(1<<20, batch.NewGate())
	for _, codec := range codecs {
		l := &feed{rng: rand.New(rand.NewPCG(5, 6))}
		fresh := batch.NewRecoder(1<<20, batch.NewGate())
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
		r := batch.NewRecoder(1<<20, batch.NewGate())
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
			r := batch.NewRecoder(1<<20, batch.NewGate())
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
	r := batch.NewRecoder(1<<20, batch.NewGate())
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

// TestTakeUpToTheLimit asks for exactly the bytes that all records need, and for one byte less.
func TestTakeUpToTheLimit(t *testing.T) {
	b := source{base: 3, records: plain(3, 50, 100)}.build(t)
	for _, codec := range codecs {
		r := batch.NewRecoder(1<<20, batch.NewGate())
		add(t, r, b, 0, 0)
		all, _, err := r.Take(nil, codec, 0)
		if err != nil || all.Batch.Count() != 50 {
			t.Fatalf("%s: got %d records, %v", codec, all.Batch.Count(), err)
		}
		for less, want := range []bool{true, false} {
			add(t, r, b, 0, 0)
			got := takeOne(t, r, plain(3, 50, 100), codec, len(all.Batch)-less)
			if (len(got) == 50) != want {
				t.Errorf("%s: got %d records in %d bytes less than all need", codec, len(got), less)
			}
			takeAll(t, r, plain(3, 50, 100)[len(got):], codec, 0)
		}
	}
}
