package produce

import (
	"errors"
	"os"
	"time"
)

// silenceTick is how often a connection that owes an answer is looked at.
const silenceTick = 5 * time.Second

// silence is how long a connection has owed an answer without a sign of life. The broker's time begins when it has the
// request: while the peer's kernel still takes bytes of ours, the link is slow and not dead.
type silence struct {
	since  time.Time // of the last answer, of a request with none before it, or of bytes that the peer took
	queued int       // bytes that the peer had not taken at the last tick, -1 before the first
}

// patience is how long an answer may take. Called with the lane's lock held.
func (s *session) patience(now time.Time) time.Duration {
	return produceTimeout + answerPatience + max(0, s.lane.muted.Sub(now))
}

// awaits begins to wait for the next answer, if one is owed. Called with the lane's lock held.
func (s *session) awaits(now time.Time) {
	s.silent = silence{now, -1}
	deadline := time.Time{}
	if s.lane.inFlight > 0 {
		deadline = now.Add(silenceTick)
	}
	_ = s.conn.SetReadDeadline(deadline) // fails on a closed connection only, and then the next read says so
}

// overdue says at a tick whether the connection is to be given up, and sets the next tick if not.
func (s *session) overdue(now time.Time) bool {
	s.lane.mu.Lock()
	defer s.lane.mu.Unlock()
	if s.lane.inFlight == 0 { // the answer came as the tick did
		s.awaits(now)
		return false
	}
	queued := s.conn.Unacknowledged()
	if queued < s.silent.queued {
		s.silent.since = now
	}
	s.silent.queued = queued
	if now.Sub(s.silent.since) >= s.patience(now) {
		return true
	}
	_ = s.conn.SetReadDeadline(now.Add(silenceTick)) // as in awaits
	return false
}

// patientReader reads answers for as long as the connection shows signs of life.
type patientReader struct{ *session }

// Read implements io.Reader.
func (r patientReader) Read(p []byte) (int, error) {
	for {
		n, err := r.conn.Read(p)
		if !errors.Is(err, os.ErrDeadlineExceeded) || r.overdue(time.Now()) {
			return n, err
		}
	}
}
