package produce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// Special timestamps of ListOffsets.
const (
	latest   = -1
	earliest = -2
)

// Versions that name topics and carry what is needed: leader epochs in both directions.
const (
	listOffsetsVersion = 5
	epochEndVersion    = 4
	scanFetchVersion   = 12
)

const scanBytes = 4 << 20 // of one fetch of a scan

// answer is one partition's, in the order asked.
type answer struct {
	end int64
	err error
}

// epochEnds asks for the end offset of a leader epoch per partition (OffsetForLeaderEpoch, KIP-101).
func epochEnds(ctx context.Context, conn *kafka.Conn, list []*joiner, epoch func(*joiner) int32) ([]answer, error) {
	if len(list) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.SetVersion(epochEndVersion)
	req.ReplicaID = -1
	byTopic(list, func(topic string) {
		t := kmsg.NewOffsetForLeaderEpochRequestTopic()
		t.Topic = topic
		req.Topics = append(req.Topics, t)
	}, func(k int, j *joiner) {
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = j.e.dest.Partition, j.at.Epoch, epoch(j)
		req.Topics[k].Partitions = append(req.Topics[k].Partitions, p)
	})
	resp, err := conn.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	got := map[mirror.TopicPartition]answer{}
	for _, t := range resp.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, p := range t.Partitions {
			got[mirror.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = answer{p.EndOffset, kafka.ErrorCode(p.ErrorCode)}
		}
	}
	return inOrder(list, got), nil
}

// listOffsets asks the leaders for an end of each log. It is refused by followers, and by a new leader until its
// watermark is right (KIP-207).
func listOffsets(ctx context.Context, conn *kafka.Conn, list []*joiner, timestamp int64) ([]answer, error) {
	if len(list) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(listOffsetsVersion)
	req.ReplicaID = -1
	byTopic(list, func(topic string) {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		req.Topics = append(req.Topics, t)
	}, func(k int, j *joiner) {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.Timestamp = j.e.dest.Partition, j.at.Epoch, timestamp
		req.Topics[k].Partitions = append(req.Topics[k].Partitions, p)
	})
	resp, err := conn.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	got := map[mirror.TopicPartition]answer{}
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			got[mirror.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = answer{p.Offset, kafka.ErrorCode(p.ErrorCode)}
		}
	}
	return inOrder(list, got), nil
}

// byTopic goes through list for a request that names each topic once: begin is called for every new topic, add with the
// place of the joiner's topic in order of begin.
func byTopic(list []*joiner, begin func(topic string), add func(k int, j *joiner)) {
	places := map[string]int{}
	for _, j := range list {
		k, ok := places[j.e.dest.Topic]
		if !ok {
			k = len(places)
			places[j.e.dest.Topic] = k
			begin(j.e.dest.Topic)
		}
		add(k, j)
	}
}

func inOrder(list []*joiner, got map[mirror.TopicPartition]answer) []answer {
	out := make([]answer, len(list))
	for i, j := range list {
		a, ok := got[j.e.dest]
		if !ok {
			a.err = fmt.Errorf("%s/%d is missing in the broker's answer", j.e.dest.Topic, j.e.dest.Partition)
		}
		out[i] = a
	}
	return out
}

// scan folds the batches from the position to j.end into j.tail, where the plan asks for it.
func (l *lane) scan(ctx context.Context, conn *kafka.Conn, j *joiner) error {
	if j.plan.Need == protocol.Resend || !j.plan.Count {
		return nil
	}
	from := j.plan.Position.Dest
	if j.end < from {
		j.e.p.DestinationGone(j.end)
		j.settle()
		return nil
	}
	if j.end == from {
		j.tail = protocol.NewTail(j.plan.Position, 0)
		return nil
	}
	if j.start.err != nil {
		return j.start.err
	}
	tail, next := j.begin()
	for begun := time.Now(); next < j.end; {
		if time.Since(begun) > scanTurn && j.plan.Need != protocol.ScanCalm && l.awaited() {
			j.keep(tail, next)
			return fmt.Errorf("scan from offset %d, up to %d: others come first for a moment", next, j.end)
		}
		records, err := l.tailFrom(ctx, conn, j, next)
		if err == nil {
			next, err = fold(tail, records, next, j.end)
		}
		if hole, ok := errors.AsType[*protocol.HoleError](err); ok {
			j.e.p.Halt(mirror.CauseSequenceHole, fmt.Sprintf("%s/%d at %s: %v", j.e.dest.Topic, j.e.dest.Partition, l.sink.cluster.Name(), hole), nil)
			j.settle()
			return nil
		}
		if err != nil {
			j.keep(tail, next)
			return fmt.Errorf("scan from offset %d, up to %d: %w", next, j.end, err)
		}
	}
	if !tail.Anchored() && j.plan.Position.Sequence > 0 {
		return l.anchor(ctx, conn, j, tail)
	}
	j.tail = tail
	return nil
}

