package config

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// valid returns a configuration that uses everything and has nothing wrong.
func valid() *Config {
	cfg := Default()
	cfg.Clusters = map[string]Cluster{
		"edge":   {Brokers: []string{"127.0.0.1:9092"}},
		"region": {Brokers: []string{"region-1:9093", "[::1]:9093"}, TLS: &TLS{}, SASL: &SASL{Mechanism: MechanismScramSHA512, Username: "u", Password: "p"}},
	}
	link := DefaultLink()
	link.Name, link.From, link.To, link.Topics.Include = "up", "edge", "region", []string{"clicks"}
	zk := DefaultZooKeeper()
	zk.Servers, zk.Root = []string{"zk-1:2181"}, "/mirror/up"
	zk.Auth, zk.TLS, zk.PeerTLS = &Digest{"u", "p"}, &TLS{}, &PeerTLS{"ca", "cert", "key"}
	link.Ownership.ZooKeeper = &zk
	cfg.Links = []Link{link}
	return cfg
}

func TestValidateAcceptsEverySupportedValue(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"as it is":         func(*Config) {},
		"all interfaces":   func(c *Config) { c.Listen = ":9464" },
		"a free port":      func(c *Config) { c.Listen = "127.0.0.1:0" },
		"a token":          func(c *Config) { c.StatusToken = "0123456789abcdef" },
		"smallest memory":  func(c *Config) { c.Memory = 8 * MiB },
		"spread":           func(c *Config) { c.Links[0].Partitions = PartitionsSpread },
		"key":              func(c *Config) { c.Links[0].Partitions = PartitionsKey },
		"latest":           func(c *Config) { c.Links[0].Start = StartLatest },
		"zstd":             func(c *Config) { c.Links[0].Compression = CompressionZstd },
		"at least once":    func(c *Config) { c.Links[0].Guarantee = AtLeastOnce },
		"a literal rename": func(c *Config) { c.Links[0].Topics.Rename = "edge-clicks" },
		"a pool in the open": func(c *Config) {
			zk := c.Links[0].Ownership.ZooKeeper
			zk.Auth, zk.TLS, zk.PeerTLS, zk.Evict, zk.Capacity = nil, nil, nil, false, 1000
		},
		"a peer at a free port": func(c *Config) { c.Links[0].Ownership.ZooKeeper.Peer = "127.0.0.1:0" },
		"two at free ports": func(c *Config) {
			second := *c.Links[0].Ownership.ZooKeeper
			second.Root, second.Peer = "/mirror/second", "127.0.0.1:0"
			c.Links[0].Ownership.ZooKeeper.Peer = second.Peer
			link := c.Links[0]
			link.Name, link.Topics.Include, link.Ownership.ZooKeeper = "second", []string{"imps"}, &second
			c.Links = append(c.Links, link)
		},
		"static":         func(c *Config) { c.Links[0].Ownership = Ownership{} },
		"plain over TLS": func(c *Config) { c.Clusters["region"].SASL.Mechanism = MechanismPlain },
		"plain, when told so": func(c *Config) {
			c.Clusters["edge"] = Cluster{Brokers: []string{"a:1"}, SASL: &SASL{MechanismPlain, "u", "p", true}}
		},
		"watched": func(c *Config) {
			c.Watchers = map[string]time.Duration{"prometheus": time.Minute, "sensu": time.Second, "lb": time.Hour, "deadman": time.Hour}
			c.Deadman = Deadman{URL: "https://hc.example/ping/secret", Method: "POST", Interval: MinDeadmanInterval}
		},
		"discovery": func(c *Config) {
			c.Discovery = &Discovery{Cluster: "edge", Headroom: 60, Recover: 60, Peers: []string{"ad-2:9464"}}
		},
		"a cluster unused": func(c *Config) { c.Clusters["home"] = Cluster{Brokers: []string{"home:9092"}} },
	} {
		cfg := valid()
		change(cfg)
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateReports(t *testing.T) {
	type change = func(*Config, *Link, *ZooKeeper)
	sasl := func(f func(*SASL)) change {
		return func(c *Config, _ *Link, _ *ZooKeeper) { f(c.Clusters["region"].SASL) }
	}
	brokers := func(list ...string) change {
		return func(c *Config, _ *Link, _ *ZooKeeper) { c.Clusters["edge"] = Cluster{Brokers: list} }
	}
	for _, test := range []struct {
		want   string
		change change
	}{
		{"instance: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Instance = "a b" }},
		{"zone: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Zone = strings.Repeat("z", 101) }},
		{"listen: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Listen = "9464" }},
		{"listen: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Listen = "" }},
		{"listen: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Listen = ":70000" }},
		{"memory: 1MiB is too little", func(c *Config, _ *Link, _ *ZooKeeper) { c.Memory = MiB }},
		{"status_token: has 15 bytes", func(c *Config, _ *Link, _ *ZooKeeper) { c.StatusToken = "0123456789abcde" }},
		{"state_dir: has 91 bytes", func(c *Config, _ *Link, _ *ZooKeeper) { c.StateDir = "/" + strings.Repeat("d", 90) }},
		{"log.level: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Log.Level = "loud" }},
		{"metrics.granularity: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Metrics.Granularity = "record" }},
		{"metrics.max_topics: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Metrics.MaxTopics = 0 }},
		{"log.format: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Log.Format = "xml" }},
		{`clusters["a b"]: `, func(c *Config, _ *Link, _ *ZooKeeper) { c.Clusters["a b"] = Cluster{Brokers: []string{"h:1"}} }},
		{"clusters.edge.brokers: names no address", brokers()},
		{"clusters.edge.brokers[0]: \"PLAINTEXT://a:1\" has a scheme", brokers("PLAINTEXT://a:1")},
		{"clusters.edge.brokers[0]: ", brokers("a")},
		{"clusters.edge.brokers[0]: ", brokers(":1")},
		{"clusters.edge.brokers[0]: ", brokers("a:0")},
		{"clusters.edge.brokers[0]: ", brokers("a:01")},
		{"clusters.edge.brokers[0]: ", brokers("a b:1")},
		{"clusters.edge.brokers[0]: ", brokers("a:1,b:1")},
		{"clusters.edge.brokers[1]: \"A:1\" is listed twice", brokers("a:1", "A:1")},
		{"clusters.region.tls: cert and key", func(c *Config, _ *Link, _ *ZooKeeper) { c.Clusters["region"].TLS.Cert = "x" }},
		{"clusters.region.sasl.mechanism: ", sasl(func(s *SASL) { s.Mechanism = "scram-sha-512" })},
		{"clusters.region.sasl.mechanism: is missing", sasl(func(s *SASL) { s.Mechanism = "" })},
		{"clusters.region.sasl.username: ", sasl(func(s *SASL) { s.Username = "" })},
		{"clusters.region.sasl.password: ", sasl(func(s *SASL) { s.Password = "" })},
		{"clusters.edge.sasl.mechanism: PLAIN without tls", func(c *Config, _ *Link, _ *ZooKeeper) {
			c.Clusters["edge"] = Cluster{Brokers: []string{"a:1"}, SASL: &SASL{MechanismPlain, "u", "p", false}}
		}},
		{`watchers.promethus: "promethus" is not known; did you mean prometheus?`, func(c *Config, _ *Link, _ *ZooKeeper) {
			c.Watchers = map[string]time.Duration{"promethus": time.Minute}
		}},
		{"watchers.sensu: 0s is no silence", func(c *Config, _ *Link, _ *ZooKeeper) { c.Watchers = map[string]time.Duration{"sensu": 0} }},
		{"watchers.deadman: nothing is pinged", func(c *Config, _ *Link, _ *ZooKeeper) { c.Watchers = map[string]time.Duration{"deadman": time.Minute} }},
		{"deadman.url: is no URL that begins with http:// or https:// and names a host", func(c *Config, _ *Link, _ *ZooKeeper) { c.Deadman.URL = "ftp://secret" }},
		{"deadman.method: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Deadman.Method = "PUT" }},
		{"deadman.interval: 1s is less than 5s", func(c *Config, _ *Link, _ *ZooKeeper) { c.Deadman.Interval = time.Second }},
		{`discovery.cluster: there is no cluster "egde"; did you mean edge?`, func(c *Config, _ *Link, _ *ZooKeeper) { c.Discovery = &Discovery{Cluster: "egde"} }},
		{"discovery.headroom: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Discovery = &Discovery{Headroom: 101, Recover: 101} }},
		{"discovery.recover: 20% is below headroom (25%)", func(c *Config, _ *Link, _ *ZooKeeper) { c.Discovery = &Discovery{Headroom: 25, Recover: 20} }},
		{"discovery.peers[0]: ", func(c *Config, _ *Link, _ *ZooKeeper) { c.Discovery = &Discovery{Peers: []string{"ad-2"}} }},
		{"links: names no link", func(c *Config, _ *Link, _ *ZooKeeper) { c.Links = nil }},
		{"links[0].name: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Name = "a/b" }},
		{"links[1].name: \"up\" is the name of links[0] too", func(c *Config, l *Link, _ *ZooKeeper) { c.Links = append(c.Links, *l) }},
		{"links[1].ownership.zookeeper.root: ", func(c *Config, l *Link, _ *ZooKeeper) {
			c.Links = append(c.Links, *l)
			c.Links[1].Name = "up2"
		}},
		{"links[0].from: is missing", func(_ *Config, l *Link, _ *ZooKeeper) { l.From = "" }},
		{"links[0].to: there is no cluster \"regoin\"; did you mean region?", func(_ *Config, l *Link, _ *ZooKeeper) { l.To = "regoin" }},
		{"links[0].to: is the cluster the link comes from", func(_ *Config, l *Link, _ *ZooKeeper) { l.To = "edge" }},
		{"links[0].to: edge and region have a broker in common", brokers("127.0.0.1:9092", "REGION-1:9093")},
		{"links[0].topics.include: names no topic", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.Include = nil }},
		{"links[0].topics.include[0]: \"/(/\" is not a regular expression", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.Include[0] = "/(/" }},
		{"links[0].topics.include[0]: \"__offsets\" names internal", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.Include[0] = "__offsets" }},
		{"links[0].topics.exclude[0]: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.Exclude = []string{"[a]"} }},
		{"links[0].topics.rename: \"{topics}\" has the unknown placeholder \"{topics}\"; did you mean {topic}?", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.Rename = "{topics}" }},
		{"links[0].topics.rename: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.Rename = "a/{topic}" }},
		{"links[0].topics.rename: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.Rename = "" }},
		{"links[0].topics.rename: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.Rename = "__{topic}" }},
		{"links[0].topics.rename: \"all\" would make several topics one", func(_ *Config, l *Link, _ *ZooKeeper) {
			l.Topics.Rename, l.Topics.Include = "all", []string{"a*"}
		}},
		{"links[0].topics.replication_factor: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.ReplicationFactor = -1 }},
		{"links[0].topics.replication_factor: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.ReplicationFactor = 40000 }},
		{`links[0].topics.config_sync[0]: "cleanup.policy" is not kept equal: compaction`, func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.ConfigSync = []string{"cleanup.policy"} }},
		{`links[0].topics.config_sync[0]: "min.insync.replicas" is not kept equal`, func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.ConfigSync = []string{"min.insync.replicas"} }},
		{`links[0].topics.config_sync[0]: "unclean.leader.election.enable" is not kept equal`, func(_ *Config, l *Link, _ *ZooKeeper) {
			l.Topics.ConfigSync = []string{"unclean.leader.election.enable"}
		}},
		{`links[0].topics.config_sync[0]: "message.timestamp.type" is not kept equal`, func(_ *Config, l *Link, _ *ZooKeeper) {
			l.Topics.ConfigSync = []string{"message.timestamp.type"}
		}},
		{`links[0].topics.config_sync[0]: "compression.type" is not kept equal`, func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.ConfigSync = []string{"compression.type"} }},
		{`links[0].topics.config_sync[1]: "segment.ms" is there twice`, func(_ *Config, l *Link, _ *ZooKeeper) {
			l.Topics.ConfigSync = []string{"segment.ms", "segment.ms"}
		}},
		{`links[0].topics.config_sync[0]: "retention.mss" is not one of the settings that can be kept equal, which are delete.retention.ms`, func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.ConfigSync = []string{"retention.mss"} }},
		{"links[0].topics.config_sync[0]: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Topics.ConfigSync = []string{"a=b"} }},
		{"links[0].partitions: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Partitions = "round" }},
		{"links[0].start: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Start = "now" }},
		{"links[0].compression: \"ztsd\" is not known; did you mean zstd?", func(_ *Config, l *Link, _ *ZooKeeper) { l.Compression = "ztsd" }},
		{"links[0].guarantee: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Guarantee = "best-effort" }},
		{"links[0].rate: 20B per second is below 1KiB", func(_ *Config, l *Link, _ *ZooKeeper) { l.Rate = 20 }},
		{"links[0].rate: -1 is negative", func(_ *Config, l *Link, _ *ZooKeeper) { l.Rate = -1 }},
		{"links[0].retention.warn: ", func(_ *Config, l *Link, _ *ZooKeeper) { l.Retention.Warn = Percent(math.NaN()) }},
		{"links[0].retention.critical: 60% is above warn (50%)", func(_ *Config, l *Link, _ *ZooKeeper) { l.Retention.Critical = 60 }},
		{"links[0].ownership.zookeeper.servers: ", func(_ *Config, _ *Link, z *ZooKeeper) { z.Servers = nil }},
		{"links[0].ownership.zookeeper.root: ", func(_ *Config, _ *Link, z *ZooKeeper) { z.Root = "mirror" }},
		{"links[0].ownership.zookeeper.root: ", func(_ *Config, _ *Link, z *ZooKeeper) { z.Root = "/" }},
		{"links[0].ownership.zookeeper.root: ", func(_ *Config, _ *Link, z *ZooKeeper) { z.Root = "/a/../b" }},
		{"links[0].ownership.zookeeper.root: /zookeeper belongs", func(_ *Config, _ *Link, z *ZooKeeper) { z.Root = "/zookeeper/x" }},
		{"links[0].ownership.zookeeper.session_timeout: 500ms is not between", func(_ *Config, _ *Link, z *ZooKeeper) { z.SessionTimeout = 500 * time.Millisecond }},
		{"links[0].ownership.zookeeper.session_timeout: ", func(_ *Config, _ *Link, z *ZooKeeper) { z.SessionTimeout = time.Hour }},
		{"links[0].ownership.zookeeper.peer: ", func(_ *Config, _ *Link, z *ZooKeeper) { z.Peer = ":9465" }},
		{"links[0].ownership.zookeeper.peer: \"0.0.0.0:9465\" is no address that others", func(_ *Config, _ *Link, z *ZooKeeper) { z.Peer = "0.0.0.0:9465" }},
		{"links[0].ownership.zookeeper.peer: \"[::]:1\" is no address that others", func(_ *Config, _ *Link, z *ZooKeeper) { z.Peer = "[::]:1" }},
		{"links[0].ownership.zookeeper.peer: \"h:70000\" has no port", func(_ *Config, _ *Link, z *ZooKeeper) { z.Peer = "h:70000" }},
		{"links[1].ownership.zookeeper.peer: \"H:1\" is the address of links[0] too", func(c *Config, l *Link, z *ZooKeeper) {
			second := *z
			z.Peer, second.Peer, second.Root = "h:1", "H:1", "/mirror/second"
			c.Links = append(c.Links, *l)
			c.Links[1].Name, c.Links[1].Ownership.ZooKeeper = "up2", &second
		}},
		{"links[0].ownership.zookeeper.capacity: 0 is not above 0", func(_ *Config, _ *Link, z *ZooKeeper) { z.Capacity = 0 }},
		{"links[0].ownership.zookeeper.capacity: 1000.5 is not above 0", func(_ *Config, _ *Link, z *ZooKeeper) { z.Capacity = 1000.5 }},
		{"links[0].ownership.zookeeper.capacity: NaN", func(_ *Config, _ *Link, z *ZooKeeper) { z.Capacity = math.NaN() }},
		{"links[0].ownership.zookeeper.auth.username: \"\" is no user", func(_ *Config, _ *Link, z *ZooKeeper) { z.Auth.Username = "" }},
		{"links[0].ownership.zookeeper.auth.username: \"a:b\" is no user", func(_ *Config, _ *Link, z *ZooKeeper) { z.Auth.Username = "a:b" }},
		{"links[0].ownership.zookeeper.auth.password: is missing", func(_ *Config, _ *Link, z *ZooKeeper) { z.Auth.Password = "" }},
		{"links[0].ownership.zookeeper.tls: cert and key", func(_ *Config, _ *Link, z *ZooKeeper) { z.TLS.Key = "x" }},
		{"links[0].ownership.zookeeper.peer_tls.ca: is missing", func(_ *Config, _ *Link, z *ZooKeeper) { z.PeerTLS.CA = "" }},
		{"links[0].ownership.zookeeper.peer_tls.cert: is missing", func(_ *Config, _ *Link, z *ZooKeeper) { z.PeerTLS.Cert = "" }},
		{"links[0].ownership.zookeeper.peer_tls.key: is missing", func(_ *Config, _ *Link, z *ZooKeeper) { z.PeerTLS.Key = "" }},
	} {
		cfg := valid()
		test.change(cfg, &cfg.Links[0], cfg.Links[0].Ownership.ZooKeeper)
		err := cfg.Validate()
		if problems, ok := errors.AsType[*Problems](err); !ok || !strings.HasPrefix(problems.Error(), test.want) {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

// topology builds a configuration from "name: from -> to include... [as rename]".
func topology(t *testing.T, lines ...string) *Config {
	t.Helper()
	cfg := Default()
	cfg.Clusters = map[string]Cluster{}
	for i, line := range lines {
		link := DefaultLink()
		link.Name = fmt.Sprintf("l%d", i)
		words := strings.Fields(line)
		link.From, link.To = words[0], words[2]
		for _, word := range words[3:] {
			if rename, ok := strings.CutPrefix(word, "as:"); ok {
				link.Topics.Rename = rename
			} else if exclude, ok := strings.CutPrefix(word, "not:"); ok {
				link.Topics.Exclude = append(link.Topics.Exclude, exclude)
			} else {
				link.Topics.Include = append(link.Topics.Include, word)
			}
		}
		for _, name := range []string{link.From, link.To} {
			cfg.Clusters[name] = Cluster{Brokers: []string{name + ":9092"}}
		}
		cfg.Links = append(cfg.Links, link)
	}
	return cfg
}

func TestRoutes(t *testing.T) {
	for _, test := range []struct {
		name  string
		links []string
		want  string // "" for sound
	}{
		{"one way", []string{"edge -> region *", "region -> home *"}, ""},
		{"two ways, other topics", []string{"edge -> region events.*", "region -> edge config.*"}, ""},
		{"fan-in", []string{"edge1 -> region *", "edge2 -> region *"}, ""},
		{"fan-out", []string{"a -> b *", "a -> c *"}, ""},
		{"same topic under two names", []string{"a -> b x as:{link}.{topic}", "a -> b x"}, ""},
		{"echo under a name that goes no further", []string{"a -> b events.*", "b -> a events.* as:echo.{topic}"}, ""},
		{"back, but not what came", []string{"a -> b * as:a.{topic} not:b.*", "b -> a * as:b.{topic} not:a.*"}, ""},
		{"there and back", []string{"a -> b *", "b -> a *"}, "links[1]: closes a loop"},
		{"there and back of a literal", []string{"a -> b clicks", "b -> a cl*"}, "closes a loop"},
		{"there and back of crossing globs", []string{"a -> b ev*", "b -> a *nts"}, "closes a loop"},
		{"there and back of expressions", []string{"a -> b /ev(ents|x)[0-9]{2}/", "b -> a /ev.*/"}, "closes a loop"},
		{"for ever longer names", []string{"a -> b * as:{from}.{topic}", "b -> a * as:{from}.{topic}"}, "closes a loop"},
		{"a ring of three", []string{"a -> b x", "b -> c x", "c -> a x"}, "closes a loop"},
		{"a ring further on", []string{"a -> b x", "b -> c x", "c -> b x"}, "closes a loop"},
		{"twice the same", []string{"a -> b clicks", "a -> b cl*"}, "links[1]: doubles records"},
		{"a short cut", []string{"edge -> region *", "region -> home *", "edge -> home *"}, "doubles records"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := topology(t, test.links...).Validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestRoutesSeeOneClusterUnderTwoNames(t *testing.T) {
	cfg := topology(t, "a -> b x", "b2 -> a x")
	cfg.Clusters["b2"] = Cluster{Brokers: []string{"other:9092", "B:9092"}}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "closes a loop") {
		t.Errorf("got %v, want a loop", err)
	}
}
