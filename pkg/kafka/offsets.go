package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupOffset is a consumer group's position in one partition.
type GroupOffset struct {
	Topic       string
	Partition   int32
	Next        int64  // the offset to read next
	LeaderEpoch int32  // of the record before Next, -1 if unknown
	Metadata    string // the committer's own words; brokers take 4096 bytes by default
}

// A coordinator writes what a commit brings as one batch of its own topic, and refuses all of it with
// UNKNOWN_SERVER_ERROR where that is larger than the topic takes, 1 MiB by default: 2,000 topics with the longest names were
// too many (4.3.1). One offset has about commitOverhead bytes there beside its names and words.
const (
	maxCommitBytes = 256 << 10
	commitOverhead = 64
)

// CommitOffsets stores positions of a group that has no members, in as many requests as it takes. The coordinator takes
// each partition by itself: the error joins a *PartitionError for each that it refused, and the others are stored. At any
// other error the rest is not tried.
func (c *Cluster) CommitOffsets(ctx context.Context, group string, offsets []GroupOffset) error {
	var refused error
	for rest := offsets; len(rest) > 0; {
		n, size := 0, 0
		for ; n < len(rest) && (n == 0 || size < maxCommitBytes); n++ {
			size += len(group) + len(rest[n].Topic) + len(rest[n].Metadata) + commitOverhead
		}
		err := c.commit(ctx, group, rest[:n])
		refused = errors.Join(refused, err)
		if _, ok := errors.AsType[*PartitionError](err); err != nil && !ok {
			return refused
		}
		rest = rest[n:]
	}
	return refused
}

func (c *Cluster) commit(ctx context.Context, group string, offsets []GroupOffset) error {
	req := newCommit(group, offsets)
	return c.call(ctx, "commit offsets of group "+group, func(ctx context.Context) error {
		answer, err := c.askCoordinator(ctx, group, req)
		if err != nil {
			return err
		}
		return c.readCommit(group, offsets, answer.(*kmsg.OffsetCommitResponse))
	})
}

func newCommit(group string, offsets []GroupOffset) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.SetVersion(8) // from 10 on topics are named by id
	req.Group = group
	req.Generation = -1
	index := make(map[string]int, len(offsets))
	for _, offset := range offsets {
		at, ok := index[offset.Topic]
		if !ok {
			at = len(req.Topics)
			index[offset.Topic] = at
			topic := kmsg.NewOffsetCommitRequestTopic()
			topic.Topic = offset.Topic
			req.Topics = append(req.Topics, topic)
		}
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition = offset.Partition
		partition.Offset = offset.Next
		partition.LeaderEpoch = offset.LeaderEpoch
		partition.Metadata = new(offset.Metadata)
		req.Topics[at].Partitions = append(req.Topics[at].Partitions, partition)
	}
	return req
}

func (c *Cluster) readCommit(group string, offsets []GroupOffset, answer *kmsg.OffsetCommitResponse) error {
	codes := make(map[partitionKey]int16, len(offsets))
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			// A wrong coordinator says so for every partition: that is about the group.
			if err := c.checkCoordinator(group, p.ErrorCode); err != nil {
				return err
			}
			codes[partitionKey{topic.Topic, p.Partition}] = p.ErrorCode
		}
	}
	var errs []error
	for _, offset := range offsets {
		code, ok := codes[partitionKey{offset.Topic, offset.Partition}]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s/%d: %w", offset.Topic, offset.Partition, errNoAnswer))
		case code != 0:
			errs = append(errs, &PartitionError{offset.Topic, offset.Partition, code})
		}
	}
	return errors.Join(errs...)
}

type partitionKey struct {
	topic     string
	partition int32
}

// FetchOffsets returns a group's positions in the given partitions. A partition without one, or all of
// an unknown group, is absent. A partition whose position could not be read is an error, never
// absent: the error joins a *PartitionError for each, and the result holds the others.
func (c *Cluster) FetchOffsets(ctx context.Context, group string, topics map[string][]int32) (map[string]map[int32]GroupOffset, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.SetVersion(7) // from 8 on a request is about several groups
	req.Group = group
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		topic := kmsg.NewOffsetFetchRequestTopic()
		topic.Topic, topic.Partitions = name, topics[name]
		req.Topics = append(req.Topics, topic)
	}
	if len(req.Topics) == 0 {
		return map[string]map[int32]GroupOffset{}, nil // no topics would ask for all topics
	}
	var found map[string]map[int32]GroupOffset
	err := c.call(ctx, "fetch offsets of group "+group, func(ctx context.Context) error {
		answer, err := c.askCoordinator(ctx, group, req)
		if err != nil {
			return err
		}
		found, err = c.readOffsets(group, topics, answer.(*kmsg.OffsetFetchResponse))
		return err
	})
	return found, err
}

func (c *Cluster) readOffsets(group string, topics map[string][]int32, answer *kmsg.OffsetFetchResponse) (map[string]map[int32]GroupOffset, error) {
	found := make(map[string]map[int32]GroupOffset, len(topics))
	if answer.ErrorCode == codeGroupIDNotFound {
		return found, nil // kfake's way to say that; Kafka gives the offset -1
	}
	if err := c.checkCoordinator(group, answer.ErrorCode); err != nil {
		return nil, err
	}
	if answer.ErrorCode != 0 {
		return nil, Error{answer.ErrorCode}
	}
	answered := make(map[partitionKey]bool)
	var errs []error
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			if err := c.checkCoordinator(group, p.ErrorCode); err != nil {
				return nil, err
			}
			answered[partitionKey{topic.Topic, p.Partition}] = true
			if p.ErrorCode != 0 {
				errs = append(errs, &PartitionError{topic.Topic, p.Partition, p.ErrorCode})
				continue
			}
			if p.Offset >= 0 {
				addOffset(found, topic.Topic, p)
			}
		}
	}
	for topic, partitions := range topics {
		for _, id := range partitions {
			if !answered[partitionKey{topic, id}] {
				errs = append(errs, fmt.Errorf("%s/%d: %w", topic, id, errNoAnswer))
			}
		}
	}
	return found, errors.Join(errs...)
}

func addOffset(found map[string]map[int32]GroupOffset, topic string, p kmsg.OffsetFetchResponseTopicPartition) {
	offset := GroupOffset{Topic: topic, Partition: p.Partition, Next: p.Offset, LeaderEpoch: p.LeaderEpoch}
	if p.Metadata != nil {
		offset.Metadata = *p.Metadata
	}
	if found[topic] == nil {
		found[topic] = make(map[int32]GroupOffset)
	}
	found[topic][p.Partition] = offset
}
