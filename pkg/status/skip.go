package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"tributary/pkg/journal"
	"tributary/pkg/mirror"
)

// skipTimeout bounds what an operator asked for: it may have to wait until nothing old can be under way.
const skipTimeout = 3 * time.Minute

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
		s.writeError(w, http.StatusNotFound, s.noLink(name))
		return
	}
	ctx, cancel, err := s.begin(w, r, skipTimeout)
	if err != nil {
		s.writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	defer cancel()
	done, code, err := s.doSkip(ctx, link, name, tp, choice)
	if err != nil {
		s.writeError(w, code, err)
		return
	}
	s.writeJSON(w, http.StatusOK, done)
}

// doSkip carries a skip out between its two events. The code is that of the error.
func (s *Server) doSkip(ctx context.Context, link Link, name string, tp mirror.TopicPartition, c mirror.Choice) (skipReport, int, error) {
	asked := journal.Event{Kind: journal.KindSkipRequested, Link: name, Topic: tp.Topic, Partition: &tp.Partition, Text: "go on " + place(c)}
	report := skipReport{Link: name, Topic: tp.Topic, Partition: tp.Partition}
	done, code, err := s.carry(ctx, asked, journal.KindSkipDone, journal.KindSkipFailed, skipCode, func(outcome *journal.Event) error {
		done, err := link.Skip(ctx, tp, c)
		if err != nil {
			return err
		}
		outcome.Text, outcome.Cause = fmt.Sprintf("goes on at source offset %d", done.ResumesAt), string(done.Cause)
		outcome.Lost, outcome.Surplus = journal.NewLost(&done.Loss)
		outcome.ResumesAt = &done.ResumesAt
		report.Reason, report.ResumesAt = done.Cause, done.ResumesAt
		return nil
	})
	report.Lost, report.Surplus = done.Lost, done.Surplus
	return report, code, err
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

// readSkip reads the body of a skip.
func readSkip(body io.Reader) (mirror.Choice, error) {
	var request skipRequest
	if err := readBody(body, &request); err != nil {
		return mirror.Choice{}, err
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
