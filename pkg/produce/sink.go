// Package produce is the destination's side of a link: one lane per broker that takes sealed batches from pipelines and
// brings the broker's answers back, the scan of a partition's tail by which a pipeline joins a lane, and the
// destination's topics. It decides nothing about sequences; mirror/protocol does.
package produce

import (
	"context"
	"log/slog"
	"sync"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// Sink implements mirror.Sink for one cluster.
type Sink struct {
	*catalog.Watcher
	admin
	cluster *kafka.Cluster
	log     *slog.Logger
	router  *catalog.Router[*entry]

	mu      sync.RWMutex
	entries map[*mirror.Pipeline]*entry // guarded by mu
	lanes   []*lane                     // guarded by mu
}

// NewSink returns a sink that sends once Run is called.
func NewSink(cluster *kafka.Cluster, watcher *catalog.Watcher, log *slog.Logger) *Sink {
	s := &Sink{Watcher: watcher, admin: admin{cluster, watcher}, cluster: cluster, log: log.With("cluster", cluster.Name()),
		entries: map[*mirror.Pipeline]*entry{}}
	s.router = catalog.NewRouter(watcher, s.newLane, func(e *entry) mirror.TopicPartition { return e.dest })
	return s
}

// Run drives the lanes until ctx ends; it returns nil when all of them have ended.
func (s *Sink) Run(ctx context.Context) error {
	s.router.Run(ctx)
	return nil
}

func (s *Sink) newLane(broker int32) catalog.Lane[*entry] {
	l := newLane(s, broker)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes = append(s.lanes, l)
	return l
}

// Attach implements mirror.Sink.
func (s *Sink) Attach(p *mirror.Pipeline) {
	s.mu.Lock()
	e := s.entries[p]
	if e == nil {
		e = &entry{p: p, dest: p.Dest()}
		s.entries[p] = e
	}
	s.mu.Unlock()
	s.router.Place(e)
}

// Detach implements mirror.Sink.
func (s *Sink) Detach(p *mirror.Pipeline) {
	s.mu.Lock()
	e := s.entries[p]
	delete(s.entries, p)
	s.mu.Unlock()
	if e != nil {
		s.router.Remove(e)
	}
}

// Ready implements mirror.Sink.
func (s *Sink) Ready(p *mirror.Pipeline) {
	s.mu.RLock()
	e := s.entries[p]
	s.mu.RUnlock()
	if e == nil {
		return
	}
	if l := e.lane.Load(); l != nil {
		l.ready(e)
	}
}

// Kick implements mirror.Sink.
func (s *Sink) Kick() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, l := range s.lanes {
		l.kick()
	}
}
