package app

import (
	"time"

	"tributary/pkg/config"
	"tributary/pkg/deadman"
	"tributary/pkg/status"
)

// watch wires those who watch this process, and the service that misses it.
func (p *process) watch(cfg *config.Config, served *status.Config) {
	p.heard = status.NewWatchers(cfg.Watchers)
	served.Watchers = p.heard
	if cfg.Deadman.URL == "" {
		return
	}
	p.deadman = deadman.New(deadman.Config{URL: string(cfg.Deadman.URL), Method: cfg.Deadman.Method, Interval: cfg.Deadman.Interval,
		Healthy:  func() error { return deadman.Healthy(p.observer.Snapshot(), time.Now()) },
		Accepted: func() { p.heard.Heard(status.WatcherDeadman) }}, p.log)
}
