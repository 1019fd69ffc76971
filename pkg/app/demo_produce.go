package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

const (
	demoPace  = 25 * time.Millisecond // records are sent that often
	demoBurst = 2000                  // records at a time, for a producer that fell behind
)

// demoEdge produces at one edge, as an ad server would: it knows nothing of mirrors.
type demoEdge struct {
	name     string
	brokers  []string
	codec    sarama.CompressionCodec
	seed     uint64
	records  int
	duration time.Duration
	lanes    []*demoLane
	produced atomic.Int64 // acknowledged by the edge's broker
}

// run produces at a steady rate and returns when the last record was acknowledged.
func (e *demoEdge) run(ctx context.Context) error {
	producer, err := sarama.NewSyncProducer(e.brokers, e.config())
	if err != nil {
		return fmt.Errorf("connect producer to %s: %w", e.name, err)
	}
	err = e.produce(ctx, producer)
	if closed := producer.Close(); closed != nil {
		err = errors.Join(err, fmt.Errorf("close producer at %s: %w", e.name, closed))
	}
	return err
}

func (e *demoEdge) config() *sarama.Config {
	c := demoClient()
	c.Producer.Idempotent = true // the comparison counts doubles; none may come from here
	c.Net.MaxOpenRequests = 1    // sarama asks for that
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Compression = e.codec
	return c
}

func (e *demoEdge) produce(ctx context.Context, producer sarama.SyncProducer) error {
	begun := time.Now()
	tick := time.NewTicker(demoPace)
	defer tick.Stop()
	for sent := 0; sent < e.records; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			share := min(1, float64(now.Sub(begun))/float64(e.duration))
			due := min(int(share*float64(e.records)), sent+demoBurst)
			if err := e.send(producer, sent, due, now.UnixMilli()); err != nil {
				return fmt.Errorf("produce at %s: %w", e.name, err)
			}
			sent = due
		}
	}
	return nil
}

// send sends the edge's records from one number up to but without another, in turns to its lanes.
func (e *demoEdge) send(producer sarama.SyncProducer, from, to int, at int64) error {
	var messages []*sarama.ProducerMessage
	for n := from; n < to; n++ {
		lane := e.lanes[n%len(e.lanes)]
		messages = append(messages, lane.message(e.seed, int64(n/len(e.lanes)), at))
	}
	if err := producer.SendMessages(messages); err != nil {
		if failed, ok := errors.AsType[sarama.ProducerErrors](err); ok && len(failed) > 0 {
			err = failed[0] // the whole only counts them
		}
		return err
	}
	for n := from; n < to; n++ {
		lane := e.lanes[n%len(e.lanes)]
		lane.times = append(lane.times, at)
	}
	e.produced.Add(int64(to - from))
	return nil
}

// message is the n-th record of the lane as sarama sends it.
func (l *demoLane) message(seed uint64, n, at int64) *sarama.ProducerMessage {
	r := l.record(seed, n)
	m := &sarama.ProducerMessage{Topic: demoTopic, Partition: l.partition, Headers: r.headers, Timestamp: time.UnixMilli(at)}
	if r.key != nil {
		m.Key = sarama.ByteEncoder(r.key)
	}
	if r.value != nil {
		m.Value = sarama.ByteEncoder(r.value)
	}
	return m
}

// demoClient returns the settings of a client that has nothing to do with the mirror's own.
func demoClient() *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = "mirror-demo"
	c.Version = sarama.V2_8_0_0
	return c
}
