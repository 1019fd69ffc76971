package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"tributary/pkg/check"
)

// outlookStatus is what a topic's status says of the time until something is lost.
type outlookStatus struct {
	LossDeadline           *time.Time `json:"loss_deadline"`
	LossCause              string     `json:"loss_cause"`
	SourceRetentionSeconds *float64   `json:"source_retention_seconds"`
	UnknownCauses          []string   `json:"unknown_causes"`
	SourceRetentionBytes   *int64     `json:"source_retention_bytes"`
	TargetRetentionSeconds *float64   `json:"target_retention_seconds"`
	OutageBudgetSeconds    *float64   `json:"outage_budget_seconds"`
}

// diskStatus is a disk of the source.
type diskStatus struct {
	Broker      int32      `json:"broker"`
	Dir         string     `json:"dir"`
	TotalBytes  *int64     `json:"total_bytes"`
	UsableBytes *int64     `json:"usable_bytes"`
	FullAt      *time.Time `json:"full_at"`
}

// probedStatus is how a cluster answers beside the copy path.
type probedStatus struct {
	Success *time.Time `json:"success"`
	Problem string     `json:"problem"`
}

// lossIn says how long it is until something is lost, and why then; "-" where nothing ever is, "?" where it is not known.
func (o *outlookStatus) lossIn(probed probedStatus, now time.Time) string {
	switch {
	case o.LossDeadline != nil:
		return untilLoss(*o.LossDeadline, now) + " (" + causeWord(o.LossCause) + ")"
	case probed.Success != nil && o.SourceRetentionSeconds == nil && o.SourceRetentionBytes == nil && o.TargetRetentionSeconds == nil && len(o.UnknownCauses) == 0:
		return "-"
	}
	return unknown
}

// causeWord is a cause in a word.
func causeWord(cause string) string {
	switch cause {
	case "retention_time":
		return "time"
	case "retention_bytes":
		return "size"
	case "disk_full":
		return "disk"
	case "target_retention":
		return "destination"
	}
	return known(cause)
}

// budget is a line about the topic that stands an outage for the shortest time, "" when none is known.
func (l *linkStatus) budget() string {
	least, topic := math.Inf(1), ""
	for _, t := range l.Topics {
		if b := t.OutageBudgetSeconds; b != nil && *b < least {
			least, topic = *b, t.Topic
		}
	}
	if topic == "" || math.IsInf(least, 1) {
		return ""
	}
	return fmt.Sprintf("%s stands a cut of %s at 95th percentile traffic, then loses of %s first", known(l.Name), check.Short(time.Duration(least*float64(time.Second))), clean(topic))
}

// diskLines are about the disks of the links' sources, each once.
func (r *statusReport) diskLines(now time.Time) string {
	var out strings.Builder
	for i := range r.Links {
		if line := r.Links[i].budget(); line != "" {
			fmt.Fprintf(&out, "BUDGET  %s\n", line)
		}
	}
	said := map[string]bool{}
	for _, l := range r.Links {
		for _, d := range l.Disks {
			if d.TotalBytes == nil || d.UsableBytes == nil {
				continue
			}
			line := fmt.Sprintf("DISK  %s broker %d %s %s free of %s", known(l.From), d.Broker, clean(d.Dir), inGibibytes(*d.UsableBytes), inGibibytes(*d.TotalBytes))
			if d.FullAt != nil {
				line += ", full in " + untilLoss(*d.FullAt, now)
			}
			if !said[line] {
				out.WriteString(line + "\n")
			}
			said[line] = true
		}
	}
	return out.String()
}

func inGibibytes(n int64) string {
	if gib := float64(n) / (1 << 30); gib < 10 {
		return fmt.Sprintf("%.1fG", gib)
	}
	return fmt.Sprintf("%dG", n>>30)
}
