package config

// Partitioning says which destination partition a record goes to.
type Partitioning string

// The ways to choose a destination partition.
const (
	// PartitionsSame copies source partition p to destination partition p.
	PartitionsSame Partitioning = "same"
	// PartitionsSpread keeps each source partition whole and places it by a hash of link and topic.
	PartitionsSpread Partitioning = "spread"
	// PartitionsKey places each record by the Java client's hash of its key.
	PartitionsKey Partitioning = "key"
)

// Start says where a partition without a position begins.
type Start string

// The places to begin at.
const (
	StartEarliest Start = "earliest"
	StartLatest   Start = "latest"
)

// Compression is what the destination's batches are compressed with.
type Compression string

// The ways to compress. CompressionSource keeps what the source has.
const (
	CompressionSource Compression = "source"
	CompressionZstd   Compression = "zstd"
	CompressionLZ4    Compression = "lz4"
	CompressionSnappy Compression = "snappy"
	CompressionGzip   Compression = "gzip"
)

// Guarantee is what a link promises about duplicates.
type Guarantee string

// The guarantees. Neither loses a record.
const (
	ExactlyOnce Guarantee = "exactly-once"
	AtLeastOnce Guarantee = "at-least-once"
)

// The names of SASL mechanisms.
const (
	MechanismPlain       = "PLAIN"
	MechanismScramSHA256 = "SCRAM-SHA-256"
	MechanismScramSHA512 = "SCRAM-SHA-512"
)

// The granularities of metrics.
const (
	GranularityTopic     = "topic"
	GranularityPartition = "partition"
)

// OnBadRecord is what becomes of a record that cannot be copied: because the source has damaged it, or because the
// destination refuses it for good.
type OnBadRecord string

// The treatments of bad records.
const (
	BadRecordHalts OnBadRecord = "halt" // its partition stops before it until an operator decides
	BadRecordParks OnBadRecord = "park" // it is put into the topic mirror.parked at the destination, and passed
)
