package protocol

import (
	"slices"
	"testing"
)

func TestJudge(t *testing.T) {
	want := map[Answer][]int16{
		Done:      {0},
		Refused:   {5, 19, 89},
		Disorder:  {45, 46, 59},
		Fenced:    {47, 90},
		Rejected:  {2, 10, 18, 32, 43, 44, 76, 87},
		Denied:    {3, 29, 31, 53, 100},
		Uncertain: {-1, 6, 7, 13, 20, 56},
	}
	for answer, codes := range want {
		for _, code := range codes {
			if got := Judge(code); got != answer {
				t.Errorf("Judge(%d): got %d, want %d", code, got, answer)
			}
		}
	}
	certain := slices.Concat(want[Done], want[Refused], want[Disorder], want[Fenced], want[Rejected], want[Denied])
	for code := int16(-300); code < 300; code++ {
		if got := Judge(code); got != Uncertain && !slices.Contains(certain, code) {
			t.Errorf("Judge(%d): got %d, want %d for a code that nobody has judged", code, got, Uncertain)
		}
	}
}
