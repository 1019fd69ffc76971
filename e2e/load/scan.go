package load

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// scan calls each for every record of a span of one partition, in order. With
// readUncommitted it also shows transaction markers and what was aborted. The
// records are valid during the call only as far as the caller is concerned:
// keeping them keeps whole batches in memory.
func (r *reader) scan(ctx context.Context, partition int32, s span, isolation int8, each func(*kgo.Record) error) error {
	group, ctx := errgroup.WithContext(ctx)
	chunks := make(chan []*kgo.Record, 1) // one chunk is fetched while another is looked at
	group.Go(func() error {
		defer close(chunks)
		return r.read(ctx, partition, s, isolation, chunks)
	})
	group.Go(func() error {
		for chunk := range chunks {
			for _, record := range chunk {
				if record.Offset >= s.to {
					break
				}
				if err := each(record); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return group.Wait()
}

// read sends the records of a span in chunks.
func (r *reader) read(ctx context.Context, partition int32, s span, isolation int8, chunks chan<- []*kgo.Record) error {
	opts := kgo.ProcessFetchPartitionOpts{Offset: s.from, Topic: r.topic, Partition: partition}
	if isolation == readCommitted {
		opts.IsolationLevel = kgo.ReadCommitted()
	} else {
		opts.KeepControlRecords = true
	}
	progress := time.Now()
	for opts.Offset < s.to {
		answer, err := r.fetch(ctx, partition, opts.Offset, isolation)
		if err != nil {
			return err
		}
		records, next := kgo.ProcessFetchPartition(opts, answer, r.decompressor, nil)
		if records.Err != nil {
			return fmt.Errorf("decode %s/%d at %d: %w", r.topic, partition, opts.Offset, records.Err)
		}
		if next == opts.Offset {
			if time.Since(progress) > stallAfter {
				return fmt.Errorf("read %s/%d: nothing at %d for %v although the end is %d", r.topic, partition, next, stallAfter, s.to)
			}
			continue
		}
		progress, opts.Offset = time.Now(), next
		select {
		case chunks <- records.Records:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
