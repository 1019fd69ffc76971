package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/e2e/load"
)

const (
	pollEvery  = 50 * time.Millisecond // costs the destination's broker a little, the program nothing
	stallAfter = 2 * time.Minute       // MirrorMaker alone takes up to one to begin
)

// drain lets a program copy a whole topic into a new one, and measures it.
func (b *bed) drain(ctx context.Context, row filled, p program, tls bool) (m measurement, err error) {
	j := b.newJob(p, row.Topic, row.Codec.String(), tls)
	if err := b.destination.CreateTopic(ctx, j.target, partitions, 1, nil); err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, remove(ctx, b.destination, j.target)) }()
	started := time.Now()
	running, err := p.start(ctx, b, j)
	if err != nil {
		return m, err
	}
	samples, err := b.follow(ctx, running, started, j.target, row.Records)
	if err == nil {
		m.PeakRSSBytes, err = peakRSS(running.PID())
	}
	if stopped := running.Stop(); stopped != nil {
		err = errors.Join(err, stopped)
	}
	if err != nil {
		return m, err
	}
	m.fillIn(row, samples)
	if m.LogBytes, err = logSize(ctx, b.destination, j.target); err != nil {
		return m, err
	}
	if row.Name == rowTiny {
		m.BatchBytes, err = medianBatch(ctx, b.destination.Direct(), j.target)
	}
	return m, err
}

// follow samples a program until all records are at the destination.
func (b *bed) follow(ctx context.Context, running process, started time.Time, topic string, records int64) ([]progress, error) {
	broker := b.destination.Node(1).PID()
	brokerBefore, err := cpuTime(broker)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var samples []progress
	moved := time.Now()
	for {
		s, err := b.sample(ctx, running.PID(), broker, topic)
		if err != nil {
			return nil, err
		}
		s.at, s.broker = time.Since(started), s.broker-brokerBefore
		if len(samples) == 0 || s.records > samples[len(samples)-1].records {
			moved = time.Now()
		}
		samples = append(samples, s)
		switch {
		case s.records > records:
			return nil, fmt.Errorf("%d records at the destination, more than the %d of the source", s.records, records)
		case s.records == records:
			return samples, nil
		case time.Since(moved) > stallAfter:
			return nil, fmt.Errorf("no progress for %v at %d of %d records; end of its log: %s", stallAfter, s.records, records, logTail(running.LogFile()))
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-running.Done():
			return nil, fmt.Errorf("the process ended at %d of %d records; end of its log: %s", s.records, records, logTail(running.LogFile()))
		case <-ticker.C:
		}
	}
}

func (b *bed) sample(ctx context.Context, pid, broker int, topic string) (s progress, err error) {
	if s.records, err = countRecords(ctx, b.destination, topic); err != nil {
		return s, err
	}
	if s.cpu, err = cpuTime(pid); err != nil {
		return s, err
	}
	s.broker, err = cpuTime(broker)
	return s, err
}

// medianBatch returns the median size of a topic's batches.
func medianBatch(ctx context.Context, seeds []string, topic string) (int, error) {
	batches, err := load.Batches(ctx, seeds, topic)
	if err != nil {
		return 0, err
	}
	if len(batches) == 0 {
		return 0, fmt.Errorf("read batches of %s: there are none", topic)
	}
	sizes := make([]int, len(batches))
	for i, b := range batches {
		sizes[i] = b.SizeBytes
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2], nil
}
