// Package config reads the YAML file that says what one mirror process does. It is strict: every problem of a
// file is found in one pass and reported with its line and key, and nothing is guessed. It opens no connection
// and checks no certificate; whether a cluster can be reached is for others to find out.
package config

import "time"

// Config is everything one mirror process is told. Start from Default, or use Load or Parse, which also fill in
// what depends on the host (Instance, StateDir).
type Config struct {
	// Instance names this process in status, metrics and the pool. Empty in a file: the host name.
	// Letters, digits, '.', '_' and '-'.
	Instance string `yaml:"instance"`
	// Zone is the availability zone of this instance. Empty: unknown. Same characters as Instance.
	Zone string `yaml:"zone"`
	// Listen is the host:port of metrics, health, the status page and the API. Port 0 takes a free one.
	Listen string `yaml:"listen"`
	// StatusToken lets who sends it change things through Listen. Empty: that takes the socket in StateDir.
	StatusToken Secret `yaml:"status_token"`
	// Memory is the budget for records on their way through this process. At least MinMemory.
	Memory Bytes `yaml:"memory"`
	// StateDir holds identities and events; it is made if missing. Empty in a file: systemd's StateDirectory,
	// else the user's state folder.
	StateDir string `yaml:"state_dir"`
	// Log says what is logged and how.
	Log Log `yaml:"log"`
	// Metrics says how many series /metrics may have.
	Metrics Metrics `yaml:"metrics"`
	// Clusters are the Kafka clusters by the name links use for them.
	Clusters map[string]Cluster `yaml:"clusters"`
	// Links are the copies to keep running. At least one, unless heartbeats are read.
	Links []Link `yaml:"links"`
	// Watchers are those who must be heard of, each at least once in so long: prometheus, sensu, lb, deadman.
	Watchers map[string]time.Duration `yaml:"watchers"`
	// Deadman is the service that raises an alarm when it is pinged no longer.
	Deadman Deadman `yaml:"deadman"`
	// Discovery is nil where nothing but an operator keeps this host from new traffic.
	Discovery *Discovery `yaml:"discovery"`
	// Heartbeat is nil where none are written and none are read.
	Heartbeat *Heartbeat `yaml:"heartbeat"`
}

// Log says what is logged and how.
type Log struct {
	// Level is the lowest level that is logged: debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is auto (text on a terminal, JSON elsewhere), text or json.
	Format string `yaml:"format"`
}

// Metrics says how many series /metrics may have. The API always has every topic and partition.
type Metrics struct {
	// Granularity is topic, or partition for a few series of each partition besides.
	Granularity string `yaml:"granularity"`
	// MaxTopics is how many topics of a link have series of their own; those beyond share one. 1 to 100,000.
	MaxTopics int `yaml:"max_topics"`
}

// Cluster is how to reach one Kafka cluster.
type Cluster struct {
	// Brokers are the host:port addresses to start from. At least one.
	Brokers []string `yaml:"brokers"`
	// TLS is nil for plain TCP.
	TLS *TLS `yaml:"tls"`
	// SASL is nil for no authentication.
	SASL *SASL `yaml:"sasl"`
}

// TLS says how to prove the identity of a broker or a ZooKeeper server and, with Cert and Key, our own. All four may be empty.
type TLS struct {
	// CA is a PEM file of the authorities to trust. Empty: those of the system.
	CA string `yaml:"ca"`
	// Cert and Key are PEM files of the client certificate. Both or none.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ServerName is the name the server's certificate must carry. Empty: the host of its address.
	ServerName string `yaml:"server_name"`
}

// SASL is how to log in to the brokers.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism string `yaml:"mechanism"`
	Username  string `yaml:"username"`
	Password  Secret `yaml:"password"`
	// AllowPlaintext permits PLAIN without TLS, which sends the password readably.
	AllowPlaintext bool `yaml:"allow_plaintext"`
}

