package park

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

const (
	maxRecordBytes = 64 << 20 // max.message.bytes of the topic when it is made here; brokers take requests up to 100 MiB
	maxBatchBytes  = 512 << 10
	newTopicTime   = 15 * time.Second // until all brokers know a new topic
	newTopicPoll   = 100 * time.Millisecond
	codeUnknown    = 3  // UNKNOWN_TOPIC_OR_PARTITION
	codeTooLarge   = 10 // MESSAGE_TOO_LARGE
)

// Config says how a link's records are parked.
type Config struct {
	Create   bool // create the topic when it is missing
	Replicas int  // of a created topic; -1: the cluster's default
}

// Lot implements mirror.Parking at one cluster. Safe for concurrent use.
type Lot struct {
	cfg     Config
	cluster *kafka.Cluster

	mu         sync.Mutex
	partitions int // guarded by mu: of the topic, 0 while it is not known
}

// NewLot returns a lot; it touches no network.
func NewLot(cfg Config, cluster *kafka.Cluster) *Lot { return &Lot{cfg: cfg, cluster: cluster} }

// Park implements mirror.Parking. What comes from one source partition stays in order, in one partition of the topic.
func (l *Lot) Park(ctx context.Context, parked []mirror.Parked) error {
	n, err := l.ready(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	for i := 0; i < len(parked); {
		partition := partitionOf(parked[i], n)
		var records []batch.Record
		for size := 0; i < len(parked) && (size == 0 || size < maxBatchBytes); i++ {
			r := encode(parked[i], now)
			records = append(records, r)
			size += len(r.Key) + len(r.Value)
		}
		if err := l.append(ctx, partition, records); err != nil {
			return l.explain(err)
		}
	}
	return nil
}

// append writes records as one batch, or each by itself where the topic does not take them together.
func (l *Lot) append(ctx context.Context, partition int32, records []batch.Record) error {
	_, err := l.cluster.Append(ctx, Topic, partition, batch.Build(records))
	if code, _ := kafka.Code(err); code != codeTooLarge || len(records) == 1 {
		return err
	}
	for i := range records {
		if _, err := l.cluster.Append(ctx, Topic, partition, batch.Build(records[i:i+1])); err != nil {
			return err
		}
	}
	return nil
}

// explain says which errors cannot be cured by trying again.
func (l *Lot) explain(err error) error {
	code, known := kafka.Code(err)
	switch {
	case !known || kafka.Retriable(err) && code != codeUnknown:
		return err
	case code == codeUnknown: // it was deleted, or is not known everywhere yet
		l.mu.Lock()
		l.partitions = 0
		l.mu.Unlock()
		return err
	}
	return fmt.Errorf("%w: %w", mirror.ErrUnparkable, err)
}

// ready returns the number of the topic's partitions, once it is there.
func (l *Lot) ready(ctx context.Context) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.partitions > 0 {
		return l.partitions, nil
	}
	n, err := l.cluster.Partitions(ctx, Topic)
	if err != nil {
		return 0, err
	}
	if n == 0 && !l.cfg.Create {
		return 0, fmt.Errorf("%w: topic %s does not exist at %s, and the link has create: false; create it there with retention.ms=-1", mirror.ErrUnparkable, Topic, l.cluster.Name())
	}
	if n == 0 {
		if n, err = l.create(ctx); err != nil {
			return 0, err
		}
	}
	l.partitions = n
	return n, nil
}

// create makes the topic, in which nothing is ever deleted.
func (l *Lot) create(ctx context.Context) (int, error) {
	settings := map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": fmt.Sprint(maxRecordBytes)}
	if err := l.cluster.CreateTopic(ctx, kafka.NewTopic{Name: Topic, Partitions: 1, Replication: int16(l.cfg.Replicas), Configs: settings}); err != nil {
		if _, known := kafka.Code(err); known && !kafka.Retriable(err) {
			return 0, fmt.Errorf("%w: %w", mirror.ErrUnparkable, err)
		}
		return 0, err
	}
	for until := time.Now().Add(newTopicTime); ; {
		n, err := l.cluster.Partitions(ctx, Topic)
		if err == nil && n > 0 {
			return n, nil
		}
		if time.Now().After(until) {
			return 0, fmt.Errorf("wait for new topic %s at %s: %w", Topic, l.cluster.Name(), err)
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(newTopicPoll):
		}
	}
}

func partitionOf(p mirror.Parked, n int) int32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%d", p.Cluster, p.Link, p.Source.Topic, p.Source.Partition)
	return int32(uint64(h.Sum32()) % uint64(n))
}
