package status

import (
	"cmp"
	"slices"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/lag"
)

func newHeartbeats(s *lag.Snapshot) []api.Heartbeat {
	reports := []api.Heartbeat{}
	for _, h := range s.Heartbeats {
		r := api.Heartbeat{Origin: h.Origin, State: string(h.State), Why: h.Why, Time: h.Time, Heard: h.Heard, Sequence: h.Sequence, Lost: h.Lost, Missing: h.Missing,
			LatencySeconds: durationSeconds(h.Latency), IntervalSeconds: h.Interval.Seconds()}
		if said := h.Summary; said != nil {
			r.Summary = &api.HeartbeatSummary{Version: said.Version, State: string(said.State), LagSeconds: durationSeconds(said.Lag), LossDeadline: said.LossDeadline,
				DiskFullAt: said.DiskFullAt, Eligible: said.Eligible, NotOK: said.NotOK}
		}
		reports = append(reports, r)
	}
	return reports
}

func newHeartbeatClusters(s *lag.Snapshot) []api.HeartbeatCluster {
	reports := []api.HeartbeatCluster{}
	for _, c := range s.HeartbeatClusters {
		r := api.HeartbeatCluster{Cluster: c.Cluster, Topic: c.Topic, Side: heartbeatSide(c), Success: c.Success, Problem: c.Problem}
		if c.Reads {
			r.Current, r.Ignored = &c.Current, &c.Ignored
		}
		reports = append(reports, r)
	}
	return reports
}

func heartbeatSide(c lag.HeartbeatCluster) string {
	if c.Reads {
		return api.SideRead
	}
	return api.SideProduce
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
