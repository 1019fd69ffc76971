package config

import (
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strings"
	"time"
)

// maxCapacity is the most that one member may weigh beside another.
const maxCapacity = 1000

// minRate is the least rate of a link, in bytes per second.
const minRate = 1 * KiB

// The session timeouts that make sense: below, a garbage collection ends a session; above, nobody takes over.
const (
	minSessionTimeout = time.Second
	maxSessionTimeout = time.Minute
)

// links checks every link by itself, and when all are sound, what they do together.
func (k *checker) links(c *Config) {
	if len(c.Links) == 0 && !c.reads() {
		k.add("links", "names no link; there is nothing to mirror")
	}
	before := len(k.problems)
	clusters := slices.Sorted(maps.Keys(c.Clusters))
	same := sameClusters(c.Clusters)
	firstName := map[string]int{}
	for i, link := range c.Links {
		path := fmt.Sprintf("links[%d]", i)
		k.name(path+".name", link.Name)
		if j, twice := firstName[link.Name]; twice {
			k.add(path+".name", "%s is the name of links[%d] too; names must differ", shorten(link.Name), j)
		} else {
			firstName[link.Name] = i
		}
		k.ends(path, link, clusters, same)
		k.topics(path, link)
		k.behaviour(path, link)
	}
	k.pools(c.Links)
	if len(k.problems) == before {
		k.routes(c, same)
	}
}

// ends checks that a link joins two clusters that exist and differ.
func (k *checker) ends(path string, link Link, clusters []string, same map[string]string) {
	for _, end := range []struct{ key, name string }{{"from", link.From}, {"to", link.To}} {
		if end.name == "" {
			k.add(path+"."+end.key, "is missing; name a cluster")
		} else if !slices.Contains(clusters, end.name) {
			k.add(path+"."+end.key, "there is no cluster %s%s", shorten(end.name), DidYouMean(end.name, clusters))
		}
	}
	switch {
	case link.From == "" || link.To == "":
	case link.From == link.To:
		k.add(path+".to", "is the cluster the link comes from; a cluster cannot be mirrored into itself")
	case same[link.From] != "" && same[link.From] == same[link.To]:
		k.add(path+".to", "%s and %s have a broker in common, so they are one cluster; a cluster cannot be mirrored into itself", link.From, link.To)
	}
}

func (k *checker) topics(path string, link Link) {
	topics := link.Topics
	if len(topics.Include) == 0 {
		k.add(path+".topics.include", "names no topic; use \"*\" for all")
	}
	k.patterns(path+".topics.include", topics.Include)
	k.patterns(path+".topics.exclude", topics.Exclude)
	k.rename(path+".topics.rename", link)
	if topics.ReplicationFactor < 0 || topics.ReplicationFactor > math.MaxInt16 {
		k.add(path+".topics.replication_factor", "%d is not between 1 and %d, or 0 for the destination's default", topics.ReplicationFactor, math.MaxInt16)
	}
	k.configSync(path+".topics.config_sync", topics.ConfigSync)
}

func (k *checker) patterns(path string, patterns []string) {
	for i, text := range patterns {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, err := compilePattern(text); err != nil {
			k.add(at, "%v", err)
		} else if text == parkedTopic {
			k.add(at, "%s is where links put what they cannot copy; it is never mirrored", parkedTopic)
		} else if strings.HasPrefix(text, internalPrefix) {
			k.add(at, "%s names internal topics, which are never mirrored", shorten(text))
		}
	}
}

// behaviour checks the settings that are one of a few words, and the numbers.
func (k *checker) behaviour(path string, link Link) {
	k.oneOf(path+".partitions", string(link.Partitions), string(PartitionsSame), string(PartitionsSpread), string(PartitionsKey))
	k.oneOf(path+".start", string(link.Start), string(StartEarliest), string(StartLatest))
	k.oneOf(path+".compression", string(link.Compression), string(CompressionSource), string(CompressionZstd),
		string(CompressionLZ4), string(CompressionSnappy), string(CompressionGzip))
	k.oneOf(path+".guarantee", string(link.Guarantee), string(ExactlyOnce), string(AtLeastOnce))
	k.oneOf(path+".on_bad_record", string(link.OnBadRecord), string(BadRecordHalts), string(BadRecordParks))
	if link.Rate < 0 {
		k.add(path+".rate", "%d is negative; 0 means no limit", int64(link.Rate))
	} else if link.Rate > 0 && link.Rate < minRate {
		k.add(path+".rate", "%v per second is below %v, at which one batch may take a quarter of an hour; write it like 20MB, or 0 for no limit", link.Rate, minRate)
	}
	for _, share := range []struct {
		key   string
		value Percent
	}{{"warn", link.Retention.Warn}, {"critical", link.Retention.Critical}} {
		if !(share.value >= 0 && share.value <= 100) {
			k.add(path+".retention."+share.key, "%v is not between 0%% and 100%%", share.value)
		}
	}
	if link.Retention.Critical > link.Retention.Warn {
		k.add(path+".retention.critical", "%v is above warn (%v); critical is the smaller headroom", link.Retention.Critical, link.Retention.Warn)
	}
}

