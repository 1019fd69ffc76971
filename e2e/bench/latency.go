package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/kafka"
)

// The latency row: records of 1 KiB at a steady rate.
const (
	latencyRate  = 1000 // a second
	latencyValue = 1024 // bytes
)

// phases of a latency run: from the first record at the destination on, warm is not counted and count is.
type phases struct{ warm, count time.Duration }

func latencyPhases(p program, short bool) phases {
	switch {
	case short:
		return phases{3 * time.Second, 6 * time.Second}
	case p.java:
		return phases{20 * time.Second, 15 * time.Second}
	default:
		return phases{6 * time.Second, 15 * time.Second}
	}
}

// arrivals notes when a consumer received a record, by the number in its value.
type arrivals struct {
	mu sync.Mutex
	at map[uint64]time.Time // guarded by mu
}

// latency measures from when the source shows a record to when the destination does.
func (b *bed) latency(ctx context.Context, p program, ph phases) (m measurement, err error) {
	source := "latency-" + b.name()
	if err := b.source.CreateTopic(ctx, source, partitions, 1, nil); err != nil {
		return m, err
	}
	j := b.newJob(p, source, "none", false)
	if err := b.destination.CreateTopic(ctx, j.target, partitions, 1, nil); err != nil {
		return m, err
	}
	running, err := p.start(ctx, b, j)
	if err != nil {
		return m, err
	}
	defer func() {
		err = errors.Join(err, running.Stop(), remove(ctx, b.source, source), remove(ctx, b.destination, j.target))
	}()
	probe := &probe{pid: running.PID(), phases: ph, ended: running.Done(),
		left: arrivals{at: map[uint64]time.Time{}}, arrived: arrivals{at: map[uint64]time.Time{}}}
	if err := probe.run(ctx, b.source, b.destination, source, j.target); err != nil {
		return m, fmt.Errorf("%w; end of its log: %s", err, logTail(running.LogFile()))
	}
	if m.PeakRSSBytes, err = peakRSS(running.PID()); err != nil {
		return m, err
	}
	return m, probe.fillIn(&m)
}

// probe produces at the source and watches both sides.
type probe struct {
	pid    int
	phases phases
	ended  <-chan struct{} // of the program

	left, arrived arrivals

	from, to time.Time     // of the counted phase; set by conduct
	cpu      time.Duration // used in it
}

// run returns when the counted phase is over and its records had time to arrive.
func (p *probe) run(ctx context.Context, source, destination *kafka.Cluster, from, to string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil) // before the wait
	first := make(chan struct{})
	work := []func() error{
		func() error { return p.left.watch(ctx, source, from, func() {}) },
		func() error { return p.arrived.watch(ctx, destination, to, sync.OnceFunc(func() { close(first) })) },
		func() error { return produceSteadily(ctx, source, from) },
	}
	for _, f := range work {
		wg.Go(func() {
			if err := f(); err != nil {
				cancel(err)
			}
		})
	}
	return p.conduct(ctx, first)
}

// conduct waits for the first record and lets the phases pass.
func (p *probe) conduct(ctx context.Context, first <-chan struct{}) error {
	if err := p.wait(ctx, first, stallAfter); err != nil {
		return err
	}
	select {
	case <-first:
	default:
		return fmt.Errorf("no record at the destination for %v", stallAfter)
	}
	if err := p.wait(ctx, nil, p.phases.warm); err != nil {
		return err
	}
	before, err := cpuTime(p.pid)
	if err != nil {
		return err
	}
	p.from = time.Now()
	if err := p.wait(ctx, nil, p.phases.count); err != nil {
		return err
	}
	p.to = time.Now()
	after, err := cpuTime(p.pid)
	if err != nil {
		return err
	}
	p.cpu = after - before
	const stragglers = 2 * time.Second
	return p.wait(ctx, nil, stragglers)
}

// wait returns nil when d has passed or until is closed, whichever is first.
func (p *probe) wait(ctx context.Context, until <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ended:
		return errors.New("the process ended")
	case <-until:
	case <-timer.C:
	}
	return nil
}

// produceSteadily writes records until ctx ends, each at its time.
func produceSteadily(ctx context.Context, c *kafka.Cluster, topic string) error {
	client, err := c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ticker := time.NewTicker(time.Second / latencyRate)
	defer ticker.Stop()
	started := time.Now()
	for number := uint64(0); ; {
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
				return cause
			}
			return nil
		case <-ticker.C:
		}
		due := uint64(time.Since(started) * latencyRate / time.Second)
		for ; number < due; number++ {
			value := make([]byte, latencyValue)
			binary.BigEndian.PutUint64(value, number)
			client.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(number % partitions), Value: value}, func(_ *kgo.Record, err error) {
				if err != nil && ctx.Err() == nil {
					cancel(fmt.Errorf("produce at the source: %w", err))
				}
			})
		}
	}
}

// watch consumes a topic until ctx ends, and calls seen after each record.
func (a *arrivals) watch(ctx context.Context, c *kafka.Cluster, topic string, seen func()) error {
	starts := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		starts[p] = kgo.NewOffset().AtStart()
	}
	client, err := c.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		now := time.Now()
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("consume %s: %w", topic, err)
		}
		a.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) { a.at[binary.BigEndian.Uint64(r.Value)] = now })
		a.mu.Unlock()
		if fetches.NumRecords() > 0 {
			seen()
		}
	}
}

// fillIn computes the latencies of the records that the source showed in the counted phase. It is called after run.
func (p *probe) fillIn(m *measurement) error {
	var delays []time.Duration
	missing := 0
	for number, at := range p.left.at {
		if at.Before(p.from) || !at.Before(p.to) {
			continue
		}
		if arrived, ok := p.arrived.at[number]; ok {
			delays = append(delays, arrived.Sub(at))
		} else {
			missing++
		}
	}
	if len(delays) == 0 || missing > 0 {
		return fmt.Errorf("%d records arrived and %d did not", len(delays), missing)
	}
	slices.Sort(delays)
	at := func(share float64) float64 {
		return delays[int(share*float64(len(delays)-1))].Seconds() * 1e3
	}
	m.P50Millis, m.P99Millis, m.Samples = at(0.50), at(0.99), len(delays)
	m.CPUPercent = 100 * p.cpu.Seconds() / p.to.Sub(p.from).Seconds()
	return nil
}
