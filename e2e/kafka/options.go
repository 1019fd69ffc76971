package kafka

import "fmt"

// Options says what cluster to start. The zero value is one node of the newest version.
type Options struct {
	// Version is the release to run; empty means Kafka43.
	Version Version

	// Nodes is the number of brokers, 1 to 9; zero means 1. In KRaft mode each is broker and controller. From three
	// on, replication factors of internal topics are 3 and min.insync.replicas is 2.
	Nodes int

	// Properties are server properties for every node, on top of the ones for fast tests; they win over those.
	// The listeners are named DIRECT, PROXIED (with Proxy) and CONTROLLER (KRaft), for security settings such as
	// listener.security.protocol.map; DIRECT must stay plaintext, because inter-broker traffic and the helpers of
	// Cluster use it.
	Properties map[string]string

	// HeapMB is the heap limit of each node in MiB; zero means 384.
	HeapMB int

	// JVMArgs replaces the flags that make a JVM start fast (C1 compiler only, serial collector). A benchmark sets
	// the flags of a production broker here; an empty but non-nil slice means the defaults of the JVM.
	JVMArgs []string

	// Proxy puts a Proxy in front of each broker, and lets the brokers advertise its address.
	Proxy bool

	// Lanes is the number of further listeners of each broker, 0 to 9, each behind a proxy of its own. A client that
	// starts at the addresses of one lane keeps to it: so one can be cut off while the others are not.
	Lanes int

	// ProxyHost is the name under which brokers advertise their proxies, for tests of name lookup; empty means their
	// address.
	ProxyHost string

	// Dir is the directory for configuration, data and logs; it must be empty or absent, and stays after Stop. Empty
	// means a temporary directory that Stop removes.
	Dir string

	// ZooKeeper is the ensemble that Kafka28 uses; nil means one server of its own. KRaft versions ignore it.
	ZooKeeper *ZooKeeper
}

const (
	maxNodes      = 9
	maxLanes      = 9
	defaultHeapMB = 384
)

func (o Options) withDefaults() (Options, error) {
	if o.Version == "" {
		o.Version = Kafka43
	}
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.HeapMB == 0 {
		o.HeapMB = defaultHeapMB
	}
	switch o.Version {
	case Kafka43, Kafka39, Kafka28:
	default:
		return o, fmt.Errorf("version %q is not one of %v", o.Version, Versions())
	}
	if o.Nodes < 0 || o.Nodes > maxNodes {
		return o, fmt.Errorf("nodes: %d is not in 1 to %d", o.Nodes, maxNodes)
	}
	if o.Lanes < 0 || o.Lanes > maxLanes {
		return o, fmt.Errorf("lanes: %d is not in 0 to %d", o.Lanes, maxLanes)
	}
	if o.HeapMB < 0 {
		return o, fmt.Errorf("heap: %d MiB is negative", o.HeapMB)
	}
	return o, nil
}
