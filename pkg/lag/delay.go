package lag

import (
	"time"

	"tributary/pkg/mirror"
)

// delaySpan is half of for how long a delay is remembered at most; at least it is for one span.
const delaySpan = 12 * time.Hour

// nearlyNow is how late a partition may be for the delay of what it acknowledges to be that of the record's arrival.
const nearlyNow = 10 * time.Second

// delays follow by how much records are older, by their timestamps, than their arrival at the source. It is not safe for
// concurrent use.
type delays struct {
	lastAck     time.Time
	span        int64
	now, before time.Duration
}

func (d *delays) observe(now time.Time, s mirror.PartitionStatus, through *time.Time) {
	if span := now.UnixNano() / int64(delaySpan); span != d.span {
		d.before = d.now
		if span != d.span+1 {
			d.before = 0
		}
		d.span, d.now = span, 0
	}
	current := s.State == mirror.StateCaughtUp || s.State == mirror.StateCopying && through != nil && now.Sub(*through) < nearlyNow
	if !current || s.AckedMaxTime <= 0 || s.LastAck.Equal(d.lastAck) {
		return
	}
	d.lastAck = s.LastAck
	d.now = max(d.now, s.LastAck.Sub(time.UnixMilli(s.AckedMaxTime)))
}

func (d *delays) largest() time.Duration { return max(d.now, d.before) }
