package consume

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// group keeps positions in the source's consumer group, and asks the source's topics.
type group struct {
	cluster *kafka.Cluster
	watcher *catalog.Watcher
}

// LoadPositions implements mirror.Source.
func (g group) LoadPositions(ctx context.Context, name string, topics map[string][]int32) (map[mirror.TopicPartition]mirror.Loaded, error) {
	offsets, err := g.cluster.FetchOffsets(ctx, name, topics)
	if err != nil {
		return nil, fmt.Errorf("read positions of group %s at %s: %w", name, g.cluster.Name(), err)
	}
	loaded := map[mirror.TopicPartition]mirror.Loaded{}
	for topic, partitions := range offsets {
		for partition, o := range partitions {
			at, _, err := protocol.ParsePosition(o.Next, o.LeaderEpoch, o.Metadata)
			if err != nil {
				err = fmt.Errorf("position of group %s at %s for %s/%d: %w", name, g.cluster.Name(), topic, partition, err)
			}
			loaded[mirror.TopicPartition{Topic: topic, Partition: partition}] = mirror.Loaded{Position: at, Err: err}
		}
	}
	return loaded, nil
}

// SavePositions implements mirror.Source.
func (g group) SavePositions(ctx context.Context, name string, positions map[mirror.TopicPartition]protocol.Position, to map[string]protocol.Place) error {
	offsets := make([]kafka.GroupOffset, 0, len(positions))
	known, _, _ := g.watcher.Catalog()
	for tp, at := range positions {
		if known != nil && int(tp.Partition) >= known.Topics[tp.Topic].Partitions {
			continue // the topic is gone, and a group keeps no position of it
		}
		offsets = append(offsets, kafka.GroupOffset{Topic: tp.Topic, Partition: tp.Partition, Next: at.Source, LeaderEpoch: at.SourceEpoch, Metadata: at.Metadata(to[tp.Topic])})
	}
	if len(offsets) == 0 {
		return nil
	}
	err := g.cluster.CommitOffsets(ctx, name, offsets)
	refused, ok := kafka.Refusals(err)
	if err == nil || !ok {
		return err
	}
	unsaved := &mirror.UnsavedError{Refused: map[mirror.TopicPartition]error{}}
	for _, one := range refused {
		unsaved.Refused[mirror.TopicPartition{Topic: one.Topic, Partition: one.Partition}] = one
	}
	return fmt.Errorf("save positions in group %s at %s: %w", name, g.cluster.Name(), unsaved)
}

// OpenTransactions implements mirror.Source.
func (g group) OpenTransactions(ctx context.Context, topic string, partitions []int32) (map[int32]mirror.OpenTransaction, error) {
	found, err := g.cluster.OpenTransactions(ctx, topic, partitions)
	open := make(map[int32]mirror.OpenTransaction, len(found))
	for partition, o := range found {
		open[partition] = mirror.OpenTransaction{ProducerID: o.ProducerID, First: o.FirstOffset, TransactionalID: o.TransactionalID, Began: o.Began}
	}
	return open, err
}

// Offsets implements mirror.Source.
func (g group) Offsets(ctx context.Context, topic string, partitions []int32, latest bool) ([]int64, error) {
	byBroker := map[string][]int32{}
	for _, p := range partitions {
		leader, _, ok := g.watcher.Leader(topic, p)
		if !ok {
			g.watcher.Refresh()
			return nil, fmt.Errorf("read offsets of %s/%d at %s: it has no leader", topic, p, g.cluster.Name())
		}
		byBroker[leader.Address] = append(byBroker[leader.Address], p)
	}
	found := map[int32]int64{}
	for address, some := range byBroker {
		if err := g.offsetsAt(ctx, address, topic, some, latest, found); err != nil {
			g.watcher.Refresh()
			return nil, fmt.Errorf("read offsets of topic %s at %s: %w", topic, g.cluster.Name(), err)
		}
	}
	out := make([]int64, len(partitions))
	for i, p := range partitions {
		offset, ok := found[p]
		if !ok {
			return nil, fmt.Errorf("read offsets of %s/%d at %s: the answer lacks it", topic, p, g.cluster.Name())
		}
		out[i] = offset
	}
	return out, nil
}

func (g group) offsetsAt(ctx context.Context, address, topic string, partitions []int32, latest bool, found map[int32]int64) error {
	conn, err := g.cluster.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(5)
	req.ReplicaID, req.IsolationLevel = consumerReplica, readCommitted
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for _, id := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.Timestamp = id, -1, -2
		if latest {
			p.Timestamp = -1
		}
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	resp, err := conn.Do(ctx, req)
	if err != nil {
		return err
	}
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			if err := kafka.ErrorCode(p.ErrorCode); err != nil {
				return err
			}
			found[p.Partition] = p.Offset
		}
	}
	return nil
}
