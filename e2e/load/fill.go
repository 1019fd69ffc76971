package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// FillSpec says what [Fill] writes: ad-server events without identity, for
// benchmarks. Content repeats, but not within 16 MB, so that codecs gain
// nothing from it.
type FillSpec struct {
	Topic           string
	Partitions      int32 // written round robin, 0 to Partitions-1
	Records         int64
	ValueBytes      int // of each value, exact from about 110 bytes up; 0 means as few as an event needs
	Codec           Codec
	RecordsPerBatch int // exact, but for the very last batch; 0 means 100
	Lanes           int // clients at the same moment; 0 means 4
	Seed            uint64

	// Age is how old the last record is; timestamps rise by 1 ms per batch of
	// a partition up to there, so that batches with equal content differ.
	Age time.Duration
}

// FillReport says what was written.
type FillReport struct {
	Records    int64
	Batches    int64
	ValueBytes int64 // uncompressed, values alone
	WireBytes  int64 // of the batches as sent
	Elapsed    time.Duration
}

// String returns the totals and the rate in one line.
func (r FillReport) String() string {
	return fmt.Sprintf("filled %d records in %d batches, %.1f MB of values (%.1f MB on the wire) in %v: %.0f MB/s",
		r.Records, r.Batches, float64(r.ValueBytes)/1e6, float64(r.WireBytes)/1e6, r.Elapsed.Round(time.Millisecond),
		float64(r.ValueBytes)/1e6/r.Elapsed.Seconds())
}

const (
	defaultFillBatch = 100
	defaultLanes     = 4
	maxFillBytes     = 8 << 20 // of one batch, uncompressed
)

func (s FillSpec) withDefaults() FillSpec {
	if s.RecordsPerBatch == 0 {
		s.RecordsPerBatch = defaultFillBatch
	}
	if s.Lanes == 0 {
		s.Lanes = defaultLanes
	}
	return s
}

func (s FillSpec) validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(s.Topic != "", "topic is empty")
	check(s.Partitions > 0, "partitions: %d is not positive", s.Partitions)
	check(s.Records > 0, "records: %d is not positive", s.Records)
	check(s.Lanes > 0, "lanes: %d is not positive", s.Lanes)
	check(s.ValueBytes >= 0 && s.RecordsPerBatch > 0 && s.RecordsPerBatch*max(s.ValueBytes, 1) <= maxFillBytes,
		"batch of %d records of %d bytes is not within 1 record and %d bytes", s.RecordsPerBatch, s.ValueBytes, maxFillBytes)
	return errors.Join(problems...)
}

// Fill writes as fast as it can, with batches built once and sent many times.
// Every batch is acknowledged by all in-sync replicas and written once, also
// when brokers move leaders meanwhile. The end of ctx is an error.
func Fill(ctx context.Context, seeds []string, spec FillSpec) (FillReport, error) {
	spec = spec.withDefaults()
	if err := spec.validate(); err != nil {
		return FillReport{}, fmt.Errorf("check spec: %w", err)
	}
	templates, err := newTemplates(spec)
	if err != nil {
		return FillReport{}, err
	}
	started := time.Now()
	reports := make([]FillReport, spec.Lanes)
	group, ctx := errgroup.WithContext(ctx)
	for i := range spec.Lanes {
		group.Go(func() (err error) {
			reports[i], err = fillLane(ctx, seeds, spec, templates, i)
			return err
		})
	}
	err = group.Wait()
	var total FillReport
	for _, r := range reports {
		total.Records += r.Records
		total.Batches += r.Batches
		total.ValueBytes += r.ValueBytes
		total.WireBytes += r.WireBytes
	}
	total.Elapsed = time.Since(started)
	if err != nil {
		return total, fmt.Errorf("fill %s: %w", spec.Topic, err)
	}
	return total, nil
}
