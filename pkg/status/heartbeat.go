package status

import (
	"cmp"
	"slices"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// heartbeatReport is one origin of heartbeats in the answer of /api/v1/status.
type heartbeatReport struct {
	Origin          string             `json:"origin"`
	State           lag.HeartbeatState `json:"state"`           // silent, unknown, warn, ok
	Why             string             `json:"why"`             // "" when all is well
	Time            time.Time          `json:"time"`            // when the newest was written
	Heard           time.Time          `json:"heard"`           // when it was read here
	Sequence        int64              `json:"sequence"`        // from 0 with each start of the origin
	Lost            int64              `json:"lost"`            // acknowledged to the origin, and never read here
	Missing         int64              `json:"missing"`         // overtaken by later ones; lost unless they come within two minutes
	LatencySeconds  *float64           `json:"latency_seconds"` // of the newest that was read as it came
	IntervalSeconds float64            `json:"interval_seconds"`
	Summary         *summaryReport     `json:"summary"` // what the origin said of itself with the newest
}

type summaryReport struct {
	Version      string       `json:"version"`
	State        mirror.State `json:"state"` // the worst of the origin's links
	LagSeconds   *float64     `json:"lag_seconds"`
	LossDeadline *time.Time   `json:"loss_deadline"`
	DiskFullAt   *time.Time   `json:"disk_full_at"`
	Eligible     *bool        `json:"eligible"`
	NotOK        int          `json:"not_ok"` // partitions that are neither copied nor caught up
}

// heartbeatClusterReport is how the writing or reading at one cluster goes.
type heartbeatClusterReport struct {
	Cluster string     `json:"cluster"`
	Topic   string     `json:"topic"`
	Side    string     `json:"side"`    // produce, read
	Success *time.Time `json:"success"` // of the newest acknowledged write, or read
	Current *bool      `json:"current"` // of read: all that there was has been read lately
	Ignored *int64     `json:"ignored"` // of read: records that are no heartbeat, or of an origin too many
	Problem string     `json:"problem"`
}

func newHeartbeatReports(s *lag.Snapshot) []heartbeatReport {
	reports := []heartbeatReport{}
	for _, h := range s.Heartbeats {
		r := heartbeatReport{Origin: h.Origin, State: h.State, Why: h.Why, Time: h.Time, Heard: h.Heard, Sequence: h.Sequence, Lost: h.Lost, Missing: h.Missing,
			LatencySeconds: durationSeconds(h.Latency), IntervalSeconds: h.Interval.Seconds()}
		if said := h.Summary; said != nil {
			r.Summary = &summaryReport{Version: said.Version, State: said.State, LagSeconds: durationSeconds(said.Lag), LossDeadline: said.LossDeadline,
				DiskFullAt: said.DiskFullAt, Eligible: said.Eligible, NotOK: said.NotOK}
		}
		reports = append(reports, r)
	}
	return reports
}

func newHeartbeatClusterReports(s *lag.Snapshot) []heartbeatClusterReport {
	reports := []heartbeatClusterReport{}
	for _, c := range s.HeartbeatClusters {
		r := heartbeatClusterReport{Cluster: c.Cluster, Topic: c.Topic, Side: heartbeatSide(c), Success: c.Success, Problem: c.Problem}
		if c.Reads {
			r.Current, r.Ignored = &c.Current, &c.Ignored
		}
		reports = append(reports, r)
	}
	return reports
}

func heartbeatSide(c lag.HeartbeatCluster) string {
	if c.Reads {
		return "read"
	}
	return "produce"
}

func durationSeconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	return new(d.Seconds())
}

// worstHeartbeats returns the origins in the order in which they need somebody: by state, then by how soon they lose
// something, then by how long ago they were written.
func worstHeartbeats(all []lag.Heartbeat) []lag.Heartbeat {
	states := []lag.HeartbeatState{lag.HeartbeatSilent, lag.HeartbeatUnknown, lag.HeartbeatWarn, lag.HeartbeatOK}
	return slices.SortedStableFunc(slices.Values(all), func(a, b lag.Heartbeat) int {
		return cmp.Or(cmp.Compare(slices.Index(states, a.State), slices.Index(states, b.State)), sooner(lossDeadline(a), lossDeadline(b)), a.Time.Compare(b.Time))
	})
}

func lossDeadline(h lag.Heartbeat) *time.Time {
	if h.Summary == nil {
		return nil
	}
	return h.Summary.LossDeadline
}

// sooner compares times of which an unknown one is the last.
func sooner(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}
