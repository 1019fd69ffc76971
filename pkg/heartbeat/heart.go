package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/pkg/kafka"
	"tributary/pkg/lag"
)

// Config says what is written and read.
type Config struct {
	Instance string                                      // of this process: the origin of what it writes
	StateDir string                                      // where a reader keeps what it heard; this process's alone
	Topic    string                                      // the same at all clusters
	Interval time.Duration                               // from one heartbeat of this process to the next, above 0
	Latency  func(cluster string, latency time.Duration) // is told of every heartbeat that is read as it comes; from any goroutine
}

// Heart writes the heartbeats of one process and reads those of all. Create with New. Safe for concurrent use.
type Heart struct {
	writers []*writer
	readers []*reader
}

// New returns a heart that is not running. It writes into the clusters of produce and reads those of read; it takes up what
// was saved in the state directory, and touches no network. snapshots returns the newest snapshot of this process, nil
// before the first.
func New(cfg Config, produce, read []*kafka.Cluster, snapshots func() *lag.Snapshot, log *slog.Logger) *Heart {
	h := &Heart{}
	for _, c := range produce {
		h.writers = append(h.writers, newWriter(cfg, c, snapshots, log))
	}
	for _, c := range read {
		h.readers = append(h.readers, newReader(cfg, c, log))
	}
	return h
}

// Run writes and reads until ctx ends. What fails is tried again for ever; it returns nil. Call it once.
func (h *Heart) Run(ctx context.Context) error {
	var g errgroup.Group
	for _, w := range h.writers {
		g.Go(func() error { return w.run(ctx) })
	}
	for _, r := range h.readers {
		g.Go(func() error { return r.run(ctx) })
	}
	return g.Wait()
}

// Status returns what is known at a moment: all origins by name, nil where nothing is read, and how writing and reading go.
// It answers from memory.
func (h *Heart) Status(now time.Time) ([]lag.Heartbeat, []lag.HeartbeatCluster) {
	var clusters []lag.HeartbeatCluster
	var heard [][]lag.Heartbeat
	for _, w := range h.writers {
		clusters = append(clusters, w.status())
	}
	for _, r := range h.readers {
		c, origins := r.status(now)
		clusters, heard = append(clusters, c), append(heard, origins)
	}
	if len(heard) == 0 {
		return nil, clusters
	}
	return merge(heard), clusters
}

// ErrUnknown says that nothing was heard of an origin.
var ErrUnknown = errors.New("no such origin")

// Forget drops an origin: it is expected no more, until it is heard again. The error is ErrUnknown.
func (h *Heart) Forget(origin string) error {
	known := false
	for _, r := range h.readers {
		known = r.forget(origin) || known
	}
	if !known {
		return fmt.Errorf("forget origin %q: %w; see: mirror heartbeat", origin, ErrUnknown)
	}
	return nil
}
