package status

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tributary/pkg/journal"
	"tributary/pkg/lag"
	"tributary/pkg/pause"
)

// pauseTimeout bounds a pause: it is one small file to write.
const pauseTimeout = 20 * time.Second

// Pauser lets links and topics pause. All methods are safe for concurrent use.
type Pauser interface {
	// Pause keeps a topic of a link, or with "" all of them, from being read until then; it outlives the process. It
	// returns pause.ErrEndangered where so little time is left that it would end at once.
	Pause(link, topic string, until time.Time) error
	// Resume ends what Pause began: of a link with "" as the topic also the pauses of single topics. It returns
	// pause.ErrNotPaused where there is none.
	Resume(link, topic string) error
}

// pauseRequest is the body of a pause and of a resume, which has no Seconds.
type pauseRequest struct {
	Topic   string   `json:"topic"` // "": the whole link
	Seconds *float64 `json:"seconds"`
}

// pauseReport is the answer to both.
type pauseReport struct {
	Link        string     `json:"link"`
	Topic       string     `json:"topic,omitempty"`
	PausedUntil *time.Time `json:"paused_until"` // null: it is not paused any more
	Warning     string     `json:"warning,omitempty"`
}

// pause keeps a link or a topic from being read for a time.
func (s *Server) pause(w http.ResponseWriter, r *http.Request) {
	var request pauseRequest
	err := readBody(r.Body, &request)
	var d time.Duration
	if err == nil {
		d, err = request.duration()
	}
	if err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	until := time.Now().Add(d).UTC().Truncate(time.Second)
	asked := journal.Event{Kind: journal.KindPauseRequested, Topic: request.Topic, Text: "until " + until.Format(time.RFC3339)}
	s.changePause(w, r, asked, &until, func(link string) error { return s.cfg.Pauser.Pause(link, request.Topic, until) })
}

// resume ends a pause.
func (s *Server) resume(w http.ResponseWriter, r *http.Request) {
	var request pauseRequest
	err := readBody(r.Body, &request)
	if err == nil && request.Seconds != nil {
		err = errors.New(`"seconds" is of a pause`)
	}
	if err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	asked := journal.Event{Kind: journal.KindResumeRequested, Topic: request.Topic}
	s.changePause(w, r, asked, nil, func(link string) error { return s.cfg.Pauser.Resume(link, request.Topic) })
}

// duration is for how long to pause.
func (p pauseRequest) duration() (time.Duration, error) {
	switch {
	case p.Seconds == nil:
		return 0, errors.New(`"seconds" is missing: a pause always ends`)
	case !(*p.Seconds >= 1) || *p.Seconds > pause.Max.Seconds(): // NaN too
		return 0, fmt.Errorf("a pause lasts from 1s to %v; what is to stop for good is excluded in topics.exclude", pause.Max)
	}
	return time.Duration(*p.Seconds * float64(time.Second)), nil
}

// changePause does what was asked for between its events.
func (s *Server) changePause(w http.ResponseWriter, r *http.Request, asked journal.Event, until *time.Time, do func(link string) error) {
	name := r.PathValue("link")
	if code, err := s.checkPause(name, asked); err != nil {
		s.writeError(w, code, err)
		return
	}
	ctx, cancel, err := s.begin(w, r, pauseTimeout)
	if err != nil {
		s.writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	defer cancel()
	asked.Link = name
	done, failed := pauseOutcomes(asked.Kind)
	_, code, err := s.carry(ctx, asked, done, failed, pauseCode, func(*journal.Event) error { return do(name) })
	if err != nil {
		s.writeError(w, code, err)
		return
	}
	report := pauseReport{Link: name, Topic: asked.Topic, PausedUntil: until}
	if until != nil {
		report.Warning = unguarded(s.snapshots(), name, asked.Topic)
	}
	s.writeJSON(w, http.StatusOK, report)
}

// unguarded says of which topics it is not known how long they may wait, so that only its time ends their pause; "" of none. Such a
// pause is not refused: who asked for it named its end, and may know what the mirror must not ask.
func unguarded(snapshot *lag.Snapshot, name, topic string) string {
	const only = ": nothing but its time ends this pause before they lose records"
	known := 0
	var unknown []string
	if snapshot != nil {
		for _, l := range snapshot.Links {
			for i := range l.Topics {
				t := &l.Topics[i]
				if l.Name != name || topic != "" && t.Topic != topic {
					continue
				}
				if known++; !foreseen(l, t) {
					unknown = append(unknown, t.Topic)
				}
			}
		}
	}
	switch {
	case known == 0:
		return "its topics are not known yet, nor how long they may wait" + only
	case len(unknown) == 0:
		return ""
	}
	return fmt.Sprintf("it is not known how long %d topics may wait, such as %s%s", len(unknown), unknown[0], only)
}

// foreseen says whether it is known until when all of a topic is kept that is not mirrored. Of disks many sources do not tell.
func foreseen(l lag.Link, t *lag.Topic) bool {
	told := func(cause lag.Cause) bool { return !slices.Contains(t.Unknown, cause) }
	return (t.LossDeadline != nil || l.Probe.Source.Success != nil) && told(lag.CauseRetentionTime) && told(lag.CauseRetentionBytes) && told(lag.CauseTargetRetention)
}

// checkPause says why a link or a topic cannot be paused here, or its pause not be ended. One that began before the link was
// shared, or its topic excluded, stays until it ends, and so can be ended.
func (s *Server) checkPause(name string, asked journal.Event) (int, error) {
	if _, ok := s.cfg.Links[name]; !ok {
		return http.StatusNotFound, s.noLink(name)
	}
	if s.cfg.Pauser == nil {
		return http.StatusNotFound, errors.New("this process cannot pause links")
	}
	if asked.Kind == journal.KindResumeRequested {
		return 0, nil
	}
	if _, shared := s.cfg.Pools[name]; shared {
		return http.StatusConflict, fmt.Errorf("link %q is shared by a pool: a pause here would only make another member take over; to stop a topic everywhere, exclude it in the configuration of every member, then: mirror reload; to have the others mirror all: mirror drain %s", name, name)
	}
	if asked.Topic == "" || hasTopic(s.snapshots(), name, asked.Topic) {
		return 0, nil
	}
	return http.StatusNotFound, fmt.Errorf("link %q mirrors no topic %q; see: mirror topics %s", name, asked.Topic, name)
}

func hasTopic(snapshot *lag.Snapshot, link, topic string) bool {
	if snapshot == nil {
		return false
	}
	for i := range snapshot.Links {
		for j := range snapshot.Links[i].Topics {
			if snapshot.Links[i].Name == link && snapshot.Links[i].Topics[j].Topic == topic {
				return true
			}
		}
	}
	return false
}

func pauseOutcomes(asked journal.Kind) (done, failed journal.Kind) {
	if asked == journal.KindPauseRequested {
		return journal.KindPauseDone, journal.KindPauseFailed
	}
	return journal.KindResumeDone, journal.KindResumeFailed
}

func pauseCode(err error) int {
	if errors.Is(err, pause.ErrNotPaused) || errors.Is(err, pause.ErrEndangered) {
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}
