package config

import (
	"strings"
	"testing"
	"time"
)

// beating is valid with heartbeats of an edge that also reads what it wrote, and of all that a link carries.
func beating() *Config {
	cfg := valid()
	cfg.Links[0].Topics.Include = []string{"clicks", HeartbeatTopic}
	h := DefaultHeartbeat()
	h.Produce, h.Read = []string{"edge"}, []string{"region"}
	cfg.Heartbeat = &h
	return cfg
}

func TestHeartbeatIsAccepted(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"as it is":              func(*Config) {},
		"only written":          func(c *Config) { c.Heartbeat.Read = nil },
		"only read, no link":    func(c *Config) { c.Heartbeat.Produce, c.Links = nil, nil },
		"written where read":    func(c *Config) { c.Heartbeat.Produce = []string{"region"} },
		"a glob carries it":     func(c *Config) { c.Links[0].Topics.Include = []string{"mirror.*"} },
		"another topic":         func(c *Config) { c.Heartbeat.Topic = "clicks" },
		"the shortest interval": func(c *Config) { c.Heartbeat.Interval = 100 * time.Millisecond },
		"the second link carries it": func(c *Config) {
			second := c.Links[0]
			second.Name, second.Ownership = "beats", Ownership{}
			second.Topics.Include, c.Links[0].Topics.Include = []string{HeartbeatTopic}, []string{"clicks"}
			c.Links = append(c.Links, second)
		},
	} {
		cfg := beating()
		change(cfg)
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHeartbeatProblems(t *testing.T) {
	for _, test := range []struct {
		want   string
		change func(*Config)
	}{
		{"heartbeat: names no cluster", func(c *Config) { c.Heartbeat.Produce, c.Heartbeat.Read = nil, nil }},
		{`heartbeat.produce[0]: there is no cluster "egde"; did you mean edge?`, func(c *Config) { c.Heartbeat.Produce[0] = "egde" }},
		{`heartbeat.read[0]: there is no cluster "home"`, func(c *Config) { c.Heartbeat.Read[0] = "home" }},
		{`heartbeat.read[1]: "region" is listed twice, first at heartbeat.read[0]`, func(c *Config) { c.Heartbeat.Read = []string{"region", "region"} }},
		{`heartbeat.topic: "a b" is not a topic name`, func(c *Config) { c.Heartbeat.Topic = "a b" }},
		{`heartbeat.topic: "" is not a topic name`, func(c *Config) { c.Heartbeat.Topic = "" }},
		{`heartbeat.topic: "__x" is the name of an internal topic`, func(c *Config) { c.Heartbeat.Topic = "__x" }},
		{`heartbeat.topic: "mirror.parked" is where links put`, func(c *Config) { c.Heartbeat.Topic = "mirror.parked" }},
		{"heartbeat.interval: 99ms is not between 100ms and 1m0s", func(c *Config) { c.Heartbeat.Interval = 99 * time.Millisecond }},
		{"heartbeat.interval: 1m1s is not", func(c *Config) { c.Heartbeat.Interval = time.Minute + time.Second }},
		{"heartbeat.produce[0]: no link from edge includes mirror.heartbeats, so that nobody would hear these heartbeats; add mirror.heartbeats to topics.include of link up",
			func(c *Config) { c.Links[0].Topics.Include = []string{"clicks"} }},
		{"heartbeat.produce[0]: no link comes from region", func(c *Config) { c.Heartbeat.Produce, c.Heartbeat.Read = []string{"region"}, nil }},
		{"links: names no link", func(c *Config) { c.Links, c.Heartbeat = nil, nil }},
	} {
		cfg := beating()
		test.change(cfg)
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

// The topic is carried when a link names it: only mirror.parked stays where it is.
func TestHeartbeatsAreMirroredLikeAnyTopic(t *testing.T) {
	link := DefaultLink()
	link.Topics.Include = []string{HeartbeatTopic, parkedTopic, "events"}
	filter, err := link.Filter()
	if err != nil {
		t.Fatal(err)
	}
	if !filter.Match(HeartbeatTopic) || filter.Match(parkedTopic) {
		t.Errorf("heartbeats match: %v, parked records match: %v", filter.Match(HeartbeatTopic), filter.Match(parkedTopic))
	}
}
