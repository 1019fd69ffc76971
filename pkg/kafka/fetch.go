package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FetchOne names a batch to be read by itself.
type FetchOne struct {
	Topic       string
	Partition   int32
	LeaderEpoch int32 // of the partition's leader, -1 when unknown
	Offset      int64
}

// FetchOne reads the batch that holds an offset, or the next one if there is none, from the broker at addr; committed or not.
// The answer is the bytes from that batch on, and empty at the end of the log. It may be cut inside a later batch.
func (c *Cluster) FetchOne(ctx context.Context, addr string, at FetchOne) ([]byte, error) {
	conn, err := c.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(12)
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, 500, 1, 1, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = at.Topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.PartitionMaxBytes = at.Partition, at.LeaderEpoch, at.Offset, -1, 1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := conn.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	f := resp.(*kmsg.FetchResponse)
	if err := ErrorCode(f.ErrorCode); err != nil {
		return nil, err
	}
	if len(f.Topics) == 0 || len(f.Topics[0].Partitions) == 0 {
		return nil, fmt.Errorf("fetch %s/%d: %w", at.Topic, at.Partition, errNoAnswer) // a throttled answer is empty
	}
	a := &f.Topics[0].Partitions[0]
	return a.RecordBatches, ErrorCode(a.ErrorCode)
}
