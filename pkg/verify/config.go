package verify

import (
	"errors"
	"fmt"
	"time"

	"tributary/pkg/kafka"
)

// Config says what is compared and at what cost.
type Config struct {
	// Name is what the report calls the comparison, such as the link's name.
	Name string
	// Sources are the clusters and topics that must be at the destination. At least one.
	Sources []Source
	// Destination is where all of it must be.
	Destination *kafka.Cluster

	// Since and Until narrow the comparison to records with a timestamp from Since, included, to Until, not included.
	// Zero: no bound.
	Since, Until time.Time
	// Slice and Slices compare only one of several slices of the partitions, from 1. Slices 0: all.
	Slice, Slices int
	// Compacted compares the last value of each key, in all topics; otherwise only in those whose cleanup.policy says
	// so, as far as that may be read.
	Compacted bool
	// Timeout is how long to wait until the destination has what the sources held at the start. Default 1 minute.
	Timeout time.Duration
	// RateBytes is the limit of what is read per second, both sides together. 0: none.
	RateBytes int64
	// MemoryBytes bounds sums and sorting, beside about 20 MiB for reading. Default 256 MiB, at least 16 MiB.
	MemoryBytes int64
	// Dir is where sorting spills what does not fit. Empty: the system's directory for temporary files.
	Dir string
	// Workers is how many logs are read at the same time. Default 4.
	Workers int
}

// Source is one cluster whose topics must be at the destination.
type Source struct {
	// Link names the source in the report.
	Link    string
	Cluster *kafka.Cluster
	// Match says which topics are compared.
	Match func(topic string) bool
	// Rename returns the topic's name at the destination.
	Rename func(topic string) (string, error)
	// Spread says that a source partition may be in any one partition of the destination's topic; else partition p is in
	// partition p.
	Spread bool
	// Latest says that the copy began at the end of logs, so that a destination without the first records is not at fault.
	Latest bool
	// Group is the consumer group whose offsets tell how far the copy is. It is only looked at; without the right to do
	// that, or with an empty name, the destination's growth tells.
	Group string
}

const (
	defaultTimeout = time.Minute
	defaultMemory  = 256 << 20
	leastMemory    = 16 << 20
	defaultWorkers = 4
)

// withDefaults fills in defaults and returns every problem, joined.
func (c Config) withDefaults() (Config, error) {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MemoryBytes == 0 {
		c.MemoryBytes = defaultMemory
	}
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	check(len(c.Sources) > 0 && c.Destination != nil, "a source and a destination are needed")
	for _, s := range c.Sources {
		check(s.Cluster != nil && s.Match != nil && s.Rename != nil, "source %s: cluster, topics and their new names are needed", s.Link)
	}
	check(c.Since.IsZero() || c.Until.IsZero() || c.Since.Before(c.Until), "since is not before until")
	check(c.Slices == 0 && c.Slice == 0 || c.Slice >= 1 && c.Slice <= c.Slices, "slice %d of %d does not exist", c.Slice, c.Slices)
	check(c.Timeout > 0, "timeout %v is not positive", c.Timeout)
	check(c.RateBytes >= 0, "rate %d is negative", c.RateBytes)
	check(c.MemoryBytes >= leastMemory, "memory of %d bytes is less than %d MiB", c.MemoryBytes, leastMemory>>20)
	check(c.Workers > 0, "workers: %d is not positive", c.Workers)
	return c, errors.Join(problems...)
}
