package zookeeper

import (
	"errors"
	"sync"
	"time"

	"tributary/pkg/ownership/coord"
)

var errExpired = errors.New("session expired")

// session is what is known of the present one. None of its methods waits for anything.
type session struct {
	watches *watches // set once

	mu      sync.Mutex
	now     coord.Session // guarded by mu, as is all here
	changed chan struct{} // closed and replaced when now changes
	lease   time.Time
	trouble error // why there is no connection; nil while there is one
}

func newSession(timeout time.Duration) *session {
	return &session{
		watches: newWatches(),
		now:     coord.Session{Phase: coord.Connecting, Timeout: timeout, Since: time.Now()},
		changed: make(chan struct{}),
		trouble: errors.New("not tried yet"),
	}
}

func (s *session) state() (coord.Session, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.changed
}

func (s *session) until() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease
}

// why returns what keeps us from a connection.
func (s *session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// connected takes a server's greeting. A session that we did not ask for is as good as an expiry. Watches of the former
// connection are all fired, so that everybody reads again what may have changed unseen.
func (s *session) connected(g greeting, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Phase == coord.Closed {
		return
	}
	if g.session != s.now.ID || s.now.Phase == coord.Connecting {
		s.now.ID = g.session
		s.now.Generation++
		s.lease = time.Time{}
	}
	s.now.Timeout = g.timeout
	s.trouble = nil
	s.extendLocked(until)
	s.watches.fireAll()
	s.becomeLocked(coord.Connected)
}

// expired takes note that the server does not know the session any more.
func (s *session) expired() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Phase == coord.Closed {
		return
	}
	s.lease = time.Time{}
	s.trouble = errExpired
	s.watches.fireAll()
	s.becomeLocked(coord.Connecting)
}

// suspended takes note that there is no connection, and why.
func (s *session) suspended(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = why
	if s.now.Phase == coord.Connected {
		s.becomeLocked(coord.Suspended)
	}
}

// closed is the end.
func (s *session) closed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease = time.Time{}
	s.watches.fireAll()
	s.becomeLocked(coord.Closed)
}

// extend moves the lease, forwards only.
func (s *session) extend(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Phase == coord.Connected {
		s.extendLocked(until)
	}
}

func (s *session) extendLocked(until time.Time) {
	if until.After(s.lease) {
		s.lease = until
	}
}

func (s *session) becomeLocked(p coord.Phase) {
	s.now.Phase, s.now.Since = p, time.Now()
	close(s.changed)
	s.changed = make(chan struct{})
}
