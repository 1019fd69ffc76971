package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions that name topics, and what one request may take.
const (
	appendVersion = 9
	readVersion   = 12
	endsVersion   = 5
	appendTimeout = 10 * time.Second
	readBytes     = 4 << 20
)

// Append writes one v2 record batch that names no producer to a partition and returns the offset of its first record, once
// every in-sync replica has it. When it is not known whether the broker took it, it is written again: it may be there twice.
// That the partition does not exist is the code 3.
func (c *Cluster) Append(ctx context.Context, topic string, partition int32, batch []byte) (offset int64, err error) {
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = partition, batch
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, part)
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(appendVersion)
	req.Acks, req.TimeoutMillis, req.Topics = -1, int32(appendTimeout.Milliseconds()), append(req.Topics, t)
	err = c.call(ctx, fmt.Sprintf("write to %s/%d", topic, partition), func(ctx context.Context) error {
		answer, err := c.askLeader(ctx, topic, partition, req)
		if err != nil {
			return err
		}
		topics := answer.(*kmsg.ProduceResponse).Topics
		if len(topics) == 0 || len(topics[0].Partitions) == 0 {
			return errNoAnswer
		}
		p := topics[0].Partitions[0]
		offset = p.BaseOffset
		if len(p.ErrorRecords) > 0 {
			return explain(p.ErrorCode, p.ErrorRecords[0].ErrorMessage)
		}
		return explain(p.ErrorCode, p.ErrorMessage)
	})
	return offset, err
}

// Read returns record batches of a partition from an offset on, as many as the broker gives at once; the last one may be
// cut, the first may begin before the offset. It does not wait for records, and returns those of open transactions too.
func (c *Cluster) Read(ctx context.Context, topic string, partition int32, from int64) (batches []byte, err error) {
	batches, _, err = c.Follow(ctx, topic, partition, from, 0)
	return batches, err
}

// Follow is Read, but waits at the end of the log for as long as that, at most, until there is something. It returns the
// log's end too: the high watermark. That the offset is not in the log is the code 1.
func (c *Cluster) Follow(ctx context.Context, topic string, partition int32, from int64, wait time.Duration) (batches []byte, end int64, err error) {
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.CurrentLeaderEpoch, part.FetchOffset, part.LastFetchedEpoch, part.PartitionMaxBytes = partition, -1, from, -1, readBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, part)
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(readVersion)
	req.ReplicaID, req.MinBytes, req.MaxBytes, req.SessionEpoch, req.Topics = -1, 1, readBytes, -1, append(req.Topics, t)
	req.MaxWaitMillis = int32(wait.Milliseconds())
	err = c.call(ctx, fmt.Sprintf("read %s/%d from offset %d", topic, partition, from), func(ctx context.Context) error {
		answer, err := c.askLeader(ctx, topic, partition, req)
		if err != nil {
			return err
		}
		f := answer.(*kmsg.FetchResponse)
		if err := ErrorCode(f.ErrorCode); err != nil {
			return err
		}
		for _, t := range f.Topics {
			for _, p := range t.Partitions {
				batches, end = p.RecordBatches, p.HighWatermark
				return ErrorCode(p.ErrorCode)
			}
		}
		return Error{codeRequestTimedOut} // a throttled answer is empty: ask again
	})
	return batches, end, err
}

// Ends returns a partition's log start offset and the end of what consumers can read.
func (c *Cluster) Ends(ctx context.Context, topic string, partition int32) (start, end int64, err error) {
	for _, side := range []struct {
		timestamp int64
		offset    *int64
	}{{-2, &start}, {-1, &end}} {
		if *side.offset, err = c.listOffset(ctx, fmt.Sprintf("read end of %s/%d", topic, partition), topic, partition, side.timestamp); err != nil {
			return 0, 0, err
		}
	}
	return start, end, nil
}

// OffsetAt returns the offset of a partition's first record that is not older than a time, by the records' timestamps; -1 when
// all are.
func (c *Cluster) OffsetAt(ctx context.Context, topic string, partition int32, at time.Time) (int64, error) {
	return c.listOffset(ctx, fmt.Sprintf("look for %s in %s/%d", at.UTC().Format(time.RFC3339), topic, partition), topic, partition, max(0, at.UnixMilli()))
}

// listOffset asks for the offset of a timestamp, of which the negative ones have meanings of their own.
func (c *Cluster) listOffset(ctx context.Context, what, topic string, partition int32, timestamp int64) (offset int64, err error) {
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Partition, part.CurrentLeaderEpoch, part.Timestamp = partition, -1, timestamp
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, part)
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(endsVersion)
	req.ReplicaID, req.Topics = -1, append(req.Topics, t)
	err = c.call(ctx, what, func(ctx context.Context) error {
		answer, err := c.askLeader(ctx, topic, partition, req)
		if err != nil {
			return err
		}
		for _, t := range answer.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				offset = p.Offset
				return ErrorCode(p.ErrorCode)
			}
		}
		return errNoAnswer
	})
	return offset, err
}

// Partitions returns how many partitions a topic has, 0 when there is no such topic.
func (c *Cluster) Partitions(ctx context.Context, topic string) (int, error) {
	md, err := c.metadata(ctx, "look for topic "+topic, []string{topic})
	if err != nil {
		return 0, err
	}
	t := md.Topics[topic]
	if code, _ := Code(t.Err); code == codeUnknownTopicOrPartition {
		return 0, nil
	}
	return len(t.Partitions), t.Err
}

// askLeader sends req to the leader of a partition.
func (c *Cluster) askLeader(ctx context.Context, topic string, partition int32, req kmsg.Request) (kmsg.Response, error) {
	md, err := c.askMetadata(ctx, []string{topic})
	if err != nil {
		return nil, err
	}
	t := md.Topics[topic]
	if t.Err != nil {
		return nil, t.Err
	}
	if int(partition) >= len(t.Partitions) {
		return nil, Error{codeUnknownTopicOrPartition}
	}
	addr, ok := md.Brokers[t.Partitions[partition].Leader]
	if !ok {
		return nil, Error{codeLeaderNotAvailable}
	}
	return c.askAt(ctx, addr, req)
}
