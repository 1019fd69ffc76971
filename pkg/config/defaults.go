package config

import (
	"path/filepath"
	"strings"
	"time"
)

// MinMemory is the smallest memory budget that leaves room for fetching and sending at once.
const MinMemory = 8 * MiB

// DefaultListen is where a process listens, and where status looks for it, when nothing else was said.
const DefaultListen = "127.0.0.1:9464"

// Default returns what a file that says nothing means. Instance and StateDir stay empty: they depend on the host
// and are filled in by Parse. It has no clusters and no links, and so is not valid by itself.
func Default() *Config {
	return &Config{
		Listen:  DefaultListen,
		Memory:  64 * MiB,
		Log:     Log{Level: "info", Format: "auto"},
		Metrics: Metrics{Granularity: GranularityTopic, MaxTopics: 200},
		Deadman: Deadman{Method: "GET", Interval: time.Minute},
	}
}

// DefaultLink returns what a link that says nothing but its name, clusters and topics means.
func DefaultLink() Link {
	return Link{
		Topics:      Topics{Rename: "{topic}", Create: true},
		Partitions:  PartitionsSame,
		Start:       StartEarliest,
		Compression: CompressionSource,
		Guarantee:   ExactlyOnce,
		OnBadRecord: BadRecordHalts,
		Retention:   Retention{Warn: 50, Critical: 25},
	}
}

// DefaultZooKeeper returns what an ensemble that says nothing but its servers means. Root stays empty: it depends
// on the link and is filled in by Parse.
func DefaultZooKeeper() ZooKeeper {
	return ZooKeeper{SessionTimeout: 6 * time.Second, Capacity: 1, Evict: true}
}

// noStateDir says why there is no default.
const noStateDir = "there is neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME to derive it from; set it"

// defaulter is a type whose fields do not all begin at their zero value.
type defaulter interface{ setDefaults() }

func (l *Link) setDefaults()      { *l = DefaultLink() }
func (z *ZooKeeper) setDefaults() { *z = DefaultZooKeeper() }

// fillIn sets what a file left to the host it is used on.
func (c *Config) fillIn(env Env) []Problem {
	var problems []Problem
	if c.Instance == "" {
		name, err := env.Hostname()
		if err != nil || name == "" {
			problems = append(problems, Problem{Key: "instance", Text: "the host has no name to use; set it"})
		}
		c.Instance = name
	}
	if c.StateDir == "" {
		c.StateDir = defaultStateDir(env)
		if c.StateDir == "" {
			problems = append(problems, Problem{Key: "state_dir",
				Text: noStateDir})
		}
	}
	if c.Discovery != nil && c.Discovery.Cluster == "" && len(c.Links) > 0 {
		c.Discovery.Cluster = c.Links[0].From
	}
	for i := range c.Links {
		if zk := c.Links[i].Ownership.ZooKeeper; zk != nil && zk.Root == "" {
			zk.Root = "/mirror/" + c.Links[i].Name
		}
	}
	return problems
}

// defaultStateDir is the first directory systemd made for the service, else the user's, else "".
func defaultStateDir(env Env) string {
	if dirs, _ := env.Lookup("STATE_DIRECTORY"); dirs != "" {
		first, _, _ := strings.Cut(dirs, ":")
		return first
	}
	if dir, _ := env.Lookup("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "mirror")
	}
	if home, _ := env.Lookup("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "mirror")
	}
	return ""
}
