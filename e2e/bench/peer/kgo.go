package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// runKgo copies with franz-go's defaults, but for limits that suit bulk: 1 MB of each partition and 8 MB in total in a
// fetch, batches of up to 1 MB. It is idempotent and waits for all replicas, as those defaults are.
func runKgo(ctx context.Context, r route) error {
	codec, err := kgoCodec(r.codec)
	if err != nil {
		return err
	}
	starts := map[int32]kgo.Offset{}
	for p := range int32(r.partitions) {
		starts[p] = kgo.NewOffset().AtStart()
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(r.from),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.source: starts}),
		kgo.FetchMaxPartitionBytes(1<<20), kgo.FetchMaxBytes(8<<20))
	if err != nil {
		return fmt.Errorf("open consumer: %w", err)
	}
	defer consumer.Close()
	producer, err := kgo.NewClient(kgo.SeedBrokers(r.to),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1<<20), kgo.ProducerBatchCompression(codec))
	if err != nil {
		return fmt.Errorf("open producer: %w", err)
	}
	defer producer.Close()
	return copyKgo(ctx, r.destination, consumer, producer)
}

// copyKgo copies until ctx ends or a record is refused.
func copyKgo(outer context.Context, topic string, consumer, producer *kgo.Client) error {
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	done := func(_ *kgo.Record, err error) {
		if err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("produce: %w", err))
		}
	}
	for {
		fetches := consumer.PollFetches(ctx)
		if outer.Err() != nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		fetches.EachRecord(func(in *kgo.Record) {
			producer.Produce(ctx, &kgo.Record{Topic: topic, Partition: in.Partition, Key: in.Key, Value: in.Value,
				Headers: in.Headers, Timestamp: in.Timestamp}, done)
		})
	}
}

func kgoCodec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	}
	return kgo.CompressionCodec{}, fmt.Errorf("codec %q is not one of none, lz4, zstd", name)
}
