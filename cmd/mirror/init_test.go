package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

// TestInitWritesWhatWasAsked: what it writes is loaded, and says what the flags say.
func TestInitWritesWhatWasAsked(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		want func(c *config.Config) // changes to what every one of the tier has
	}{
		{"edge", []string{"--tier", "edge", "--from", "localhost:9092", "--to", "r-1:9093,r-2:9093", "--topics", `events.*,/clicks\.\d+/`, "--exclude", "events.debug"},
			func(c *config.Config) {
				c.Clusters = map[string]config.Cluster{"edge": {Brokers: []string{"localhost:9092"}}, "region": {Brokers: []string{"r-1:9093", "r-2:9093"}}}
				c.Links[0].Topics.Include, c.Links[0].Topics.Exclude = []string{"events.*", `/clicks\.\d+/`, "mirror.heartbeats"}, []string{"events.debug"}
			}},
		{"edge with TLS", []string{"--tier", "edge", "--from", "localhost:9092", "--to", "r-1:9093", "--to-ca", "/etc/ca.pem", "--topics", "*"},
			func(c *config.Config) {
				c.Clusters = map[string]config.Cluster{"edge": {Brokers: []string{"localhost:9092"}}, "region": {Brokers: []string{"r-1:9093"}, TLS: &config.TLS{CA: "/etc/ca.pem"}}}
				c.Links[0].Topics.Include = []string{"*"}
			}},
		{"edge that renames", []string{"--tier", "edge", "--from", "localhost:9092", "--to", "r-1:9093", "--topics", "clicks", "--rename", "{from}.{topic}"},
			func(c *config.Config) {
				c.Clusters = map[string]config.Cluster{"edge": {Brokers: []string{"localhost:9092"}}, "region": {Brokers: []string{"r-1:9093"}}}
				c.Links[0].Topics.Include, c.Links[0].Topics.Rename = []string{"clicks"}, "{from}.{topic}"
				c.Heartbeat = nil
			}},
		{"region", []string{"--tier", "region", "--from", "r-1:9093", "--to", "h-1:9093", "--from-ca", "a.pem", "--topics", "clicks"},
			func(c *config.Config) {
				c.Clusters = map[string]config.Cluster{"region": {Brokers: []string{"r-1:9093"}, TLS: &config.TLS{CA: "a.pem"}}, "home": {Brokers: []string{"h-1:9093"}}}
				c.Links[0].Topics.Include = []string{"clicks", "mirror.heartbeats"}
			}},
		{"region that renames, in a pool", []string{"--tier", "region", "--from", "r-1:9093", "--to", "h-1:9093", "--topics", "*", "--rename", "eu.{topic}", "--zookeeper", "zk-1:2181,zk-2:2181"},
			func(c *config.Config) {
				c.Clusters = map[string]config.Cluster{"region": {Brokers: []string{"r-1:9093"}}, "home": {Brokers: []string{"h-1:9093"}}}
				c.Links = append(c.Links, c.Links[0])
				c.Links[0].Topics.Include, c.Links[0].Topics.Rename = []string{"*"}, "eu.{topic}"
				c.Links[1].Name, c.Links[1].Topics.Include = "region-home-heartbeats", []string{"mirror.heartbeats"}
				for i := range c.Links {
					zk := config.DefaultZooKeeper()
					zk.Servers, zk.Root = []string{"zk-1:2181", "zk-2:2181"}, "/mirror/"+c.Links[i].Name
					c.Links[i].Ownership.ZooKeeper = &zk
				}
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mirror.yaml")
			if got := mirror(t, append([]string{"init", "-c", path}, test.args...)...); got.code != exitOK || !strings.Contains(got.out, "next: mirror validate -c "+path) {
				t.Fatalf("exit %d, %s%s", got.code, got.out, got.stderr)
			}
			got, err := config.Load(path, app.Supported)
			if err != nil {
				t.Fatal(err)
			}
			if got := mirror(t, "validate", "-c", path); got.code != exitOK {
				t.Errorf("validate: exit %d, %s", got.code, got.out)
			}
			want := ofTier(config.Tier(test.args[1]))
			want.Instance, want.StateDir = got.Instance, got.StateDir // of the host
			test.want(want)
			if changes := config.Diff(want, got); len(changes) > 0 {
				t.Errorf("what is loaded differs from what was asked: %v", changes)
			}
			if len(got.Links) != len(want.Links) || !reflect.DeepEqual(got.Heartbeat, want.Heartbeat) {
				t.Errorf("got %d links, heartbeats %+v", len(got.Links), got.Heartbeat)
			}
		})
	}
}

