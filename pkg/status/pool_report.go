package status

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// poolsReport is the answer of /api/v1/pool: of each link that is shared, what this member knows at this moment. Its shape is
// a contract: fields may be added, none changes. A number or time that is unknown is null.
type poolsReport struct {
	Instance string       `json:"instance"`
	Pools    []poolReport `json:"pools"`
}

type poolReport struct {
	Link            string            `json:"link"`
	State           string            `json:"state"` // of the session with ZooKeeper: connecting, connected, suspended, closed
	Since           *time.Time        `json:"since"`
	SessionTimeout  *float64          `json:"session_timeout_seconds"`
	SessionsExpired int               `json:"sessions_expired"`
	Incarnation     string            `json:"incarnation"` // "" while it is no member
	Draining        bool              `json:"draining"`
	Owned           int               `json:"owned"` // units of this member
	Leader          string            `json:"leader"`
	Members         []memberReport    `json:"members"`
	Units           []unitReport      `json:"units"`
	Unowned         []unownedReport   `json:"unowned"` // while this process is no member: what it does not know the owner of
	Pins            map[string]string `json:"pins"`    // topic to instance
	Failover        *failoverReport   `json:"failover"`
	Evictions       int               `json:"evictions"`
	LastEviction    *evictionReport   `json:"last_eviction"`
	Problems        []string          `json:"problems"`
}

type memberReport struct {
	Incarnation string  `json:"incarnation"`
	Instance    string  `json:"instance"`
	Zone        string  `json:"zone"`
	Capacity    float64 `json:"capacity"`
	Draining    bool    `json:"draining"`
	Peer        string  `json:"peer"` // stream to it: none, open, silent, broken
	Units       int     `json:"units"`
}

type unitReport struct {
	Unit        string     `json:"unit"`
	Topic       string     `json:"topic"`
	Part        int        `json:"part"` // 1 to of
	Of          int        `json:"of"`   // 1: the whole topic
	Owner       string     `json:"owner"`
	Zone        string     `json:"zone"`
	Incarnation string     `json:"incarnation"`
	Standby     string     `json:"standby"`
	Term        int64      `json:"term"`
	Since       *time.Time `json:"since"`
	Pinned      string     `json:"pinned"` // instance that it is pinned to, "" none
	Leaving     bool       `json:"leaving"`
}

type unownedReport struct {
	Unit    string     `json:"unit"`
	Topic   string     `json:"topic"`
	Part    int        `json:"part"`
	Of      int        `json:"of"`
	Planned string     `json:"planned"` // instance that is to have it
	Standby string     `json:"standby"`
	Since   *time.Time `json:"since"`
	Pinned  string     `json:"pinned"`
	Why     string     `json:"why"`
}

type failoverReport struct {
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"` // from when the owner was seen gone to the last claim
	From    string    `json:"from"`
	Units   int       `json:"units"`
}

type evictionReport struct {
	At          time.Time `json:"at"`
	Instance    string    `json:"instance"`
	Incarnation string    `json:"incarnation"`
}

// pools answers with what the pools know now, not with the snapshot: who drains waits for it.
func (s *Server) pools(w http.ResponseWriter, _ *http.Request) {
	report := poolsReport{Pools: []poolReport{}}
	for _, name := range s.poolNames() {
		v := s.cfg.Pools[name].View()
		report.Instance = v.Instance
		report.Pools = append(report.Pools, newPoolReport(name, &v))
	}
	s.writeJSON(w, http.StatusOK, report)
}

func newPoolReport(link string, v *pool.View) poolReport {
	r := poolReport{Link: link, State: v.Phase.String(), Since: at(v.Since), SessionsExpired: v.Expired, Incarnation: v.Incarnation, Draining: v.Draining,
		Leader: v.Leader, Members: []memberReport{}, Units: []unitReport{}, Unowned: []unownedReport{}, Pins: map[string]string{}, Evictions: v.Evictions,
		Problems: append([]string{}, v.Problems...)}
	if v.Timeout > 0 {
		timeout := v.Timeout.Seconds()
		r.SessionTimeout = &timeout
	}
	units := map[string]int{}
	for _, u := range v.Units {
		units[u.Incarnation]++
		if u.Mine {
			r.Owned++
		}
		r.Units = append(r.Units, unitReport{Unit: u.String(), Topic: u.Topic, Part: u.Part + 1, Of: parts(u.Unit), Owner: u.Owner, Zone: u.Zone,
			Incarnation: u.Incarnation, Standby: u.Standby, Term: u.Term, Since: at(u.Since), Pinned: v.Pins[u.Topic], Leaving: u.Leaving})
	}
	for _, m := range v.Members {
		r.Members = append(r.Members, memberReport{m.Incarnation, m.Instance, m.Zone, m.Capacity, m.Draining, m.Peer.String(), units[m.Incarnation]})
	}
	for _, u := range v.Unowned {
		r.Unowned = append(r.Unowned, unownedReport{u.String(), u.Topic, u.Part + 1, parts(u.Unit), u.Planned, u.Standby, at(u.Since), v.Pins[u.Topic], u.Why})
	}
	maps.Copy(r.Pins, v.Pins)
	if f := v.Failover; !f.At.IsZero() {
		r.Failover = &failoverReport{f.At.UTC(), f.Duration.Seconds(), f.From, f.Units}
	}
	if e := v.LastEviction; !e.At.IsZero() {
		r.LastEviction = &evictionReport{e.At.UTC(), e.Instance, e.Incarnation}
	}
	return r
}

// parts is how many parts a topic has; a unit that says none is all of it.
func parts(u mirror.Unit) int { return max(1, u.Of) }

// at is nil for a time that is not known.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// poolSummary is what /api/v1/status tells of the pool of a link.
type poolSummary struct {
	State       string     `json:"state"`
	Since       *time.Time `json:"since"`
	Incarnation string     `json:"incarnation"`
	Leader      string     `json:"leader"` // instance
	Members     int        `json:"members"`
	Owned       int        `json:"owned"`
	Unowned     *int       `json:"unowned"` // null while this process is no member
	Draining    bool       `json:"draining"`
	Problems    []string   `json:"problems"`
}

// newPoolSummary returns nil for a link that is not shared.
func newPoolSummary(v *pool.View) *poolSummary {
	if v == nil {
		return nil
	}
	s := &poolSummary{State: v.Phase.String(), Since: at(v.Since), Incarnation: v.Incarnation, Leader: leader(v), Members: len(v.Members), Owned: owned(v),
		Draining: v.Draining, Problems: append([]string{}, v.Problems...)}
	if unowned := len(v.Unowned); v.Incarnation != "" {
		s.Unowned = &unowned
	}
	return s
}

// leader returns the instance of the member that plans, its incarnation where that is not known, "" without one.
func leader(v *pool.View) string {
	i := slices.IndexFunc(v.Members, func(m pool.Member) bool { return m.Incarnation == v.Leader })
	if i < 0 {
		return v.Leader
	}
	return v.Members[i].Instance
}

// owned is how many units this member has.
func owned(v *pool.View) int {
	n := 0
	for i := range v.Units {
		if v.Units[i].Mine {
			n++
		}
	}
	return n
}
