package status

import (
	"errors"
	"net/http"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/journal"
	"tributary/pkg/lag"
)

// forgetTimeout bounds the forgetting of an origin, which takes the time of two events.
const forgetTimeout = 20 * time.Second

// Heartbeats are those that a process reads.
type Heartbeats interface {
	// Forget drops an origin, which is expected no more until it is heard again. Its error is that there is none of that name,
	// and says so. It is safe for concurrent use.
	Forget(origin string) error
}

// forgetReport is the answer to an origin that was forgotten.
type forgetReport struct {
	Origin string         `json:"origin"`
	Was    *api.Heartbeat `json:"was"` // what was known of it; null when that is not known any more
}

// forget drops an origin of heartbeats. It is in the journal before, and its outcome afterwards. The body is an empty object.
func (s *Server) forget(w http.ResponseWriter, r *http.Request) {
	if err := readBody(r.Body, &struct{}{}); err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	origin := r.PathValue("origin")
	if s.cfg.Heartbeats == nil {
		s.writeError(w, http.StatusNotFound, errors.New("this mirror reads no heartbeats; ask one that has heartbeat.read in its configuration"))
		return
	}
	report := forgetReport{Origin: origin}
	if snapshot, err := s.current(); err == nil {
		report.Was = reportOf(snapshot, origin)
	}
	ctx, cancel, err := s.begin(w, r, forgetTimeout)
	if err != nil {
		s.writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	defer cancel()
	asked := journal.Event{Kind: journal.KindForgetRequested, Text: "origin " + origin}
	unknown := func(error) int { return http.StatusNotFound }
	if _, code, err := s.carry(ctx, asked, journal.KindForgetDone, journal.KindForgetFailed, unknown, func(*journal.Event) error { return s.cfg.Heartbeats.Forget(origin) }); err != nil {
		s.writeError(w, code, err)
		return
	}
	s.writeJSON(w, http.StatusOK, report)
}

func reportOf(s *lag.Snapshot, origin string) *api.Heartbeat {
	for _, r := range newHeartbeats(s) {
		if r.Origin == origin {
			return &r
		}
	}
	return nil
}
