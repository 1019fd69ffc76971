package load

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fates files records under what became of them. Safe for concurrent use.
type fates struct {
	mu         sync.Mutex
	partitions []PartitionReport // guarded by mu; indexed by partition
	failed     error             // guarded by mu: the first error
	sealed     bool              // guarded by mu: settled too late is not settled
}

func newFates(partitions int32) *fates {
	f := &fates{partitions: make([]PartitionReport, partitions)}
	for i := range f.partitions {
		f.partitions[i].Partition = int32(i)
	}
	return f
}

// settle files one record; err is nil when it was acknowledged.
func (f *fates) settle(id Identity, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealed {
		return
	}
	fate := &f.partitions[id.Partition]
	switch {
	case err == nil:
		fate.Acked = addSequence(fate.Acked, id.Sequence)
	case refused(err):
		fate.Refused = addSequence(fate.Refused, id.Sequence)
	default:
		fate.Unknown = addSequence(fate.Unknown, id.Sequence)
	}
	if err != nil && f.failed == nil {
		f.failed = fmt.Errorf("record %s: %w", id, err)
	}
}

// fail notes err unless another one came first.
func (f *fates) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil {
		f.failed = err
	}
}

// cause returns the first error.
func (f *fates) cause() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// seal ends the filing. Of the sequences from[p] to to[p] of each partition p,
// those not filed by now are unknown; the client may still hold them.
func (f *fates) seal(from, to []int64) ([]PartitionReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sealed = true
	for i := range f.partitions {
		fate := &f.partitions[i]
		filed := addRanges(slices.Concat(fate.Acked, fate.Aborted, fate.Refused), fate.Unknown)
		next := from[i]
		for _, r := range append(filed, Range{to[i], to[i]}) {
			if next < r.From {
				fate.Unknown = addRanges(fate.Unknown, []Range{{next, r.From}})
			}
			next = r.To
		}
	}
	return f.partitions, f.failed
}

// outcome is how a transaction ended.
type outcome int

const (
	committed outcome = iota
	aborted
	doubtful // the commit may or may not have happened
)

// adopt takes over the sealed records of a transaction that ended with how.
func (f *fates) adopt(partitions []PartitionReport, how outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, t := range partitions {
		fate := &f.partitions[i]
		fate.Refused = addRanges(fate.Refused, t.Refused)
		written := addRanges(t.Acked, t.Unknown)
		switch how {
		case committed:
			fate.Acked = addRanges(fate.Acked, written)
		case aborted:
			fate.Aborted = addRanges(fate.Aborted, written)
		case doubtful:
			fate.Unknown = addRanges(fate.Unknown, written)
		}
	}
}

// refused tells whether err proves that the record is not in the log.
func refused(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidTimestamp) || errors.Is(err, kerr.InvalidRecord) ||
		errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kgo.ErrMaxBuffered)
}
