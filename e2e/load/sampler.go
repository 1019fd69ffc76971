package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// SamplerConfig says what a [Sampler] watches: one source topic, the group that
// holds the mirror's positions there, and the destination.
type SamplerConfig struct {
	Source      Source
	Destination Destination
	Group       string        // such as mirror.edge-region
	Interval    time.Duration // between samples; 0 means 250 ms
}

// Committed is the position of one source partition.
type Committed struct {
	Next        int64  // source offset to read next
	LeaderEpoch int32  // -1 when absent
	Metadata    string // as committed
}

// Sample is what was so at one moment: the positions, then, read later, the
// destination's high watermarks. A partition without a position, or whose
// watermark was not to be had, is absent.
type Sample struct {
	At         time.Time
	Committed  map[int32]Committed // by source partition
	Watermarks map[int32]int64     // by destination partition
}

// Sampler notes positions and watermarks while a test does its worst. Since the
// positions are read first and watermarks only grow, a position that covers a
// record which is not below the watermark was committed too early.
type Sampler struct {
	cfg SamplerConfig

	mu      sync.Mutex
	samples []Sample // guarded by mu
	missed  int      // guarded by mu
	cause   error    // guarded by mu: of the last missed sample
}

const (
	defaultInterval = 250 * time.Millisecond
	sampleTimeout   = 5 * time.Second
)

// NewSampler returns a sampler; it takes the first sample when it runs.
func NewSampler(cfg SamplerConfig) (*Sampler, error) {
	if cfg.Group == "" || cfg.Source.Topic == "" || cfg.Destination.Topic == "" || cfg.Interval < 0 {
		return nil, errors.New("sampler needs a group, two topics and an interval that is not negative")
	}
	if cfg.Interval == 0 {
		cfg.Interval = defaultInterval
	}
	return &Sampler{cfg: cfg}, nil
}

// Run takes samples until ctx ends, then returns nil. Samples that fail, as they
// must while brokers are away, are counted and not fatal.
func (s *Sampler) Run(ctx context.Context) error {
	source, err := newClient(s.cfg.Source.Seeds)
	if err != nil {
		return err
	}
	defer source.Close()
	destination, err := newClient(s.cfg.Destination.Seeds)
	if err != nil {
		return err
	}
	defer destination.Close()
	from, to := kadm.NewClient(source), kadm.NewClient(destination)
	for {
		sample, err := s.take(ctx, from, to)
		if ctx.Err() != nil {
			return nil
		}
		s.keep(sample, err)
		if pause(ctx, s.cfg.Interval) != nil {
			return nil
		}
	}
}

func (s *Sampler) take(ctx context.Context, source, destination *kadm.Client) (Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	sample := Sample{At: time.Now(), Watermarks: map[int32]int64{}}
	var err error
	if sample.Committed, err = positions(ctx, source, s.cfg.Group, s.cfg.Source.Topic); err != nil {
		return Sample{}, err
	}
	ends, err := destination.ListEndOffsets(ctx, s.cfg.Destination.Topic)
	if err != nil {
		return Sample{}, fmt.Errorf("list end offsets of %s: %w", s.cfg.Destination.Topic, err)
	}
	for p, end := range ends[s.cfg.Destination.Topic] {
		if end.Err == nil {
			sample.Watermarks[p] = end.Offset
		}
	}
	return sample, nil
}

// positions returns a group's committed positions in one topic.
func positions(ctx context.Context, admin *kadm.Client, group, topic string) (map[int32]Committed, error) {
	all := map[int32]Committed{}
	fetched, err := admin.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetch offsets of group %s: %w", group, err)
	}
	for p, o := range fetched[topic] {
		if o.Err != nil {
			return nil, fmt.Errorf("fetch offset of group %s for %s/%d: %w", group, topic, p, o.Err)
		}
		if o.At >= 0 {
			all[p] = Committed{Next: o.At, LeaderEpoch: o.LeaderEpoch, Metadata: o.Metadata}
		}
	}
	return all, nil
}

func (s *Sampler) keep(sample Sample, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.missed++
		s.cause = err
		return
	}
	s.samples = append(s.samples, sample)
}

// Samples returns the samples taken so far, oldest first. They must not be
// changed.
func (s *Sampler) Samples() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clip(s.samples)
}

// Missed returns how many samples could not be taken, and why the last one.
func (s *Sampler) Missed() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missed, s.cause
}
