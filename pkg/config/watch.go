package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"
)

// Watcher is one that looks after the mirror.
type Watcher string

// The watchers that a mirror hears of.
const (
	WatcherPrometheus Watcher = "prometheus" // scrapes /metrics
	WatcherSensu      Watcher = "sensu"      // runs mirror check at the socket
	WatcherLB         Watcher = "lb"         // asks /poolz
	WatcherDeadman    Watcher = "deadman"    // accepts our pings
)

// Deadman is the service that raises an alarm when it is pinged no longer.
type Deadman struct {
	// URL is pinged while all links are healthy. Empty: nothing is. It is a secret: whoever knows it can keep the service
	// quiet.
	URL Secret `yaml:"url"`
	// Method is GET or POST.
	Method string `yaml:"method"`
	// Interval is from one ping to the next: at least MinDeadmanInterval.
	Interval time.Duration `yaml:"interval"`
}

// MinDeadmanInterval is the shortest time between two pings of a dead-man's service.
const MinDeadmanInterval = 5 * time.Second

// Discovery says when this host is to take no new traffic, as /poolz tells.
type Discovery struct {
	// Cluster is the Kafka of this host, whose fate decides. Empty in a file: where the first link comes from.
	Cluster string `yaml:"cluster"`
	// DiskFull: drain when a disk of the cluster is full within. 0: never.
	DiskFull time.Duration `yaml:"disk_full"`
	// Headroom: drain when a smaller share of the retention is left. 0: the links' own retention.critical.
	Headroom Percent `yaml:"headroom"`
	// Recover: take traffic again from this share up. At least Headroom.
	Recover Percent `yaml:"recover"`
	// ExtendedOutage: drain when cut off from a destination for longer while Peers are not. 0: never.
	ExtendedOutage time.Duration `yaml:"extended_outage"`
	// Peers are the host:port of other hosts' mirrors. Without any, no outage drains.
	Peers []string `yaml:"peers"`
	// Dwell is the least time in a state, and for how long all must be well before traffic is taken again.
	Dwell time.Duration `yaml:"dwell"`
}

// DefaultDiscovery returns what a section that says nothing means. Cluster stays empty: it depends on the links.
func DefaultDiscovery() Discovery {
	return Discovery{DiskFull: time.Hour, Recover: 60, ExtendedOutage: 30 * time.Minute, Dwell: 10 * time.Minute}
}

func (d *Discovery) setDefaults() { *d = DefaultDiscovery() }

// watch checks those who watch, and what this host is watched for.
func (k *checker) watch(c *Config) {
	known := []string{string(WatcherPrometheus), string(WatcherSensu), string(WatcherLB), string(WatcherDeadman)}
	for _, name := range slices.Sorted(maps.Keys(c.Watchers)) {
		path := join("watchers", name)
		if !slices.Contains(known, name) {
			k.oneOf(path, name, known...)
			continue
		}
		if c.Watchers[name] <= 0 {
			k.add(path, "%v is no silence to allow; give a few times the interval of the watcher", c.Watchers[name])
		}
		if name == string(WatcherDeadman) && c.Deadman.URL == "" {
			k.add(path, "nothing is pinged; set deadman.url, or remove this")
		}
	}
	k.oneOf("deadman.method", c.Deadman.Method, "GET", "POST")
	if c.Deadman.Interval < MinDeadmanInterval {
		k.add("deadman.interval", "%v is less than %v", c.Deadman.Interval, MinDeadmanInterval)
	}
	if c.Deadman.URL != "" {
		// Nothing of it is shown: it is a secret.
		if to, err := url.Parse(string(c.Deadman.URL)); err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
			k.add("deadman.url", "is no URL that begins with http:// or https:// and names a host")
		}
	}
	if c.Discovery != nil {
		k.discovery(c)
	}
}

func (k *checker) discovery(c *Config) {
	d, clusters := c.Discovery, slices.Sorted(maps.Keys(c.Clusters))
	if d.Cluster != "" && !slices.Contains(clusters, d.Cluster) {
		k.add("discovery.cluster", "there is no cluster %s%s", shorten(d.Cluster), DidYouMean(d.Cluster, clusters))
	}
	for _, share := range []struct {
		key   string
		value Percent
	}{{"headroom", d.Headroom}, {"recover", d.Recover}} {
		if !(share.value >= 0 && share.value <= 100) {
			k.add("discovery."+share.key, "%v is not between 0%% and 100%%", share.value)
		}
	}
	if d.Recover < d.Headroom {
		k.add("discovery.recover", "%v is below headroom (%v); what is drained at once would come back at once", d.Recover, d.Headroom)
	}
	for i, peer := range d.Peers {
		k.address(fmt.Sprintf("discovery.peers[%d]", i), peer, 1)
	}
}
