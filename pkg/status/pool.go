package status

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/journal"
	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// poolTimeout bounds a change to a pool: it is one write to ZooKeeper, which may have to find a new leader first.
const poolTimeout = 20 * time.Second

// Pool is what can be seen and changed of the pool of a link. All methods are safe for concurrent use.
type Pool interface {
	// View returns the present moment. It does no I/O.
	View() pool.View
	// Drain says whether this member hands over all that it has, and takes nothing. It returns when that is noted. Errors,
	// as those of the others, say of what pool, and what to do.
	Drain(ctx context.Context, on bool) error
	// Pin wishes a topic to be with an instance while that is a member; Unpin ends that.
	Pin(ctx context.Context, topic, instance string) error
	Unpin(ctx context.Context, topic string) error
}

// drainRequest is the body of a drain, pinRequest that of a pin and of an unpin, which has no To.
type drainRequest struct {
	On *bool `json:"on"`
}

type pinRequest struct {
	Topic string `json:"topic"`
	To    string `json:"to"`
}

// poolChange is the answer to a change that was made: the pool right after it.
type poolChange struct {
	Done string   `json:"done"` // in words
	Pool api.Pool `json:"pool"`
}

// drain begins or ends the handing over of everything.
func (s *Server) drain(w http.ResponseWriter, r *http.Request) {
	var request drainRequest
	err := readBody(r.Body, &request)
	if err == nil && request.On == nil {
		err = errors.New(`"on" is missing: true hands everything over, false ends that`)
	}
	if err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	s.change(w, r, func(_ *pool.View) (journal.Event, error) {
		text := "hand everything over"
		if !*request.On {
			text = "take units again"
		}
		return journal.Event{Kind: journal.KindDrainRequested, Text: text}, nil
	}, func(ctx context.Context, p Pool) error { return p.Drain(ctx, *request.On) })
}

// pin wishes a topic to be with an instance.
func (s *Server) pin(w http.ResponseWriter, r *http.Request) {
	var request pinRequest
	if err := readBody(r.Body, &request); err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	s.change(w, r, func(v *pool.View) (journal.Event, error) {
		event := journal.Event{Kind: journal.KindPinRequested, Topic: request.Topic, Text: "pin to " + request.To}
		return event, errors.Join(knownTopic(v, request.Topic), knownInstance(v, request.To))
	}, func(ctx context.Context, p Pool) error { return p.Pin(ctx, request.Topic, request.To) })
}

// unpin ends a pin. It may be of a topic that is gone.
func (s *Server) unpin(w http.ResponseWriter, r *http.Request) {
	var request pinRequest
	err := readBody(r.Body, &request)
	if err == nil && request.To != "" {
		err = errors.New(`"to" is of a pin: what is unpinned goes where the plan wants it`)
	}
	if err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	s.change(w, r, func(v *pool.View) (journal.Event, error) {
		event := journal.Event{Kind: journal.KindPinRequested, Topic: request.Topic, Text: "unpin"}
		if _, pinned := v.Pins[request.Topic]; !pinned {
			return event, fmt.Errorf("topic %q is not pinned; pinned are: %s", request.Topic, listed(slices.Sorted(maps.Keys(v.Pins))))
		}
		return event, nil
	}, func(ctx context.Context, p Pool) error { return p.Unpin(ctx, request.Topic) })
}

// change makes a change to a pool. check returns the event that asks for it, or why it cannot be.
func (s *Server) change(w http.ResponseWriter, r *http.Request, check func(*pool.View) (journal.Event, error), do func(context.Context, Pool) error) {
	name := r.PathValue("link")
	p, err := s.poolOf(name)
	if err != nil {
		s.writeError(w, http.StatusNotFound, err)
		return
	}
	before := p.View()
	asked, err := check(&before)
	if err != nil {
		s.writeError(w, http.StatusNotFound, err)
		return
	}
	asked.Link = name
	ctx, cancel, err := s.begin(w, r, poolTimeout)
	if err != nil {
		s.writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	defer cancel()
	done, failed := outcomes(asked.Kind)
	outcome, code, err := s.carry(ctx, asked, done, failed, poolCode, func(*journal.Event) error { return do(ctx, p) })
	if err != nil {
		s.writeError(w, code, err)
		return
	}
	after := p.View()
	s.writeJSON(w, http.StatusOK, poolChange{Done: outcome.Text, Pool: newPool(name, &after)})
}

// outcomes are the kinds of the event that ends what one of a kind began.
func outcomes(asked journal.Kind) (done, failed journal.Kind) {
	if asked == journal.KindDrainRequested {
		return journal.KindDrainDone, journal.KindDrainFailed
	}
	return journal.KindPinDone, journal.KindPinFailed
}

func poolCode(err error) int {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return http.StatusGatewayTimeout
	}
	return http.StatusServiceUnavailable
}

// poolOf returns the pool of a link.
func (s *Server) poolOf(name string) (Pool, error) {
	if p, ok := s.cfg.Pools[name]; ok {
		return p, nil
	}
	if _, ok := s.cfg.Links[name]; !ok {
		return nil, s.noLink(name)
	}
	if shared := s.poolNames(); len(shared) > 0 {
		return nil, fmt.Errorf("link %q is in no pool: this mirror has all of its topics; the links in a pool are: %s", name, strings.Join(shared, ", "))
	}
	return nil, fmt.Errorf("link %q is in no pool: this mirror has all of its topics; links with ownership.zookeeper in the configuration are in one", name)
}

func (s *Server) poolNames() []string { return slices.Sorted(maps.Keys(s.cfg.Pools)) }

// knownTopic refuses a topic that nobody is to mirror.
func knownTopic(v *pool.View, topic string) error {
	has := func(u mirror.Unit) bool { return u.Topic == topic }
	if slices.ContainsFunc(v.Units, func(u pool.Unit) bool { return has(u.Unit) }) || slices.ContainsFunc(v.Unowned, func(u pool.Unowned) bool { return has(u.Unit) }) {
		return nil
	}
	return fmt.Errorf("the pool has no topic %q", topic)
}

// knownInstance refuses an instance that is no member.
func knownInstance(v *pool.View, instance string) error {
	var members []string
	for _, m := range v.Members {
		if m.Instance == instance {
			return nil
		}
		if !slices.Contains(members, m.Instance) {
			members = append(members, m.Instance)
		}
	}
	slices.Sort(members)
	return fmt.Errorf("instance %q is no member of the pool; its members are: %s", instance, listed(members))
}

// listed names a few, or says that there are none.
func listed(names []string) string {
	const few = 20
	if len(names) == 0 {
		return "none"
	}
	text := strings.Join(names[:min(few, len(names))], ", ")
	if more := len(names) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