// fold adds the complete batches of records to tail, up to the offset end, and returns the offset after the last one.
func fold(tail *protocol.Tail, records []byte, next, end int64) (int64, error) {
	begun := next
	for len(records) > 0 && next < end {
		b, rest, err := batch.Split(records)
		if errors.Is(err, batch.ErrIncomplete) && next > begun {
			return next, nil
		}
		if err != nil {
			return next, err
		}
		records = rest
		next = b.NextOffset()
		if b.IsControl() {
			continue
		}
		err = tail.Add(protocol.Header{ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(), Sequence: b.BaseSequence(),
			Records: b.LastOffsetDelta() + 1, MaxTimestamp: b.MaxTimestamp(), Next: next})
		if err != nil {
			return next, err
		}
	}
	if next == begun {
		return next, fmt.Errorf("nothing was returned below the end offset %d", end)
	}
	return next, nil
}

// tailFrom returns batches from an offset on: those that a fetch for many brought, if they hold a whole one, or by fetching.
func (l *lane) tailFrom(ctx context.Context, conn *kafka.Conn, j *joiner, from int64) ([]byte, error) {
	head := j.head
	j.head = nil
	if _, _, err := batch.Split(head); len(head) > 0 && err == nil {
		return head, nil
	}
	return l.fetchTail(ctx, conn, j, from)
}

// fetchTail reads batches of the destination, un-committed ones included, for their headers.
func (l *lane) fetchTail(ctx context.Context, conn *kafka.Conn, j *joiner, from int64) ([]byte, error) {
	req := newScanFetch()
	t := kmsg.NewFetchRequestTopic()
	t.Topic = j.e.dest.Topic
	t.Partitions = append(t.Partitions, scanFrom(j, from, scanBytes))
	req.Topics = append(req.Topics, t)
	resp, err := conn.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	f := resp.(*kmsg.FetchResponse)
	if err := kafka.ErrorCode(f.ErrorCode); err != nil {
		return nil, err
	}
	if len(f.Topics) == 0 || len(f.Topics[0].Partitions) == 0 {
		return nil, errThrottled // a throttled answer is empty; the connection is muted for a while
	}
	a := &f.Topics[0].Partitions[0]
	return a.RecordBatches, kafka.ErrorCode(a.ErrorCode)
}

// anchor settles a scan of a log whose beginning retention has removed together with every batch of ours: the leader may
// still remember the producer. If it does not, nobody knows what was there, and the partition halts.
func (l *lane) anchor(ctx context.Context, conn *kafka.Conn, j *joiner, tail *protocol.Tail) error {
	req := kmsg.NewPtrDescribeProducersRequest()
	t := kmsg.NewDescribeProducersRequestTopic()
	t.Topic, t.Partitions = j.e.dest.Topic, []int32{j.e.dest.Partition}
	req.Topics = append(req.Topics, t)
	resp, err := conn.Do(ctx, req)
	if err != nil {
		return err
	}
	for _, t := range resp.(*kmsg.DescribeProducersResponse).Topics {
		for _, p := range t.Partitions {
			if err := kafka.ErrorCode(p.ErrorCode); err != nil {
				return err
			}
			for _, a := range p.ActiveProducers {
				if a.ProducerID == j.plan.Position.ProducerID && batch.AddSequence(a.LastSequence, 1) == j.plan.Position.Sequence {
					j.tail = tail
					return nil
				}
			}
		}
	}
	j.e.p.Halt(mirror.CauseSequenceHole, fmt.Sprintf("retention of %s/%d at %s removed every batch of this mirror, and its producer is forgotten: what was sent after the saved position cannot be known",
		j.e.dest.Topic, j.e.dest.Partition, l.sink.cluster.Name()), nil)
	j.settle()
	return nil
}
