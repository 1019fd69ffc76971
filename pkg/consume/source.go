// Package consume is the source's side of a link: lanes that fetch from each broker and hand the batches to pipelines, and
// the positions kept in the source's consumer group. It never decides from where to read; pipelines do.
package consume

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// Source implements mirror.Source for one cluster.
type Source struct {
	*catalog.Watcher
	group
	cluster *kafka.Cluster
	log     *slog.Logger
	budget  *mirror.Budget
	router  *catalog.Router[*entry]

	mu      sync.RWMutex
	entries map[*mirror.Pipeline]*entry // guarded by mu
	lanes   atomic.Int32
}

// NewSource returns a source that fetches once Run is called. Responses live in buffers of budget.
func NewSource(cluster *kafka.Cluster, watcher *catalog.Watcher, budget *mirror.Budget, log *slog.Logger) *Source {
	s := &Source{Watcher: watcher, group: group{cluster, watcher}, cluster: cluster, log: log.With("cluster", cluster.Name()),
		budget: budget, entries: map[*mirror.Pipeline]*entry{}}
	s.router = catalog.NewRouter(watcher, s.newLane, func(e *entry) mirror.TopicPartition { return e.tp })
	return s
}

// Run drives the lanes until ctx ends; it returns nil when all of them have ended.
func (s *Source) Run(ctx context.Context) error {
	s.router.Run(ctx)
	return nil
}

func (s *Source) newLane(broker int32) catalog.Lane[*entry] {
	s.lanes.Add(1)
	return newLane(s, broker)
}

// Attach implements mirror.Source.
func (s *Source) Attach(p *mirror.Pipeline) {
	s.mu.Lock()
	e := s.entries[p]
	if e == nil {
		e = &entry{p: p, tp: p.Source()}
		s.entries[p] = e
	}
	s.mu.Unlock()
	s.router.Place(e)
}

// Detach implements mirror.Source.
func (s *Source) Detach(p *mirror.Pipeline) {
	s.mu.Lock()
	e := s.entries[p]
	delete(s.entries, p)
	s.mu.Unlock()
	if e == nil {
		return
	}
	s.router.Remove(e)
	e.taking.Lock() // the lane may be at it at this moment
	e.gone = true
	e.taking.Unlock()
}

// Wake implements mirror.Source.
func (s *Source) Wake(p *mirror.Pipeline) {
	s.mu.RLock()
	e := s.entries[p]
	s.mu.RUnlock()
	if e == nil {
		return
	}
	if l := e.lane.Load(); l != nil {
		signal(l.hot.wake)
	}
}

// responseBytes is how much one fetch may bring. The budget is shared by all lanes, and a lane keeps about three
// responses under way.
func (s *Source) responseBytes() int {
	return int(min(maxResponseBytes, max(minResponseBytes, s.budget.Total()/int64(3*max(1, s.lanes.Load())))))
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
