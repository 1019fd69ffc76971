package app

import (
	"time"

	"tributary/pkg/config"
	"tributary/pkg/deadman"
	"tributary/pkg/eligible"
	"tributary/pkg/status"
)

// watch wires those who watch this process, and the service that misses it.
func (p *process) watch(cfg *config.Config, served *status.Config) {
	p.heard = status.NewWatchers(cfg.Watchers)
	served.Watchers = p.heard
	p.eligible = eligible.New(p.eligibility(cfg), p.log)
	served.Eligible = p.eligible
	if cfg.Deadman.URL == "" {
		return
	}
	p.deadman = deadman.New(deadman.Config{URL: string(cfg.Deadman.URL), Method: cfg.Deadman.Method, Interval: cfg.Deadman.Interval,
		Healthy:  func() error { return deadman.Healthy(p.observer.Snapshot(), time.Now()) },
		Accepted: func() { p.heard.Heard(status.WatcherDeadman) }}, p.log)
}

// eligibility is what decides whether the host may take new traffic.
func (p *process) eligibility(cfg *config.Config) eligible.Settings {
	s := eligible.Settings{Dir: cfg.StateDir, Snapshots: p.observer.Snapshot, Events: p.journal}
	if d := cfg.Discovery; d != nil {
		s.Peers = d.Peers
		s.Rules = &eligible.Config{Cluster: d.Cluster, DiskFull: d.DiskFull, Headroom: float64(d.Headroom) / 100, Recover: float64(d.Recover) / 100,
			ExtendedOutage: d.ExtendedOutage, Dwell: d.Dwell}
	}
	return s
}
