package app

import (
	"bytes"
	"fmt"

	"github.com/IBM/sarama"
)

// demoExamples is how many differences are shown.
const demoExamples = 5

// demoResult is what the comparison found.
type demoResult struct {
	Records, Bytes int64 // at home
	Lost           int64 // produced, but not at home
	Doubled        int64 // at home more than once
	Reordered      int64 // behind a later record of its edge partition, or in another partition than the one before
	Altered        int64 // with another key, value, header or timestamp, or not produced by anyone
	Examples       []string
}

func (r demoResult) clean() bool { return r.Lost+r.Doubled+r.Reordered+r.Altered == 0 }

// demoCheck compares what is read at home with what was produced at the edges. It knows nothing of the way between.
type demoCheck struct {
	seed   uint64
	lanes  map[string]*laneCheck
	result demoResult
}

// laneCheck is what came of one edge partition so far.
type laneCheck struct {
	*demoLane
	seen      []bool
	newest    int64 // greatest number seen; -1 none
	partition int32 // at home, of the record seen last; -1 none
}

func newDemoCheck(seed uint64, lanes []*demoLane) *demoCheck {
	c := &demoCheck{seed: seed, lanes: map[string]*laneCheck{}}
	for _, l := range lanes {
		c.lanes[l.name()] = &laneCheck{demoLane: l, seen: make([]bool, len(l.times)), newest: -1, partition: -1}
	}
	return c
}

// take compares one record. Records of a partition must come in their order.
func (c *demoCheck) take(m *sarama.ConsumerMessage) {
	c.result.Records++
	c.result.Bytes += demoSize(m)
	name, n, ok := demoOrigin(m.Headers)
	lane := c.lanes[name]
	if !ok || lane == nil || n < 0 || n >= int64(len(lane.seen)) {
		c.note(&c.result.Altered, "partition %d offset %d at home was not produced at any edge", m.Partition, m.Offset)
		return
	}
	if lane.seen[n] {
		c.note(&c.result.Doubled, "%s/%d is at home again in partition %d offset %d", name, n, m.Partition, m.Offset)
		return
	}
	lane.seen[n] = true
	switch {
	case n < lane.newest:
		c.note(&c.result.Reordered, "%s/%d comes after %s/%d", name, n, name, lane.newest)
	case lane.partition >= 0 && lane.partition != m.Partition:
		c.note(&c.result.Reordered, "%s/%d is in partition %d, the one before it in %d", name, n, m.Partition, lane.partition)
	}
	lane.newest, lane.partition = max(lane.newest, n), m.Partition
	if what := demoDifference(m, lane.record(c.seed, n), lane.times[n]); what != "" {
		c.note(&c.result.Altered, "%s/%d has another %s", name, n, what)
	}
}

// finish counts what never came, and returns the result.
func (c *demoCheck) finish() demoResult {
	for name, lane := range c.lanes {
		for n, seen := range lane.seen {
			if !seen {
				c.note(&c.result.Lost, "%s/%d is not at home", name, n)
			}
		}
	}
	return c.result
}

func (c *demoCheck) note(count *int64, format string, args ...any) {
	*count++
	if len(c.result.Examples) < demoExamples {
		c.result.Examples = append(c.result.Examples, fmt.Sprintf(format, args...))
	}
}

// demoDifference names the first part of a copy that is not as produced; "" when all is.
func demoDifference(m *sarama.ConsumerMessage, want demoRecord, at int64) string {
	switch {
	case !sameBytes(m.Key, want.key):
		return "key"
	case !sameBytes(m.Value, want.value):
		return "value"
	case m.Timestamp.UnixMilli() != at:
		return "timestamp"
	case len(m.Headers) != len(want.headers):
		return "number of headers"
	}
	for i, h := range m.Headers {
		if !sameBytes(h.Key, want.headers[i].Key) || !sameBytes(h.Value, want.headers[i].Value) {
			return fmt.Sprintf("header %d", i)
		}
	}
	return ""
}

// sameBytes tells null from empty.
func sameBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func demoSize(m *sarama.ConsumerMessage) int64 {
	size := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		size += len(h.Key) + len(h.Value)
	}
	return int64(size)
}