// ofTier is what every configuration of a tier has.
func ofTier(tier config.Tier) *config.Config {
	c := config.Default()
	link := config.DefaultLink()
	beat := config.DefaultHeartbeat()
	c.Heartbeat = &beat
	link.Name, link.From, link.To = "edge-region", "edge", "region"
	link.Partitions, link.Compression = config.PartitionsSpread, config.CompressionZstd
	beat.Produce = []string{"edge"}
	if tier == config.TierRegion {
		link.Name, link.From, link.To = "region-home", "region", "home"
		link.Partitions, link.Compression = config.PartitionsSame, config.CompressionSource
		c.Listen, c.Memory = "0.0.0.0:9464", 256*config.MiB
		beat.Produce, beat.Read = []string{"region"}, []string{"region"}
	} else {
		d := config.DefaultDiscovery()
		d.Cluster = "edge"
		c.Discovery = &d
	}
	c.Links = []config.Link{link}
	return c
}

func TestInitRefuses(t *testing.T) {
	there := write(t, goodConfig)
	asked := []string{"--tier", "edge", "--from", "localhost:9092", "--to", "r-1:9093", "--topics", "clicks"}
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a file that is there", append([]string{"-c", there}, asked...), exitFailure, "is there already and was left as it is; replace it with --force"},
		{"no directory", append([]string{"-c", filepath.Join(t.TempDir(), "none", "m.yaml")}, asked...), exitFailure, "name another file with --config"},
		{"no tier", []string{"--from", "a:1", "--to", "b:1", "--topics", "x"}, exitUsage, `required flag(s) "tier" not set`},
		{"an unknown tier", []string{"--tier", "regoin", "--from", "a:1", "--to", "b:1", "--topics", "x"}, exitUsage, "did you mean region?"},
		{"no port", []string{"--tier", "edge", "--from", "a", "--to", "b:1", "--topics", "x"}, exitUsage, "clusters.edge.brokers"},
		{"one cluster", []string{"--tier", "edge", "--from", "a:1", "--to", "a:1", "--topics", "x"}, exitUsage, "nothing was written; correct the flags"},
		{"a bad pattern", []string{"--tier", "edge", "--from", "a:1", "--to", "b:1", "--topics", "/(/"}, exitUsage, "topics.include"},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"init", "-c", filepath.Join(t.TempDir(), "mirror.yaml")}, test.args...)
			if got := mirror(t, args...); got.code != test.code || !strings.Contains(got.stderr, test.want) || got.out != "" {
				t.Errorf("exit %d, want %d; stdout %q, stderr %q, want %q", got.code, test.code, got.out, got.stderr, test.want)
			}
		})
	}
	if text, err := os.ReadFile(there); err != nil || string(text) != goodConfig {
		t.Errorf("a file that was there says %q now, %v", text, err)
	}
	if got := mirror(t, append([]string{"init", "-c", there, "--force"}, asked...)...); got.code != exitOK {
		t.Errorf("--force: exit %d, %s", got.code, got.stderr)
	}
	if text, err := os.ReadFile(there); err != nil || !strings.Contains(string(text), "edge-region") {
		t.Errorf("with --force it says %q, %v", text, err)
	}
	if left, err := filepath.Glob(there + "*"); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if got := mirror(t, append([]string{"init", "-c", there, "--stdout"}, asked...)...); got.code != exitOK || !strings.HasPrefix(got.out, "# The mirror of an edge host") {
		t.Errorf("--stdout: exit %d, %s", got.code, got.out)
	}
}
