package zookeeper

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/ownership/coord"
)

func TestSessionGoesThroughItsPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(timeout)
		broke := errors.New("broke")
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		steps := []struct {
			name  string
			do    func()
			want  coord.Session
			lease time.Duration // from then; 0: none
			fires bool
		}{
			{"nothing was reached", func() { s.suspended(broke) }, coord.Session{Phase: coord.Connecting, Timeout: timeout}, 0, false},
			{"the first session", func() { s.connected(greeting{time.Second, 7}, in(4)) }, coord.Session{Phase: coord.Connected, ID: 7, Generation: 1, Timeout: time.Second}, 4, true},
			{"its lease moves", func() { s.extend(in(9)) }, coord.Session{Phase: coord.Connected, ID: 7, Generation: 1, Timeout: time.Second}, 9, false},
			{"and never back", func() { s.extend(in(5)) }, coord.Session{Phase: coord.Connected, ID: 7, Generation: 1, Timeout: time.Second}, 9, false},
			{"the connection breaks", func() { s.suspended(broke) }, coord.Session{Phase: coord.Suspended, ID: 7, Generation: 1, Timeout: time.Second}, 9, false},
			{"an answer that was late", func() { s.extend(in(99)) }, coord.Session{Phase: coord.Suspended, ID: 7, Generation: 1, Timeout: time.Second}, 9, false},
			{"it is back", func() { s.connected(greeting{time.Second, 7}, in(8)) }, coord.Session{Phase: coord.Connected, ID: 7, Generation: 1, Timeout: time.Second}, 9, true},
			{"another, unasked for", func() { s.connected(greeting{2 * time.Second, 8}, in(3)) }, coord.Session{Phase: coord.Connected, ID: 8, Generation: 2, Timeout: 2 * time.Second}, 3, true},
			{"it expires", s.expired, coord.Session{Phase: coord.Connecting, ID: 8, Generation: 2, Timeout: 2 * time.Second}, 0, true},
			{"nothing is reached", func() { s.suspended(broke) }, coord.Session{Phase: coord.Connecting, ID: 8, Generation: 2, Timeout: 2 * time.Second}, 0, false},
			{"a number again", func() { s.connected(greeting{time.Second, 8}, in(3)) }, coord.Session{Phase: coord.Connected, ID: 8, Generation: 3, Timeout: time.Second}, 3, true},
			{"closed", s.closed, coord.Session{Phase: coord.Closed, ID: 8, Generation: 3, Timeout: time.Second}, 0, true},
			{"a greeting too late", func() { s.connected(greeting{time.Second, 9}, in(3)) }, coord.Session{Phase: coord.Closed, ID: 8, Generation: 3, Timeout: time.Second}, 0, false},
			{"an expiry too late", s.expired, coord.Session{Phase: coord.Closed, ID: 8, Generation: 3, Timeout: time.Second}, 0, false},
		}
		since := time.Now()
		for _, step := range steps {
			watch := s.watches.arm("/a", ofNode)
			before, changed := s.state()
			step.do()
			got, _ := s.state()
			moved := got.Phase != before.Phase || got.Generation != before.Generation
			if moved {
				since = time.Now()
			}
			step.want.Since = since
			if got != step.want {
				t.Errorf("%s: got %+v, want %+v", step.name, got, step.want)
			}
			if lease := s.until(); step.lease == 0 && !lease.IsZero() || step.lease != 0 && !lease.Equal(time.Now().Add(step.lease)) {
				t.Errorf("%s: lease until %v, want in %v", step.name, lease, step.lease)
			}
			if isClosed(changed) != moved || isClosed(watch) != step.fires {
				t.Errorf("%s: change told %v, want %v; watch fired %v, want %v", step.name, isClosed(changed), moved, isClosed(watch), step.fires)
			}
		}
		if !errors.Is(s.why(), broke) && s.why() != nil {
			t.Errorf("got %v", s.why())
		}
	})
}
