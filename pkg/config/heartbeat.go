package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// HeartbeatTopic is where heartbeats are when nothing else was said.
const HeartbeatTopic = "mirror.heartbeats"

// The times between two heartbeats that make sense.
const (
	minHeartbeatInterval = 100 * time.Millisecond
	maxHeartbeatInterval = time.Minute
)

// Heartbeat says where this process writes heartbeats of its own, and where it reads those of all.
type Heartbeat struct {
	// Produce names the clusters that a heartbeat of this process is written into. Empty: none.
	Produce []string `yaml:"produce"`
	// Read names the clusters whose heartbeats this process shows. Empty: none. With it Links may be empty.
	Read []string `yaml:"read"`
	// Topic has the heartbeats. It is an ordinary topic: links that shall carry it include it.
	Topic string `yaml:"topic"`
	// Interval is the time from one heartbeat to the next: 100 ms to 1 min, as alerts take an origin for missing after five.
	Interval time.Duration `yaml:"interval"`
}

// DefaultHeartbeat returns what a heartbeat section that names clusters alone means.
func DefaultHeartbeat() Heartbeat {
	return Heartbeat{Topic: HeartbeatTopic, Interval: 10 * time.Second}
}

func (h *Heartbeat) setDefaults() { *h = DefaultHeartbeat() }

// reads says whether the process shows heartbeats.
func (c *Config) reads() bool { return c.Heartbeat != nil && len(c.Heartbeat.Read) > 0 }

// heartbeat checks the section by itself. That links carry the topic is checked when they are sound.
func (k *checker) heartbeat(c *Config) {
	h := c.Heartbeat
	if h == nil {
		return
	}
	before := len(k.problems)
	if len(h.Produce)+len(h.Read) == 0 {
		k.add("heartbeat", "names no cluster; give produce, read or both, or remove it")
	}
	known := slices.Sorted(maps.Keys(c.Clusters))
	k.clusterNames("heartbeat.produce", h.Produce, known)
	k.clusterNames("heartbeat.read", h.Read, known)
	if err := legalTopic(h.Topic); err != nil {
		k.add("heartbeat.topic", "%v", err)
	}
	if h.Interval < minHeartbeatInterval || h.Interval > maxHeartbeatInterval {
		k.add("heartbeat.interval", "%v is not between %v and %v", h.Interval, minHeartbeatInterval, maxHeartbeatInterval)
	}
	if len(k.problems) == before {
		k.carried(c)
	}
}

// clusterNames checks a list of clusters.
func (k *checker) clusterNames(path string, list, known []string) {
	for i, name := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !slices.Contains(known, name) {
			k.add(at, "there is no cluster %s%s", shorten(name), DidYouMean(name, known))
		} else if j := slices.Index(list, name); j < i {
			k.add(at, "%s is listed twice, first at %s[%d]", shorten(name), path, j)
		}
	}
}

// legalTopic says what is wrong with the name of a topic that is to be mirrored.
func legalTopic(name string) error {
	switch {
	case !isName(name) || len(name) > maxTopicName:
		return fmt.Errorf("%s is not a topic name; use 1 to %d letters, digits, '.', '_' and '-'", shorten(name), maxTopicName)
	case strings.HasPrefix(name, internalPrefix):
		return fmt.Errorf("%s is the name of an internal topic, which is never mirrored", shorten(name))
	case name == parkedTopic:
		return fmt.Errorf("%s is where links put what they cannot copy; use another topic", shorten(name))
	}
	return nil
}

// carried refuses heartbeats that nobody would ever hear: a cluster that they are written into, and no link takes them out
// of, nor are they read there.
func (k *checker) carried(c *Config) {
	h := c.Heartbeat
	for i, cluster := range h.Produce {
		if slices.Contains(h.Read, cluster) {
			continue
		}
		leaving, matched := "", false
		for _, link := range c.Links {
			if link.From != cluster {
				continue
			}
			filter, err := link.Filter()
			if err != nil {
				return // reported with the link
			}
			leaving, matched = link.Name, matched || filter.Match(h.Topic)
		}
		at := fmt.Sprintf("heartbeat.produce[%d]", i)
		switch {
		case matched:
		case leaving == "":
			k.add(at, "no link comes from %s, so that nobody would hear these heartbeats; write them into a cluster that links come from", cluster)
		default:
			k.add(at, "no link from %s includes %s, so that nobody would hear these heartbeats; add %s to topics.include of link %s", cluster, h.Topic, h.Topic, leaving)
		}
	}
}
