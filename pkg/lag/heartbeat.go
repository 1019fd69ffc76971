package lag

import (
	"time"

	"tributary/pkg/mirror"
)

// HeartbeatState says how an origin of heartbeats fares, as seen from here.
type HeartbeatState string

// States of an origin, from bad to good. An origin is silent when nothing of it was heard for six of its intervals; when
// that may be because nothing can be heard here, it is unknown.
const (
	HeartbeatSilent  HeartbeatState = "silent"
	HeartbeatUnknown HeartbeatState = "unknown"
	HeartbeatWarn    HeartbeatState = "warn" // it is heard, late or with bad news
	HeartbeatOK      HeartbeatState = "ok"
)

// Heartbeat is what is known of one origin: a mirror that writes heartbeats into its Kafka, which are mirrored to here.
type Heartbeat struct {
	Origin   string // the instance that writes them
	State    HeartbeatState
	Why      string         // "" when all is well
	Time     time.Time      // when the newest was written, by the origin's clock, but not later than when it was read
	Heard    time.Time      // when the newest was read here
	Sequence int64          // of the newest, from 0 with each start of the origin
	Lost     int64          // heartbeats that were acknowledged to the origin and did not come; never falls until it is forgotten
	Missing  int64          // heartbeats that later ones overtook; they count as lost when they do not come within two minutes
	Latency  *time.Duration // of the newest that was read when it arrived; nil before one was
	Interval time.Duration  // from one to the next, as the origin says
	Summary  *HeartbeatSummary
}

// HeartbeatSummary is what an origin said of itself last. Nil is unknown, as it was then. The deadline is a time: it comes
// nearer also when nothing more is heard.
type HeartbeatSummary struct {
	Version      string
	State        mirror.State // the worst of its links; "" without links
	Lag          *time.Duration
	LossDeadline *time.Time
	DiskFullAt   *time.Time
	Eligible     *bool // whether its host may take new traffic
	NotOK        int   // partitions that are neither copied nor caught up
}

// HeartbeatCluster is how the writing or reading of heartbeats at one cluster goes.
type HeartbeatCluster struct {
	Cluster string
	Topic   string
	Reads   bool       // else it is written
	Success *time.Time // of the newest write that was acknowledged, or of the newest read; nil before the first
	Current bool       // of a reading one: all that there was has been read lately
	Problem string     // why it does not work now, "" when it does
	Ignored int64      // of a reading one: records that are no heartbeat, or of an origin too many; since the process began
}
