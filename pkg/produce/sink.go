// Package produce is the destination's side of a link: one lane per broker that takes sealed batches from pipelines and
// brings the broker's answers back, the scan of a partition's tail by which a pipeline joins a lane, and the
// destination's topics. It decides nothing about sequences; mirror/protocol does.
package produce

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

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
	rows    atomic.Uint64 // numbers requests

	mu      sync.RWMutex
	entries map[*mirror.Pipeline]*entry     // guarded by mu
	slots   map[mirror.TopicPartition]*slot // guarded by mu; kept, as there are no more than destination partitions
	lanes   []*lane                         // guarded by mu
}

// NewSink returns a sink that sends once Run is called.
func NewSink(cluster *kafka.Cluster, watcher *catalog.Watcher, log *slog.Logger) *Sink {
	s := &Sink{Watcher: watcher, admin: admin{cluster, watcher}, cluster: cluster, log: log.With("cluster", cluster.Name()),
		entries: map[*mirror.Pipeline]*entry{}, slots: map[mirror.TopicPartition]*slot{}}
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
		e = &entry{p: p, dest: p.Dest(), slot: s.slots[p.Dest()]}
		if e.slot == nil {
			e.slot = &slot{}
			s.slots[e.dest] = e.slot
		}
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
	for {
		l := e.lane.Load()
		if l == nil {
			return // it is looked at when it has joined a lane
		}
		l.ready(e)
		if e.lane.Load() == l {
			return
		}
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
