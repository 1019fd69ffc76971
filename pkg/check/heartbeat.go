package check

import (
	"fmt"
	"time"

	"tributary/pkg/api"
)

// How long an origin may be silent unless something else is asked for.
const (
	DefaultHeartbeatWarn     = 2 * time.Minute
	DefaultHeartbeatCritical = 5 * time.Minute
)

// Heartbeats judges for how long the origins whose heartbeats arrive here were not heard of. For one that is silent its last
// known deadline goes on counting down.
func Heartbeats(r *api.Status, now time.Time, o Options) Result {
	if len(r.Heartbeats) == 0 {
		result := NewResult("heartbeat", Unknown, "no heartbeat was ever read here; see heartbeat.read of the configuration")
		result.Passing = true
		return result
	}
	warn, critical := or(o.Warn, DefaultHeartbeatWarn), or(o.Critical, DefaultHeartbeatCritical)
	var findings []finding
	var longest time.Duration
	silent, lost := 0, int64(0)
	for _, h := range r.Heartbeats {
		lost += h.Lost
		if h.Time.IsZero() {
			findings = append(findings, finding{severity: Unknown, topic: h.Origin, text: "was never heard of", passing: true})
			continue
		}
		age := max(0, now.Sub(h.Time))
		longest = max(longest, age)
		f := finding{severity: grade(age, warn, critical), topic: h.Origin, urgency: age.Seconds(), text: "silent for " + Short(age)}
		if h.State == api.HeartbeatUnknown {
			f.severity, f.passing, f.text = Unknown, true, "nothing can be heard here; see: mirror heartbeat"
		} else if f.severity != OK {
			silent++
			f.text += lastWord(h, now)
		}
		findings = append(findings, f)
	}
	if n := len(r.Heartbeats); n < o.Expect {
		findings = append(findings, finding{severity: Critical, text: fmt.Sprintf("%d origins are heard of, %d are expected", n, o.Expect), urgency: -1})
	}
	result := conclude("heartbeat", findings, fmt.Sprintf("%d origins, the longest silence is %s", len(r.Heartbeats), Short(longest)))
	result.Perf = []Perf{
		{Label: "silence", Value: float64(int64(longest.Seconds())), Unit: "s", Warn: limit(warn), Crit: limit(critical), Min: "0"},
		{Label: "origins", Value: float64(len(r.Heartbeats)), Min: "0"}, {Label: "silent", Value: float64(silent), Min: "0"},
		{Label: "lost", Value: float64(lost), Min: "0"},
	}
	return result
}

// lastWord is what the origin last said of itself, counted on to now.
func lastWord(h api.Heartbeat, now time.Time) string {
	if h.Summary == nil {
		return ""
	}
	text := ", was " + h.Summary.State
	if d := h.Summary.LossDeadline; d != nil {
		if left := d.Sub(now); left > 0 {
			return text + ", " + Short(left) + " until loss"
		}
		return text + ", may lose records since " + Short(now.Sub(*d))
	}
	return text
}
