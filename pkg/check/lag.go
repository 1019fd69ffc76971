package check

import (
	"fmt"
	"time"

	"tributary/pkg/api"
)

// What a lag is compared to unless something else is asked for.
const (
	DefaultLagWarn     = time.Minute
	DefaultLagCritical = 5 * time.Minute
)

// catchingUp is the speed, in source seconds per second, from which a topic that is behind is on its way to be current
// again: a tenth more than comes in is no measuring error.
const catchingUp = 1.1

// Lag judges how far behind the topics are. A partition that is halted and a topic that nobody mirrors are critical, whatever
// their lag is, and one whose lag is not known is unknown. A topic that is behind and catches up is fine.
func Lag(r *api.Status, now time.Time, o Options) Result {
	links, none := chosen(r, o.Link)
	if none != "" {
		return NewResult("lag", Unknown, none)
	}
	j := lagJudge{now: now, warn: or(o.Warn, DefaultLagWarn), critical: or(o.Critical, DefaultLagCritical)}
	for _, l := range links {
		j.link(l)
	}
	fine := fmt.Sprintf("%d topics, %s behind at most", j.topics, Short(j.most))
	if j.where != "" {
		fine += " (" + j.where + ")"
	}
	if j.catching > 0 {
		fine += fmt.Sprintf(", %d catching up", j.catching)
	}
	if j.topics == 0 {
		fine = "all topics are with other members of the pool"
	}
	result := conclude("lag", j.findings, fine)
	if j.known {
		result.Perf = append(result.Perf, Perf{Label: "lag", Value: float64(int64(j.most.Seconds())), Unit: "s", Warn: limit(j.warn), Crit: limit(j.critical), Min: "0"})
	}
	if !j.uncounted {
		result.Perf = append(result.Perf, Perf{Label: "lag_records", Value: float64(j.records), Min: "0"})
	}
	result.Perf = append(result.Perf, Perf{Label: "topics", Value: float64(j.topics), Min: "0"})
	return result
}

// lagJudge collects findings over links.
type lagJudge struct {
	now            time.Time
	warn, critical time.Duration

	findings []finding
	topics   int // judged here
	catching int
	records  int64

	uncounted bool // records lacks those of a topic

	known bool // most is of at least one topic
	most  time.Duration
	where string
}

func (j *lagJudge) add(f finding) { j.findings = append(j.findings, f) }

func (j *lagJudge) link(l api.Link) {
	if text, away := poolAway(l, j.now); away {
		j.add(finding{severity: Warning, link: l.Name, text: text})
	}
	if len(l.Topics) == 0 {
		text := "no topic matches yet"
		if l.Problem != "" {
			text = "its topics are not known: " + l.Problem
		}
		j.add(finding{severity: Unknown, link: l.Name, text: text, passing: true})
	}
	for _, t := range l.Topics {
		if t.State != api.StateElsewhere {
			j.topics++
			j.add(j.topic(l, t))
		}
	}
}

func (j *lagJudge) topic(l api.Link, t api.Topic) finding {
	f := finding{link: l.Name, topic: t.Topic}
	age, known := behind(t, j.now)
	if known && (!j.known || age > j.most) {
		j.known, j.most, j.where = true, age, l.Name+" "+t.Topic
	}
	if t.LagRecords == nil {
		j.uncounted = true
	} else {
		j.records += *t.LagRecords
	}
	f.urgency = age.Seconds()
	text := "unknown how far behind"
	if known {
		text = Short(age) + " behind"
	}
	f.text = withWhy(text, l, t)
	switch {
	case t.State == api.StateHalted:
		f.severity = Critical
		if step := nextStep(t); step != "" {
			f.text += "; next: " + step
		}
	case t.State == api.StateUnowned:
		f.severity, f.passing = Critical, true // a member takes it within seconds, or nobody does
	case !known:
		f.severity, f.passing = Unknown, true
	default:
		f.severity = grade(age, j.warn, j.critical)
		if f.severity != OK && t.State == api.StateCopying && t.Speed != nil && *t.Speed >= catchingUp {
			f.severity = OK
			j.catching++
		}
	}
	return f
}

// behind is how far behind a topic is, if that is known.
func behind(t api.Topic, now time.Time) (time.Duration, bool) {
	if t.ReplicatedThrough == nil {
		return 0, false
	}
	return max(0, now.Sub(*t.ReplicatedThrough)), true
}

// nextStep is what there is to do about a halted topic.
func nextStep(t api.Topic) string {
	for _, p := range t.Partitions {
		if p.NextStep != "" {
			return p.NextStep
		}
	}
	return ""
}

// poolAway says since when the pool of a link cannot be reached, if that is so for longer than is usual.
func poolAway(l api.Link, now time.Time) (string, bool) {
	if l.Pool == nil || l.Pool.State == api.PoolConnected || l.Pool.Since == nil {
		return "", false
	}
	away := now.Sub(*l.Pool.Since)
	if away < poolPatience {
		return "", false
	}
	return fmt.Sprintf("its pool is %s for %s: nobody takes over, and old records wait", l.Pool.State, Short(away)), true
}
