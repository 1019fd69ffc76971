package consume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/batch"
	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// Special timestamps of ListOffsets, and the version of OffsetForLeaderEpoch that consumers may ask.
const (
	latestOffset    = -1
	earliestOffset  = -2
	readUncommitted = 0
	epochEndVersion = 4
)

// Log implements mirror.Source.
func (g group) Log(ctx context.Context, tp mirror.TopicPartition, epoch int32) (mirror.Log, error) {
	log, err := g.log(ctx, tp, epoch)
	if err != nil {
		g.watcher.Refresh()
		return log, fmt.Errorf("look at the log of %s/%d at %s: %w", tp.Topic, tp.Partition, g.cluster.Name(), err)
	}
	return log, nil
}

func (g group) log(ctx context.Context, tp mirror.TopicPartition, epoch int32) (mirror.Log, error) {
	log := mirror.Log{Epoch: -1, EpochEnd: -1}
	id, cluster, err := g.cluster.TopicID(ctx, tp.Topic)
	if err != nil {
		return log, err
	}
	log.Of = mirror.Whose{Cluster: cluster, TopicID: id.String()}
	leader, _, ok := g.watcher.Leader(tp.Topic, tp.Partition)
	if !ok {
		return log, errors.New("it has no leader")
	}
	conn, err := g.cluster.Dial(ctx, leader.Address)
	if err != nil {
		return log, err
	}
	defer conn.Close()
	ask := logReader{conn, tp, leader}
	if log.Start, err = ask.offset(ctx, earliestOffset, readCommitted); err != nil {
		return log, err
	}
	if log.End, err = ask.offset(ctx, latestOffset, readUncommitted); err != nil {
		return log, err
	}
	if log.Stable, err = ask.offset(ctx, latestOffset, readCommitted); err != nil {
		return log, err
	}
	if epoch >= 0 {
		log.Epoch, log.EpochEnd, err = ask.epochEnd(ctx, epoch)
	}
	return log, err
}

// logReader asks the leader of one partition.
type logReader struct {
	conn   *kafka.Conn
	tp     mirror.TopicPartition
	leader catalog.Leader
}

// offset asks for one end of the log. Only a leader whose watermark is right answers (KIP-207).
func (r logReader) offset(ctx context.Context, timestamp int64, isolation int8) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(5)
	req.ReplicaID, req.IsolationLevel = consumerReplica, isolation
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = r.tp.Topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.Timestamp = r.tp.Partition, r.leader.Epoch, timestamp
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := r.conn.Do(ctx, req)
	if err != nil {
		return 0, err
	}
	topics := resp.(*kmsg.ListOffsetsResponse).Topics
	if len(topics) == 0 || len(topics[0].Partitions) == 0 {
		return 0, errNotAnswered
	}
	a := topics[0].Partitions[0]
	return a.Offset, kafka.ErrorCode(a.ErrorCode)
}

// epochEnd asks for the greatest leader epoch up to the given one, and where it ends; -1, -1 when there is none.
func (r logReader) epochEnd(ctx context.Context, epoch int32) (int32, int64, error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.SetVersion(epochEndVersion)
	req.ReplicaID = consumerReplica
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = r.tp.Topic
	p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = r.tp.Partition, r.leader.Epoch, epoch
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := r.conn.Do(ctx, req)
	if err != nil {
		return -1, -1, err
	}
	topics := resp.(*kmsg.OffsetForLeaderEpochResponse).Topics
	if len(topics) == 0 || len(topics[0].Partitions) == 0 {
		return -1, -1, errNotAnswered
	}
	a := topics[0].Partitions[0]
	return a.LeaderEpoch, a.EndOffset, kafka.ErrorCode(a.ErrorCode)
}

var errNotAnswered = errors.New("the answer lacks the partition")

// TimeFrom implements mirror.Source.
func (g group) TimeFrom(ctx context.Context, tp mirror.TopicPartition, offset int64) (time.Time, error) {
	at, err := g.timeFrom(ctx, tp, offset)
	if err != nil {
		return at, fmt.Errorf("read the time of the record at offset %d of %s/%d at %s: %w", offset, tp.Topic, tp.Partition, g.cluster.Name(), err)
	}
	return at, nil
}

func (g group) timeFrom(ctx context.Context, tp mirror.TopicPartition, offset int64) (time.Time, error) {
	leader, _, ok := g.watcher.Leader(tp.Topic, tp.Partition)
	if !ok {
		return time.Time{}, errors.New("it has no leader")
	}
	records, err := g.cluster.FetchOne(ctx, leader.Address, kafka.FetchOne{Topic: tp.Topic, Partition: tp.Partition, LeaderEpoch: leader.Epoch, Offset: offset})
	if err != nil || len(records) == 0 {
		return time.Time{}, err
	}
	b, _, err := batch.Split(records)
	if err != nil {
		return time.Time{}, nil // older than batches, or what makes the partition halt anyway
	}
	if _, from := b.TimesAround(offset); from >= 0 {
		return time.UnixMilli(from), nil
	}
	return time.Time{}, nil
}
