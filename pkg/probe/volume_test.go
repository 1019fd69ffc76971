package probe

import (
	"math/rand/v2"
	"testing"
	"time"
)

// segmented is a log as a broker keeps it.
type segmented struct {
	segments []piece
	sizes    []int64 // of every record ever written, by offset
}

type piece struct {
	base int64
	size int64
}

func (l *segmented) write(size, roll int64) {
	if n := len(l.segments); n == 0 || l.segments[n-1].size >= roll {
		l.segments = append(l.segments, piece{base: int64(len(l.sizes))})
	}
	l.segments[len(l.segments)-1].size += size
	l.sizes = append(l.sizes, size)
}

// trim deletes by size as a broker does: the oldest segments, while what remains has at least limit.
func (l *segmented) trim(limit int64) {
	for len(l.segments) > 1 && l.size()-l.segments[0].size >= limit {
		l.segments = l.segments[1:]
	}
}

func (l *segmented) size() int64 {
	total := int64(0)
	for _, s := range l.segments {
		total += s.size
	}
	return total
}

func (l *segmented) behind(offset int64) int64 {
	total := int64(0)
	for _, size := range l.sizes[offset:] {
		total += size
	}
	return total
}

// What a watched log is said to have behind an offset is never less than what it has, whatever the records' sizes, and
// hardly more where they are alike.
func TestWhatIsBehindAnOffsetIsNeverUnderestimated(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		alike := seed%2 == 0
		var l segmented
		var v volume
		for round := range 300 {
			for range rnd.IntN(20) {
				size := int64(100)
				if !alike {
					size = 1 + rnd.Int64N(10_000)
				}
				l.write(size, 5000)
			}
			if len(l.segments) == 0 {
				continue
			}
			if !alike || round%7 == 0 {
				limit := int64(60_000)
				if !alike {
					limit = 1 << 60 // what a deletion takes is estimated, and sizes that differ make that uncertain
				}
				l.trim(limit)
			}
			end, start := int64(len(l.sizes)), l.segments[0].base
			v.measure(start, end, l.size())
			p := Partition{Start: start, End: end, Size: l.size(), Sized: time.Unix(1, 0), appended: v.appended, marks: v.marks}
			watchedFrom := v.marks[0].end
			offset := max(start, watchedFrom) + rnd.Int64N(end-max(start, watchedFrom)+1)
			got, ok := p.After(offset)
			want := l.behind(offset)
			if !ok || got < want {
				t.Fatalf("seed %d, round %d: behind %d of %d..%d are %d bytes, got %d", seed, round, offset, start, end, want, got)
			}
			if alike && got > want+want/4+4000 {
				t.Fatalf("seed %d, round %d: behind %d of %d..%d are %d bytes, got %d, which is far more", seed, round, offset, start, end, want, got)
			}
			if len(v.marks) > maxMarks+1 {
				t.Fatalf("%d marks", len(v.marks))
			}
		}
	}
}

func TestAfter(t *testing.T) {
	p := Partition{Start: 100, End: 200, Size: 1000, Sized: time.Unix(1, 0), appended: 5000, marks: []mark{{150, 4600}, {180, 4900}}}
	for _, test := range []struct {
		name         string
		offset, want int64
	}{
		{"at the end", 200, 0},
		{"beyond the end", 250, 0},
		{"watched", 180, 100},
		{"between two marks", 179, 400},
		{"before it was watched", 140, 720}, // 60 of 100 offsets, and a fifth
		{"nearly all", 101, 1000},
		{"all", 100, 1000},
		{"gone", 50, 1000},
	} {
		if got, ok := p.After(test.offset); got != test.want || !ok {
			t.Errorf("%s: got %d, %v, want %d", test.name, got, ok, test.want)
		}
	}
	if _, ok := (&Partition{End: 9}).After(3); ok {
		t.Error("without a size something is said")
	}
}

func TestAnotherLogIsMeasuredAnew(t *testing.T) {
	for _, cut := range []struct{ start, end int64 }{{100, 150}, {0, 250}} {
		v := volume{}
		v.measure(100, 200, 1000)
		v.measure(100, 220, 1200)
		v.measure(cut.start, cut.end, 500)
		if v.appended != 0 || len(v.marks) != 1 || v.marks[0].end != cut.end {
			t.Errorf("%+v: got %+v", cut, v)
		}
	}
}
