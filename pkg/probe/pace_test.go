package probe

import (
	"math"
	"testing"
	"time"
)

var epoch = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func TestPace(t *testing.T) {
	var s speed
	if s.pace() != nil {
		t.Error("a pace before anything was measured")
	}
	sum, at := int64(0), epoch
	run := func(d time.Duration, rate int64) {
		for range int(d / interval) {
			at = at.Add(interval)
			sum += rate * int64(interval/time.Second)
			s.add(at, sum)
		}
	}
	s.add(at, 0)
	if s.pace() != nil {
		t.Error("a pace of one measurement")
	}
	run(time.Minute, 100)
	if got := s.pace(); got == nil || got.Now != 100 || got.P95 != 100 || got.Worst() != 100 {
		t.Errorf("after a minute: %+v", got)
	}
	run(59*time.Minute, 100)
	run(10*time.Minute, 900)
	run(20*time.Minute, 50)
	if got := s.pace(); got.Now != 50 || math.Abs(got.HourMax-900) > 1 || got.P95 != 100 {
		t.Errorf("after a burst: %+v", got)
	}
	run(3*time.Hour, 50)
	if got := s.pace(); got.HourMax != 50 || math.Abs(got.P95-900) > 1 {
		t.Errorf("hours later: %+v", got)
	}
	run(80*time.Hour, 50)
	if got := s.pace(); got.P95 >= 900 || got.P95 < 50 {
		t.Errorf("one hour of 84 is not in 95 %%: %+v", got)
	}
	if run(8*24*time.Hour, 50); len(s.hours) > weekHours+2 || s.pace().P95 != 50 {
		t.Errorf("%d hours are kept, %+v", len(s.hours), s.pace())
	}
}

// A process that ran for a minute of an hour knows nothing of that hour.
func TestAnHourThatWasNotWatchedIsNone(t *testing.T) {
	s := speed{hours: []peak{{epoch.Unix()/3600 - 2, 100}}, p95: 100}
	s.add(epoch, 0)
	s.add(epoch.Add(time.Minute), 10)
	s.add(epoch.Add(70*time.Minute), 20)
	if s.p95 != 100 {
		t.Errorf("p95: got %v, want 100", s.p95)
	}
}

func TestDiskFull(t *testing.T) {
	const total = int64(1000 << 30)
	for _, test := range []struct {
		name string
		used func(at time.Duration) int64 // GiB
		over time.Duration
		want time.Duration // from the last measurement; 0 never
		near time.Duration
	}{
		{"it grows by 10 an hour", func(at time.Duration) int64 { return 490 + int64(10*at.Hours()) }, 5 * time.Hour, 45 * time.Hour, 3 * time.Hour},
		{"what comes is deleted by the hour", func(at time.Duration) int64 { return 800 + int64(60*at.Hours())%60 }, 20 * time.Hour, 0, 0},
		{"it shrinks", func(at time.Duration) int64 { return 900 - int64(at.Hours()) }, 5 * time.Hour, 0, 0},
		{"a minute of a flood", func(at time.Duration) int64 { return 500 + int64(at.Seconds()) }, time.Minute, 430 * time.Second, 60 * time.Second},
		{"a minute of much, and much room", func(at time.Duration) int64 { return 500 + int64(at.Seconds()/20) }, time.Minute, 0, 0},
		{"full", func(time.Duration) int64 { return 995 }, time.Minute, -1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var g growth
			var full *time.Time
			at := epoch
			for d := time.Duration(0); d <= test.over; d += interval {
				at = epoch.Add(d)
				used := test.used(d) << 30
				g.add(at, used)
				full = g.fullAt(at, total, total-used)
			}
			switch {
			case test.want == 0 && full != nil && full.Sub(at) < 100*time.Hour:
				t.Errorf("got full in %v, want never", full.Sub(at))
			case test.want == -1 && (full == nil || !full.Equal(at)):
				t.Errorf("got %v, want now", full)
			case test.want > 0 && (full == nil || full.Sub(at) > test.want+test.near || full.Sub(at) < test.want-test.near):
				t.Errorf("got %v, want about %v", full, at.Add(test.want))
			}
		})
	}
}
