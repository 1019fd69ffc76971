package heartbeat

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tributary/pkg/kafka"
	"tributary/pkg/lag"
)

const (
	// firstLook is how far back a reader begins that was never here.
	firstLook = 15 * time.Minute
	// recheckEvery is how often the topic is looked at: it may have more partitions, or be another one.
	recheckEvery = 30 * time.Second
	// saveEvery is how often what was heard is saved. A reader that dies reads the rest again.
	saveEvery = 10 * time.Second
	// deafAfter is how long a partition may not be read up to its end before nobody is called silent.
	deafAfter = 10 * time.Second
	// retryMax is the longest wait before a cluster is tried again.
	retryMax = 5 * time.Second
)

// source is the cluster that a reader reads: a kafka.Cluster.
type source interface {
	Name() string
	Partitions(ctx context.Context, topic string) (int, error)
	TopicID(ctx context.Context, topic string) (id kafka.TopicID, cluster string, err error)
	Ends(ctx context.Context, topic string, partition int32) (start, end int64, err error)
	OffsetAt(ctx context.Context, topic string, partition int32, at time.Time) (int64, error)
	Follow(ctx context.Context, topic string, partition int32, from int64, wait time.Duration) (batches []byte, end int64, err error)
}

// reader hears the heartbeats that one cluster has.
type reader struct {
	cfg     Config // set once
	cluster source
	file    string // path of what it saves
	log     *slog.Logger

	saving sync.Mutex // one at a time; taken before mu

	mu      sync.Mutex // guards the rest
	heard   *ledger
	place   place
	atEnd   map[int32]time.Time // when a partition was read up to its end last
	count   int                 // partitions that are read; 0 before it is known
	success *time.Time          // of the newest read
	problem string              // why a part of the topic cannot be read, "" when all can
	changed bool                // since it was saved

	failedAt time.Time // when that was found last
}

// place is where in which topic a reader is.
type place struct {
	ClusterID string          `json:"cluster_id"`
	TopicID   string          `json:"topic_id"`
	Next      map[int32]int64 `json:"next"` // offset to read next, by partition
}

func newReader(cfg Config, cluster source, log *slog.Logger) *reader {
	r := &reader{cfg: cfg, cluster: cluster, file: stateFile(cfg.StateDir, cluster.Name()), log: log.With("cluster", cluster.Name(), "topic", cfg.Topic),
		heard: newLedger(), place: place{Next: map[int32]int64{}}, atEnd: map[int32]time.Time{}}
	r.load()
	return r
}

// run reads until ctx ends, and saves what it heard. At the end it waits until that is saved, but not for ever: a process that
// ends must not hang on a disk.
func (r *reader) run(ctx context.Context) error {
	saving, stop := context.WithCancel(context.WithoutCancel(ctx))
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		r.keepSaved(saving)
	}()
	backoff := kafka.Backoff{Min: time.Second, Max: retryMax}
	for ctx.Err() == nil {
		n, err := r.look(ctx)
		if err == nil {
			backoff.Reset()
			r.follow(ctx, n)
		} else if ctx.Err() == nil {
			r.fail(err)
			sleep(ctx, backoff.Next())
		}
	}
	stop()
	timer := time.NewTimer(lastSave)
	defer timer.Stop()
	select {
	case <-saved:
	case <-timer.C:
		r.log.Warn("the disk of the state directory does not answer; what was heard last may not be saved, and is read again after a restart")
	}
	return nil
}

// look finds the topic and how many partitions it has. Of a topic or cluster that is another one than before, nothing was read.
func (r *reader) look(ctx context.Context) (partitions int, err error) {
	n, err := r.cluster.Partitions(ctx, r.cfg.Topic)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, fmt.Errorf("there is no topic %s at %s yet; it comes with the first heartbeat, if a link carries it there", r.cfg.Topic, r.cluster.Name())
	}
	id, cluster, err := r.cluster.TopicID(ctx, r.cfg.Topic)
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.place.ClusterID != "" || r.place.TopicID != ""; known && (r.place.ClusterID != cluster || r.place.TopicID != id.String()) {
		r.log.Warn("topic of heartbeats is another one than before", "cluster_id", cluster, "topic_id", id.String())
		r.place.Next = map[int32]int64{}
		r.heard.discontinue()
	}
	r.place.ClusterID, r.place.TopicID = cluster, id.String()
	r.count, r.changed = n, true
	return n, nil
}

// follow reads all partitions until the topic is to be looked at again, or ctx ends.
func (r *reader) follow(ctx context.Context, partitions int) {
	until := time.Now().Add(recheckEvery)
	var wg sync.WaitGroup
	for p := range int32(partitions) {
		wg.Go(func() { r.partition(ctx, p, until) })
	}
	wg.Wait()
}

// fail takes note of why reading fails.
func (r *reader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problem == "" {
		r.log.Warn("heartbeats not read", "err", err)
	}
	r.problem, r.failedAt = err.Error(), time.Now()
}

// mend takes note that reading works again: every partition was read up to its end since the last failure. The caller
// holds mu.
func (r *reader) mend() {
	if r.problem == "" {
		return
	}
	for p := range int32(r.count) {
		if !r.atEnd[p].After(r.failedAt) {
			return
		}
	}
	r.problem = ""
	r.log.Info("heartbeats read again")
}

// status is how the reading goes, and whom it hears.
func (r *reader) status(now time.Time) (lag.HeartbeatCluster, []lag.Heartbeat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	deaf := r.deaf(now)
	if deaf == "" {
		for _, name := range r.heard.settle(now) {
			r.changed = true
			r.log.Info("origin forgotten that was silent for seven days", "origin", name)
		}
	}
	c := lag.HeartbeatCluster{Cluster: r.cluster.Name(), Topic: r.cfg.Topic, Reads: true, Success: r.success, Current: deaf == "", Problem: r.problem, Ignored: r.heard.ignored}
	if c.Problem == "" && r.heard.refused > 0 && len(r.heard.origins) >= maxOrigins {
		c.Problem = fmt.Sprintf("there are more than %d origins; of further ones nothing is kept: forget those that are gone with mirror heartbeat forget", maxOrigins)
	}
	return c, r.heard.show(now, deaf)
}

// deaf says why nothing may have been heard lately, "" when all was that there is. The caller holds mu.
func (r *reader) deaf(now time.Time) string {
	if r.count == 0 {
		return cmp.Or(r.problem, "the topic was not looked at yet")
	}
	for p := range int32(r.count) {
		if now.Sub(r.atEnd[p]) >= deafAfter {
			return cmp.Or(r.problem, "what is there is still being read")
		}
	}
	return ""
}

// forget drops an origin, and says whether it was known. It is on disk when it returns, as far as the disk takes it.
func (r *reader) forget(origin string) bool {
	r.mu.Lock()
	_, known := r.heard.origins[origin]
	delete(r.heard.origins, origin)
	r.changed = r.changed || known
	r.mu.Unlock()
	if !known {
		return false
	}
	if err := r.save(); err != nil {
		r.log.Error("an origin is forgotten, and that is not saved yet: a crash would bring it back", "origin", origin, "err", err)
	}
	return true
}
