package produce

import (
	"errors"
	"slices"
	"time"

	"tributary/pkg/catalog"
	"tributary/pkg/mirror"
)

// errorCount counts an error of many partitions once for each of their links.
type errorCount struct{ counted []*mirror.Link }

// add counts err for a link that it was not counted for. What an answer said was counted with the answer.
func (c *errorCount) add(link *mirror.Link, err error) {
	if err == nil || errors.Is(err, errHangUp) || slices.Contains(c.counted, link) {
		return
	}
	c.counted = append(c.counted, link)
	link.CountError(mirror.SideTarget, catalog.Classify(err))
}

// holdBack notes that the links of the lane wait for answers, where something is to be sent and the window is full. The
// writer calls it before each pause, and goAhead after it.
func (s *session) holdBack() {
	if !s.full {
		return
	}
	s.lane.mu.Lock()
	for link := range s.lane.links {
		s.waiting = append(s.waiting, link)
	}
	s.lane.mu.Unlock()
	for _, link := range s.waiting {
		link.HoldBack(mirror.SideTarget)
	}
}

// goAhead ends what holdBack began.
func (s *session) goAhead() {
	for _, link := range s.waiting {
		link.GoAhead(mirror.SideTarget)
	}
	s.waiting = s.waiting[:0]
}

// took tells each link in a request how long its answer took.
func (s *session) took(r *request, now time.Time) {
	s.told = s.told[:0]
	for i := range r.items {
		if link := r.items[i].e.p.Link(); !slices.Contains(s.told, link) {
			s.told = append(s.told, link)
			link.Answered(now.Sub(r.sentAt))
		}
	}
}
