package probe

import (
	"math"
	"slices"
	"time"
)

// Pace is how fast something grows, in bytes a second.
type Pace struct {
	Now     float64 // over the last five minutes, or as long as it is watched
	HourMax float64 // the largest of Now in this clock hour and the one before
	P95     float64 // 95 % of the hours of the last seven days had no larger one; while no hour is over, of this one
}

// Worst is the pace to reckon with.
func (p Pace) Worst() float64 { return max(p.Now, p.HourMax, p.P95) }

const (
	paceWindow = 5 * time.Minute
	// paceFull is how much of the window must have been watched for its mean to count as that of an hour.
	paceFull  = 4 * time.Minute
	weekHours = 7 * 24
)

// tick is a sum at a moment.
type tick struct {
	at  int64 // Unix time in milliseconds
	sum int64
}

// peak is the largest pace of an hour.
type peak struct {
	hour int64   // hours since 1970
	rate float64 // below 0: not watched for long enough to tell
}

// speed follows how fast a sum grows. It is not safe for concurrent use.
type speed struct {
	ticks []tick // of the window, and the one before
	hours []peak // in order; the last is the present hour
	p95   float64
}

// add takes in the sum at a moment. A clock that was set back starts the window anew.
func (s *speed) add(at time.Time, sum int64) {
	now := at.UnixMilli()
	if n := len(s.ticks); n > 0 && (now <= s.ticks[n-1].at || sum < s.ticks[n-1].sum) {
		s.ticks = nil
	}
	s.ticks = append(s.ticks, tick{now, sum})
	for len(s.ticks) > 2 && s.ticks[1].at <= now-paceWindow.Milliseconds() {
		s.ticks = s.ticks[1:]
	}
	rate, watched := rateOf(s.ticks)
	s.roll(now / time.Hour.Milliseconds())
	if n := len(s.hours); n > 0 && watched >= paceFull && rate > s.hours[n-1].rate {
		s.hours[n-1].rate = rate
	}
}

// rateOf is the mean growth over all ticks, per second, and over how long.
func rateOf(ticks []tick) (rate float64, watched time.Duration) {
	if len(ticks) < 2 {
		return 0, 0
	}
	first, last := ticks[0], ticks[len(ticks)-1]
	watched = time.Duration(last.at-first.at) * time.Millisecond
	return float64(last.sum-first.sum) / watched.Seconds(), watched
}

// roll begins an hour, and forgets those of more than a week ago.
func (s *speed) roll(hour int64) {
	n := len(s.hours)
	if n > 0 && s.hours[n-1].hour == hour {
		return
	}
	s.hours = slices.DeleteFunc(s.hours, func(p peak) bool { return p.hour > hour || p.hour < hour-weekHours || p.rate < 0 })
	s.p95 = percentile(s.hours)
	s.hours = append(s.hours, peak{hour, -1})
}

// percentile is the smallest rate that 95 % of the hours do not exceed; 0 of none.
func percentile(hours []peak) float64 {
	if len(hours) == 0 {
		return 0
	}
	rates := make([]float64, len(hours))
	for i, h := range hours {
		rates[i] = h.rate
	}
	slices.Sort(rates)
	return rates[int(math.Ceil(0.95*float64(len(rates))))-1]
}

// pace returns what is known, nil when that is nothing.
func (s *speed) pace() *Pace {
	rate, watched := rateOf(s.ticks)
	n := len(s.hours)
	if watched == 0 && s.p95 == 0 || n == 0 {
		return nil
	}
	p := &Pace{Now: rate, HourMax: max(0, s.hours[n-1].rate), P95: s.p95}
	if n > 1 && s.hours[n-2].hour == s.hours[n-1].hour-1 {
		p.HourMax = max(p.HourMax, s.hours[n-2].rate)
	}
	if p.P95 == 0 && n == 1 {
		p.P95 = max(p.HourMax, p.Now)
	}
	return p
}
