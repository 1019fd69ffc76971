package mirror

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/batch"
)

// TestLatePartitionMergesCompressedBatches: to unpack and pack again is worth it only where the destination is behind.
func TestLatePartitionMergesCompressedBatches(t *testing.T) {
	zipped := func(base int64, n, pad int) entry {
		return entry{base: base, ids: idRange(base, n), producer: -1, attrs: gzipCodec, stamp: 1, pad: pad}
	}
	noise := mergeBelowBytes // what cannot be compressed is as large afterwards
	for _, test := range []struct {
		name   string
		waited time.Duration
		next   []entry
		want   string
	}{
		{"in time", lateAfter, []entry{zipped(1, 2, 0), zipped(3, 1, 0)}, "[[0] [1 2] [3]]"},
		{"late", lateAfter + time.Millisecond, []entry{zipped(1, 2, 0), zipped(3, 1, 0), zipped(4, 3, 0)}, "[[0] [1 2 3 4 5 6]]"},
		{"late, alone", time.Minute, []entry{zipped(1, 2, 0)}, "[[0] [1 2]]"},
		{"late, large ones among them", time.Minute, []entry{zipped(1, 1, 0), zipped(2, 1, 0), {base: 3, ids: idRange(3, 1), producer: -1, stamp: 1, pad: noise}, zipped(4, 1, 0), zipped(5, 1, 0)},
			"[[0] [1 2] [3] [4 5]]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				b.join()
				b.feed([]entry{zipped(0, 1, 0)})
				time.Sleep(test.waited)
				b.feed(test.next)
				b.wantQueued(test.want)
				for i := range b.p.window.n {
					if got := b.p.window.at(i).Bytes; got.Count() > 1 && got.Codec() != batch.Gzip {
						t.Errorf("batch %d is compressed with %v, want gzip as at the source", i, got.Codec())
					}
				}
				b.ackAll(0)
				b.wantNothingHeld()
			})
		})
	}
}

// TestMergingForwardsWhatItCannotRead: a batch that would be forwarded unread if it were alone, or large, or in time, is no reason to
// stop because there are neighbours to merge it with.
func TestMergingForwardsWhatItCannotRead(t *testing.T) {
	sealed := func(base int64, attrs uint16) []byte { // its records are none, under a good checksum
		b := entry{base: base, ids: idRange(base, 2), producer: -1, attrs: attrs, stamp: 1}.bytes()
		for i := batch.HeaderLen; i < len(b); i++ {
			b[i] = 0xfe
		}
		reseal(b)
		return b
	}
	good := func(base int64, attrs uint16) []byte {
		return entry{base: base, ids: idRange(base, 2), producer: -1, attrs: attrs, stamp: 1}.bytes()
	}
	for name, test := range map[string]struct {
		attrs uint16
		log   func(attrs uint16) [][]byte
		want  []int32 // records of each batch
	}{
		"compressed, first":   {gzipCodec, func(a uint16) [][]byte { return [][]byte{sealed(1, a), good(3, a), good(5, a)} }, []int32{1, 2, 4}},
		"compressed, between": {gzipCodec, func(a uint16) [][]byte { return [][]byte{good(1, a), good(3, a), sealed(5, a), good(7, a), good(9, a)} }, []int32{1, 4, 2, 4}},
		"compressed, last":    {gzipCodec, func(a uint16) [][]byte { return [][]byte{good(1, a), sealed(3, a)} }, []int32{1, 2, 2}},
		"uncompressed":        {0, func(a uint16) [][]byte { return [][]byte{good(1, a), good(3, a), sealed(5, a), good(7, a), good(9, a)} }, []int32{1, 4, 2, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				b.join()
				b.feed([]entry{{base: 0, ids: idRange(0, 1), producer: -1, attrs: gzipCodec, stamp: 1}})
				time.Sleep(time.Minute)
				log := test.log(test.attrs)
				end := batch.Batch(log[len(log)-1]).NextOffset()
				_, _, generation, _ := b.p.FetchFrom()
				b.respondBytes(generation, end, log)
				var got []int32
				for i := range b.p.window.n {
					got = append(got, b.p.window.at(i).Records)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("queued batches of %d records, want %d: %+v", got, test.want, b.p.Status(time.Now()))
				}
				b.ackAll(0)
				if got := b.position(); got.Source != end || int64(got.Sequence) != end {
					t.Errorf("position is %+v, want %d", got, end)
				}
				b.wantNothingHeld()
			})
		})
	}
}

// TestLatePartitionIsLeftOut: what a late partition reads in many small responses would stay in as many batches.
func TestLatePartitionIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.join()
		var log []entry
		for i := range int64(2 * maxLateBatches) {
			log = append(log, entry{base: i, ids: idRange(i, 1), producer: -1, attrs: gzipCodec, stamp: 1})
		}
		want := func(what string, want Appetite) {
			t.Helper()
			if _, _, _, got := b.p.FetchFrom(); got != want {
				t.Errorf("%s: got appetite %d, want %d", what, got, want)
			}
		}
		b.feed(log)
		want("many batches in time", Hungry)
		time.Sleep(lateAfter + time.Millisecond)
		want("many batches, late", Full)
		for i := range log {
			woken := 0
			if b.p.window.n <= maxLateBatches {
				woken = 1
			}
			if b.source.woken != woken {
				t.Fatalf("source was woken %d times after %d acknowledgements, want %d", b.source.woken, i, woken)
			}
			taken, _ := b.p.Take(time.Now())
			taken.Hold().Release()
			b.answer(taken, 0, int64(i), GoOn)
		}
		want("all acknowledged", Hungry)
		b.wantNothingHeld()
	})
}
