package produce

import (
	"math/rand/v2"
	"slices"
	"time"

	"tributary/pkg/mirror"
)

// limitedJitter is the longest time that a lane lets pass once a link's rate allows it to send: lanes that always tried in the same
// order would leave the last one nothing.
const limitedJitter = 10 * time.Millisecond

// limited are entries whose link has used up its rate. They count as queued, and stand in the order in which they come next.
type limited struct {
	link    *mirror.Link
	entries []*entry
	open    time.Time // when the lane tries again; zero while the rate does not allow it
}

// setAside keeps e out of the rows until its link's rate allows more. Those of other links go on. It is called by the writer for
// one that is not queued; if somebody has queued it meanwhile, it comes again.
func (s *session) setAside(e *entry) {
	if !e.queued.CompareAndSwap(false, true) {
		return
	}
	link := e.p.Link()
	i := slices.IndexFunc(s.limited, func(l limited) bool { return l.link == link })
	if i < 0 {
		link.Limit()
		i, s.limited = len(s.limited), append(s.limited, limited{link: link})
	}
	s.limited[i].entries = append(s.limited[i].entries, e)
}

// aside says whether e has to wait with the others of its link, and lets it.
func (s *session) aside(e *entry) bool {
	for i := range s.limited {
		if s.limited[i].link == e.p.Link() {
			s.limited[i].entries = append(s.limited[i].entries, e)
			return true
		}
	}
	return false
}

// resume puts those back whose links may send again. It returns when the next ones may; zero when none wait.
func (s *session) resume(now time.Time) (next time.Time) {
	s.limited = slices.DeleteFunc(s.limited, func(l limited) bool {
		if l.open.IsZero() || now.Before(l.open) {
			return false
		}
		s.lane.working = append(s.lane.working, l.entries...)
		l.link.Unlimit()
		return true
	})
	for i := range s.limited {
		l := &s.limited[i]
		at := l.open
		if wait := l.link.RateWait(now); wait > 0 {
			l.open, at = time.Time{}, now.Add(wait)
		} else if l.open.IsZero() {
			l.open = now.Add(rand.N(limitedJitter))
			at = l.open
		}
		next = earlier(next, at)
	}
	return next
}

// letGo ends what setAside began, at the end of the session.
func (s *session) letGo() {
	for _, l := range s.limited {
		l.link.Unlimit()
	}
	s.limited = nil
}

// spend counts what a request takes on the wire beside its batches, for the links that it is of.
func spend(items []item, bytes int) {
	share := bytes / len(items)
	for i := range items {
		items[i].e.p.Link().Spend(share)
	}
	items[0].e.p.Link().Spend(bytes - share*len(items))
}

// earlier returns the earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
