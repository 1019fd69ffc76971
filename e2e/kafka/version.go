package kafka

// Version names one release that can be provisioned; the profile of pom.xml carries the same name.
type Version string

// The pinned releases. Kafka43 and Kafka39 run in KRaft mode, Kafka28 on ZooKeeper.
const (
	Kafka43 Version = "kafka-4.3.1"
	Kafka39 Version = "kafka-3.9.2"
	Kafka28 Version = "kafka-2.8.2"

	zooKeeper39 Version = "zookeeper-3.9.5"
)

// Versions returns the Kafka releases, newest first, for tests that run on each of them.
func Versions() []Version { return []Version{Kafka43, Kafka39, Kafka28} }

func (v Version) usesZooKeeper() bool { return v == Kafka28 }
