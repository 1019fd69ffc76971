package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
)

// isolation is what of a transactional log is read.
type isolation int8

const (
	everything    isolation = 0 // every record there is, that of open and aborted transactions too
	committedOnly isolation = 1 // up to the last stable offset, without what was aborted
)

// Special timestamps of ListOffsets.
const (
	atEnd   = -1
	atStart = -2
)

const (
	leaderPause   = 200 * time.Millisecond // between two looks for a leader
	patienceTotal = time.Minute            // without progress a log is given up
)

// topicPartition names a log within its cluster.
type topicPartition struct {
	topic     string
	partition int32
}

// String returns topic/partition.
func (tp topicPartition) String() string { return fmt.Sprintf("%s/%d", tp.topic, tp.partition) }

// site is a cluster as this package sees it. Safe for concurrent use.
type site struct {
	cluster *kafka.Cluster
	rate    *limiter

	mu       sync.Mutex
	metadata *kafka.Metadata // guarded by mu
}

// refresh asks for the cluster's topics and leaders.
func (s *site) refresh(ctx context.Context) error {
	md, err := s.cluster.Metadata(ctx)
	if err != nil {
		return fmt.Errorf("read metadata of %s: %w", s.cluster.Name(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metadata = md
	return nil
}

func (s *site) topics() map[string]kafka.Topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.metadata.Topics
}

// leader returns the address of a log's leader, "" if it has none.
func (s *site) leader(tp topicPartition) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.metadata.Topics[tp.topic]
	if int(tp.partition) >= len(t.Partitions) {
		return ""
	}
	return s.metadata.Brokers[t.Partitions[tp.partition].Leader]
}

// offsets asks for an offset of each log: the first, the end at the isolation level, or the first whose timestamp is at
// least at (the end when there is none). It waits out elections.
func (s *site) offsets(ctx context.Context, logs []topicPartition, at int64, level isolation) (map[topicPartition]int64, error) {
	found := make(map[topicPartition]int64, len(logs))
	ctx, cancel := context.WithTimeout(ctx, patienceTotal)
	defer cancel()
	for {
		err := s.ask(ctx, logs, at, level, found)
		if err == nil && len(found) == len(logs) {
			return found, nil
		}
		if err != nil && !kafka.Retriable(err) {
			return nil, err
		}
		if waited := pause(ctx, leaderPause); waited != nil {
			return nil, fmt.Errorf("read offsets at %s: %d of %d logs did not answer: %w", s.cluster.Name(), len(logs)-len(found), len(logs), errors.Join(err, waited))
		}
		if err := s.refresh(ctx); err != nil {
			return nil, err
		}
	}
}

// ask asks the leaders for what is not found yet.
func (s *site) ask(ctx context.Context, logs []topicPartition, at int64, level isolation, found map[topicPartition]int64) error {
	byLeader := map[string]map[string][]int32{}
	for _, tp := range logs {
		address := s.leader(tp)
		if _, done := found[tp]; done || address == "" {
			continue
		}
		if byLeader[address] == nil {
			byLeader[address] = map[string][]int32{}
		}
		byLeader[address][tp.topic] = append(byLeader[address][tp.topic], tp.partition)
	}
	for address, topics := range byLeader {
		if err := s.askBroker(ctx, address, topics, at, level, found); err != nil {
			return fmt.Errorf("read offsets at %s: %w", s.cluster.Name(), err)
		}
	}
	return nil
}

func (s *site) askBroker(ctx context.Context, address string, topics map[string][]int32, at int64, level isolation, found map[topicPartition]int64) error {
	conn, err := s.cluster.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(5)
	req.ReplicaID, req.IsolationLevel = -1, int8(level)
	for topic, partitions := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for _, id := range partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.Timestamp = id, -1, at
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := conn.Do(ctx, req)
	if err != nil {
		return err
	}
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			tp := topicPartition{t.Topic, p.Partition}
			switch err := kafka.ErrorCode(p.ErrorCode); {
			case err == nil:
				found[tp] = p.Offset
			case !kafka.Retriable(err):
				return fmt.Errorf("%s (needs READ and DESCRIBE): %w", tp, err)
			}
		}
	}
	return nil
}

// pause waits; the error is the cause of the context's end.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// limiter spreads bytes over time. The zero limiter, and nil, limits nothing. Safe for concurrent use.
type limiter struct {
	bytesPerSecond int64

	mu   sync.Mutex
	free time.Time // guarded by mu: when what was taken so far is paid for
}

// take waits until n bytes more may be read.
func (l *limiter) take(ctx context.Context, n int) error {
	if l == nil || l.bytesPerSecond <= 0 {
		return nil
	}
	l.mu.Lock()
	now := time.Now()
	if l.free.Before(now) {
		l.free = now
	}
	wait := l.free.Sub(now)
	l.free = l.free.Add(time.Duration(float64(n) / float64(l.bytesPerSecond) * float64(time.Second)))
	l.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	return pause(ctx, wait)
}
