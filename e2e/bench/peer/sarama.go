package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
)

// runSarama copies from one consumer of each partition to one AsyncProducer: idempotent, which allows one request in
// flight, all replicas, batches of up to 1 MB.
func runSarama(outer context.Context, r route) (err error) {
	config, err := saramaConfig(r.codec)
	if err != nil {
		return err
	}
	consumer, err := sarama.NewConsumer([]string{r.from}, config)
	if err != nil {
		return fmt.Errorf("open consumer: %w", err)
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	producer, err := sarama.NewAsyncProducer([]string{r.to}, config)
	if err != nil {
		return fmt.Errorf("open producer: %w", err)
	}
	ctx, cancel := context.WithCancelCause(outer)
	var producing, consuming sync.WaitGroup
	producing.Go(func() { // until AsyncClose has flushed everything
		for refused := range producer.Errors() {
			cancel(fmt.Errorf("produce: %w", refused.Err))
		}
	})
	for p := range int32(r.partitions) {
		from, err := consumer.ConsumePartition(r.source, p, sarama.OffsetOldest)
		if err != nil {
			cancel(fmt.Errorf("consume partition %d: %w", p, err))
			break
		}
		consuming.Go(func() {
			if err := copySarama(ctx, r.destination, from, producer); err != nil {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	consuming.Wait()
	producer.AsyncClose()
	producing.Wait()
	if outer.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

func saramaConfig(codec string) (*sarama.Config, error) {
	config := sarama.NewConfig()
	config.Version = sarama.V3_0_0_0
	config.Net.MaxOpenRequests = 1
	config.Consumer.Fetch.Default = 1 << 20
	config.Consumer.Return.Errors = true
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.MaxMessageBytes = 1 << 20
	config.Producer.Partitioner = sarama.NewManualPartitioner
	if err := config.Producer.Compression.UnmarshalText([]byte(codec)); err != nil {
		return nil, fmt.Errorf("choose codec: %w", err)
	}
	return config, nil
}

// copySarama copies one partition until ctx ends.
func copySarama(ctx context.Context, topic string, from sarama.PartitionConsumer, to sarama.AsyncProducer) (err error) {
	defer func() { err = errors.Join(err, from.Close()) }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case refused := <-from.Errors():
			return fmt.Errorf("consume: %w", refused)
		case in := <-from.Messages():
			out := &sarama.ProducerMessage{Topic: topic, Partition: in.Partition, Timestamp: in.Timestamp,
				Key: sarama.ByteEncoder(in.Key), Value: sarama.ByteEncoder(in.Value)}
			for _, h := range in.Headers {
				out.Headers = append(out.Headers, *h)
			}
			select {
			case to.Input() <- out:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
