package app

import (
	"tributary/pkg/config"
	"tributary/pkg/heartbeat"
	"tributary/pkg/kafka"
	"tributary/pkg/lag"
	"tributary/pkg/status"
)

// beat makes the process write and read heartbeats, if it is to, and shows what it hears.
func (p *process) beat(cfg *config.Config, observed *lag.Config, served *status.Config) {
	h := cfg.Heartbeat
	if h == nil {
		return
	}
	named := func(names []string) (clusters []*kafka.Cluster) {
		for _, name := range names {
			clusters = append(clusters, p.clusters[name])
		}
		return clusters
	}
	c := heartbeat.Config{Instance: cfg.Instance, StateDir: cfg.StateDir, Topic: h.Topic, Interval: h.Interval}
	if len(h.Read) > 0 {
		served.HeartbeatLatency = status.NewHeartbeatLatency(h.Read...)
		c.Latency = served.HeartbeatLatency.Observe
	}
	snapshot := func() *lag.Snapshot { return p.observer.Snapshot() } // the observer is made later
	p.heart = heartbeat.New(c, named(h.Produce), named(h.Read), snapshot, p.log)
	observed.Heartbeats = p.heart.Status
	if len(h.Read) > 0 {
		served.Heartbeats = p.heart
	}
}
