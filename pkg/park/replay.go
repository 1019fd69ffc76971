package park

import (
	"context"
	"errors"
	"fmt"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// ErrUndecodable says that a parked batch cannot be replayed: there are no records in it that could be read.
var ErrUndecodable = errors.New("a batch that could not be read when it was parked has no records to write; repair its bytes, which are the value in " + Topic + ", or copy the offsets again from the source")

// Replayed is what became of an entry.
type Replayed struct {
	Entry
	To     mirror.TopicPartition // where it was written, or would have been
	Offset int64                 // there, -1 when it was not written
	Again  bool                  // the same source offset was replayed before in this call: it had been parked twice
	Err    error                 // why it was not written
}

// place is where something was at the source.
type place struct {
	link, cluster string
	source        mirror.TopicPartition
	offset        int64
}

// Replayer writes parked records to where they belonged. It does not know what is there already.
type Replayer struct {
	Cluster *kafka.Cluster
	Topic   string // instead of the topic that they were for; "" for that
	DryRun  bool   // say what would be written
}

// Run replays the entries that match, in order, and calls told with what became of each. A record that the destination
// refuses does not stop it; the error is the cluster's, or told's.
func (r Replayer) Run(ctx context.Context, f Filter, told func(Replayed) error) error {
	partitions := map[string]int{}
	done := map[place]bool{}
	_, err := List(ctx, r.Cluster, f, func(e Entry) error {
		out := Replayed{Entry: e, To: e.Parked.Dest, Offset: -1}
		if r.Topic != "" {
			out.To.Topic = r.Topic
		}
		from := place{e.Parked.Link, e.Parked.Cluster, e.Parked.Source, e.Parked.From}
		if out.Again = done[from]; !out.Again {
			out.Offset, out.Err = r.replay(ctx, e.Parked, &out.To, partitions)
			done[from] = out.Err == nil
		}
		if _, refused := kafka.Code(out.Err); out.Err != nil && !refused && !errors.Is(out.Err, ErrUndecodable) {
			return out.Err
		}
		return told(out)
	})
	return err
}

// replay writes one record as it was: key, value, headers and time.
func (r Replayer) replay(ctx context.Context, p mirror.Parked, to *mirror.TopicPartition, partitions map[string]int) (int64, error) {
	if p.Record == nil {
		return -1, ErrUndecodable
	}
	if partitions[to.Topic] == 0 {
		n, err := r.Cluster.Partitions(ctx, to.Topic)
		if err == nil && n == 0 {
			err = fmt.Errorf("topic %s does not exist at %s: %w", to.Topic, r.Cluster.Name(), kafka.Error{Code: codeUnknown})
		}
		if err != nil {
			return -1, err
		}
		partitions[to.Topic] = n
	}
	to.Partition %= int32(partitions[to.Topic])
	if r.DryRun {
		return -1, nil
	}
	return r.Cluster.Append(ctx, to.Topic, to.Partition, batch.Build([]batch.Record{*p.Record}))
}
