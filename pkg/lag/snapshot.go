package lag

import (
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// Snapshot is one moment of a process. It is not changed after it was published, so that readers share it. A nil
// number or time is unknown.
type Snapshot struct {
	Time        time.Time // when it was taken, with the monotonic clock: age it with time.Since
	Instance    string
	Zone        string // "" unknown
	Version     string
	BudgetTotal int64  // bytes for records on their way
	BudgetUsed  *int64 // bytes of it taken now
	Eligible    *bool  // whether the host may take new traffic
	Links       []Link // in the order of the configuration

	Heartbeats        []Heartbeat        // of all origins that were heard of, by name; nil where none are read
	HeartbeatClusters []HeartbeatCluster // in the order of the configuration; those that are written come first
}

// Link is one moment of a link.
type Link struct {
	Name, From, To string
	AtLeastOnce    bool
	Parks          bool         // records that cannot be copied are put aside
	State          mirror.State // the worst of the topics; at least waiting with a Problem; starting without topics
	Running        bool         // its loops were seen at work; says nothing about reaching a cluster
	Problem        string       // why topics are not known or not all started, "" when all is well
	SaveProblem    string       // why positions are not saved, "" when they are
	Rate           *int64       // bytes per second to the destination; nil: no limit
	Flow           mirror.Flow  // errors and waits on its way, since the process started
	LastSave       *time.Time   // when positions were saved, or found to need no saving, last
	PausedUntil    *time.Time   // nil when it is not paused as a whole
	Pool           *pool.View   // nil where this process has all topics of the link
	Probe          Probe        // how its clusters answer beside the copy path
	Disks          []Disk       // of the source's brokers, in order of broker and directory; empty while unknown
	Retention      Retention    // thresholds of the headroom
	Topics         []Topic      // in order of name; in a pool with those that others mirror, or nobody
}

// Topic is one moment of a source topic.
type Topic struct {
	Topic, Dest string
	Owner       string       // the instance that mirrors it; with commas where several share it, "" nobody or unknown
	Zone        string       // of the owner, "" unknown
	Standby     string       // the instance that takes it when the owner dies; "" none
	Term        int64        // grows with every owner, the newest of all parts; 0 outside of a pool
	OwnedSince  *time.Time   // when the term began
	Away        bool         // another member has all of it, or nobody, or nobody knows: nothing of it is known here
	State       mirror.State // the worst of the partitions; at least waiting with a Problem
	Problem     string       // why partitions are missing, "" when none are

	PausedUntil *time.Time // nil when it is not paused, by itself or with the link
	Speed       *float64   // seconds that the watermark moves per second, over the last minute; nil where that is unknown

	LagRecords *int64 // offsets, so an upper bound of records; unknown when one partition's is
	SourceEnd  *int64 // sum of the partitions' end offsets
	Acked      *int64 // sum of the partitions' ends of the acknowledged prefix

	// ReplicatedThrough is the watermark: all that reached the source up to then is durable at the destination. It
	// stands still while nothing is known, and is nil only until it is known for the first time.
	ReplicatedThrough *time.Time
	LastAck           *time.Time

	// TombstoneDeadline is when the source may first remove a tombstone that is not mirrored; nil when that is unknown or
	// the source is not compacted.
	TombstoneDeadline *time.Time
	Warning           string // what an operator should know although records flow, "" when there is nothing

	Outlook // what is known of the time until something is lost

	Counters   mirror.Counters             // sums over the partitions
	Lost       map[mirror.Cause]int64      // records found lost since this process took the topic, an upper bound; never falls
	Skipped    map[mirror.SkipReason]int64 // records passed over since this process took the topic; never falls
	Partitions []Partition                 // in order of number
}

// Partition is one moment of a source partition.
type Partition struct {
	Partition int32
	State     mirror.State
	Cause     mirror.Cause // why it is halted, else ""
	Why       string
	Blame     *mirror.Blame // side and kind of the error that Why tells of; nil where nobody knows, or it tells of none
	Loss      *mirror.Loss  // what it cannot deliver, nil unless it is halted with a loss
	Fresh     bool          // the regime: fresh, else careful

	Next              *int64 // end of the acknowledged prefix
	Committed         *int64 // as saved in the group
	SourceEnd         *int64 // the last stable offset; where the copy path does not know it, the high watermark as probed
	HeldBack          *int64 // offsets behind SourceEnd that wait for the end of a transaction
	Lag               *int64 // offsets
	ReplicatedThrough *time.Time
	LossDeadline      *time.Time // the earliest; see Outlook
	InFlight          int        // batches
	QueuedBytes       int
}
