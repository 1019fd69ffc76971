package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

// lossIn says how long it is until something is lost, and why then; "-" where nothing ever is, "?" where it is not known.
func lossIn(o api.Outlook, probed api.Probed, now time.Time) string {
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

// budget is a line about the topic that stands an outage for the shortest time, "" when none is known. Where not all is known
// of a topic, it may be that one, and after a shorter time.
func budget(l api.Link) string {
	least, topic, atMost := math.Inf(1), "", ""
	for _, t := range l.Topics {
		if b := t.OutageBudgetSeconds; b != nil && *b < least {
			least, topic = *b, t.Topic
		}
		if t.OutageBudgetAtMost && t.State != api.StateElsewhere {
			atMost = "at most "
		}
	}
	if topic == "" || math.IsInf(least, 1) {
		return ""
	}
	return fmt.Sprintf("%s stands a cut of %s%s at 95th percentile traffic, then loses of %s first", known(l.Name), atMost, check.Short(time.Duration(least*float64(time.Second))), clean(topic))
}

// diskLines are about the disks of the links' sources, each once.
func diskLines(r *api.Status, now time.Time) string {
	var out strings.Builder
	for _, l := range r.Links {
		if line := budget(l); line != "" {
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
