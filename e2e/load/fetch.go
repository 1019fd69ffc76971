package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	fetchBytes = 2 << 20
	fetchWait  = 500 * time.Millisecond
	stallAfter = time.Minute // without progress, a read gives up
	retryPause = 50 * time.Millisecond
)

// isolation levels as Fetch requests spell them.
const (
	readUncommitted int8 = 0
	readCommitted   int8 = 1
)

// reader reads one topic partition by partition, from the leaders, with Fetch
// requests of its own: a consumer cannot tell "nothing more" from "not yet".
// One goroutine at a time.
type reader struct {
	client  *kgo.Client
	admin   *kadm.Client
	topic   string
	id      kadm.TopicID
	leaders map[int32]int32 // by partition

	decompressor kgo.Decompressor
}

// span is a range of offsets, from included and to not.
type span struct{ from, to int64 }

func openReader(ctx context.Context, seeds []string, topic string) (*reader, error) {
	client, err := newClient(seeds)
	if err != nil {
		return nil, err
	}
	r := &reader{client: client, admin: kadm.NewClient(client), topic: topic, decompressor: kgo.DefaultDecompressor()}
	if err := r.findLeaders(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return r, nil
}

func (r *reader) close() { r.client.Close() }

// findLeaders looks up the topic's leaders. When it fails, the last known ones
// stay.
func (r *reader) findLeaders(ctx context.Context) error {
	metadata, err := r.admin.Metadata(ctx, r.topic)
	if err != nil {
		return fmt.Errorf("find leaders of %s: %w", r.topic, err)
	}
	detail := metadata.Topics[r.topic]
	if detail.Err != nil {
		return fmt.Errorf("find leaders of %s: %w", r.topic, detail.Err)
	}
	r.id = detail.ID
	r.leaders = make(map[int32]int32, len(detail.Partitions))
	for p, d := range detail.Partitions {
		r.leaders[p] = d.Leader
	}
	return nil
}

// partitions returns the partition numbers in order.
func (r *reader) partitions() []int32 { return slices.Sorted(maps.Keys(r.leaders)) }

// spans returns what is readable at the isolation level now, by partition. It
// waits out leader elections.
func (r *reader) spans(ctx context.Context, isolation int8) (map[int32]span, error) {
	ends := r.admin.ListEndOffsets
	if isolation == readCommitted {
		ends = r.admin.ListCommittedOffsets
	}
	starts, err := r.offsets(ctx, r.admin.ListStartOffsets)
	if err != nil {
		return nil, fmt.Errorf("list first offsets of %s: %w", r.topic, err)
	}
	to, err := r.offsets(ctx, ends)
	if err != nil {
		return nil, fmt.Errorf("list end offsets of %s: %w", r.topic, err)
	}
	spans := make(map[int32]span, len(to))
	for p, end := range to {
		spans[p] = span{starts[p], end}
	}
	return spans, nil
}

func (r *reader) offsets(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[int32]int64, error) {
	deadline := time.Now().Add(stallAfter)
	for {
		listed, err := list(ctx, r.topic)
		if err == nil {
			err = listed.Error()
		}
		if err == nil {
			offsets := make(map[int32]int64, len(listed[r.topic]))
			for p, o := range listed[r.topic] {
				offsets[p] = o.Offset
			}
			return offsets, nil
		}
		if permanent(err) || time.Now().After(deadline) {
			return nil, err
		}
		if err := pause(ctx, retryPause); err != nil {
			return nil, err
		}
	}
}

// fetch reads once from offset, riding out moved leaders and lost connections
// for stallAfter at most. The answer may be empty.
func (r *reader) fetch(ctx context.Context, partition int32, offset int64, isolation int8) (*kmsg.FetchResponseTopicPartition, error) {
	deadline := time.Now().Add(stallAfter)
	for {
		answer, err := r.fetchOnce(ctx, partition, offset, isolation)
		if err == nil {
			return answer, nil
		}
		if permanent(err) || time.Now().After(deadline) {
			return nil, fmt.Errorf("fetch %s/%d from %d: %w", r.topic, partition, offset, err)
		}
		if err := pause(ctx, retryPause); err != nil {
			return nil, fmt.Errorf("fetch %s/%d from %d: %w", r.topic, partition, offset, err)
		}
		if err := r.findLeaders(ctx); permanent(err) {
			return nil, err
		}
	}
}

func (r *reader) fetchOnce(ctx context.Context, partition int32, offset int64, isolation int8) (*kmsg.FetchResponseTopicPartition, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(fetchWait.Milliseconds())
	req.MinBytes, req.MaxBytes = 1, fetchBytes
	req.IsolationLevel = isolation
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = r.topic, r.id
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = partition, offset, fetchBytes
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)

	answer, err := r.client.Broker(int(r.leaders[partition])).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	resp, ok := answer.(*kmsg.FetchResponse)
	if !ok {
		return nil, fmt.Errorf("answer is %T", answer)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 { // a throttled answer holds nothing
		return &kmsg.FetchResponseTopicPartition{Partition: partition}, nil
	}
	rp := &resp.Topics[0].Partitions[0]
	return rp, kerr.ErrorForCode(rp.ErrorCode)
}
