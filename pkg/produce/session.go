package produce

import (
	"context"
	"sync"
	"time"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// session is one connection of a lane.
type session struct {
	lane   *lane
	conn   *kafka.Conn
	hangUp context.CancelCauseFunc
	sent   chan *request // in order of sending; the writer is its only sender, at most maxInFlight are ever in it
	silent silence       // guarded by lane.mu

	pool sync.Pool // of *request

	full    bool           // owned by the writer: there is something to send, and no room in the window
	waiting []*mirror.Link // owned by the writer: those that wait for that
	told    []*mirror.Link // owned by the reader of answers: those that know of one
	limited []limited      // owned by the writer
}

// item is one batch in a request.
type item struct {
	e     *entry
	taken mirror.Taken
}

// request is a Produce request under way.
type request struct {
	items       []item
	bytes       int
	correlation int32
	sentAt      time.Time
}

// write takes batches from the members and sends them until the connection breaks or ctx ends. It returns why.
func (s *session) write(ctx context.Context) error {
	l := s.lane
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer s.letGo()
	for {
		now := time.Now()
		next := earlier(l.due(now), s.resume(now))
		if s.conn.NeedsReauth() && l.idle() {
			if err := s.conn.Reauthenticate(); err != nil {
				return err
			}
		}
		if n, err := s.fill(); err != nil {
			return err
		} else if n > 0 {
			continue
		}
		wait := time.Second // the session's renewal is looked at that often
		if !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		if pause := l.pause(time.Now()); pause > 0 {
			wait = min(wait, pause)
		}
		timer.Reset(max(wait, 0))
		s.holdBack()
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-timer.C:
		}
		s.goAhead()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight == 0
}

// fill sends as many requests as the window allows, in one system call. It returns how many.
func (s *session) fill() (int, error) {
	l := s.lane
	l.mu.Lock()
	room := l.room(time.Now())
	free := room - l.inFlight
	l.working = append(l.working, l.readied...)
	l.readied = l.readied[:0]
	l.mu.Unlock()
	s.full = (free <= 0 || free <= room-refillAt) && len(l.working) > 0
	if s.full || len(l.working) == 0 || s.conn.NeedsReauth() {
		return 0, nil
	}
	var requests []*request
	for len(requests) < free {
		r := s.row()
		if r == nil {
			break
		}
		requests = append(requests, r)
	}
	if len(requests) == 0 {
		return 0, nil
	}
	return len(requests), s.send(requests)
}

// row makes a request of at most one batch of each working entry, nil when there is nothing to send now.
func (s *session) row() *request {
	l := s.lane
	now := time.Now()
	r, _ := s.pool.Get().(*request)
	if r == nil {
		r = &request{}
	}
	r.items, r.bytes = r.items[:0], 0
	number := l.sink.rows.Add(1)
	kept := l.working[:0]
	for i, e := range l.working {
		if r.bytes >= maxRequestBytes {
			kept = append(kept, l.working[i:]...)
			break
		}
		if e.lane.Load() != l {
			continue // it has moved on
		}
		if s.aside(e) {
			continue
		}
		if e.slot.row.Load() == number {
			kept = append(kept, e)
			continue
		}
		e.queued.Store(false) // before Take, so that a batch that comes after it queues e again
		taken, step := e.p.Take(now)
		switch step {
		case protocol.Send:
			r.items = append(r.items, item{e, taken})
			r.bytes += len(taken.Bytes)
			e.slot.row.Store(number)
			if e.queued.CompareAndSwap(false, true) {
				kept = append(kept, e)
			}
		case protocol.Calm:
			l.join(e)
		case protocol.Wait:
			if taken.Limited {
				s.setAside(e)
			}
		}
	}
	l.turn(kept, len(r.items))
	if len(r.items) == 0 {
		s.pool.Put(r)
		return nil
	}
	return r
}

// turn lets those that were left out of a full request come first in the next one.
func (l *lane) turn(kept []*entry, served int) {
	if n := len(kept); n > 0 && served > 0 && served < n {
		rest := append([]*entry(nil), kept[:served]...)
		copy(kept, kept[served:])
		copy(kept[n-served:], rest)
	}
	l.working = kept
}

// send writes the requests and passes them to the reader of answers.
func (s *session) send(requests []*request) error {
	l := s.lane
	l.encoder.reset()
	for _, r := range requests {
		framed := len(l.encoder.heads)
		r.correlation = l.encoder.add(r.items)
		spend(r.items, len(l.encoder.heads)-framed)
	}
	now := time.Now()
	l.mu.Lock()
	first := l.inFlight == 0
	l.inFlight += len(requests)
	if first {
		s.awaits(now)
	}
	patience := s.patience(now)
	l.mu.Unlock()
	for _, r := range requests {
		r.sentAt = now
	}
	err := s.conn.WriteVec(l.encoder.vector(), patience)
	for _, r := range requests {
		for i := range r.items {
			r.items[i].taken.Hold().Release()
		}
		s.sent <- r
	}
	return err
}
