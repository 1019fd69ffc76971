package protocol

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// own is a batch of producer 7, epoch 0.
func own(sequence, records int32, next int64) Header {
	return Header{ProducerID: 7, Sequence: sequence, Records: records, MaxTimestamp: 1000 + next, Next: next}
}

func other(next int64) Header {
	return Header{ProducerID: 8, ProducerEpoch: 3, Sequence: 500, Records: 5, MaxTimestamp: 9999, Next: next}
}

func TestTail(t *testing.T) {
	const top = math.MaxInt32
	at := func(sequence int32) Position { return Position{ProducerID: 7, Sequence: sequence, Dest: 50} }
	tests := map[string]struct {
		position Position
		logStart int64
		log      []Header
		records  int64
		sequence int32
		dest     int64
		anchored bool
	}{
		"nothing there":                     {at(10), 0, nil, 0, 10, 0, true},
		"contiguous":                        {at(10), 0, []Header{own(10, 3, 53), own(13, 2, 55)}, 5, 15, 55, true},
		"from the very first":               {at(0), 0, []Header{own(0, 1, 51)}, 1, 1, 51, true},
		"others between":                    {at(10), 0, []Header{other(55), own(10, 3, 58), other(63), own(13, 2, 65), other(70)}, 5, 15, 65, true},
		"others only":                       {at(10), 0, []Header{other(55)}, 0, 10, 0, true},
		"idempotence not used by others":    {at(10), 0, []Header{{ProducerID: -1, ProducerEpoch: -1, Sequence: -1, Records: 4, Next: 54}}, 0, 10, 0, true},
		"before the position":               {at(10), 0, []Header{own(5, 5, 50), own(10, 1, 51)}, 1, 11, 51, true},
		"all before the position":           {at(10), 0, []Header{own(5, 3, 48)}, 0, 10, 48, true},
		"across the position":               {at(10), 0, []Header{own(8, 5, 53)}, 3, 13, 53, true},
		"the same again":                    {at(10), 0, []Header{own(10, 3, 53), own(10, 3, 56)}, 3, 13, 56, true},
		"wrap between batches":              {at(top - 1), 0, []Header{own(top-1, 2, 52), own(0, 3, 55)}, 5, 3, 55, true},
		"wrap within a batch":               {at(top - 7), 0, []Header{own(top-7, 10, 60), own(2, 1, 61)}, 11, 3, 61, true},
		"after a wrap, before the position": {at(3), 0, []Header{own(top-1, 3, 48), own(3, 1, 51)}, 1, 4, 51, true},
		"log start at the position":         {at(10), 50, []Header{own(10, 3, 53)}, 3, 13, 53, true},
		"log start above, follows":          {at(10), 60, []Header{own(20, 5, 65), own(25, 1, 66)}, 16, 26, 66, true},
		"log start above, across a wrap":    {at(top - 4), 60, []Header{own(5, 5, 65)}, 15, 10, 65, true},
		"log start above, nothing left":     {at(10), 60, nil, 0, 10, 0, false},
		"log start above, others only":      {at(10), 60, []Header{other(65)}, 0, 10, 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tail := NewTail(tt.position, tt.logStart)
			for _, h := range tt.log {
				if err := tail.Add(h); err != nil {
					t.Fatalf("add %+v: %v", h, err)
				}
			}
			if tail.Records != tt.records || tail.Sequence() != tt.sequence || tail.Dest != tt.dest || tail.Anchored() != tt.anchored {
				t.Errorf("got %d records, sequence %d, dest %d, anchored %v, want %d, %d, %d, %v",
					tail.Records, tail.Sequence(), tail.Dest, tail.Anchored(), tt.records, tt.sequence, tt.dest, tt.anchored)
			}
			if tt.dest > 0 && tail.MaxTimestamp != 1000+tt.dest {
				t.Errorf("timestamp: got %d, want %d of our last batch", tail.MaxTimestamp, 1000+tt.dest)
			}
		})
	}
}

