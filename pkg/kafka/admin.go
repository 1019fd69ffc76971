package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// errNoAnswer says that a broker's answer lacked something that was asked for.
var errNoAnswer = errors.New("broker did not answer for it")

// NewTopic is a topic to create. Partitions or Replication -1 mean the cluster's default.
type NewTopic struct {
	Name        string
	Partitions  int32
	Replication int16
	Configs     map[string]string
}

// CreateTopics creates topics, all different, in one request: a controller takes some 30 ms for each request, and hardly
// longer for one of many topics. It returns why topics were not created, by name. That a topic exists already, in whatever
// form, is no error. A new topic needs a moment: until all brokers know it they answer for it with the codes 3, 5 and 6.
func (c *Cluster) CreateTopics(ctx context.Context, topics ...NewTopic) (refused map[string]error, err error) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	req.TimeoutMillis = int32(adminTimeout.Milliseconds())
	for _, t := range topics {
		req.Topics = append(req.Topics, t.encode())
	}
	what := "create topic " + topics[0].Name
	if more := len(topics) - 1; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	err = c.call(ctx, what, func(ctx context.Context) error {
		answer, err := c.askController(ctx, req)
		if err != nil {
			return err
		}
		refused, err = c.readCreated(topics, answer.(*kmsg.CreateTopicsResponse))
		return err
	})
	return refused, err
}

func (t NewTopic) encode() kmsg.CreateTopicsRequestTopic {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = t.Name, t.Partitions, t.Replication
	for _, key := range slices.Sorted(maps.Keys(t.Configs)) {
		setting := kmsg.NewCreateTopicsRequestTopicConfig()
		setting.Name, setting.Value = key, new(t.Configs[key])
		topic.Configs = append(topic.Configs, setting)
	}
	return topic
}

// readCreated returns the topics' errors. One that passes is the error of the whole: all is asked again, and what was created
// meanwhile exists then.
func (c *Cluster) readCreated(topics []NewTopic, answer *kmsg.CreateTopicsResponse) (map[string]error, error) {
	refused := map[string]error{}
	for _, t := range topics {
		refused[t.Name] = errNoAnswer
	}
	for _, t := range answer.Topics {
		delete(refused, t.Topic)
		if t.ErrorCode == 0 || t.ErrorCode == codeTopicAlreadyExists {
			continue
		}
		err := fmt.Errorf("%s: create topic %s: %w", c.name, t.Topic, explain(t.ErrorCode, t.ErrorMessage))
		if Retriable(err) {
			return nil, err
		}
		refused[t.Topic] = err
	}
	return refused, nil
}

// CreateTopic is CreateTopics for one topic.
func (c *Cluster) CreateTopic(ctx context.Context, topic NewTopic) error {
	refused, err := c.CreateTopics(ctx, topic)
	if err != nil {
		return err
	}
	return refused[topic.Name]
}

// GrowTopic raises the number of partitions. That the topic has as many or more is no error.
func (c *Cluster) GrowTopic(ctx context.Context, name string, partitions int32) error {
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = name, partitions
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.SetVersion(3)
	req.TimeoutMillis = int32(adminTimeout.Milliseconds())
	req.Topics = append(req.Topics, topic)
	return c.call(ctx, "grow topic "+name, func(ctx context.Context) error {
		answer, err := c.askController(ctx, req)
		if err != nil {
			return err
		}
		grown := answer.(*kmsg.CreatePartitionsResponse).Topics
		if len(grown) == 0 {
			return errNoAnswer
		}
		err = explain(grown[0].ErrorCode, grown[0].ErrorMessage)
		if grown[0].ErrorCode == codeInvalidPartitions {
			return c.confirmSize(ctx, name, partitions, err)
		}
		return err
	})
}

// confirmSize finds out whether the controller gave refusal because the topic has n partitions already,
// and returns nil then. Other brokers learn of a growth a moment after the controller.
func (c *Cluster) confirmSize(ctx context.Context, topic string, n int32, refusal error) error {
	ctx, cancel := context.WithTimeout(ctx, spreadTimeout)
	defer cancel()
	var backoff Backoff
	for {
		md, err := c.askMetadata(ctx, []string{topic})
		if err == nil && len(md.Topics[topic].Partitions) >= int(n) {
			return nil
		}
		if backoff.Wait(ctx) != nil {
			return errors.Join(refusal, err)
		}
	}
}

// InitProducerID has a new producer id allocated, for idempotent writing without transactions.
func (c *Cluster) InitProducerID(ctx context.Context) (id int64, epoch int16, err error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(4)
	req.TransactionTimeoutMillis = int32(adminTimeout.Milliseconds())
	req.ProducerID, req.ProducerEpoch = -1, -1
	err = c.call(ctx, "allocate producer id", func(ctx context.Context) error {
		answer, err := c.askAny(ctx, req)
		if err != nil {
			return err
		}
		allocated := answer.(*kmsg.InitProducerIDResponse)
		id, epoch = allocated.ProducerID, allocated.ProducerEpoch
		return ErrorCode(allocated.ErrorCode)
	})
	return id, epoch, err
}

// askController sends req to the controller: brokers of ZooKeeper's time leave it to the client to
// find it, later ones take admin requests anywhere.
func (c *Cluster) askController(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	md, err := c.askMetadata(ctx, []string{})
	if err != nil {
		return nil, fmt.Errorf("find controller: %w", err)
	}
	addr, ok := md.Brokers[md.Controller]
	if !ok {
		return nil, fmt.Errorf("find controller: %w", Error{codeNotController})
	}
	return c.askAt(ctx, addr, req)
}

// explain returns code as an error with the broker's own words.
func explain(code int16, message *string) error {
	if code == 0 || message == nil || *message == "" {
		return ErrorCode(code)
	}
	return fmt.Errorf("%w (%s)", Error{code}, *message)
}
