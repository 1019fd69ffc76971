package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"tributary/pkg/journal"
)

// Limits of one answer.
const (
	defaultEvents = 100
	maxEvents     = 1000
)

// Journal is where the events of this process are kept.
type Journal interface {
	// AddNow returns when the event is on disk.
	AddNow(ctx context.Context, e journal.Event) error
	// Read returns the newest limit events, or with after > 0 the first limit of those with a greater id, oldest first.
	Read(after uint64, limit int) ([]journal.Event, error)
	// Stats returns how the journal fares.
	Stats() journal.Stats
}

// eventsReport is the answer of /api/v1/events.
type eventsReport struct {
	Events []journal.Event `json:"events"` // oldest first
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	after, limit, err := eventsQuery(r.URL.Query())
	if err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	if s.cfg.Journal == nil {
		s.writeError(w, http.StatusNotFound, errors.New("this process keeps no journal"))
		return
	}
	s.reading.Lock()
	events, err := s.cfg.Journal.Read(after, limit)
	s.reading.Unlock()
	if err != nil {
		s.writeError(w, http.StatusInternalServerError, err)
		return
	}
	s.writeJSON(w, http.StatusOK, eventsReport{append([]journal.Event{}, events...)})
}

func eventsQuery(query url.Values) (after uint64, limit int, err error) {
	limit = defaultEvents
	if text := query.Get("after"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return 0, 0, fmt.Errorf("after=%q is not the id of an event", text)
		}
	}
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxEvents {
			return 0, 0, fmt.Errorf("limit=%q is not a number from 1 to %d", text, maxEvents)
		}
	}
	return after, limit, nil
}

// writeError answers with what went wrong.
func (s *Server) writeError(w http.ResponseWriter, code int, err error) {
	s.writeJSON(w, code, map[string]string{"error": err.Error()})
}