// pools checks every pool by itself, and that no two get in each other's way.
func (k *checker) pools(links []Link) {
	firstRoot, firstPeer := map[string]int{}, map[string]int{}
	for i, link := range links {
		zk := link.Ownership.ZooKeeper
		if zk == nil {
			continue
		}
		path := fmt.Sprintf("links[%d].ownership.zookeeper", i)
		k.zooKeeper(path, *zk)
		if j, twice := firstRoot[zk.Root]; twice && zk.Root != "" {
			k.add(path+".root", "%s is the root of links[%d] too; pools must not share one", shorten(zk.Root), j)
		}
		firstRoot[zk.Root] = i
		if zk.Peer == "" || strings.HasSuffix(zk.Peer, ":0") {
			continue // a port of its own
		}
		if j, twice := firstPeer[normalAddress(zk.Peer)]; twice {
			k.add(path+".peer", "%s is the address of links[%d] too; each pool listens by itself", shorten(zk.Peer), j)
		}
		firstPeer[normalAddress(zk.Peer)] = i
	}
}

func (k *checker) zooKeeper(path string, zk ZooKeeper) {
	k.addresses(path+".servers", zk.Servers)
	if zk.Root != "" {
		k.root(path+".root", zk.Root)
	}
	if zk.SessionTimeout < minSessionTimeout || zk.SessionTimeout > maxSessionTimeout {
		k.add(path+".session_timeout", "%v is not between %v and %v", zk.SessionTimeout, minSessionTimeout, maxSessionTimeout)
	}
	k.peer(path+".peer", zk.Peer)
	if !(zk.Capacity > 0 && zk.Capacity <= maxCapacity) {
		k.add(path+".capacity", "%v is not above 0 and at most %d; 1 is an ordinary member, 2 takes twice its load", zk.Capacity, maxCapacity)
	}
	k.tls(path+".tls", zk.TLS)
	if zk.Auth != nil {
		if zk.Auth.Username == "" || strings.Contains(zk.Auth.Username, ":") {
			k.add(path+".auth.username", "%s is no user; give a name without a colon", shorten(zk.Auth.Username))
		}
		k.password(path+".auth.password", zk.Auth.Password)
	}
	if zk.PeerTLS != nil {
		for _, file := range []struct{ key, value string }{{"ca", zk.PeerTLS.CA}, {"cert", zk.PeerTLS.Cert}, {"key", zk.PeerTLS.Key}} {
			if file.value == "" {
				k.add(path+".peer_tls."+file.key, "is missing; members prove themselves to each other, which takes ca, cert and key")
			}
		}
	}
}

// peer checks where the other members reach this one: an address that means the same on their hosts.
func (k *checker) peer(path, peer string) {
	if peer == "" {
		return
	}
	host, _, err := net.SplitHostPort(peer)
	ip := net.ParseIP(host)
	if err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		k.add(path, "%s is no address that others can reach; give the host they know this one by", shorten(peer))
		return
	}
	k.address(path, peer, 0)
}

// root checks a ZooKeeper path. Of the characters ZooKeeper allows it takes those that need no quoting anywhere.
func (k *checker) root(path, root string) {
	rest, absolute := strings.CutPrefix(root, "/")
	if !absolute || len(root) > 2*maxName {
		k.add(path, "%s is not a path such as /mirror/pool", shorten(root))
		return
	}
	for name := range strings.SplitSeq(rest, "/") {
		if !isName(name) {
			k.add(path, "%s is not a path such as /mirror/pool: it has the element %s", shorten(root), shorten(name))
			return
		}
	}
	if rest == "zookeeper" || strings.HasPrefix(rest, "zookeeper/") {
		k.add(path, "/zookeeper belongs to the ensemble itself; use another path")
	}
}
