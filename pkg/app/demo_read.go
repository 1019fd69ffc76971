package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// demoReadWait is how long a fetch at the end of a partition may take; the end of a reader waits for it.
const demoReadWait = 50 * time.Millisecond

// readAll gives every record of the demo's topic to take, partition by partition, each in its order. It reads as any
// consumer would, with nothing of the mirror's.
func readAll(ctx context.Context, brokers []string, take func(*sarama.ConsumerMessage)) (err error) {
	c := demoClient()
	c.Consumer.Return.Errors = true
	c.Consumer.MaxWaitTime = demoReadWait
	client, err := sarama.NewClient(brokers, c)
	if err != nil {
		return fmt.Errorf("connect reader: %w", err)
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return fmt.Errorf("make reader: %w", err)
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	partitions, err := client.Partitions(demoTopic)
	if err != nil {
		return fmt.Errorf("ask for the partitions of %s: %w", demoTopic, err)
	}
	for _, p := range partitions {
		end, err := client.GetOffset(demoTopic, p, sarama.OffsetNewest)
		if err != nil {
			return fmt.Errorf("ask for the end of %s/%d: %w", demoTopic, p, err)
		}
		if err := readPartition(ctx, consumer, p, end, take); err != nil {
			return fmt.Errorf("read %s/%d: %w", demoTopic, p, err)
		}
	}
	return nil
}

// readPartition reads up to but without the offset end.
func readPartition(ctx context.Context, consumer sarama.Consumer, partition int32, end int64, take func(*sarama.ConsumerMessage)) (err error) {
	if end == 0 {
		return nil
	}
	reader, err := consumer.ConsumePartition(demoTopic, partition, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case failed := <-reader.Errors():
			return failed.Err
		case m := <-reader.Messages():
			take(m)
			if m.Offset >= end-1 {
				return nil
			}
		}
	}
}
