package verify

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMinute(t *testing.T) {
	for _, test := range []struct{ timestamp, want int64 }{{0, 0}, {59_999, 0}, {60_000, 1}, {-1, -1}, {-60_000, -1}, {-60_001, -2}} {
		if got := minute(test.timestamp); got != test.want {
			t.Errorf("minute(%d) = %d, want %d", test.timestamp, got, test.want)
		}
	}
}

// However timestamps are spread, a series stays within its bound and adds up to the same.
func TestSeriesIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	wide, narrow := newSeries(16), newSeries(1<<20)
	for i := range 5000 {
		r := &record{offset: int64(i), timestamp: random.Int64N(1 << 45)}
		if i%3 == 0 {
			r.timestamp = -r.timestamp
		}
		p := print128{random.Uint64(), random.Uint64()}
		wide.add(p, r, 10, uint64(i))
		narrow.add(p, r, 10, uint64(i))
		if len(wide.cells) > 16 {
			t.Fatalf("%d cells after record %d, want at most 16", len(wide.cells), i)
		}
	}
	if wide.total != narrow.total {
		t.Errorf("totals: got %+v, want %+v", wide.total, narrow.total)
	}
	if keys := unequal([]*series{wide}, nil, []*series{narrow}, true); len(keys) > 0 || wide.shift != narrow.shift {
		t.Errorf("cells %v differ, widths %d and %d", keys, wide.shift, narrow.shift)
	}
}

// A cell is equal if it has what was there first, or that and all that came later.
func TestUnequal(t *testing.T) {
	first, later := print128{1, 1}, print128{2, 2}
	fill := func(prints ...print128) *series {
		s := newSeries(100)
		for i, p := range prints {
			s.add(p, &record{offset: int64(i)}, 1, 0)
		}
		return s
	}
	for _, test := range []struct {
		name string
		got  *series
		want int
	}{
		{"what was first", fill(first), 0},
		{"all", fill(first, later), 0},
		{"nothing", fill(), 1},
		{"later alone", fill(later), 1},
		{"twice", fill(first, first), 1},
	} {
		if got := unequal([]*series{fill(first)}, []*series{fill(later)}, []*series{test.got}, true); len(got) != test.want {
			t.Errorf("%s: %d cells differ, want %d", test.name, len(got), test.want)
		}
	}
}

func TestJoin(t *testing.T) {
	got := join([]span{{50, 60}, {0, 10}, {12, 20}, {5, 8}, {100, 101}}, 2)
	if want := []span{{0, 20}, {50, 60}, {100, 101}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What does not fit into memory is sorted just the same.
func TestSorterSpills(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var want []row
	s := newSorter(rowKind(), t.TempDir(), 1) // the least: 1024 rows
	defer s.close()
	for range 20 {
		var chunk []row
		for range 500 {
			chunk = append(chunk, row{print: print128{random.Uint64N(50), random.Uint64()}, parts: [3]uint32{random.Uint32(), 2, 3}, log: 7,
				side: side(random.IntN(4)), null: random.IntN(2) == 0, offset: random.Int64(), timestamp: -random.Int64N(100)})
		}
		want = append(want, chunk...)
		if err := s.add(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.runs) < 5 {
		t.Fatalf("%d runs were spilled, want at least 5", len(s.runs))
	}
	slices.SortFunc(want, func(a, b row) int { return compareRows(&a, &b) })
	var got []row
	if err := s.each(func(r *row) error { got = append(got, *r); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d rows came back, not as they should be", len(got))
	}
}

func TestAround(t *testing.T) {
	within := span{100, 500}
	for _, test := range []struct {
		name      string
		all, want []span
	}{
		{"none", nil, nil},
		{"in the middle", []span{{200, 210}}, []span{{190, 220}}},
		{"at both ends", []span{{100, 105}, {495, 500}}, []span{{100, 115}, {485, 500}}},
		{"near each other", []span{{300, 310}, {335, 340}}, []span{{290, 350}}},
	} {
		if got := around(test.all, 10, within); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
