package mirror

import (
	"fmt"
	"time"
)

// Range is a range of source offsets, From included, To not.
type Range struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Loss is what a halted partition cannot deliver any more, in source offsets. It is not changed after it was given out.
type Loss struct {
	From    int64     // end of what the destination has; -1 when not known
	To      int64     // the first offset that is not lost; equal to From when nothing is, -1 when not known
	Records int64     // To-From, an upper bound where the log had gaps; -1 when not known
	Since   time.Time // timestamp of the last record before it, zero when not known
	Until   time.Time // timestamp of the first record after it, zero when not known or when there is none
	Surplus *Range    // offsets whose records the destination has and the source has no longer; nil when none are known
}

// newLoss returns the loss of the offsets [from, to); -1 is not known.
func newLoss(from, to int64) *Loss {
	l := &Loss{From: from, To: to, Records: -1}
	if from >= 0 && to >= 0 {
		l.To = max(from, to)
		l.Records = l.To - from
	}
	return l
}

// String is the loss in words.
func (l Loss) String() string {
	switch {
	case l.From < 0:
		return "not known"
	case l.To < 0:
		return fmt.Sprintf("source offsets from %d on, how many is not known", l.From)
	case l.To == l.From && l.Surplus != nil:
		return fmt.Sprintf("nothing; the destination has source offsets %d to %d, which the source has no longer", l.Surplus.From, l.Surplus.To-1)
	case l.To == l.From:
		return "nothing"
	}
	text := fmt.Sprintf("source offsets %d to %d (%d)", l.From, l.To-1, l.Records)
	if !l.Since.IsZero() {
		text += " after " + l.Since.UTC().Format(time.RFC3339)
	}
	if !l.Until.IsZero() {
		text += " before " + l.Until.UTC().Format(time.RFC3339)
	}
	return text
}
