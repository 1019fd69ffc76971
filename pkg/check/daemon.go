package check

import (
	"fmt"
	"strings"
	"time"

	"tributary/pkg/api"
)

// What the age of a look at the links is compared to unless something else is asked for. Looks are taken every second.
const (
	DefaultDaemonWarn     = 10 * time.Second
	DefaultDaemonCritical = 30 * time.Second
)

// Readiness is what the mirror answers at /readyz.
type Readiness struct {
	Ready bool
	Text  string // of what is not fulfilled, a line each
}

// Daemon judges the process itself: that it looks at its links, does what it was configured to, and is a member of its pools.
// How far behind it is does not matter here.
func Daemon(r *api.Status, ready Readiness, now time.Time, o Options) Result {
	warn, critical := or(o.Warn, DefaultDaemonWarn), or(o.Critical, DefaultDaemonCritical)
	var findings []finding
	var age time.Duration
	if r.Time.IsZero() {
		findings = append(findings, finding{severity: Unknown, text: "it does not say when it looked at its links"})
	} else {
		age = max(0, now.Sub(r.Time))
		if s := grade(age, warn, critical); s != OK {
			findings = append(findings, finding{severity: s, urgency: 2, text: "the last look at the links is " + Short(age) + " old: the process hangs"})
		}
	}
	if !ready.Ready {
		findings = append(findings, finding{severity: Critical, urgency: 1, text: "not ready: " + unready(ready.Text), passing: true})
	}
	if r.Config != nil && r.Config.Problem != "" {
		findings = append(findings, finding{severity: Warning, text: "the configuration was not reloaded: " + r.Config.Problem})
	}
	result := conclude("daemon", findings, fmt.Sprintf("%s, version %s, %d links", r.Instance, r.Version, len(r.Links)))
	if !r.Time.IsZero() {
		result.Perf = append(result.Perf, Perf{Label: "snapshot_age", Value: float64(int64(age.Seconds())), Unit: "s", Warn: limit(warn), Crit: limit(critical), Min: "0"})
	}
	result.Perf = append(result.Perf, Perf{Label: "links", Value: float64(len(r.Links)), Min: "0"})
	return result
}

// unready picks what is not fulfilled.
func unready(text string) string {
	var why []string
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(l), "[-] "); ok {
			why = append(why, rest)
		}
	}
	if len(why) == 0 {
		return strings.TrimSpace(text)
	}
	return strings.Join(why, "; ")
}
