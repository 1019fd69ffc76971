package lag

import (
	"tributary/pkg/mirror"
)

// loss is what was already counted of a partition's present loss.
type loss struct {
	cause mirror.Cause
	lost  mirror.Range
}

// grow returns by how many offsets the loss of a halted partition is greater than what was counted, and counts it. A
// range that is shown again, or for longer, is one loss.
func (l *loss) grow(s mirror.PartitionStatus) int64 {
	if s.State != mirror.StateHalted || s.Lost == nil || s.Lost.To <= s.Lost.From {
		return 0
	}
	counted := int64(0)
	if l.cause == s.Cause && l.lost.From == s.Lost.From {
		counted = l.lost.To - l.lost.From
	}
	more := s.Lost.To - s.Lost.From - counted
	if more <= 0 {
		return 0
	}
	l.cause, l.lost = s.Cause, *s.Lost
	return more
}
