package catalog

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/pkg/mirror"
)

// Lane carries the partitions that one broker leads. Add and Remove do not block; Run ends with ctx.
type Lane[P comparable] interface {
	Add(p P)
	Remove(p P)
	Run(ctx context.Context)
}

// Router keeps every partition at the lane of the broker that leads it, and runs the lanes. Safe for concurrent use.
type Router[P comparable] struct {
	watcher *Watcher
	newLane func(broker int32) Lane[P]
	name    func(P) mirror.TopicPartition
	wake    chan struct{} // holds one: look at fresh

	mu       sync.Mutex
	lanes    map[int32]Lane[P] // guarded by mu, by broker id
	fresh    []Lane[P]         // guarded by mu: not running yet
	at       map[P]int32       // guarded by mu: the broker whose lane has the partition
	homeless map[P]bool        // guarded by mu: without a leader at the moment
}

// NewRouter returns a router without partitions. name tells which partition of the cluster a P is.
func NewRouter[P comparable](w *Watcher, newLane func(broker int32) Lane[P], name func(P) mirror.TopicPartition) *Router[P] {
	return &Router[P]{watcher: w, newLane: newLane, name: name, wake: make(chan struct{}, 1),
		lanes: map[int32]Lane[P]{}, at: map[P]int32{}, homeless: map[P]bool{}}
}

// Run drives the lanes until ctx ends; it returns when all of them have ended.
func (r *Router[P]) Run(ctx context.Context) {
	var g errgroup.Group
	for ctx.Err() == nil {
		_, changed, _ := r.watcher.Catalog()
		for _, lane := range r.settle() {
			g.Go(func() error { lane.Run(ctx); return nil })
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-r.wake:
		}
	}
	_ = g.Wait() // its functions return nil
}

// settle finds lanes for the homeless and returns those lanes that are not running yet.
func (r *Router[P]) settle() []Lane[P] {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.homeless {
		r.place(p)
	}
	fresh := r.fresh
	r.fresh = nil
	return fresh
}

// Place gives p to the lane of its leader; a p that has a lane is added to it again.
func (r *Router[P]) Place(p P) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if broker, ok := r.at[p]; ok {
		r.lanes[broker].Add(p)
		return
	}
	r.place(p)
}

func (r *Router[P]) place(p P) {
	tp := r.name(p)
	leader, _, ok := r.watcher.Leader(tp.Topic, tp.Partition)
	if !ok {
		r.homeless[p] = true
		return
	}
	delete(r.homeless, p)
	lane := r.lanes[leader.Broker]
	if lane == nil {
		lane = r.newLane(leader.Broker)
		r.lanes[leader.Broker] = lane
		r.fresh = append(r.fresh, lane)
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	r.at[p] = leader.Broker
	lane.Add(p)
}

// Remove takes p from its lane.
func (r *Router[P]) Remove(p P) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.homeless, p)
	if broker, ok := r.at[p]; ok {
		delete(r.at, p)
		r.lanes[broker].Remove(p)
	}
}

// Follow moves p to another lane when its leader has changed, and says whether it did. A lane calls it for partitions of
// its own, while it holds no lock that Add or Remove takes.
func (r *Router[P]) Follow(p P) (moved bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	broker, ok := r.at[p]
	if !ok {
		return false
	}
	tp := r.name(p)
	leader, _, known := r.watcher.Leader(tp.Topic, tp.Partition)
	if known && leader.Broker == broker {
		return false
	}
	r.lanes[broker].Remove(p)
	delete(r.at, p)
	r.place(p)
	return true
}

// Pause waits for d. Meanwhile, as often as more is known of the cluster, members that have another leader by now move to
// its lane. It returns false when ctx ended.
func (r *Router[P]) Pause(ctx context.Context, d time.Duration, members func() []P) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		_, changed, _ := r.watcher.Catalog()
		for _, p := range members() {
			r.Follow(p)
		}
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-changed:
		}
	}
}
