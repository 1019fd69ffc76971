package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample is a sound configuration with two links.
func sample() *Config {
	c := Default()
	c.Instance, c.StateDir = "ad-17", "/var/lib/mirror"
	c.Clusters = map[string]Cluster{"edge": {Brokers: []string{"e:9092"}}, "region": {Brokers: []string{"r:9092"}, SASL: &SASL{Mechanism: MechanismScramSHA256, Username: "u", Password: "s3cret"}}}
	for _, name := range []string{"up", "v1.hb"} {
		l := DefaultLink()
		l.Name, l.From, l.To, l.Topics.Include = name, "edge", "region", []string{name + ".*"}
		c.Links = append(c.Links, l)
	}
	return c
}

func TestDiff(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string // one line each, live ones with a star
	}{
		{"nothing", func(*Config) {}, ""},
		{"links in another order", func(c *Config) { slices.Reverse(c.Links) }, ""},
		{"topics", func(c *Config) { c.Links[0].Topics.Include = []string{"up.*", "clicks"} }, "*links.up.topics.include: [up.*] -> [clicks, up.*]"},
		{"the order of topics", func(c *Config) { c.Links[0].Topics.Exclude = []string{} }, ""},
		{"exclude", func(c *Config) { c.Links[0].Topics.Exclude = []string{"up.debug"} }, "*links.up.topics.exclude: [] -> [up.debug]"},
		{"a name with a dot", func(c *Config) { c.Links[1].Retention.Warn = 60 }, `*links["v1.hb"].retention.warn: 50% -> 60%`},
		{"watchers", func(c *Config) { c.Watchers = map[string]time.Duration{"sensu": time.Minute} }, "*watchers.sensu: nothing -> 1m0s"},
		{"level", func(c *Config) { c.Log.Level = "debug" }, "*log.level: info -> debug"},
		{"rename", func(c *Config) { c.Links[0].Topics.Rename = "eu.{topic}" }, "links.up.topics.rename: {topic} -> eu.{topic}"},
		{"listen", func(c *Config) { c.Listen = "127.0.0.1:1" }, "listen: 127.0.0.1:9464 -> 127.0.0.1:1"},
		{"a secret", func(c *Config) {
			c.Clusters["region"] = Cluster{Brokers: []string{"r:9092"}, SASL: &SASL{Mechanism: MechanismScramSHA256, Username: "u", Password: "other"}}
		}, "clusters.region.sasl.password: *** -> ***"},
		{"a cluster", func(c *Config) { c.Clusters["home"] = Cluster{Brokers: []string{"h:9092"}} }, "clusters.home: nothing -> present"},
		{"a link", func(c *Config) { c.Links = c.Links[:1] }, `links["v1.hb"]: present -> nothing`},
		{"ownership", func(c *Config) {
			c.Links[0].Ownership.ZooKeeper = &ZooKeeper{Servers: []string{"z:2181"}, SessionTimeout: time.Second}
		}, "links.up.ownership.zookeeper: nothing -> present"},
		{"several", func(c *Config) { c.Zone, c.Log.Level = "b", "warn" }, "*log.level: info -> warn\nzone: \"\" -> b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			next := sample()
			test.change(next)
			var lines []string
			for _, c := range Diff(sample(), next) {
				line := c.String()
				if c.Live {
					line = "*" + line
				}
				lines = append(lines, line)
			}
			got := strings.Join(lines, "\n")
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if strings.Contains(fmt.Sprint(Diff(sample(), next)), "s3cret") {
				t.Error("a secret shows")
			}
		})
	}
}

// TestLiveKeysExist holds the table against the schema.
func TestLiveKeysExist(t *testing.T) {
	known := schema(reflect.TypeFor[Config](), "")
	for _, key := range liveKeys() {
		path := strings.ReplaceAll(key, ".*", "[]")
		if !slices.Contains(known, path) && !slices.Contains(known, path+"[]") {
			t.Errorf("%s is no key of a configuration", key)
		}
	}
}
