package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"tributary/pkg/journal"
	"tributary/pkg/mirror"
)

const (
	// skipTimeout bounds what an operator asked for: it may have to wait until nothing old can be under way.
	skipTimeout = 3 * time.Minute
	// noteTimeout bounds the writing of one event.
	noteTimeout = 10 * time.Second
)

// Link is what can be changed of a link.
type Link interface {
	// Skip lets a halted partition go on at a place that an operator chose. Its errors name the partition.
	Skip(ctx context.Context, tp mirror.TopicPartition, c mirror.Choice) (mirror.Skipped, error)
}

// skipRequest is the body of a skip.
type skipRequest struct {
	AcceptLoss bool   `json:"accept_loss"`
	Where      string `json:"where"`  // after_loss, beginning, offset; absent: after_loss
	Offset     *int64 `json:"offset"` // with offset
}

// skipReport is the answer to a skip that was done.
type skipReport struct {
	Link      string         `json:"link"`
	Topic     string         `json:"topic"`
	Partition int32          `json:"partition"`
	Reason    mirror.Cause   `json:"reason"` // why it was halted
	Lost      *journal.Lost  `json:"lost"`
	Surplus   *journal.Range `json:"surplus,omitempty"`
	ResumesAt int64          `json:"resumes_at"`
}

// peerKey is the key of the peer's user id in a request's context.
type peerKey struct{}

// withPeer notes who connected.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	if uid, ok := peerUID(conn); ok {
		return context.WithValue(ctx, peerKey{}, uid)
	}
	return ctx
}

// onlyJSON refuses what a form on a web page can send: a browser asks before it sends JSON elsewhere, and is refused.
func onlyJSON(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			http.Error(w, "a command has the Content-Type application/json", http.StatusUnsupportedMediaType)
			return
		}
		next(w, r)
	})
}

// skip lets a halted partition go on. It is in the journal before anything is done, and its outcome afterwards.
func (s *Server) skip(w http.ResponseWriter, r *http.Request) {
	partition, err := strconv.ParseInt(r.PathValue("partition"), 10, 32)
	if err != nil || partition < 0 {
		s.writeError(w, http.StatusBadRequest, fmt.Errorf("%q is not a partition", r.PathValue("partition")))
		return
	}
	choice, err := readSkip(r.Body)
	if err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	name, tp := r.PathValue("link"), mirror.TopicPartition{Topic: r.PathValue("topic"), Partition: int32(partition)}
	link, ok := s.cfg.Links[name]
	if !ok {
		s.writeError(w, http.StatusNotFound, fmt.Errorf("there is no link %q", name))
		return
	}
	if s.cfg.Journal == nil {
		s.writeError(w, http.StatusServiceUnavailable, errors.New("this process keeps no journal, and what is not in it is not done"))
		return
	}
	ctx, err := allow(w, r, skipTimeout)
	if err != nil {
		s.writeError(w, http.StatusInternalServerError, fmt.Errorf("make time for the request: %w", err))
		return
	}
	bounded, cancel := context.WithTimeout(ctx, skipTimeout)
	defer cancel()
	done, code, err := s.doSkip(bounded, link, name, tp, choice)
	if err != nil {
		s.writeError(w, code, err)
		return
	}
	s.writeJSON(w, http.StatusOK, done)
}

// allow gives a request more time than the others have. The body was read.
func allow(w http.ResponseWriter, r *http.Request, d time.Duration) (context.Context, error) {
	control := http.NewResponseController(w)
	err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Now().Add(d+writeTimeout)))
	if errors.Is(err, http.ErrNotSupported) { // there is no connection whose time could run out
		err = nil
	}
	return r.Context(), err
}

