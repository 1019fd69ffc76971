package probe

import (
	"slices"
	"time"
)

// DiskID names a log directory of a broker. The zero value is none.
type DiskID struct {
	Broker int32
	Dir    string
}

// Disk is the volume of a log directory.
type Disk struct {
	DiskID
	At            time.Time // when it was asked for
	Total, Usable int64     // bytes; -1 where the broker does not tell
	FullAt        *time.Time
}

const (
	// diskWindow is what the present growth is taken over: it holds a dozen of the broker's retention checks, which free
	// whole segments at a time.
	diskWindow = time.Hour
	// diskBurst is what a sudden growth is taken over, and diskSoon is when that counts: a disk that has more room than for
	// an hour of it may well be freed by the next check.
	diskBurst = 5 * time.Minute
	diskSoon  = time.Hour
	diskLeast = 30 * time.Second // shorter than that nothing can be said
	// diskReserve is the share of a volume that is taken for full already: in hundredths.
	diskReserve = 1
	// diskNever is from where on a forecast is none.
	diskNever = 5 * 365 * 24 * time.Hour
)

// growth follows how fast a disk fills up, deletions counted. It is not safe for concurrent use.
type growth struct {
	ticks []tick // used bytes over the window
	hours []peak // net growth of the hours that are over, in order; fewer than none is none
	first tick   // of the present hour
	p95   float64
}

func (g *growth) add(at time.Time, used int64) {
	now := at.UnixMilli()
	if n := len(g.ticks); n > 0 && now <= g.ticks[n-1].at {
		g.ticks = nil
	}
	g.ticks = append(g.ticks, tick{now, used})
	for len(g.ticks) > 2 && g.ticks[1].at <= now-diskWindow.Milliseconds() {
		g.ticks = g.ticks[1:]
	}
	g.roll(tick{now, used})
}

// roll closes an hour that was watched from its begin to its end, by and large.
func (g *growth) roll(t tick) {
	length := time.Hour.Milliseconds()
	hour := g.first.at / length
	if g.first.at > 0 && t.at/length == hour {
		return
	}
	if watched := t.at - g.first.at; g.first.at > 0 && watched > length/2 && watched < 2*length {
		rate := float64(t.sum-g.first.sum) / float64(watched) * 1000
		g.hours = append(slices.DeleteFunc(g.hours, func(p peak) bool { return p.hour >= hour || p.hour < hour-weekHours }), peak{hour, max(0, rate)})
		g.p95 = percentile(g.hours)
	}
	g.first = t
}

// fullAt returns when the disk is full at the growth to reckon with, nil when it does not grow or nothing can be said.
func (g *growth) fullAt(at time.Time, total, usable int64) *time.Time {
	room := float64(usable - total/100*diskReserve)
	rate := g.p95
	if net, watched := rateOf(g.ticks); watched >= diskBurst {
		rate = max(rate, net)
	}
	recent := g.ticks
	for len(recent) > 2 && recent[1].at <= at.Add(-diskBurst).UnixMilli() {
		recent = recent[1:]
	}
	if burst, watched := rateOf(recent); watched >= diskLeast && room < burst*diskSoon.Seconds() {
		rate = max(rate, burst)
	}
	switch {
	case room <= 0:
		return &at
	case rate <= 0 || room/rate > diskNever.Seconds():
		return nil
	}
	full := at.Add(time.Duration(room / rate * float64(time.Second)))
	return &full
}
