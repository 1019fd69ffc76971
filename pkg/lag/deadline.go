package lag

import (
	"time"

	"tributary/pkg/probe"
)

// probeStale is for how long an answer of a prober is taken for the present.
const probeStale = 30 * time.Second

// facts are what the deadlines of one partition follow from. Each deadline is a lower bound: whatever is not known makes it
// earlier, or unknown, but never later than the truth.
type facts struct {
	now            time.Time
	next           int64         // the first offset that is not mirrored; below 0 unknown
	through        *time.Time    // the watermark: that record reached the source later
	delay          time.Duration // by how much records were older than their arrival lately, at most
	known          *probe.Partition
	source, target *probe.Settings
	measured       bool       // the disk of the partition is
	full           *time.Time // when it is full; nil: never, as it does not grow
}

// bound is what is known of one deadline.
type bound struct {
	state  certainty
	at     time.Time
	budget time.Duration // what a record has that arrives now; 0 where that is no retention
}

type certainty int

const (
	unknown certainty = iota
	never             // the cause does not apply
	certain
)

// bounds returns the deadline of every cause but compaction.
func (f facts) bounds() map[Cause]bound {
	return map[Cause]bound{CauseRetentionTime: f.retentionTime(), CauseRetentionBytes: f.retentionBytes(),
		CauseDiskFull: f.diskFull(), CauseTargetRetention: f.targetRetention()}
}

// first is the first offset that is not mirrored and still there; below 0 unknown.
func (f facts) first() int64 {
	if f.next < 0 || f.known == nil {
		return -1
	}
	return max(f.next, f.known.Start)
}

// oldest returns a time that the record which waits longest is not older than, by the timestamp that its segment is judged
// by. Where none waits, it is that of one that arrives now.
func (f facts) oldest() (at time.Time, ok bool) {
	if first := f.first(); first >= 0 {
		if first >= f.known.End {
			return f.upToDate(), true
		}
		if at, ok := f.known.First(first); ok {
			if at.After(f.known.At) { // a stamp of the future is believed by some brokers and not by others
				at = f.known.At
			}
			return at, true
		}
	}
	if f.through == nil {
		return time.Time{}, false
	}
	return f.through.Add(-f.delay), true
}

// upToDate is the latest time at which the partition was seen to be mirrored wholly.
func (f facts) upToDate() time.Time {
	at := f.known.At
	if f.through != nil && f.through.After(at) {
		at = *f.through
	}
	if f.now.Sub(at) > probeStale { // something may have arrived since, with a timestamp of before
		at = at.Add(-f.delay)
	}
	return at
}

// retentionTime: brokers delete a segment when its largest timestamp is older than retention.ms.
func (f facts) retentionTime() bound {
	if f.source == nil {
		return bound{}
	}
	age, ok := f.source.ByAge()
	return f.byAge(age, ok)
}

// targetRetention: what is written later than that is older than the destination keeps it for.
func (f facts) targetRetention() bound {
	if f.target == nil {
		return bound{}
	}
	age, ok := f.target.ByAge()
	return f.byAge(age, ok && !f.target.AppendTime) // there it is as old as its arrival
}

func (f facts) byAge(age time.Duration, applies bool) bound {
	if !applies {
		return bound{state: never}
	}
	at, ok := f.oldest()
	if !ok {
		return bound{}
	}
	return bound{certain, later(at, age), age}
}

// retentionBytes: brokers delete the oldest segment when what remains has at least retention.bytes. At the pace to reckon
// with, that is when the bytes behind the first record that is not mirrored are so many.
func (f facts) retentionBytes() bound {
	if f.source == nil {
		return bound{}
	}
	limit, ok := f.source.BySize()
	if !ok {
		return bound{state: never}
	}
	first := f.first()
	if first < 0 || f.known.Sized.IsZero() || f.known.Pace == nil {
		return bound{}
	}
	behind, _ := f.known.After(first)
	pace := f.known.Pace.Worst()
	budget := stretch(float64(limit), pace)
	switch {
	case behind >= limit:
		return bound{certain, f.known.Sized, budget}
	case pace <= 0:
		return bound{state: never}
	}
	return bound{certain, later(f.known.Sized, stretch(float64(limit-behind), pace)), budget}
}

func (f facts) diskFull() bound {
	switch {
	case !f.measured:
		return bound{}
	case f.full == nil:
		return bound{state: never}
	}
	return bound{state: certain, at: *f.full}
}

// farAway is what a longer time is cut to: longer than any retention that means something.
const farAway = 100 * 365 * 24 * time.Hour

// stretch is how long an amount of bytes lasts.
func stretch(bytes, pace float64) time.Duration {
	if pace <= 0 || bytes/pace > farAway.Seconds() {
		return farAway
	}
	return time.Duration(bytes / pace * float64(time.Second))
}

func later(at time.Time, d time.Duration) time.Time { return at.Add(min(d, farAway)).UTC() }

// used is the share of a retention that is used up.
func (b bound) used(now time.Time) (share float64, ok bool) {
	if b.state != certain || b.budget <= 0 {
		return 0, false
	}
	return min(1, max(0, 1-b.at.Sub(now).Seconds()/b.budget.Seconds())), true
}
