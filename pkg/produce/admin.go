package produce

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/batch"
	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

var errThrottled = errors.New("the broker throttles this connection")

// Broker defaults, where a broker does not tell.
const (
	defaultProducerExpiry = 24 * time.Hour     // producer.id.expiration.ms, from 3.4 on
	oldProducerExpiry     = 7 * 24 * time.Hour // transactional.id.expiration.ms, which older brokers use for that
	defaultIdleClose      = 10 * time.Minute   // connections.max.idle.ms
	settleTopicTime       = 30 * time.Second   // a new topic's replicas may not be ready for some seconds
	settleTopicPoll       = 50 * time.Millisecond
)

// admin asks and changes the destination's topics.
type admin struct {
	cluster *kafka.Cluster
	watcher *catalog.Watcher
}

// Whose implements mirror.Sink.
func (a admin) Whose(ctx context.Context, topic string) (mirror.Whose, error) {
	id, cluster, err := a.cluster.TopicID(ctx, topic)
	if err != nil {
		return mirror.Whose{}, fmt.Errorf("ask %s for topic %s: %w", a.cluster.Name(), topic, err)
	}
	return mirror.Whose{Cluster: cluster, TopicID: id.String()}, nil
}

// TimeBefore implements mirror.Sink.
func (a admin) TimeBefore(ctx context.Context, tp mirror.TopicPartition, offset int64) (time.Time, error) {
	leader, _, ok := a.watcher.Leader(tp.Topic, tp.Partition)
	if offset <= 0 || !ok {
		return time.Time{}, nil
	}
	records, err := a.cluster.FetchOne(ctx, leader.Address, kafka.FetchOne{Topic: tp.Topic, Partition: tp.Partition, LeaderEpoch: leader.Epoch, Offset: offset - 1})
	if err != nil || len(records) == 0 {
		return time.Time{}, err
	}
	b, _, err := batch.Split(records)
	if err != nil || b.BaseOffset() >= offset {
		return time.Time{}, err
	}
	if before, _ := b.TimesAround(offset); before >= 0 {
		return time.UnixMilli(before), nil
	}
	return time.Time{}, nil
}

// Limits implements mirror.Sink.
func (a admin) Limits(ctx context.Context, topics []string) (map[string]mirror.Limits, error) {
	broker, err := a.cluster.BrokerConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read broker settings at %s (needs DESCRIBE_CONFIGS on the cluster): %w", a.cluster.Name(), err)
	}
	settings, err := a.cluster.TopicConfigs(ctx, topics, maxMessageBytes, timestampType)
	if err != nil {
		err = fmt.Errorf("read settings of topics at %s (needs DESCRIBE_CONFIGS): %w", a.cluster.Name(), err)
	}
	limits := make(map[string]mirror.Limits, len(settings))
	for topic, s := range settings {
		l, wrong := limitsOf(s, broker)
		if wrong != nil {
			err = errors.Join(err, fmt.Errorf("settings of topic %s at %s: %w", topic, a.cluster.Name(), wrong))
			continue
		}
		limits[topic] = l
	}
	return limits, err
}

// The settings that bear on what may be sent.
const (
	maxMessageBytes = "max.message.bytes"
	timestampType   = "message.timestamp.type"
)

func limitsOf(settings, broker map[string]string) (l mirror.Limits, err error) {
	if l.MaxBatchBytes, err = number(settings[maxMessageBytes], 0); err != nil {
		return l, fmt.Errorf("read %s: %w", maxMessageBytes, err)
	}
	l.LogAppendTime = settings[timestampType] == "LogAppendTime"
	if l.IdleClose, err = millis(broker, "connections.max.idle.ms", defaultIdleClose); err != nil {
		return l, err
	}
	expiry, err := producerExpiry(broker)
	if err != nil {
		return l, err
	}
	if !l.LogAppendTime {
		l.OldAge = expiry / 2
	}
	return l, nil
}

// producerExpiry is after what age of its last record a broker forgets a producer.
func producerExpiry(broker map[string]string) (time.Duration, error) {
	if _, ok := broker["producer.id.expiration.ms"]; ok || len(broker) == 0 {
		return millis(broker, "producer.id.expiration.ms", defaultProducerExpiry)
	}
	if _, ok := broker["transactional.id.expiration.ms"]; ok {
		return millis(broker, "transactional.id.expiration.ms", oldProducerExpiry)
	}
	return defaultProducerExpiry, nil
}

