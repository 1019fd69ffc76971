package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tributary/pkg/api"
)

// poolPatience is how long a session with ZooKeeper may be away before it counts: it comes back by itself as a rule.
const poolPatience = 10 * time.Second

// Options say what is judged, and how.
type Options struct {
	Link     string         // "" all
	Warn     *time.Duration // nil: the default of the check
	Critical *time.Duration
	Expect   int // heartbeats: least number of origins that must be heard of
}

// finding is what a check has to say of one thing.
type finding struct {
	severity Severity
	link     string
	topic    string
	text     string
	urgency  float64 // among findings of one severity the greatest comes first
	passing  bool    // may be over within seconds
}

func (f finding) String() string {
	where := strings.TrimSpace(f.link + " " + f.topic)
	if where == "" {
		return f.text
	}
	return where + ": " + f.text
}

// conclude makes a result of findings: the worst is its summary, those that are not fine are the details. With none that is
// not fine, fine is the summary.
func conclude(check string, findings []finding, fine string) Result {
	slices.SortStableFunc(findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(b.severity.rank(), a.severity.rank()), cmp.Compare(b.urgency, a.urgency), cmp.Compare(a.link, b.link), cmp.Compare(a.topic, b.topic))
	})
	if len(findings) == 0 || findings[0].severity == OK {
		return NewResult(check, OK, fine)
	}
	worst := findings[0]
	bad := findings
	if i := slices.IndexFunc(findings, func(f finding) bool { return f.severity == OK }); i >= 0 {
		bad = findings[:i]
	}
	var details []string
	passing := true
	for _, f := range bad {
		details = append(details, fmt.Sprintf("%s %s", f.severity, f))
		passing = passing && f.passing
	}
	summary := worst.String()
	if len(bad) == 1 {
		details = nil
	} else {
		summary += fmt.Sprintf(" (and %d more)", len(bad)-1)
	}
	r := NewResult(check, worst.severity, summary, details...)
	r.Passing = passing
	return r
}

// chosen returns the links that are judged, and what is to be said when there is none.
func chosen(r *api.Status, name string) ([]api.Link, string) {
	if name == "" {
		if len(r.Links) == 0 {
			return nil, "the mirror has no links"
		}
		return r.Links, ""
	}
	var names []string
	for _, l := range r.Links {
		if l.Name == name {
			return []api.Link{l}, ""
		}
		names = append(names, l.Name)
	}
	return nil, fmt.Sprintf("there is no link %q; the mirror has: %s", name, strings.Join(names, ", "))
}

// why says what is the matter with a topic, "" when nothing is.
func why(l api.Link, t api.Topic) string {
	for _, p := range t.Partitions {
		if p.State == t.State && (p.Error != "" || p.Reason != "") {
			return fmt.Sprintf("partition %d: %s", p.Partition, strings.Join(slices.DeleteFunc([]string{p.Reason, p.Error}, func(s string) bool { return s == "" }), ": "))
		}
	}
	return cmp.Or(t.Problem, l.Problem, t.Warning)
}

// withWhy adds what is the matter.
func withWhy(text string, l api.Link, t api.Topic) string {
	text += ", " + t.State
	if reason := why(l, t); reason != "" {
		text += ": " + reason
	}
	return text
}

// Short writes a duration with its two largest units, from seconds up: 41h42m.
func Short(d time.Duration) string {
	seconds := int64(d / time.Second)
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
	case seconds < 100*3600:
		return fmt.Sprintf("%dh%02dm", seconds/3600, seconds/60%60)
	}
	return fmt.Sprintf("%dd%02dh", seconds/86400, seconds/3600%24)
}

// limit is one threshold for what is bad when it is high.
func limit(d time.Duration) string { return fmt.Sprintf("%g", d.Seconds()) }

// or returns what d points to, else the default.
func or(d *time.Duration, fallback time.Duration) time.Duration {
	if d == nil {
		return fallback
	}
	return *d
}

// grade judges a duration that is bad when it is long.
func grade(d, warn, critical time.Duration) Severity {
	switch {
	case d > critical:
		return Critical
	case d > warn:
		return Warning
	}
	return OK
}