// Link is one copy: topics of one cluster into another.
type Link struct {
	// Name identifies the link; the source group is "mirror." + Name. Letters, digits, '.', '_' and '-'.
	Name string `yaml:"name"`
	// From and To are names of clusters.
	From string `yaml:"from"`
	To   string `yaml:"to"`
	// Topics says which topics are copied and what they become.
	Topics Topics `yaml:"topics"`
	// Partitions says which destination partition a record goes to.
	Partitions Partitioning `yaml:"partitions"`
	// Start says where a partition without a position begins.
	Start Start `yaml:"start"`
	// Compression is what the destination's batches are compressed with.
	Compression Compression `yaml:"compression"`
	// Guarantee is what is promised about duplicates. Loss is excluded in either case.
	Guarantee Guarantee `yaml:"guarantee"`
	// OnBadRecord is what becomes of a record that cannot be copied.
	OnBadRecord OnBadRecord `yaml:"on_bad_record"`
	// Rate limits the bytes per second sent to the destination. 0: no limit.
	Rate Bytes `yaml:"rate"`
	// Retention are the headroom thresholds of status, checks and pool eligibility.
	Retention Retention `yaml:"retention"`
	// Ownership says how topics are shared among several processes. Its zero value is static: this process
	// mirrors every matching topic.
	Ownership Ownership `yaml:"ownership"`
}

// Topics says which topics of a link are copied and what they become. See Link.Filter for the patterns.
type Topics struct {
	// Include are the patterns of topics to copy. At least one.
	Include []string `yaml:"include"`
	// Exclude are the patterns of topics to leave out; it wins over Include.
	Exclude []string `yaml:"exclude"`
	// Rename is the destination's name with the placeholders {topic}, {from} and {link}.
	Rename string `yaml:"rename"`
	// Create lets the mirror create and grow destination topics.
	Create bool `yaml:"create"`
	// ReplicationFactor of created topics. 0: the destination's default.
	ReplicationFactor int `yaml:"replication_factor"`
	// ConfigSync are topic settings kept equal to the source's. Empty: none but cleanup.policy at creation.
	ConfigSync []string `yaml:"config_sync"`
}

// Retention are thresholds of the headroom: the share of the source's retention that is left before the oldest
// record that was not copied may be deleted.
type Retention struct {
	// Warn and Critical are between 0% and 100%; Critical is at most Warn.
	Warn     Percent `yaml:"warn"`
	Critical Percent `yaml:"critical"`
}

// Ownership says how topics are shared among several processes.
type Ownership struct {
	// ZooKeeper is nil for static ownership.
	ZooKeeper *ZooKeeper `yaml:"zookeeper"`
}

// ZooKeeper is the ensemble that a pool of mirrors shares the topics of a link through.
type ZooKeeper struct {
	// Servers are the host:port addresses of the ensemble. At least one.
	Servers []string `yaml:"servers"`
	// Root is the path of the pool's nodes. Empty in a file: /mirror/<link name>.
	Root string `yaml:"root"`
	// SessionTimeout is asked of the ensemble, which may clamp it: 1 s to 60 s.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// Peer is the host:port the other members reach this one at; it must lead to this process alone. Port 0 takes a free
	// one. Empty: the host name and a free port.
	Peer string `yaml:"peer"`
	// Capacity is this member's share of the load relative to that of the others: above 0, at most 1000.
	Capacity float64 `yaml:"capacity"`
	// Evict lets this member end the membership of one whose process is proven dead, instead of waiting for its session.
	Evict bool `yaml:"evict"`
	// Auth is nil for nodes that everybody may change. With it they are for those who have it, and for nobody else.
	Auth *Digest `yaml:"auth"`
	// TLS is nil for plain TCP to the ensemble.
	TLS *TLS `yaml:"tls"`
	// PeerTLS is nil for plain TCP between the members.
	PeerTLS *PeerTLS `yaml:"peer_tls"`
}

// Digest is how to log in to ZooKeeper. All members of a pool have the same.
type Digest struct {
	// Username has no colon.
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
}

// PeerTLS is mutual TLS between the members of a pool. All three are needed.
type PeerTLS struct {
	// CA is a PEM file of the authorities whose certificates make a member.
	CA string `yaml:"ca"`
	// Cert and Key are PEM files of this member's certificate, for server and client, with the host of Peer as its name.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}
