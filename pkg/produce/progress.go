package produce

import (
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// progress is how far a scan came in an attempt to join that had no more time, or no connection. The next one goes on there, as a log may be too
// long for any: that of a partition whose position is lost, or was not saved for hours.
type progress struct {
	plan  mirror.JoinPlan
	epoch int32 // leader epoch of the log that was read
	tail  *protocol.Tail
	next  int64
}

// scanTurn is for how long others that want to join wait for a scan.
const scanTurn = time.Second

// awaited says whether others want to join.
func (l *lane) awaited() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.joiners) > 0
}

// begin returns the tail to fold and where to read on. It begins anew unless all is as it was: under another leader what was
// counted may be gone.
func (j *joiner) begin() (*protocol.Tail, int64) {
	kept := j.e.scanned.Swap(nil)
	if kept != nil && kept.plan == j.plan && kept.epoch == j.at.Epoch && kept.next >= j.start.end {
		return kept.tail, kept.next
	}
	return protocol.NewTail(j.plan.Position, j.start.end), max(j.plan.Position.Dest, j.start.end)
}

// keep lets the next attempt go on at next.
func (j *joiner) keep(tail *protocol.Tail, next int64) {
	j.e.scanned.Store(&progress{j.plan, j.at.Epoch, tail, next})
}
