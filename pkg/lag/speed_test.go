package lag

import (
	"testing"
	"time"
)

func TestSpeed(t *testing.T) {
	start := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name    string
		through func(second int) time.Time
		seconds int
		want    float64 // negative: unknown
	}{
		{"keeping pace", func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }, 300, 1},
		{"stuck", func(int) time.Time { return start }, 300, 0},
		{"catching up", func(s int) time.Time { return start.Add(time.Duration(5*s) * time.Second) }, 90, 5},
		{"stuck for the last minutes", func(s int) time.Time { return start.Add(time.Duration(min(s, 60)) * time.Second) }, 180, 0},
		{"too short", func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }, 10, -1},
		{"set back", func(s int) time.Time { return start.Add(-time.Duration(s) * time.Second) }, 60, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p pace
			var got *float64
			for s := range test.seconds + 1 {
				through := test.through(s)
				got = p.see(start.Add(time.Duration(s)*time.Second), &through)
			}
			switch {
			case test.want < 0 && got != nil:
				t.Errorf("got %v, want unknown", *got)
			case test.want >= 0 && (got == nil || *got < test.want-0.1 || *got > test.want+0.1):
				t.Errorf("got %v, want %v", got, test.want)
			}
			if len(p.marks) > 15 {
				t.Errorf("%d marks are kept", len(p.marks))
			}
			if got := p.see(start, nil); got != nil {
				t.Errorf("got %v where the watermark is unknown", *got)
			}
		})
	}
}
