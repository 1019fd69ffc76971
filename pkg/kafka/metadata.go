package kafka

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxPartitionID bounds the slice that a Metadata answer makes us allocate for one topic.
const maxPartitionID = 1 << 20

// TopicID is the id that a topic keeps from creation to deletion; zero if the broker gives none.
type TopicID [16]byte

// String returns the id in hexadecimal, "" for zero.
func (id TopicID) String() string {
	if id == (TopicID{}) {
		return ""
	}
	return hex.EncodeToString(id[:])
}

// Metadata is a snapshot of a cluster's shape, as one broker saw it.
type Metadata struct {
	ClusterID string
	// Controller is a broker id to send admin requests to, -1 if there is none.
	Controller int32
	// Brokers are the addresses (host:port) of the live brokers by id.
	Brokers map[int32]string
	// Assigned are the brokers that have a replica of some topic, whether they live or not: one that is down is not in
	// Brokers and still here, one that left the cluster is in neither.
	Assigned map[int32]bool
	Topics   map[string]Topic
}

// Topic is one topic of a Metadata.
type Topic struct {
	Name     string
	ID       TopicID
	Internal bool
	// Err is why the broker could not describe the topic, nil if it could.
	Err error
	// Partitions are ordered by id: Partitions[i] has the id i. An id that the answer lacked has an Err.
	Partitions []Partition
}

// Partition is one partition of a Topic.
type Partition struct {
	Leader        int32 // broker id, -1 for none
	LeaderEpoch   int32 // -1 if unknown
	Replicas, ISR int   // number of replicas, and of those in sync
	Err           error // e.g. the code 5, no leader; nil if all is well
}

// Metadata asks any broker for all topics. It creates none.
func (c *Cluster) Metadata(ctx context.Context) (*Metadata, error) {
	return c.metadata(ctx, "read metadata", nil)
}

// TopicID asks any broker for the id of one topic, zero where brokers have none, and of the cluster that it is in, "" likewise.
// A topic that is not there is an error.
func (c *Cluster) TopicID(ctx context.Context, topic string) (id TopicID, cluster string, err error) {
	md, err := c.metadata(ctx, "read metadata of topic "+topic, []string{topic})
	if err != nil {
		return TopicID{}, "", err
	}
	t, ok := md.Topics[topic]
	if !ok {
		return TopicID{}, "", fmt.Errorf("read metadata of topic %s: %w", topic, errNoAnswer)
	}
	return t.ID, md.ClusterID, t.Err
}

// metadata asks for the given topics: nil means all, empty means none but the brokers.
func (c *Cluster) metadata(ctx context.Context, what string, topics []string) (*Metadata, error) {
	var md *Metadata
	err := c.call(ctx, what, func(ctx context.Context) error {
		var err error
		md, err = c.askMetadata(ctx, topics)
		return err
	})
	return md, err
}

func (c *Cluster) askMetadata(ctx context.Context, topics []string) (*Metadata, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	req.AllowAutoTopicCreation = false
	if topics != nil {
		req.Topics = make([]kmsg.MetadataRequestTopic, 0, len(topics))
	}
	for _, topic := range topics {
		wanted := kmsg.NewMetadataRequestTopic()
		wanted.Topic = &topic
		req.Topics = append(req.Topics, wanted)
	}
	answer, err := c.askAny(ctx, req)
	if err != nil {
		return nil, err
	}
	md, err := newMetadata(answer.(*kmsg.MetadataResponse))
	if err != nil {
		return nil, err
	}
	c.remember(md.Brokers)
	return md, nil
}

func newMetadata(answer *kmsg.MetadataResponse) (*Metadata, error) {
	md := &Metadata{
		Controller: answer.ControllerID,
		Brokers:    make(map[int32]string, len(answer.Brokers)),
		Assigned:   make(map[int32]bool, len(answer.Brokers)),
		Topics:     make(map[string]Topic, len(answer.Topics)),
	}
	if answer.ClusterID != nil {
		md.ClusterID = *answer.ClusterID
	}
	for _, broker := range answer.Brokers {
		md.Brokers[broker.NodeID] = hostPort(broker.Host, broker.Port)
	}
	for _, topic := range answer.Topics {
		if topic.Topic == nil {
			continue // only an unknown id has no name, and we ask for none
		}
		partitions, err := newPartitions(topic.Partitions)
		if err != nil {
			return nil, fmt.Errorf("topic %s: %w", *topic.Topic, err)
		}
		for _, p := range topic.Partitions {
			for _, id := range p.Replicas {
				md.Assigned[id] = true
			}
		}
		md.Topics[*topic.Topic] = Topic{
			Name: *topic.Topic, ID: topic.TopicID, Internal: topic.IsInternal,
			Err: ErrorCode(topic.ErrorCode), Partitions: partitions,
		}
	}
	return md, nil
}

func newPartitions(answers []kmsg.MetadataResponseTopicPartition) ([]Partition, error) {
	count := 0
	for _, p := range answers {
		if p.Partition < 0 || p.Partition > maxPartitionID {
			return nil, fmt.Errorf("partition id %d is not from 0 to %d", p.Partition, maxPartitionID)
		}
		count = max(count, int(p.Partition)+1)
	}
	partitions := make([]Partition, count)
	for i := range partitions {
		partitions[i] = Partition{Leader: -1, LeaderEpoch: -1, Err: Error{codeUnknownTopicOrPartition}}
	}
	for _, p := range answers {
		code := p.ErrorCode
		if code == codeReplicaNotAvailable {
			code = 0 // some replica is down; the leader serves
		}
		partitions[p.Partition] = Partition{
			Leader: p.Leader, LeaderEpoch: p.LeaderEpoch,
			Replicas: len(p.Replicas), ISR: len(p.ISR), Err: ErrorCode(code),
		}
	}
	return partitions, nil
}