// doSkip carries a skip out between its two events. The code is that of the error.
func (s *Server) doSkip(ctx context.Context, link Link, name string, tp mirror.TopicPartition, c mirror.Choice) (skipReport, int, error) {
	event := journal.Event{Kind: journal.KindSkipRequested, Link: name, Topic: tp.Topic, Partition: &tp.Partition, Text: "go on " + place(c)}
	if uid, ok := ctx.Value(peerKey{}).(uint32); ok {
		event.UID = &uid
	}
	if err := s.note(ctx, event); err != nil {
		return skipReport{}, http.StatusServiceUnavailable, fmt.Errorf("nothing was done, as it could not be written down before: %w; see to the disk of the state_dir", err)
	}
	done, err := link.Skip(ctx, tp, c)
	event.Time = time.Time{}
	if err != nil {
		event.Kind, event.Text = journal.KindSkipFailed, err.Error()
	} else {
		event.Kind, event.Text, event.Cause = journal.KindSkipDone, fmt.Sprintf("goes on at source offset %d", done.ResumesAt), string(done.Cause)
		event.Lost, event.Surplus = journal.NewLost(&done.Loss)
		event.ResumesAt = &done.ResumesAt
	}
	if noted := s.note(context.WithoutCancel(ctx), event); noted != nil { // it is done all the same
		s.log.Error("outcome of a skip not written into the journal", "link", name, "topic", tp.Topic, "partition", tp.Partition, "outcome", event.Text, "err", noted)
	}
	if err != nil {
		return skipReport{}, skipCode(err), err
	}
	return skipReport{Link: name, Topic: tp.Topic, Partition: tp.Partition, Reason: done.Cause, Lost: event.Lost, Surplus: event.Surplus,
		ResumesAt: done.ResumesAt}, 0, nil
}

func (s *Server) note(ctx context.Context, e journal.Event) error {
	bounded, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	return s.cfg.Journal.AddNow(bounded, e)
}

func skipCode(err error) int {
	switch {
	case errors.Is(err, mirror.ErrNotHalted), errors.Is(err, mirror.ErrConflict):
		return http.StatusConflict
	case errors.Is(err, mirror.ErrUnknownPartition):
		return http.StatusNotFound
	case errors.Is(err, mirror.ErrOutOfRange), errors.Is(err, mirror.ErrNoPlace):
		return http.StatusBadRequest
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// readSkip reads the body of a skip: one document, with known keys only.
func readSkip(body io.Reader) (mirror.Choice, error) {
	var request skipRequest
	in := json.NewDecoder(body)
	in.DisallowUnknownFields()
	if err := in.Decode(&request); err != nil {
		return mirror.Choice{}, fmt.Errorf("read the request: %w", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return mirror.Choice{}, errors.New("read the request: there is more than one document")
	}
	if !request.AcceptLoss {
		return mirror.Choice{}, errors.New("accept_loss is not true: nothing is passed over unless that is accepted")
	}
	return chosen(request)
}

func chosen(request skipRequest) (mirror.Choice, error) {
	at := request.Offset
	switch request.Where {
	case "", "after_loss", "beginning":
		if at != nil {
			return mirror.Choice{}, errors.New(`an offset goes with "where": "offset" alone`)
		}
		if request.Where == "beginning" {
			return mirror.Choice{Where: mirror.Beginning}, nil
		}
		return mirror.Choice{Where: mirror.AfterLoss}, nil
	case "offset":
		if at == nil || *at < 0 {
			return mirror.Choice{}, errors.New(`"where": "offset" needs an offset that is not negative`)
		}
		return mirror.Choice{Where: mirror.AtOffset, Offset: *at}, nil
	}
	return mirror.Choice{}, fmt.Errorf("where is %q, want after_loss, beginning or offset", request.Where)
}

// place says in words where a partition is to go on.
func place(c mirror.Choice) string {
	switch c.Where {
	case mirror.Beginning:
		return "at the beginning of the source's log"
	case mirror.AtOffset:
		return fmt.Sprintf("at source offset %d", c.Offset)
	}
	return "after what is lost"
}
