package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client returns a new client that bypasses the proxies; the caller closes it. opts win over the defaults.
func (c *Cluster) Client(opts ...kgo.Opt) (*kgo.Client, error) {
	base := []kgo.Opt{
		kgo.SeedBrokers(c.Direct()...),
		kgo.MetadataMinAge(100 * time.Millisecond), // topics come and go in tests
	}
	client, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}

// Admin returns the admin client of the cluster, for what has no helper here. It bypasses the proxies; Stop closes it.
func (c *Cluster) Admin() *kadm.Client { return c.admin }

// CreateTopic creates a topic and returns when every partition has a leader that answers and all replicas in sync:
// for some seconds before that, metadata calls the topic ready and requests to it fail.
func (c *Cluster) CreateTopic(ctx context.Context, name string, partitions, replicas int, configs map[string]string) error {
	values := make(map[string]*string, len(configs))
	for key, value := range configs {
		values[key] = &value
	}
	if _, err := c.admin.CreateTopic(ctx, int32(partitions), int16(replicas), values, name); err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	return c.WaitInSync(ctx, name)
}

// CreateTopicOn creates a topic whose replicas are all on the named brokers, the first of which leads, and waits as
// CreateTopic does.
func (c *Cluster) CreateTopicOn(ctx context.Context, name string, partitions int, brokers []int32, configs map[string]string) error {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, -1, -1
	for partition := range int32(partitions) {
		assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		assignment.Partition, assignment.Replicas = partition, brokers
		topic.ReplicaAssignment = append(topic.ReplicaAssignment, assignment)
	}
	for key, value := range configs {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = key, &value
		topic.Configs = append(topic.Configs, config)
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, c.client)
	if err == nil && len(answer.Topics) == 1 {
		err = kerr.ErrorForCode(answer.Topics[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("create topic %s on brokers %v: %w", name, brokers, err)
	}
	return c.WaitInSync(ctx, name)
}

// DeleteTopic deletes a topic and returns when no broker lists it any more.
func (c *Cluster) DeleteTopic(ctx context.Context, name string) error {
	if _, err := c.admin.DeleteTopic(ctx, name); err != nil {
		return fmt.Errorf("delete topic %s: %w", name, err)
	}
	return waitFor(ctx, "topic "+name+" is gone", func(ctx context.Context) error {
		topics, err := c.admin.ListTopics(ctx, name)
		if err != nil {
			return err
		}
		if topics.Has(name) {
			return errors.New("it is still there")
		}
		return nil
	})
}

// AddPartitions grows a topic to total partitions, and waits as CreateTopic does.
func (c *Cluster) AddPartitions(ctx context.Context, topic string, total int) error {
	answer, err := c.admin.UpdatePartitions(ctx, total, topic)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		return fmt.Errorf("grow topic %s to %d partitions: %w", topic, total, err)
	}
	return c.WaitInSync(ctx, topic)
}

// SetTopicConfig sets configs of a topic; others keep their values.
func (c *Cluster) SetTopicConfig(ctx context.Context, topic string, configs map[string]string) error {
	changes := make([]kadm.AlterConfig, 0, len(configs))
	for key, value := range configs {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &value})
	}
	answers, err := c.admin.AlterTopicConfigs(ctx, changes, topic)
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	if err != nil {
		return fmt.Errorf("configure topic %s: %w", topic, err)
	}
	return nil
}

// DeleteRecords deletes what is before offset in one partition, as retention does.
func (c *Cluster) DeleteRecords(ctx context.Context, topic string, partition int32, offset int64) error {
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset, LeaderEpoch: -1})
	answer, err := c.admin.DeleteRecords(ctx, offsets)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		return fmt.Errorf("delete records of %s/%d before %d: %w", topic, partition, offset, err)
	}
	return nil
}

// EndOffsets returns the offset that the next record gets, by partition.
func (c *Cluster) EndOffsets(ctx context.Context, topic string) (map[int32]int64, error) {
	listed, err := c.admin.ListEndOffsets(ctx, topic)
	return offsets(listed, err, "end", topic)
}

// StartOffsets returns the offset of the first record that is still there, by partition.
func (c *Cluster) StartOffsets(ctx context.Context, topic string) (map[int32]int64, error) {
	listed, err := c.admin.ListStartOffsets(ctx, topic)
	return offsets(listed, err, "start", topic)
}

func offsets(listed kadm.ListedOffsets, err error, which, topic string) (map[int32]int64, error) {
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list %s offsets of %s: %w", which, topic, err)
	}
	at := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { at[o.Partition] = o.Offset })
	return at, nil
}

// Timestamp returns the timestamp of the record at an offset.
func (c *Cluster) Timestamp(ctx context.Context, topic string, partition int32, offset int64) (time.Time, error) {
	client, err := c.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return time.Time{}, err
	}
	defer client.Close()
	fetches := client.PollRecords(ctx, 1)
	err = fetches.Err()
	records := fetches.Records()
	if err == nil && (len(records) == 0 || records[0].Offset != offset) {
		err = errors.New("there is no such record")
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read the timestamp of %s/%d at %d: %w", topic, partition, offset, err)
	}
	return records[0].Timestamp, nil
}

// SetClientQuota limits a client id to bytes per second on each broker; zero lifts a limit.
func (c *Cluster) SetClientQuota(ctx context.Context, clientID string, produceBytes, fetchBytes int) error {
	answers, err := c.admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: &clientID}},
		Ops: []kadm.AlterClientQuotaOp{
			{Key: "producer_byte_rate", Value: float64(produceBytes), Remove: produceBytes == 0},
			{Key: "consumer_byte_rate", Value: float64(fetchBytes), Remove: fetchBytes == 0},
		},
	}})
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	if err != nil {
		return fmt.Errorf("set quota of client %s: %w", clientID, err)
	}
	return nil
}
