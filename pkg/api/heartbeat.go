package api

import "time"

// States of an origin of heartbeats, from bad to good.
const (
	HeartbeatSilent  = "silent"
	HeartbeatUnknown = "unknown" // nothing can be heard here, so that its silence says nothing
	HeartbeatWarn    = "warn"
	HeartbeatOK      = "ok"
)

// Sides of a cluster of heartbeats.
const (
	SideProduce = "produce"
	SideRead    = "read"
)

// Heartbeat is one origin of heartbeats in the status.
type Heartbeat struct {
	Origin          string            `json:"origin"`
	State           string            `json:"state"`
	Why             string            `json:"why"`             // "" when all is well
	Time            time.Time         `json:"time"`            // when the newest was written
	Heard           time.Time         `json:"heard"`           // when it was read here
	Sequence        int64             `json:"sequence"`        // from 0 with each start of the origin
	Lost            int64             `json:"lost"`            // acknowledged to the origin, and never read here
	Missing         int64             `json:"missing"`         // overtaken by later ones; lost unless they come within two minutes
	LatencySeconds  *float64          `json:"latency_seconds"` // of the newest that was read as it came
	IntervalSeconds float64           `json:"interval_seconds"`
	Summary         *HeartbeatSummary `json:"summary"` // what the origin said of itself with the newest
}

// HeartbeatSummary is what an origin says of itself.
type HeartbeatSummary struct {
	Version      string     `json:"version"`
	State        string     `json:"state"` // the worst of the origin's links
	LagSeconds   *float64   `json:"lag_seconds"`
	LossDeadline *time.Time `json:"loss_deadline"`
	DiskFullAt   *time.Time `json:"disk_full_at"`
	Eligible     *bool      `json:"eligible"`
	NotOK        int        `json:"not_ok"` // partitions that are neither copied nor caught up
}

// HeartbeatCluster is how the writing or reading of heartbeats at one cluster goes.
type HeartbeatCluster struct {
	Cluster string     `json:"cluster"`
	Topic   string     `json:"topic"`
	Side    string     `json:"side"`
	Success *time.Time `json:"success"` // of the newest acknowledged write, or read
	Current *bool      `json:"current"` // of read: all that there was has been read lately
	Ignored *int64     `json:"ignored"` // of read: records that are no heartbeat, or of an origin too many
	Problem string     `json:"problem"`
}
