package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/api"
	"tributary/pkg/eligible"
	"tributary/pkg/journal"
)

// eligibleTimeout bounds a change of the mode: it is one small file.
const eligibleTimeout = 10 * time.Second

// poolHeader says in a word what the code of /poolz says, for load balancers that look at headers.
const poolHeader = "Mirror-Pool"

// Eligible is whether the host may take new traffic. All methods are safe for concurrent use.
type Eligible interface {
	// State and Transitions answer from memory.
	State() eligible.State
	Transitions() map[eligible.Transition]int
	// Set takes a mode from an operator for so long; auto has no time. It returns when that is on disk; eligible.ErrMode says
	// that there is no such mode.
	Set(mode eligible.Mode, long time.Duration) (eligible.State, error)
}

// eligibleRequest is the body of a change of the mode.
type eligibleRequest struct {
	Mode eligible.Mode `json:"mode"`
	For  float64       `json:"for_seconds"` // not with auto
}

func newEligible(s eligible.State) *api.Eligible {
	r := &api.Eligible{In: s.In, Reason: string(s.Reason), Text: s.Text, Since: s.Since.UTC(), Mode: string(s.Mode), Cut: s.Cut}
	if s.Mode != eligible.ModeAuto {
		until := s.Until.UTC()
		r.Until = &until
	}
	return r
}

// poolz says whether this host may take new traffic: 200 IN, 503 DRAIN. It answers with the last word also while the links
// cannot be looked at: that the mirror hangs does not make the host unfit.
func (s *Server) poolz(w http.ResponseWriter, _ *http.Request) {
	state := s.cfg.Eligible.State()
	word, code := "IN", http.StatusOK
	if !state.In {
		word, code = "DRAIN", http.StatusServiceUnavailable
	}
	w.Header().Set(poolHeader, word)
	s.writeJSON(w, code, newEligible(state))
}

// balancer is the watcher of a request for /poolz, unless another mirror asks.
func balancer(r *http.Request) string {
	if r.Header.Get(eligible.PeerHeader) != "" {
		return ""
	}
	return WatcherLB
}

// setEligible takes a mode from an operator.
func (s *Server) setEligible(w http.ResponseWriter, r *http.Request) {
	var request eligibleRequest
	err := readBody(r.Body, &request)
	long := time.Duration(request.For * float64(time.Second))
	if err == nil && request.Mode == eligible.ModeAuto && request.For != 0 {
		err = errors.New(`"for_seconds" goes with in and drain alone: auto has no end`)
	}
	if err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel, err := s.begin(w, r, eligibleTimeout)
	if err != nil {
		s.writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	defer cancel()
	state, code, err := s.doSetEligible(ctx, request.Mode, long)
	if err != nil {
		s.writeError(w, code, err)
		return
	}
	s.writeJSON(w, http.StatusOK, newEligible(state))
}

// doSetEligible takes a mode between its two events. The code is that of the error.
func (s *Server) doSetEligible(ctx context.Context, mode eligible.Mode, long time.Duration) (eligible.State, int, error) {
	asked := journal.Event{Kind: journal.KindEligibleRequested, Text: string(mode)}
	if mode != eligible.ModeAuto {
		asked.Text += fmt.Sprintf(" for %v", long)
	}
	var state eligible.State
	codeOf := func(err error) int {
		if errors.Is(err, eligible.ErrMode) {
			return http.StatusBadRequest
		}
		return http.StatusInternalServerError
	}
	_, code, err := s.carry(ctx, asked, journal.KindEligibleDone, journal.KindEligibleFailed, codeOf, func(*journal.Event) (err error) {
		state, err = s.cfg.Eligible.Set(mode, long)
		return err
	})
	return state, code, err
}

// eligibleSeries is the collector of whether the host may take new traffic.
type eligibleSeries struct {
	eligible        Eligible
	is, transitions *prometheus.Desc
}

func newEligibleSeries(e Eligible) eligibleSeries {
	return eligibleSeries{e, prometheus.NewDesc("mirror_pool_eligible", "1 while this host may take new traffic, else 0.", nil, nil),
		prometheus.NewDesc("mirror_pool_transitions_total", "Changes of whether this host may take new traffic.", []string{"to", "reason"}, nil)}
}

// Describe implements prometheus.Collector.
func (s eligibleSeries) Describe(out chan<- *prometheus.Desc) { out <- s.is; out <- s.transitions }

// Collect implements prometheus.Collector.
func (s eligibleSeries) Collect(out chan<- prometheus.Metric) {
	value := 0.0
	if s.eligible.State().In {
		value = 1
	}
	send(out, s.is, prometheus.GaugeValue, value)
	counts := s.eligible.Transitions()
	for t, n := range counts {
		to := "drain"
		if t.In {
			to = "in"
		}
		send(out, s.transitions, prometheus.CounterValue, float64(n), to, string(t.Reason))
	}
}
