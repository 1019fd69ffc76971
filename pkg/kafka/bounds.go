package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Bound is an end of a partition's log.
type Bound int64

// Ends of a log.
const (
	LogEnd   Bound = -1 // the high watermark
	LogStart Bound = -2
)

// Bounds asks the broker at addr, in one request, for an end of the logs of partitions that it leads, by topic. Partitions
// it does not answer for are left out, and the error joins a *PartitionError for each. Nothing is repeated.
func (c *Cluster) Bounds(ctx context.Context, addr string, partitions map[string][]int32, bound Bound) (map[string]map[int32]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(endsVersion)
	req.ReplicaID = -1
	for _, name := range slices.Sorted(maps.Keys(partitions)) {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = name
		for _, id := range partitions[name] {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.Timestamp = id, -1, int64(bound)
			topic.Partitions = append(topic.Partitions, p)
		}
		req.Topics = append(req.Topics, topic)
	}
	answer, err := c.askAt(ctx, addr, req)
	if err != nil {
		return nil, fmt.Errorf("%s: read ends of partitions at %s: %w", c.name, addr, err)
	}
	found := make(map[string]map[int32]int64, len(partitions))
	var errs []error
	for _, t := range answer.(*kmsg.ListOffsetsResponse).Topics {
		offsets := make(map[int32]int64, len(t.Partitions))
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				errs = append(errs, &PartitionError{t.Topic, p.Partition, p.ErrorCode})
				continue
			}
			offsets[p.Partition] = p.Offset
		}
		found[t.Topic] = offsets
	}
	return found, errors.Join(errs...)
}

// At is an offset of a partition.
type At struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Limits of what FetchAt asks for: the first batch comes in any case, others as far as they are small.
const (
	fetchAtBytes          = 256 << 10
	fetchAtPartitionBytes = 16 << 10
)

// FetchAt reads, in one request to the broker at addr, the batches that hold the given offsets of partitions that it leads,
// each partition once. It returns the bytes from that batch on, which may be cut inside a later batch. What was not answered
// is left out: the first is answered in any case unless the broker has an error for it, or a quota is used up.
func (c *Cluster) FetchAt(ctx context.Context, addr string, wanted []At) (map[At][]byte, error) {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(readVersion)
	req.ReplicaID, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, 1, fetchAtBytes, -1
	at, index := make(map[partitionKey]At, len(wanted)), map[string]int{}
	for _, w := range wanted {
		at[partitionKey{w.Topic, w.Partition}] = w
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.PartitionMaxBytes = w.Partition, -1, w.Offset, -1, fetchAtPartitionBytes
		i, ok := index[w.Topic]
		if !ok {
			i = len(req.Topics)
			index[w.Topic] = i
			t := kmsg.NewFetchRequestTopic()
			t.Topic = w.Topic
			req.Topics = append(req.Topics, t)
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	answer, err := c.askAt(ctx, addr, req)
	if err != nil {
		return nil, fmt.Errorf("%s: read batches at %s: %w", c.name, addr, err)
	}
	fetched := answer.(*kmsg.FetchResponse)
	if err := ErrorCode(fetched.ErrorCode); err != nil {
		return nil, fmt.Errorf("%s: read batches at %s: %w", c.name, addr, err)
	}
	found := make(map[At][]byte, len(wanted))
	for _, t := range fetched.Topics {
		for _, p := range t.Partitions {
			if w, ok := at[partitionKey{t.Topic, p.Partition}]; ok && p.ErrorCode == 0 && len(p.RecordBatches) > 0 {
				found[w] = p.RecordBatches
			}
		}
	}
	return found, nil
}
