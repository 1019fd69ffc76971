package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/lag"
)

const (
	// writeTimeout bounds one heartbeat: later than that the next one says more.
	writeTimeout = 15 * time.Second
	// snapshotWait is how often the first snapshot is looked for.
	snapshotWait = 100 * time.Millisecond
	// newTopicPoll is how often a new topic is looked for.
	newTopicPoll = 100 * time.Millisecond
)

// target is the cluster that a writer writes into: a kafka.Cluster.
type target interface {
	Name() string
	Partitions(ctx context.Context, topic string) (int, error)
	CreateTopic(ctx context.Context, topic kafka.NewTopic) error
	TopicConfigs(ctx context.Context, topics []string, names ...string) (map[string]map[string]string, error)
	Append(ctx context.Context, topic string, partition int32, batch []byte) (offset int64, err error)
}

// writer writes the heartbeats of this process into one cluster.
//
// A sequence is taken by every record that may be in the log. One that was not acknowledged may be there or not, and the
// records that follow say so: it is not missed at the far end when it does not come, and no surprise when it does. What was
// acknowledged and does not come is a loss. A heartbeat that cannot be written is given up; the next one says more.
type writer struct {
	cfg       Config // set once
	cluster   target
	snapshots func() *lag.Snapshot
	log       *slog.Logger

	incarnation int64   // set once
	file        string  // path of what it keeps for its next incarnation
	former      *former // set once; nil when it is not known

	partitions int   // owned by run, as all that follows up to mu: of the topic; 0 while that is not known to be there
	next       int64 // sequence
	unsure     spans

	mu      sync.Mutex
	success *time.Time // guarded by mu
	problem string     // guarded by mu
}

func newWriter(cfg Config, cluster target, snapshots func() *lag.Snapshot, log *slog.Logger) *writer {
	w := &writer{cfg: cfg, cluster: cluster, snapshots: snapshots, incarnation: time.Now().UnixMilli(), file: writtenFile(cfg.StateDir, cluster.Name()),
		log: log.With("cluster", cluster.Name(), "topic", cfg.Topic)}
	w.recall()
	return w
}

// run writes until ctx ends.
func (w *writer) run(ctx context.Context) error {
	for w.snapshots() == nil {
		if !sleep(ctx, snapshotWait) {
			return nil
		}
	}
	disk := w.newSaver()
	tick := time.NewTicker(w.cfg.Interval)
	defer tick.Stop()
	for {
		next := w.next
		if w.beat(ctx); w.next != next {
			w.keep(disk)
		}
		select {
		case <-ctx.Done():
			if !disk.End(lastSave) {
				w.log.Warn("the disk of the state directory does not answer; how many heartbeats were written may not be saved")
			}
			return nil
		case <-tick.C: // one that came during a slow write is gone
		}
	}
}

// beat writes one heartbeat, and notes what came of it.
func (w *writer) beat(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := w.ready(bounded)
	if err == nil {
		err = w.write(bounded)
	}
	if ctx.Err() != nil {
		return // the process ends
	}
	w.mu.Lock()
	was := w.problem
	w.problem = ""
	if err != nil {
		w.problem = err.Error()
	} else {
		w.success = new(time.Now())
	}
	w.mu.Unlock()
	switch {
	case err != nil && was == "":
		w.log.Warn("heartbeats not written", "err", err)
	case err == nil && was != "":
		w.log.Info("heartbeats written again")
	}
}

// write appends the next record. It takes a sequence whatever the outcome.
func (w *writer) write(ctx context.Context) error {
	now := time.Now()
	r := Record{Origin: w.cfg.Instance, Cluster: w.cluster.Name(), Incarnation: w.incarnation, Sequence: w.next, Time: now, Interval: w.cfg.Interval, Unsure: w.unsure, Former: w.former,
		Summary: summarize(w.snapshots(), now)}
	value, err := r.encode()
	if err != nil {
		return err
	}
	w.next++
	record := batch.Record{Timestamp: now.UnixMilli(), Key: []byte(r.Origin), Value: value}
	if _, err = w.cluster.Append(ctx, w.cfg.Topic, partitionOf(r.Origin, w.partitions), batch.Build([]batch.Record{record})); err != nil {
		w.unsure = w.unsure.with(r.Sequence, maxSpans)
		w.partitions = 0 // while the cluster is out of reach the next ones fail before they take a sequence
	}
	return err
}

// ready sees that the topic is there, and makes it when it is not: of one partition, and for the rest as the broker makes
// topics, but never compacted, which would take away what came before.
func (w *writer) ready(ctx context.Context) error {
	if w.partitions > 0 {
		return nil
	}
	n, err := w.cluster.Partitions(ctx, w.cfg.Topic)
	if err != nil {
		return err
	}
	if n == 0 {
		topic := kafka.NewTopic{Name: w.cfg.Topic, Partitions: 1, Replication: -1, Configs: map[string]string{"cleanup.policy": "delete"}}
		if err := w.cluster.CreateTopic(ctx, topic); err != nil {
			return fmt.Errorf("%w; create topic %s at %s, with cleanup.policy=delete, or give this mirror the right to", err, w.cfg.Topic, w.cluster.Name())
		}
		w.log.Info("topic of heartbeats created")
		if n, err = w.awaitTopic(ctx); err != nil {
			return err
		}
	} else if err := w.warnIfCompacted(ctx); err != nil {
		w.log.Debug("settings of the topic of heartbeats not read", "err", err) // they matter to no write
	}
	w.partitions = n
	return nil
}

// awaitTopic waits until a new topic is known: a write before that would only fail.
func (w *writer) awaitTopic(ctx context.Context) (int, error) {
	for {
		n, err := w.cluster.Partitions(ctx, w.cfg.Topic)
		if err == nil && n > 0 {
			return n, nil
		}
		if !sleep(ctx, newTopicPoll) {
			return 0, fmt.Errorf("wait for new topic %s at %s: %w", w.cfg.Topic, w.cluster.Name(), errors.Join(err, context.Cause(ctx)))
		}
	}
}

func (w *writer) warnIfCompacted(ctx context.Context) error {
	const policy = "cleanup.policy"
	configs, err := w.cluster.TopicConfigs(ctx, []string{w.cfg.Topic}, policy)
	if err != nil {
		return err
	}
	if strings.Contains(configs[w.cfg.Topic][policy], "compact") {
		w.log.Warn("topic of heartbeats is compacted: what is cleaned there before it is read counts as lost; set cleanup.policy=delete")
	}
	return nil
}

// status is how the writing goes.
func (w *writer) status() lag.HeartbeatCluster {
	w.mu.Lock()
	defer w.mu.Unlock()
	return lag.HeartbeatCluster{Cluster: w.cluster.Name(), Topic: w.cfg.Topic, Success: w.success, Problem: w.problem}
}

// partitionOf keeps all heartbeats of an origin in one partition, and so in order.
func partitionOf(origin string, n int) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(origin)) // it never fails
	return int32(uint64(h.Sum32()) % uint64(n))
}

// sleep waits, and says false when ctx ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
