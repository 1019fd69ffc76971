package lag

import (
	"time"

	"tributary/pkg/mirror"
)

const (
	// believed is for how long mirror reports an end offset after the source named it.
	believed = 30 * time.Second

	// History is kept by the second for fineAge, by the minute for coarseAge, every ten minutes beyond, and thinned
	// once a minute. A sample left out makes the watermark late, never early.
	fineAge     = 10 * time.Minute
	coarseAge   = 24 * time.Hour
	coarseStep  = time.Minute
	oldStep     = 10 * time.Minute
	thinEvery   = time.Minute
	fineSamples = int(fineAge / interval)
	// maxSamples bounds the history of one partition to 64 KiB: more than a week.
	maxSamples = 4096
)

// sample says that everything that reached the source up to at has an offset below end.
type sample struct {
	at  int64 // Unix time in milliseconds
	end int64
}

// watermark follows how far in time one partition is mirrored: a step function over what was seen of the source's end.
// A record is never dated by its own timestamp, so skewed clocks and old records do not matter. It is not safe for
// concurrent use.
//
// The end offset may be as old as believed when it is seen. An end that is seen anew is taken to have been named since
// the look before; one that stays the same, within believed. Both are dated by that, so that the watermark is not ahead
// of the truth, with two exceptions. The time an answer of the source was under way is not known here and not taken off:
// milliseconds as a rule, mirror's timeout at most where it had to ask. And a partition that is caught up counts as
// caught up now: there the source holds an open fetch, which it answers at once when a record arrives; a source that
// hangs silently is noticed late, by believed at most.
type watermark struct {
	known   bool
	through int64 // Unix time in milliseconds, if known

	seen    int64 // when it was looked at last, 0 never
	end     int64 // the newest end offset
	thinned int64
	ahead   []sample // ends beyond the acknowledged prefix, ascending in both fields
}

// observe takes one look at the partition.
func (w *watermark) observe(now time.Time, s mirror.PartitionStatus) {
	at := now.UnixMilli()
	if at < w.seen {
		w.rewind(at)
	}
	if s.Started && s.State != mirror.StateHalted {
		w.look(at, s)
		w.pass(s.Next)
	} else if s.SourceEnd >= 0 {
		w.end = s.SourceEnd // an end that stays the same is not named anew
	}
	w.seen = at
	if len(w.ahead) > fineSamples && at-w.thinned >= thinEvery.Milliseconds() {
		w.thin(at)
	}
}

// look takes in the source's end offset, if it is known.
func (w *watermark) look(now int64, s mirror.PartitionStatus) {
	if s.SourceEnd < 0 {
		return
	}
	named := now - believed.Milliseconds()
	if w.seen > 0 && s.SourceEnd > w.end {
		named = max(named, w.seen)
	}
	if s.State == mirror.StateCaughtUp {
		named = now
	}
	for n := len(w.ahead); n > 0 && w.ahead[n-1].end > s.SourceEnd; n-- {
		w.ahead = w.ahead[:n-1] // the log was cut: those offsets will be other records
	}
	w.end = s.SourceEnd
	if n := len(w.ahead); n > 0 {
		named = max(named, w.ahead[n-1].at)
		if w.ahead[n-1].end == s.SourceEnd {
			w.ahead[n-1].at = named
			return
		}
	}
	w.ahead = append(w.ahead, sample{named, s.SourceEnd})
}

// pass takes in how far the destination has acknowledged.
func (w *watermark) pass(next int64) {
	n := 0
	for ; n < len(w.ahead) && w.ahead[n].end <= next; n++ {
		if !w.known || w.ahead[n].at > w.through {
			w.known, w.through = true, w.ahead[n].at
		}
	}
	if w.ahead = w.ahead[n:]; len(w.ahead) == 0 {
		w.ahead = nil
	}
}

// rewind follows a clock that was set back. A watermark in the future would hide a stop until then.
func (w *watermark) rewind(now int64) {
	w.through, w.thinned = min(w.through, now), min(w.thinned, now)
	for i := range w.ahead {
		w.ahead[i].at = min(w.ahead[i].at, now)
	}
}

// thin leaves out samples the more the older they are.
func (w *watermark) thin(now int64) {
	w.thinned = now
	kept := make([]sample, 0, len(w.ahead))
	for _, s := range w.ahead {
		if n := len(kept); n == 0 || s.at-kept[n-1].at >= step(now-s.at) {
			kept = append(kept, s)
		}
	}
	w.ahead = kept[max(0, len(kept)-maxSamples):]
}

// step is the distance of the samples of an age. All are in milliseconds.
func step(age int64) int64 {
	switch {
	case age <= fineAge.Milliseconds():
		return 0
	case age <= coarseAge.Milliseconds():
		return coarseStep.Milliseconds()
	}
	return oldStep.Milliseconds()
}

// time returns the watermark, nil when it is not known yet.
func (w *watermark) time() *time.Time {
	if !w.known {
		return nil
	}
	t := time.UnixMilli(w.through).UTC()
	return &t
}
