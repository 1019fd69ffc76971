// Package catalog keeps what is known of one cluster's topics and leaders current: it asks every few seconds, and at once
// when a lane finds that a leader has moved. It never decides what is mirrored.
package catalog

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

const (
	refreshEvery   = 5 * time.Second // new topics and partitions are seen within that
	refreshTimeout = 15 * time.Second
	refreshPause   = 50 * time.Millisecond // at least that between two answers
)

// Leader is the broker that leads a partition.
type Leader struct {
	Broker  int32
	Address string
	Epoch   int32 // leader epoch, -1 when unknown
}

// Watcher knows a cluster's newest metadata. Safe for concurrent use.
type Watcher struct {
	cluster *kafka.Cluster
	log     *slog.Logger
	ask     chan struct{} // holds one: ask now

	mu       sync.Mutex
	metadata *kafka.Metadata
	topics   *mirror.Catalog
	err      error
	changed  chan struct{} // closed when metadata or err changes
	asked    time.Time     // when what is known was asked for
	answered time.Time
}

// NewWatcher returns a watcher that knows nothing yet.
func NewWatcher(cluster *kafka.Cluster, log *slog.Logger) *Watcher {
	return &Watcher{cluster: cluster, log: log.With("cluster", cluster.Name()), ask: make(chan struct{}, 1), changed: make(chan struct{})}
}

// Run asks until ctx ends; it returns nil.
func (w *Watcher) Run(ctx context.Context) error {
	var backoff kafka.Backoff
	for {
		err := w.refresh(ctx)
		wait := time.After(refreshEvery)
		pause := refreshPause
		if err != nil {
			pause = backoff.Next()
			wait = time.After(pause)
		} else {
			backoff.Reset()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.ask:
		case <-wait:
		}
	}
}

func (w *Watcher) refresh(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	asked := time.Now()
	md, err := w.cluster.Metadata(bounded)
	if ctx.Err() != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if (err == nil) != (w.err == nil) {
		if err != nil {
			w.log.Warn("cluster cannot be asked", "err", err)
		} else {
			w.log.Info("cluster answers again")
		}
	}
	before := w.err
	w.err = err
	if err != nil {
		if before == nil {
			w.signal()
		}
		return err
	}
	w.asked, w.answered = asked, time.Now()
	if before == nil && w.metadata != nil && reflect.DeepEqual(md, w.metadata) {
		return nil
	}
	w.metadata, w.topics = md, topicsOf(md)
	w.signal()
	return nil
}

func (w *Watcher) signal() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func topicsOf(md *kafka.Metadata) *mirror.Catalog {
	c := &mirror.Catalog{Cluster: md.ClusterID, Topics: make(map[string]mirror.TopicInfo, len(md.Topics))}
	for name, t := range md.Topics {
		if t.Err != nil {
			continue // being created or deleted; the next answer tells
		}
		c.Topics[name] = mirror.TopicInfo{ID: t.ID.String(), Partitions: len(t.Partitions)}
	}
	return c
}

// Refresh asks again soon. It does not block.
func (w *Watcher) Refresh() {
	select {
	case w.ask <- struct{}{}:
	default:
	}
}

// Catalog implements mirror.Cataloguer.
func (w *Watcher) Catalog() (*mirror.Catalog, <-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.topics, w.changed, w.err
}

// Answered is when the cluster answered last; zero when it never did.
func (w *Watcher) Answered() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answered
}

// Asked is when what is known was asked for; zero when nothing is known. It was true at that time or later.
func (w *Watcher) Asked() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// Leader returns the leader of a partition and the topic's id; ok is false while there is none.
func (w *Watcher) Leader(topic string, partition int32) (l Leader, id kafka.TopicID, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.metadata == nil {
		return l, id, false
	}
	t, known := w.metadata.Topics[topic]
	if !known || int(partition) >= len(t.Partitions) {
		return l, id, false
	}
	p := t.Partitions[partition]
	address, alive := w.metadata.Brokers[p.Leader]
	return Leader{p.Leader, address, p.LeaderEpoch}, t.ID, alive
}
