package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lane writes its part of a fill with one producer id: rounds of one batch per
// partition, each round waited for, so that a resend repeats the last batch and
// brokers drop it when it had arrived.
type lane struct {
	*reader   // leaders and client
	spec      FillSpec
	templates *templates
	producer  int64
	epoch     int16
	sequences []int64 // by partition: of the next record, before wrapping
	newest    int64   // timestamp of the last round, milliseconds
	report    FillReport
}

const (
	sequenceMask     = 1<<31 - 1 // sequences wrap at 2^31
	fillAckTimeout   = 30 * time.Second
	fillRetryTimeout = time.Minute
)

func fillLane(ctx context.Context, seeds []string, spec FillSpec, t *templates, index int) (FillReport, error) {
	r, err := openReader(ctx, seeds, spec.Topic)
	if err != nil {
		return FillReport{}, err
	}
	defer r.close()
	l := &lane{reader: r, spec: spec, templates: t, sequences: make([]int64, spec.Partitions), newest: time.Now().Add(-spec.Age).UnixMilli()}
	if err := l.initProducer(ctx); err != nil {
		return FillReport{}, err
	}
	rounds := (t.batches + int64(spec.Partitions) - 1) / int64(spec.Partitions)
	for round := int64(index); round < rounds; round += int64(spec.Lanes) {
		written := l.report
		if err := l.send(ctx, l.round(round, rounds)); err != nil {
			return written, err
		}
	}
	return l.report, nil
}

func (l *lane) initProducer(ctx context.Context) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	resp, err := req.RequestWith(ctx, l.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("init producer id: %w", err)
	}
	l.producer, l.epoch = resp.ProducerID, resp.ProducerEpoch
	return nil
}

// round prepares one batch for each partition that has one left in it.
func (l *lane) round(round, rounds int64) map[int32][]byte {
	out := make(map[int32][]byte, l.spec.Partitions)
	for p := range l.spec.Partitions {
		n := round*int64(l.spec.Partitions) + int64(p)
		if n >= l.templates.batches {
			break
		}
		t := l.templates.full[n%int64(len(l.templates.full))]
		if n == l.templates.batches-1 && l.templates.last.bytes != nil {
			t = l.templates.last
		}
		b := append([]byte(nil), t.bytes...)
		l.templates.stamp(b, l.producer, l.epoch, int32(l.sequences[p]&sequenceMask), l.newest-(rounds-1-round))
		l.sequences[p] += int64(t.records)
		l.report.Records += int64(t.records)
		l.report.ValueBytes += t.valueBytes
		l.report.WireBytes += int64(len(b))
		l.report.Batches++
		out[p] = b
	}
	return out
}

// send delivers all batches, resending those whose fate is open.
func (l *lane) send(ctx context.Context, batches map[int32][]byte) error {
	deadline := time.Now().Add(fillRetryTimeout)
	for {
		last := l.sendOnce(ctx, batches)
		if len(batches) == 0 {
			return nil
		}
		if permanent(last) || time.Now().After(deadline) {
			return fmt.Errorf("produce: %w", last)
		}
		if err := pause(ctx, retryPause); err != nil {
			return fmt.Errorf("produce: %w", err)
		}
		if err := l.findLeaders(ctx); permanent(err) {
			return err
		}
	}
}

// sendOnce sends batches to their leaders and takes out those acknowledged. It
// returns an error of one of those that remain.
func (l *lane) sendOnce(ctx context.Context, batches map[int32][]byte) error {
	byLeader := make(map[int32][]int32)
	for p := range batches {
		byLeader[l.leaders[p]] = append(byLeader[l.leaders[p]], p)
	}
	var last error
	for leader, partitions := range byLeader {
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, int32(fillAckTimeout.Milliseconds())
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic, topic.TopicID = l.topic, l.id
		for _, p := range partitions {
			part := kmsg.NewProduceRequestTopicPartition()
			part.Partition, part.Records = p, batches[p]
			topic.Partitions = append(topic.Partitions, part)
		}
		req.Topics = append(req.Topics, topic)
		answer, err := l.client.Broker(int(leader)).Request(ctx, req)
		if err != nil {
			last = err
			continue
		}
		resp, ok := answer.(*kmsg.ProduceResponse)
		if !ok {
			return fmt.Errorf("answer is %T", answer)
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil && !errors.Is(err, kerr.DuplicateSequenceNumber) {
					last = fmt.Errorf("%s/%d: %w", l.topic, p.Partition, err)
					continue
				}
				delete(batches, p.Partition)
			}
		}
	}
	return last
}