func TestTailHole(t *testing.T) {
	const top = math.MaxInt32
	older, newer := own(10, 1, 51), own(0, 1, 51)
	older.ProducerEpoch, newer.ProducerEpoch = 1, 3
	tests := map[string]struct {
		sequence int32
		logStart int64
		log      []Header // the last one does not follow
		want     HoleError
	}{
		"first own batch":        {10, 0, []Header{own(11, 2, 53)}, HoleError{53, 10, 11, 2}},
		"later one":              {10, 0, []Header{own(10, 2, 52), other(57), own(13, 1, 58)}, HoleError{58, 12, 13, 2}},
		"across a wrap":          {top - 1, 0, []Header{own(top-1, 2, 52), own(1, 1, 53)}, HoleError{53, 0, 1, 2}},
		"behind the log's start": {10, 60, []Header{own(20, 5, 65), own(26, 1, 66)}, HoleError{66, 25, 26, 2}},
		"older epoch":            {10, 0, []Header{older}, HoleError{51, 10, 10, 1}},
		"newer epoch":            {10, 0, []Header{newer}, HoleError{51, 10, 0, 3}},
		"newer epoch, no anchor": {10, 60, []Header{newer}, HoleError{51, 10, 0, 3}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tail := NewTail(Position{ProducerID: 7, Epoch: 2, Sequence: tt.sequence, Dest: 50}, tt.logStart)
			var err error
			for i, h := range tt.log {
				if h.ProducerID == 7 && h.ProducerEpoch == 0 {
					h.ProducerEpoch = 2
				}
				if err = tail.Add(h); err != nil && i < len(tt.log)-1 {
					t.Fatalf("add %+v: %v", h, err)
				}
			}
			var hole *HoleError
			if !errors.As(err, &hole) || *hole != tt.want {
				t.Fatalf("got %+v, want %+v", err, tt.want)
			}
			if hole.Error() == "" {
				t.Error("got no text")
			}
		})
	}
}

// naive is the tail in numbers that never wrap.
type naive struct {
	next, records, dest int64
	anchored            bool
}

// add takes a batch of ours and says whether it follows.
func (n *naive) add(first, count, next int64) bool {
	if n.anchored && first > n.next {
		return false
	}
	n.anchored, n.dest = true, next
	if end := first + count; end > n.next {
		n.records += end - n.next
		n.next = end
	}
	return true
}

// TestTailAgainstNaive compares random logs around the wrap with a model that counts without modulus.
func TestTailAgainstNaive(t *testing.T) {
	holes := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 3))
		at := int64(math.MaxInt32) - 60 + r.Int64N(120)
		position := Position{ProducerID: 7, Sequence: wrapped(at), Dest: 1000}
		logStart := 990 + r.Int64N(20)
		tail, want := NewTail(position, logStart), naive{next: at, anchored: logStart <= position.Dest}
		first, offset := at-r.Int64N(6), max(logStart, position.Dest)
		if !want.anchored {
			first += r.Int64N(40)
		}
		for range r.IntN(30) {
			count := 1 + r.Int64N(9)
			offset += count
			if r.IntN(3) == 0 {
				if err := tail.Add(other(offset)); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				continue
			}
			switch r.IntN(25) {
			case 0:
				first += 1 + r.Int64N(3)
			case 1:
				first -= 1 + r.Int64N(3)
			}
			err := tail.Add(own(wrapped(first), int32(count), offset))
			if follows := want.add(first, count, offset); (err == nil) != follows {
				t.Fatalf("seed %d: sequence %d of %d records: got %v, want follows %v", seed, first, count, err, follows)
			}
			if err != nil {
				holes++
				break
			}
			if tail.Records != want.records || tail.Sequence() != wrapped(want.next) || tail.Dest != want.dest || tail.Anchored() != want.anchored {
				t.Fatalf("seed %d: got %+v, want %+v", seed, *tail, want)
			}
			first += count
		}
	}
	if holes < 1000 {
		t.Errorf("got %d logs with a hole, want at least 1000: the generator does too little", holes)
	}
}

// wrapped is a sequence modulo 2^31.
func wrapped(n int64) int32 { return int32(n % (1 << 31)) }
