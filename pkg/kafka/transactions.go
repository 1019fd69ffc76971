package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OpenTransaction is the oldest transaction that is open in a partition: consumers of committed data wait for its end.
type OpenTransaction struct {
	ProducerID  int64
	FirstOffset int64
	// Known where the transaction's coordinator may be asked (Kafka 3.0, DESCRIBE on the transactional id) and still has it.
	TransactionalID string    // "" unknown
	Began           time.Time // zero when unknown
}

// OpenTransactions asks the leaders of a topic's partitions for the oldest open transaction of each (DescribeProducers of
// KIP-664, from Kafka 2.8 on; needs READ on the topic) and the coordinators for what they tell of those. A partition without
// one is missing in the result.
func (c *Cluster) OpenTransactions(ctx context.Context, topic string, partitions []int32) (map[int32]OpenTransaction, error) {
	var open map[int32]OpenTransaction
	err := c.call(ctx, "read producers of topic "+topic, func(ctx context.Context) error {
		md, err := c.askMetadata(ctx, []string{topic})
		if err != nil {
			return err
		}
		if open, err = c.askProducers(ctx, md, topic, partitions); err != nil || len(open) == 0 {
			return err
		}
		c.nameTransactions(ctx, md, open)
		return nil
	})
	return open, err
}

// askProducers asks the leaders.
func (c *Cluster) askProducers(ctx context.Context, md *Metadata, topic string, partitions []int32) (map[int32]OpenTransaction, error) {
	led := map[int32][]int32{}
	known := md.Topics[topic].Partitions
	for _, id := range partitions {
		if int(id) >= len(known) {
			return nil, fmt.Errorf("partition %d: %w", id, Error{codeUnknownTopicOrPartition})
		}
		if known[id].Err != nil {
			return nil, fmt.Errorf("partition %d: %w", id, known[id].Err)
		}
		led[known[id].Leader] = append(led[known[id].Leader], id)
	}
	open := map[int32]OpenTransaction{}
	for leader, ids := range led {
		req := kmsg.NewPtrDescribeProducersRequest()
		asked := kmsg.NewDescribeProducersRequestTopic()
		asked.Topic, asked.Partitions = topic, ids
		req.Topics = append(req.Topics, asked)
		answer, err := c.askAt(ctx, md.Brokers[leader], req)
		if err != nil {
			return nil, err
		}
		for _, t := range answer.(*kmsg.DescribeProducersResponse).Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					return nil, fmt.Errorf("partition %d: %w", p.Partition, explain(p.ErrorCode, p.ErrorMessage))
				}
				if oldest, ok := oldestOpen(p.ActiveProducers); ok {
					open[p.Partition] = oldest
				}
			}
		}
	}
	return open, nil
}

func oldestOpen(producers []kmsg.DescribeProducersResponseTopicPartitionActiveProducer) (oldest OpenTransaction, ok bool) {
	for _, p := range producers {
		if first := p.CurrentTxnStartOffset; first >= 0 && (!ok || first < oldest.FirstOffset) {
			oldest, ok = OpenTransaction{ProducerID: p.ProducerID, FirstOffset: first}, true
		}
	}
	return oldest, ok
}

// nameTransactions adds what the coordinators tell. Brokers list only what the client may DESCRIBE, and those of Kafka 2.8
// nothing; what is not told stays unknown, as the producer ids are the answer that was asked for.
func (c *Cluster) nameTransactions(ctx context.Context, md *Metadata, open map[int32]OpenTransaction) {
	list := kmsg.NewPtrListTransactionsRequest()
	for _, o := range open {
		list.ProducerIDFilters = append(list.ProducerIDFilters, o.ProducerID)
	}
	for _, addr := range md.Brokers { // each lists those it coordinates
		answer, err := c.askAt(ctx, addr, list)
		if err != nil {
			c.log.Debug("transactions not listed", "addr", addr, "err", err)
			continue
		}
		for _, found := range answer.(*kmsg.ListTransactionsResponse).TransactionStates {
			began, err := c.askBegin(ctx, addr, found.TransactionalID, found.ProducerID)
			if err != nil {
				c.log.Debug("transaction not described", "addr", addr, "err", err)
			}
			for partition, o := range open {
				if o.ProducerID != found.ProducerID {
					continue
				}
				if o.TransactionalID = found.TransactionalID; err == nil {
					o.Began = began
				}
				open[partition] = o
			}
		}
	}
}

// askBegin asks a coordinator when the present transaction of a transactional id began.
func (c *Cluster) askBegin(ctx context.Context, addr, id string, producer int64) (time.Time, error) {
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{id}
	answer, err := c.askAt(ctx, addr, req)
	if err != nil {
		return time.Time{}, err
	}
	states := answer.(*kmsg.DescribeTransactionsResponse).TransactionStates
	if len(states) == 0 {
		return time.Time{}, errNoAnswer
	}
	t := states[0]
	switch {
	case t.ErrorCode != 0:
		return time.Time{}, ErrorCode(t.ErrorCode)
	case t.TransactionalID != id || t.ProducerID != producer || t.StartTimestamp <= 0:
		return time.Time{}, errors.New("another transaction has begun")
	}
	return time.UnixMilli(t.StartTimestamp).UTC(), nil
}
