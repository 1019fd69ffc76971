package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Leader returns the broker that leads a partition.
func (c *Cluster) Leader(ctx context.Context, topic string, partition int32) (*Node, error) {
	topics, err := c.admin.ListTopics(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("find the leader of %s/%d: %w", topic, partition, err)
	}
	detail := topics[topic].Partitions[partition]
	if err := errors.Join(topics[topic].Err, detail.Err); err != nil {
		return nil, fmt.Errorf("find the leader of %s/%d: %w", topic, partition, err)
	}
	if detail.Leader < 1 || int(detail.Leader) > len(c.nodes) {
		return nil, fmt.Errorf("find the leader of %s/%d: there is none", topic, partition)
	}
	return c.Node(detail.Leader), nil
}

// ElectUnclean makes a live replica the leader of a partition, whether it was in sync or not: what the replicas that are
// down have and it has not is lost.
func (c *Cluster) ElectUnclean(ctx context.Context, topic string, partition int32) error {
	var set kadm.TopicsSet
	set.Add(topic, partition)
	return waitFor(ctx, fmt.Sprintf("%s/%d has an unclean leader", topic, partition), func(ctx context.Context) error {
		answer, err := c.admin.ElectLeaders(ctx, kadm.ElectLiveReplica, set)
		if err != nil {
			return err
		}
		if err := answer[topic][partition].Err; err != nil && !errors.Is(err, kerr.ElectionNotNeeded) {
			return err
		}
		leader, err := c.Leader(ctx, topic, partition)
		if err != nil {
			return err
		}
		if !leader.Alive() { // the controller has not missed it yet
			return fmt.Errorf("broker %d leads still", leader.ID())
		}
		return nil
	})
}

// Controller returns the active controller. In KRaft mode metadata names any broker, so the quorum is asked.
func (c *Cluster) Controller(ctx context.Context) (*Node, error) {
	var id int32
	if c.version.usesZooKeeper() {
		view, err := c.admin.BrokerMetadata(ctx)
		if err != nil {
			return nil, fmt.Errorf("find the controller: %w", err)
		}
		id = view.Controller
	} else {
		leader, err := c.quorumLeader(ctx)
		if err != nil {
			return nil, fmt.Errorf("find the controller: %w", err)
		}
		id = leader
	}
	if id < 1 || int(id) > len(c.nodes) {
		return nil, errors.New("find the controller: there is none")
	}
	return c.Node(id), nil
}

func (c *Cluster) quorumLeader(ctx context.Context) (int32, error) {
	partition := kmsg.NewDescribeQuorumRequestTopicPartition()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, partition)
	request := kmsg.NewPtrDescribeQuorumRequest()
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, c.client)
	if err != nil {
		return 0, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("no quorum in the answer, error code %d", answer.ErrorCode)
	}
	return answer.Topics[0].Partitions[0].LeaderID, nil
}

// WaitInSync waits until every partition of topics has a leader that answers and all its replicas in sync; no topics
// means all, internal ones included. Tests call it before they take the next broker down.
func (c *Cluster) WaitInSync(ctx context.Context, topics ...string) error {
	return waitFor(ctx, "replicas are in sync", func(ctx context.Context) error {
		view, err := c.admin.Metadata(ctx, topics...)
		if err != nil {
			return err
		}
		names := view.Topics.Names()
		for _, topic := range topics {
			if !slices.Contains(names, topic) {
				return fmt.Errorf("%s is not known yet", topic)
			}
		}
		for _, topic := range view.Topics {
			if err := checkInSync(topic); err != nil {
				return err
			}
		}
		if len(names) == 0 {
			return nil
		}
		ends, err := c.admin.ListEndOffsets(ctx, names...)
		if err != nil {
			return err
		}
		return ends.Error()
	})
}

func checkInSync(topic kadm.TopicDetail) error {
	if topic.Err != nil {
		return fmt.Errorf("%s: %w", topic.Topic, topic.Err)
	}
	if len(topic.Partitions) == 0 {
		return fmt.Errorf("%s has no partitions yet", topic.Topic)
	}
	for _, p := range topic.Partitions {
		if p.Err != nil {
			return fmt.Errorf("%s/%d: %w", topic.Topic, p.Partition, p.Err)
		}
		if p.Leader < 0 || len(p.ISR) != len(p.Replicas) {
			return fmt.Errorf("%s/%d: leader %d, replicas %v, in sync %v", topic.Topic, p.Partition, p.Leader, p.Replicas, p.ISR)
		}
	}
	return nil
}
