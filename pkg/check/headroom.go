package check

import (
	"fmt"
	"strings"
	"time"

	"tributary/pkg/api"
)

// What is left until a loss is compared to, where no share of a retention is known: of bytes and of disks.
const (
	DefaultHeadroomWarn     = 4 * time.Hour
	DefaultHeadroomCritical = time.Hour
)

// probeBelieved is how old the last answer of a source may be to judge by: six are missing then. The deadlines that were known
// go on counting down, but what changed since is not known.
const probeBelieved = time.Minute

const (
	causeTime = "retention_time" // that the shares of a retention are about
	causeDisk = "disk_full"
)

// Headroom judges how long it takes until something may be lost that is not mirrored. Without thresholds the links' own
// shares of the retention decide, and for deadlines that are not about time the defaults.
func Headroom(r *api.Status, now time.Time, o Options) Result {
	links, none := chosen(r, o.Link)
	if none != "" {
		return NewResult("headroom", Unknown, none)
	}
	j := headroomJudge{now: now, asked: o.Warn != nil || o.Critical != nil, warn: or(o.Warn, DefaultHeadroomWarn), critical: or(o.Critical, DefaultHeadroomCritical)}
	if o.Warn == nil {
		j.warn = max(j.warn, j.critical)
	}
	if o.Critical == nil {
		j.critical = min(j.warn, j.critical)
	}
	for _, l := range links {
		j.link(l)
	}
	fine := "nothing is ever removed at the source"
	if j.known {
		fine = fmt.Sprintf("%d topics, %s until loss at least (%s)", j.topics, Short(j.least), j.where)
	} else if j.topics == 0 {
		fine = "all topics are with other members of the pool"
	}
	result := conclude("headroom", j.findings, fine)
	if j.known {
		result.Perf = append(result.Perf, Perf{Label: "headroom", Value: float64(int64(j.least.Seconds())), Unit: "s", Warn: limit(j.warn) + ":", Crit: limit(j.critical) + ":"})
	}
	result.Perf = append(result.Perf, Perf{Label: "topics", Value: float64(j.topics), Min: "0"})
	return result
}

// headroomJudge collects findings over links.
type headroomJudge struct {
	now            time.Time
	asked          bool // thresholds were
	warn, critical time.Duration

	findings []finding
	topics   int
	known    bool // least is of at least one topic
	least    time.Duration
	where    string
}

func (j *headroomJudge) link(l api.Link) {
	if len(l.Topics) == 0 {
		text := "no topic matches yet"
		if l.Problem != "" {
			text = "its topics are not known: " + l.Problem
		}
		j.findings = append(j.findings, finding{severity: Unknown, link: l.Name, text: text, passing: true})
	}
	if text, silent := silent(l, j.now); silent && len(l.Topics) > 0 {
		j.findings = append(j.findings, finding{severity: Unknown, link: l.Name, text: text, passing: true, urgency: -1e12})
	}
	for _, t := range l.Topics {
		if t.State != api.StateElsewhere {
			j.topics++
			j.findings = append(j.findings, j.topic(l, t))
		}
	}
}

func (j *headroomJudge) topic(l api.Link, t api.Topic) finding {
	f := finding{link: l.Name, topic: t.Topic}
	if t.LossDeadline == nil {
		if j.endless(l, t) {
			f.text = "nothing is ever removed at the source"
			return f
		}
		f.severity, f.passing = Unknown, true
		f.text = withWhy("unknown how long until loss", l, t)
		return f
	}
	left := t.LossDeadline.Sub(j.now)
	if !j.known || left < j.least {
		j.known, j.least, j.where = true, left, l.Name+" "+t.Topic
	}
	f.urgency = -left.Seconds()
	f.severity = j.grade(l, t, left)
	text := Short(left) + " until loss"
	if left <= 0 {
		text = "may be lost since " + Short(-left)
	}
	if t.LossCause != "" {
		text += " (" + t.LossCause + ")"
	}
	if unknown := unknownRetentions(t); len(unknown) > 0 {
		text += ", not counting what is unknown (" + strings.Join(unknown, ", ") + ")"
	}
	if age, known := behind(t, j.now); known {
		text += ", " + Short(age) + " behind"
	}
	f.text = withWhy(text, l, t)
	return f
}

// grade judges what is left. A deadline that is over is critical in any case.
func (j *headroomJudge) grade(l api.Link, t api.Topic, left time.Duration) Severity {
	byTime := Severity(OK)
	switch {
	case left <= 0, left < j.critical:
		byTime = Critical
	case left < j.warn:
		byTime = Warning
	}
	if left <= 0 || j.asked || t.RetentionUsed == nil {
		return byTime
	}
	byShare := OK
	switch share := 1 - *t.RetentionUsed; {
	case share < l.Retention.Critical:
		byShare = Critical
	case share < l.Retention.Warn:
		byShare = Warning
	}
	if t.LossCause == causeTime || byShare.rank() > byTime.rank() {
		return byShare
	}
	return byTime
}

// endless says whether a topic without a deadline is known to have none: its source answered, also when it was asked for the
// settings of the topic, and names no retention. Of a disk it may not tell.
func (j *headroomJudge) endless(l api.Link, t api.Topic) bool {
	return t.SourceRetentionSeconds == nil && t.SourceRetentionBytes == nil && l.Probe.Source.Success != nil && t.State != api.StateUnowned && len(unknownRetentions(t)) == 0
}

// unknownRetentions are the retentions of which it is not known when they take something. Many sources do not tell of disks.
func unknownRetentions(t api.Topic) []string {
	var unknown []string
	for _, cause := range t.UnknownCauses {
		if cause != causeDisk {
			unknown = append(unknown, cause)
		}
	}
	return unknown
}

// silent says since when the source of a link does not tell what deadlines depend on, if that is so for too long.
func silent(l api.Link, now time.Time) (string, bool) {
	s := l.Probe.Source
	if s.Success != nil && now.Sub(*s.Success) < probeBelieved {
		return "", false
	}
	text := "the source never told what is left"
	if s.Success != nil {
		text = "the source has not told what is left for " + Short(now.Sub(*s.Success))
	}
	if s.Problem != "" {
		text += ": " + s.Problem
	}
	return text, true
}
