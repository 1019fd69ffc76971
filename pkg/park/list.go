package park

import (
	"context"
	"errors"
	"fmt"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// Filter says which entries are meant: with two -1 and nothing else all of them.
type Filter struct {
	Link, Topic string // "" for all
	Partition   int32  // of the source; -1 for all
	Offset      int64  // of the source; -1 for all
}

// Match says whether p is meant.
func (f Filter) Match(p mirror.Parked) bool {
	return (f.Link == "" || f.Link == p.Link) && (f.Topic == "" || f.Topic == p.Source.Topic) &&
		(f.Partition < 0 || f.Partition == p.Source.Partition) && (f.Offset < 0 || p.From <= f.Offset && f.Offset < p.To)
}

// List calls found with each entry of a cluster that matches, in the order in which they were parked within a partition of
// the topic, up to those there were when it began. An entry's bytes are its own. What no mirror has written is passed over
// and counted.
func List(ctx context.Context, cluster *kafka.Cluster, f Filter, found func(Entry) error) (foreign int, err error) {
	n, err := cluster.Partitions(ctx, Topic)
	if err != nil {
		return 0, err
	}
	for p := range int32(n) {
		skipped, err := listPartition(ctx, cluster, p, f, found)
		foreign += skipped
		if err != nil {
			return foreign, err
		}
	}
	return foreign, nil
}

func listPartition(ctx context.Context, cluster *kafka.Cluster, partition int32, f Filter, found func(Entry) error) (foreign int, err error) {
	next, end, err := cluster.Ends(ctx, Topic, partition)
	if err != nil {
		return 0, err
	}
	for next < end {
		data, err := cluster.Read(ctx, Topic, partition, next)
		if err != nil {
			return foreign, err
		}
		begun := next
		for len(data) > 0 {
			b, rest, err := batch.Split(data)
			if errors.Is(err, batch.ErrIncomplete) {
				break
			}
			if err == nil {
				err = b.Verify()
			}
			if err != nil {
				return foreign, fmt.Errorf("read %s/%d at %s from offset %d: %w", Topic, partition, cluster.Name(), next, err)
			}
			entries, skipped, err := entriesOf(b, next)
			if err != nil {
				return foreign, fmt.Errorf("read %s/%d at %s: %w", Topic, partition, cluster.Name(), err)
			}
			data, next, foreign = rest, b.NextOffset(), foreign+skipped
			for _, e := range entries {
				e.Cluster, e.Partition = cluster.Name(), partition
				if !f.Match(e.Parked) {
					continue
				}
				if err := found(e); err != nil {
					return foreign, err
				}
			}
		}
		if next == begun {
			return foreign, fmt.Errorf("read %s/%d at %s: nothing was returned at offset %d, below the end %d", Topic, partition, cluster.Name(), next, end)
		}
	}
	return foreign, nil
}

// entriesOf takes a batch of the topic apart, from an offset on.
func entriesOf(b batch.Batch, from int64) (entries []Entry, foreign int, err error) {
	if b.IsControl() {
		return nil, 0, nil
	}
	records, err := b.Records(2 * maxRecordBytes)
	if err != nil {
		return nil, 0, err
	}
	for _, r := range records {
		if r.Offset < from {
			continue
		}
		p, err := decode(r)
		if err != nil {
			foreign++
			continue
		}
		entries = append(entries, Entry{Offset: r.Offset, ParkedAt: r.Timestamp, Parked: p})
	}
	return entries, foreign, nil
}
