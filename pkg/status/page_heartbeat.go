package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"tributary/pkg/lag"
)

// maxOrigins bounds the origins on the page, the worst first.
const maxOrigins = 200

// originRow is one origin of heartbeats on the page.
type originRow struct {
	Class, State, Origin, Age, Lost, Latency, Behind, LossIn, Version, Why string
}

// addHeartbeats adds the origins, and how many are how.
func (v *view) addHeartbeats(s *lag.Snapshot, now time.Time) {
	for _, c := range s.HeartbeatClusters {
		if c.Problem != "" {
			v.HeartbeatProblems = append(v.HeartbeatProblems, fmt.Sprintf("%s at %s: %s", heartbeatSide(c), c.Cluster, c.Problem))
		}
	}
	count := map[lag.HeartbeatState]int{}
	worst := worstHeartbeats(s.Heartbeats)
	for i, h := range worst {
		count[h.State]++
		if i < maxOrigins {
			v.Origins = append(v.Origins, newOriginRow(h, now))
		}
	}
	v.MoreOrigins = max(0, len(worst)-maxOrigins)
	for _, state := range []lag.HeartbeatState{lag.HeartbeatOK, lag.HeartbeatWarn, lag.HeartbeatUnknown, lag.HeartbeatSilent} {
		if n := count[state]; n > 0 {
			v.OriginCounts = append(v.OriginCounts, fmt.Sprintf("%d %s", n, shout(state)))
		}
	}
}

// shout is the word for a state: what is silent must not be overlooked.
func shout(s lag.HeartbeatState) string {
	if s == lag.HeartbeatSilent {
		return strings.ToUpper(string(s))
	}
	return string(s)
}

func newOriginRow(h lag.Heartbeat, now time.Time) originRow {
	row := originRow{Class: "warn", State: shout(h.State), Origin: h.Origin, Age: ago(&h.Time, now), Lost: fmt.Sprint(h.Lost), Latency: unknown, Behind: unknown, LossIn: unknown, Version: unknown, Why: h.Why}
	switch h.State {
	case lag.HeartbeatOK:
		row.Class = "ok"
	case lag.HeartbeatSilent:
		row.Class = "bad"
	}
	if h.Latency != nil {
		row.Latency = h.Latency.Round(time.Millisecond).String()
	}
	if said := h.Summary; said != nil {
		row.Version, row.LossIn = cmp.Or(said.Version, unknown), left(said.LossDeadline, now)
		if said.Lag != nil {
			row.Behind = said.Lag.Truncate(time.Second).String()
		}
	}
	return row
}

// left says how much time is left until a time that may be unknown.
func left(t *time.Time, now time.Time) string {
	switch {
	case t == nil:
		return unknown
	case !t.After(now):
		return "over since " + behind(t, now)
	}
	return t.Sub(now).Truncate(time.Second).String()
}
