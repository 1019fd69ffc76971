package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"gopkg.in/yaml.v3"

	"tributary/e2e/kafka"
)

// settings is the configuration file of one mirror, as far as tests vary it.
type settings struct {
	Instance string                     `yaml:"instance"`
	Zone     string                     `yaml:"zone,omitempty"`
	Listen   string                     `yaml:"listen"`
	Memory   string                     `yaml:"memory,omitempty"`
	StateDir string                     `yaml:"state_dir"`
	Log      logSettings                `yaml:"log"`
	Clusters map[string]clusterSettings `yaml:"clusters"`
	Links    []linkSettings             `yaml:"links"`

	Watchers map[string]string `yaml:"watchers,omitempty"`
	Deadman  *deadmanSettings  `yaml:"deadman,omitempty"`

	Heartbeat *heartbeatSettings `yaml:"heartbeat,omitempty"`
}

type heartbeatSettings struct {
	Produce  []string `yaml:"produce,omitempty"`
	Read     []string `yaml:"read,omitempty"`
	Interval string   `yaml:"interval,omitempty"`
}

type deadmanSettings struct {
	URL      string `yaml:"url"`
	Interval string `yaml:"interval"`
}

type logSettings struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

type clusterSettings struct {
	Brokers []string      `yaml:"brokers"`
	TLS     *tlsSettings  `yaml:"tls,omitempty"`
	SASL    *saslSettings `yaml:"sasl,omitempty"`
}

type tlsSettings struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert,omitempty"`
	Key  string `yaml:"key,omitempty"`
}

type saslSettings struct {
	Mechanism string `yaml:"mechanism"`
	Username  string `yaml:"username"`
	Password  string `yaml:"password"`
}

type linkSettings struct {
	Name        string             `yaml:"name"`
	From        string             `yaml:"from"`
	To          string             `yaml:"to"`
	Topics      topicSettings      `yaml:"topics"`
	Partitions  string             `yaml:"partitions,omitempty"`
	Compression string             `yaml:"compression,omitempty"`
	Guarantee   string             `yaml:"guarantee,omitempty"`
	OnBadRecord string             `yaml:"on_bad_record,omitempty"`
	Start       string             `yaml:"start,omitempty"`
	Rate        string             `yaml:"rate,omitempty"`
	Ownership   *ownershipSettings `yaml:"ownership,omitempty"`
}

type ownershipSettings struct {
	ZooKeeper *zooKeeperSettings `yaml:"zookeeper"`
}

type zooKeeperSettings struct {
	Servers        []string `yaml:"servers"`
	Root           string   `yaml:"root,omitempty"`
	SessionTimeout string   `yaml:"session_timeout,omitempty"`
	Peer           string   `yaml:"peer,omitempty"`
	Evict          *bool    `yaml:"evict,omitempty"`
}

type topicSettings struct {
	Include           []string `yaml:"include"`
	Exclude           []string `yaml:"exclude,omitempty"`
	Rename            string   `yaml:"rename,omitempty"`
	Create            *bool    `yaml:"create,omitempty"`
	ReplicationFactor int      `yaml:"replication_factor,omitempty"`
	ConfigSync        []string `yaml:"config_sync,omitempty"`
}

// The names of the two clusters of a link between them.
const (
	fromName = "from"
	toName   = "to"
)

// between returns the settings of a mirror with one link of that name, which copies topics from one cluster to another.
// A new host fills in what is its own.
func between(link string, from, to *kafka.Cluster, topics ...string) settings {
	return settings{
		Instance: link,
		Listen:   "127.0.0.1:0",
		Log:      logSettings{Level: "info", Format: "json"},
		Clusters: map[string]clusterSettings{
			fromName: {Brokers: from.Brokers()},
			toName:   {Brokers: to.Brokers()},
		},
		Links: []linkSettings{{Name: link, From: fromName, To: toName, Topics: topicSettings{Include: topics}}},
	}
}

// link returns the only link, to be changed.
func (s *settings) link() *linkSettings { return &s.Links[0] }

// group returns the source group that holds the positions of the only link.
func (s *settings) group() string { return "mirror." + s.Links[0].Name }

// write puts the settings into a file of dir and returns its path.
func (s *settings) write(t *testing.T, dir string) string {
	t.Helper()
	text, err := yaml.Marshal(s)
	must(t, err)
	path := filepath.Join(dir, "mirror.yaml")
	must(t, os.WriteFile(path, text, 0o600))
	return path
}
