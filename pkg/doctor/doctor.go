// Package doctor finds out why a mirror does not do what it should, from what it says of itself: pure rules, the worst first,
// each with its evidence and the next command. It asks nobody.
package doctor

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

// Facts are what is known of a mirror at one moment.
type Facts struct {
	Now time.Time // by the mirror's clock, where it answered

	Report *api.Status // nil: it did not answer
	Silent string      // why it did not
	Absent bool        // of one that did not answer: no process does

	Ready    check.Readiness
	Pressure map[Way]float64 // the share of the time that something waits, from 0 to 1; what is not there is not known
	Errors   []Errors        // counted between two looks
	Ended    string          // what the journal says last of one that does not run, "" nothing
	Link     string          // judge this link alone; "" all
}

// Way is one side of a link: source or target.
type Way struct{ Link, Side string }

// Errors are errors of one class on one side of a link.
type Errors struct {
	Way
	Class string // of mirror_errors_total
	Count int
}

// Diagnosis is a cause, or what looks like one.
type Diagnosis struct {
	Cause    string   `json:"cause"` // a word that does not change: destination_unreachable
	Link     string   `json:"link,omitempty"`
	Text     string   `json:"text"`     // what it is, for people
	Evidence []string `json:"evidence"` // what it was concluded from
	Next     string   `json:"next"`     // the command or step to take now

	rank rank
}

// rank orders causes: what explains others, or costs more, first.
type rank int

const (
	rankProcess   rank = iota // nothing can be said of anything else
	rankLoss                  // records are, or will soon be, lost
	rankOperator              // it waits for somebody
	rankOwnership             // nobody mirrors it
	rankRights                // it does not heal by itself
	rankReplicas
	rankReach // it heals by itself, with the cluster
	rankProber
	rankSlow
	rankConfig
	rankWanted // somebody wants it so
)

// Examine returns what is wrong, the worst first; nothing when all is well.
func Examine(f Facts) []Diagnosis {
	found := process(f)
	if f.Report != nil && !stale(f) {
		for _, l := range f.Report.Links {
			if f.Link == "" || f.Link == l.Name {
				found = append(found, (&examination{Facts: f, link: l}).run()...)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Diagnosis) int { return cmp.Compare(a.rank, b.rank) })
	return found
}

// staleAfter is the age at which what a mirror says of itself is no evidence any more; it looks every second.
const staleAfter = 30 * time.Second

func stale(f Facts) bool { return !f.Report.Time.IsZero() && f.Now.Sub(f.Report.Time) >= staleAfter }

// process judges the process itself.
func process(f Facts) []Diagnosis {
	switch {
	case f.Report == nil && f.Absent:
		d := Diagnosis{Cause: "no_daemon", Text: "no mirror runs here", Evidence: []string{f.Silent}, Next: "systemctl start mirror, or: mirror run; why it ended: journalctl -u mirror", rank: rankProcess}
		if f.Ended != "" {
			d.Evidence = append(d.Evidence, "the journal ends with: "+f.Ended)
		}
		return []Diagnosis{d}
	case f.Report == nil && strings.HasPrefix(f.Silent, "starting"):
		return []Diagnosis{{Cause: "starting", Text: "the mirror starts", Evidence: []string{f.Silent}, Next: "mirror doctor, in a minute", rank: rankProcess}}
	case f.Report == nil:
		return []Diagnosis{{Cause: "daemon_hangs", Text: "the mirror does not answer", Evidence: []string{f.Silent}, Next: "mirror debug bundle, then: systemctl restart mirror", rank: rankProcess}}
	case stale(f):
		return []Diagnosis{{Cause: "stale_snapshot", Text: "the mirror answers, but looks at its links no more: what it shows is old",
			Evidence: []string{"its last look was " + f.Report.Time.UTC().Format(time.RFC3339)}, Next: "mirror debug bundle, then: systemctl restart mirror", rank: rankProcess}}
	}
	var found []Diagnosis
	if c := f.Report.Config; c != nil && c.Problem != "" {
		found = append(found, Diagnosis{Cause: "config_refused", Text: "the newest configuration is not in force", Evidence: []string{c.Problem}, Next: "mirror validate, then: mirror reload", rank: rankConfig})
	}
	return found
}
