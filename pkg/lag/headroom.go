package lag

import (
	"fmt"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/probe"
)

// Kinds of the events about the time until loss.
const (
	EventHeadroomLow       = "headroom_low"       // less of the retention is left than retention.warn of the link
	EventHeadroomCritical  = "headroom_critical"  // less than retention.critical
	EventHeadroomRecovered = "headroom_recovered" // more than retention.warn again
	EventSettingsChanged   = "settings_changed"   // of a topic, as far as the time until loss depends on them
)

// relief is how much more than a threshold must be left for it to be passed upwards, as a share of the retention.
const relief = 0.05

// level is how urgent a headroom is.
type level int

const (
	ample level = iota
	low
	critical
)

// judge returns the level for the share of the retention that is left. It rises at a threshold, and falls only with some
// relief beyond it, so that it does not flap.
func (was level) judge(left float64, r Retention) level {
	eased := func(threshold float64) float64 { return min(threshold+relief, (1+threshold)/2) }
	switch {
	case left < r.Critical, was == critical && left < eased(r.Critical):
		return critical
	case left < r.Warn, was >= low && left < eased(r.Warn):
		return low
	}
	return ample
}

// headroom follows how much of the retention of a topic is left.
type headroom struct {
	level          level
	source, target *probe.Settings // as read last
}

// foresee finds what is to be told about a topic's outlook.
func (h *topicHistory) foresee(now time.Time, t *Topic, s mirror.TopicStatus, out outside) []change {
	source, target := settingsOf(out.answers.source.Topic(s.Topic)), settingsOf(out.answers.target.Topic(s.Dest))
	return append(h.headroom.compare(t, source, target), h.headroom.judge(now, t, out.retention)...)
}

// judge takes in the outlook of a topic, writes a warning into it, and returns what changed. While nothing is known the
// level stays.
func (h *headroom) judge(now time.Time, t *Topic, r Retention) []change {
	was := h.level
	if t.Used != nil {
		h.level = was.judge(1-*t.Used, r)
	}
	if h.level != ample && t.LossDeadline != nil && t.Used != nil {
		text := fmt.Sprintf("%s is left until what is not mirrored may be lost, %.0f%% of the retention", words(t.LossDeadline.Sub(now)), 100*(1-*t.Used))
		if t.LossDeadline.Before(now) {
			text = "what is not mirrored may be lost at any time"
		}
		text += fmt.Sprintf(" (%s, from %s on)", t.LossCause, t.LossDeadline.UTC().Format(time.RFC3339))
		t.Warning = both(text, t.Warning)
	}
	if h.level == was {
		return nil
	}
	c := change{topic: t.Topic, partitions: len(t.Partitions), inTopic: true, event: relieved, why: "enough of the retention is left again"}
	switch h.level {
	case critical:
		c.event, c.why = imperilled, t.Warning
	case low:
		c.event, c.why = strained, t.Warning
	}
	return []change{c}
}

// words writes how long something lasts for people.
func words(d time.Duration) string {
	if d > 48*time.Hour {
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	}
	return d.Round(time.Second).String()
}

// compare returns the changes of settings since they were read last.
func (h *headroom) compare(t *Topic, source, target *probe.Settings) []change {
	var changes []change
	for _, side := range []struct {
		name string
		was  **probe.Settings
		now  *probe.Settings
	}{{"source", &h.source, source}, {"destination", &h.target, target}} {
		if side.now == nil {
			continue
		}
		if *side.was != nil && **side.was != *side.now {
			changes = append(changes, change{topic: t.Topic, partitions: len(t.Partitions), inTopic: true, event: resettled,
				why: "at the " + side.name + ": " + side.now.Since(**side.was)})
		}
		*side.was = side.now
	}
	return changes
}
