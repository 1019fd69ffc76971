package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"tributary/pkg/api"
)

// Watchers judges whether those who watch the mirror were heard of: each that the configuration expects, within its time. A
// threshold that is asked for holds for all of them instead.
func Watchers(r *api.Status, now time.Time, o Options) Result {
	if len(r.WatchersExpected) == 0 {
		return NewResult("watchers", OK, "no watcher is expected; name them under watchers in the configuration")
	}
	var findings []finding
	var perf []Perf
	for _, name := range slices.Sorted(maps.Keys(r.WatchersExpected)) {
		critical := or(o.Critical, time.Duration(r.WatchersExpected[name]*float64(time.Second)))
		warn := min(critical, or(o.Warn, critical))
		seen, known := r.Watchers[name]
		if !known {
			findings = append(findings, finding{severity: Unknown, topic: name, text: "the mirror does not say when it was heard of"})
			continue
		}
		age := max(0, now.Sub(seen))
		findings = append(findings, finding{severity: grade(age, warn, critical), topic: name, urgency: age.Seconds(),
			text: fmt.Sprintf("was not heard of for %s, at most %s is expected: see whether it works", Short(age), Short(critical))})
		perf = append(perf, Perf{Label: name, Value: float64(int64(age.Seconds())), Unit: "s", Warn: limit(warn), Crit: limit(critical), Min: "0"})
	}
	result := conclude("watchers", findings, fmt.Sprintf("all %d watchers were heard of", len(r.WatchersExpected)))
	result.Perf = append(result.Perf, perf...)
	return result
}
