package status

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// pools answers with what the pools know now, not with the snapshot: who drains waits for it.
func (s *Server) pools(w http.ResponseWriter, _ *http.Request) {
	report := api.Pools{Pools: []api.Pool{}}
	for _, name := range s.poolNames() {
		v := s.cfg.Pools[name].View()
		report.Instance = v.Instance
		report.Pools = append(report.Pools, newPool(name, &v))
	}
	s.writeJSON(w, http.StatusOK, report)
}

func newPool(link string, v *pool.View) api.Pool {
	r := api.Pool{Link: link, State: v.Phase.String(), Since: at(v.Since), SessionsExpired: v.Expired, Incarnation: v.Incarnation, Draining: v.Draining,
		Leader: v.Leader, Members: []api.Member{}, Units: []api.Unit{}, Unowned: []api.Unowned{}, Pins: map[string]string{}, Evictions: v.Evictions,
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
		r.Units = append(r.Units, api.Unit{Unit: u.String(), Topic: u.Topic, Part: u.Part + 1, Of: parts(u.Unit), Owner: u.Owner, Zone: u.Zone,
			Incarnation: u.Incarnation, Standby: u.Standby, Term: u.Term, Since: at(u.Since), Pinned: v.Pins[u.Topic], Leaving: u.Leaving})
	}
	for _, m := range v.Members {
		r.Members = append(r.Members, api.Member{Incarnation: m.Incarnation, Instance: m.Instance, Zone: m.Zone, Capacity: m.Capacity,
			Draining: m.Draining, Peer: m.Peer.String(), Units: units[m.Incarnation]})
	}
	for _, u := range v.Unowned {
		r.Unowned = append(r.Unowned, api.Unowned{Unit: u.String(), Topic: u.Topic, Part: u.Part + 1, Of: parts(u.Unit), Planned: u.Planned, Standby: u.Standby,
			Since: at(u.Since), Pinned: v.Pins[u.Topic], Why: u.Why})
	}
	maps.Copy(r.Pins, v.Pins)
	if f := v.Failover; !f.At.IsZero() {
		r.Failover = &api.Failover{At: f.At.UTC(), Seconds: f.Duration.Seconds(), From: f.From, Units: f.Units}
	}
	if e := v.LastEviction; !e.At.IsZero() {
		r.LastEviction = &api.Eviction{At: e.At.UTC(), Instance: e.Instance, Incarnation: e.Incarnation}
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

// newPoolSummary returns nil for a link that is not shared.
func newPoolSummary(v *pool.View) *api.PoolSummary {
	if v == nil {
		return nil
	}
	s := &api.PoolSummary{State: v.Phase.String(), Since: at(v.Since), Incarnation: v.Incarnation, Leader: leader(v), Members: len(v.Members), Owned: owned(v),
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
