package batch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"tributary/pkg/batch"
)

// random returns a sealed batch of n bytes whose payload and free header fields are random.
func random(rng *rand.Rand, n int) batch.Batch {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	b[16] = 2
	return seal(b)
}

func TestResealEqualsSecondPass(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{61, 62, 63, 64, 65, 92, 93, 124, 125, 126, 188, 189, 190, 1 << 20, 1<<20 + 61, 3<<20 - 7}
	for range 200 {
		sizes = append(sizes, batch.HeaderLen+rng.IntN(1<<17))
	}
	for _, n := range sizes {
		b := random(rng, n)
		before := bytes.Clone(b)
		p := batch.Producer{ID: rng.Int64(), Epoch: int16(rng.Uint32())}
		sequence := rng.Int32()
		if err := b.Reseal(p, sequence); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got, want := b.CRC(), crcOf(b); got != want {
			t.Fatalf("%d bytes: got CRC %08x, want %08x", n, got, want)
		}
		want := bytes.Clone(before)
		batch.Batch(want).Seal(p, sequence)
		if !bytes.Equal(b, want) {
			t.Fatalf("%d bytes: Reseal and Seal differ:\n%x\n%x", n, b[:batch.HeaderLen], want[:batch.HeaderLen])
		}
		if b.BaseOffset() != 0 || b.LeaderEpoch() != -1 || b.ProducerID() != p.ID || b.ProducerEpoch() != p.Epoch ||
			b.BaseSequence() != sequence || b.Attributes() != binary.BigEndian.Uint16(before[21:])&7 {
			t.Fatalf("%d bytes: wrong header %x", n, b[:batch.HeaderLen])
		}
		for _, kept := range [][2]int{{8, 12}, {16, 17}, {23, 43}, {57, n}} {
			if !bytes.Equal(b[kept[0]:kept[1]], before[kept[0]:kept[1]]) {
				t.Fatalf("%d bytes: bytes %d to %d changed", n, kept[0], kept[1])
			}
		}
	}
}

func TestDamageIsNeverSigned(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		b := random(rng, batch.HeaderLen+rng.IntN(4096))
		at := 17 + rng.IntN(len(b)-17)
		b[at] ^= 1 << rng.IntN(8)
		before := bytes.Clone(b)
		if err := b.Verify(); !errors.Is(err, batch.ErrCRC) {
			t.Fatalf("Verify, byte %d of %d: got %v, want ErrCRC", at, len(b), err)
		}
		if err := b.Reseal(batch.Producer{}, 0); !errors.Is(err, batch.ErrCRC) {
			t.Fatalf("Reseal, byte %d of %d: got %v, want ErrCRC", at, len(b), err)
		}
		if !bytes.Equal(b, before) {
			t.Fatalf("byte %d of %d: a refused batch was changed", at, len(b))
		}
	}
}

func TestSequences(t *testing.T) {
	tests := []struct {
		from, n, to int32
	}{
		{0, 0, 0},
		{0, 10, 10},
		{10, -10, 0},
		{math.MaxInt32, 1, 0},
		{math.MaxInt32 - 7, 10, 2},
		{2, -10, math.MaxInt32 - 7},
		{0, -1, math.MaxInt32},
		{0, 1<<30 - 1, 1<<30 - 1},
		{1 << 30, 1<<30 - 1, math.MaxInt32},
		{1<<30 + 5, 1<<30 - 1, 4},
		{5, -1 << 30, 1<<30 + 5},
	}
	for _, tt := range tests {
		if got := batch.AddSequence(tt.from, tt.n); got != tt.to {
			t.Errorf("AddSequence(%d, %d): got %d, want %d", tt.from, tt.n, got, tt.to)
		}
		if got := batch.SequenceDistance(tt.from, tt.to); got != tt.n {
			t.Errorf("SequenceDistance(%d, %d): got %d, want %d", tt.from, tt.to, got, tt.n)
		}
	}
}

func TestRawPathDoesNotAllocate(t *testing.T) {
	b := source{base: 1, codec: batch.Zstd, records: plain(1, 100, 100)}.build(t)
	allocs := testing.AllocsPerRun(100, func() {
		one, _, err := batch.Split(b)
		if err != nil {
			t.Fatal(err)
		}
		if class, err := one.Classify(batch.Limits{MaxBytes: 1 << 20}); class != batch.Raw {
			t.Fatal(class, err)
		}
		if err := one.Reseal(batch.Producer{ID: 1}, 2); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("got %v allocations per batch, want none", allocs)
	}
}