func millis(settings map[string]string, name string, otherwise time.Duration) (time.Duration, error) {
	n, err := number(settings[name], int(otherwise.Milliseconds()))
	if err != nil {
		return 0, fmt.Errorf("read broker setting %s: %w", name, err)
	}
	return time.Duration(n) * time.Millisecond, nil
}

func number(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	return strconv.Atoi(text)
}

// Ends implements mirror.Sink. It asks again where the replicas of a new topic are not ready, and whoever leads by then
// where a leader has moved.
func (a admin) Ends(ctx context.Context, topic string, partitions []int32) ([]mirror.End, error) {
	for until := time.Now().Add(settleTopicTime); ; {
		ends, err := a.endsNow(ctx, topic, partitions)
		if err == nil {
			return ends, nil
		}
		a.watcher.Refresh()
		if _, answered := kafka.Code(err); !answered || !kafka.Retriable(err) || time.Now().After(until) {
			return nil, fmt.Errorf("read end offsets of topic %s at %s: %w", topic, a.cluster.Name(), err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read end offsets of topic %s at %s: %w; last answer: %w", topic, a.cluster.Name(), context.Cause(ctx), err)
		case <-time.After(settleTopicPoll):
		}
	}
}

func (a admin) endsNow(ctx context.Context, topic string, partitions []int32) ([]mirror.End, error) {
	ends := make([]mirror.End, len(partitions))
	byBroker := map[catalog.Leader][]int{}
	for i, p := range partitions {
		leader, err := a.leader(ctx, topic, p)
		if err != nil {
			return nil, err
		}
		leader.Epoch = 0
		byBroker[leader] = append(byBroker[leader], i)
	}
	for leader, which := range byBroker {
		if err := a.endsAt(ctx, leader.Address, topic, partitions, which, ends); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// leader waits until the partition has one.
func (a admin) leader(ctx context.Context, topic string, partition int32) (catalog.Leader, error) {
	for {
		_, changed, _ := a.watcher.Catalog()
		if l, _, ok := a.watcher.Leader(topic, partition); ok {
			return l, nil
		}
		a.watcher.Refresh()
		select {
		case <-ctx.Done():
			return catalog.Leader{}, fmt.Errorf("wait for a leader of %s/%d at %s: %w", topic, partition, a.cluster.Name(), context.Cause(ctx))
		case <-changed:
		}
	}
}

// endsAt asks one broker.
func (a admin) endsAt(ctx context.Context, address, topic string, partitions []int32, which []int, ends []mirror.End) error {
	conn, err := a.cluster.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(listOffsetsVersion)
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	place := map[int32][]int{}
	for _, i := range which {
		if place[partitions[i]] == nil {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.Timestamp = partitions[i], -1, latest
			t.Partitions = append(t.Partitions, p)
		}
		place[partitions[i]] = append(place[partitions[i]], i)
	}
	req.Topics = append(req.Topics, t)
	resp, err := conn.Do(ctx, req)
	if err != nil {
		return err
	}
	return fill(resp.(*kmsg.ListOffsetsResponse), place, ends)
}

func fill(resp *kmsg.ListOffsetsResponse, place map[int32][]int, ends []mirror.End) error {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kafka.ErrorCode(p.ErrorCode); err != nil {
				return err
			}
			for _, i := range place[p.Partition] {
				ends[i] = mirror.End{Offset: p.Offset, Epoch: p.LeaderEpoch}
			}
			delete(place, p.Partition)
		}
	}
	if len(place) > 0 {
		return errors.New("the broker's answer lacks partitions")
	}
	return nil
}

// CreateTopics implements mirror.Sink.
func (a admin) CreateTopics(ctx context.Context, topics []mirror.NewTopic) (map[string]error, error) {
	defer a.watcher.Refresh()
	list := make([]kafka.NewTopic, len(topics))
	for i, t := range topics {
		list[i] = newTopic(t)
	}
	refused, err := a.cluster.CreateTopics(ctx, list...)
	if err != nil {
		return nil, err
	}
	return refused, a.createWithout(ctx, topics, refused)
}

// GrowTopic implements mirror.Sink.
func (a admin) GrowTopic(ctx context.Context, topic string, partitions int) error {
	defer a.watcher.Refresh()
	return a.cluster.GrowTopic(ctx, topic, int32(partitions))
}

// NewProducerID implements mirror.Sink.
func (a admin) NewProducerID(ctx context.Context) (int64, error) {
	id, _, err := a.cluster.InitProducerID(ctx)
	return id, err
}

// CodeName implements mirror.Sink.
func (admin) CodeName(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil {
		return fmt.Sprintf("%s (%d)", e.Message, code)
	}
	return fmt.Sprintf("error code %d", code)
}
