package protocol

import (
	"fmt"
	"math"
)

// Header is what the scan of a destination's tail needs of each batch.
type Header struct {
	ProducerID    int64
	ProducerEpoch int16
	Sequence      int32 // of the first record
	Records       int32 // sequences it takes: its last offset delta + 1
	MaxTimestamp  int64 // ms
	Next          int64 // destination offset after the batch
}

// Tail folds the batches of a destination partition, in log order, into what is there beyond a position.
// The zero value is not usable; see NewTail.
type Tail struct {
	id       int64
	epoch    int16
	sequence int32 // next expected
	anchored bool  // false until the first own batch, where the log's beginning is gone

	Records      int64 // ours, beyond the position
	Dest         int64 // offset after our last batch, 0 when there is none
	MaxTimestamp int64 // of our last batch; means something only when Dest is not 0, as a timestamp may be 0 or -1
}

// NewTail begins at p. logStart is the partition's log start offset: where retention removed the log beyond p.Dest, our
// first sequence seen is taken as following, since what came before was removed and not missing.
func NewTail(p Position, logStart int64) *Tail {
	return &Tail{id: p.ProducerID, epoch: p.Epoch, sequence: p.Sequence, anchored: logStart <= p.Dest}
}

// HoleError says that our own sequences in the destination are not contiguous: records are missing there, or another
// epoch of this producer wrote. The partition must halt (R6).
type HoleError struct {
	At        int64 // destination offset after the batch that does not follow
	Want, Got int32
	Epoch     int16 // of the batch
}

func (e *HoleError) Error() string {
	return fmt.Sprintf("destination batch before offset %d has sequence %d (producer epoch %d) where %d follows", e.At, e.Got, e.Epoch, e.Want)
}

// Add takes the next batch of the log. Batches of other producers, and our own from before the position, are passed over.
func (t *Tail) Add(h Header) error {
	if h.ProducerID != t.id {
		return nil
	}
	if h.ProducerEpoch != t.epoch {
		return &HoleError{h.Next, t.sequence, h.Sequence, h.ProducerEpoch}
	}
	end := addSequence(h.Sequence, h.Records)
	t.Dest, t.MaxTimestamp = h.Next, h.MaxTimestamp
	ahead := distance(t.sequence, end)
	hole := t.anchored && distance(t.sequence, h.Sequence) > 0
	t.anchored = true
	switch {
	case hole:
		return &HoleError{h.Next, t.sequence, h.Sequence, h.ProducerEpoch}
	case ahead <= 0:
		return nil
	}
	t.Records += int64(ahead)
	t.sequence = end
	return nil
}

// Anchored says whether the tail proves where we stand; false when the log's beginning is gone and no batch of ours is
// left in it.
func (t *Tail) Anchored() bool { return t.anchored }

// Sequence is the next sequence.
func (t *Tail) Sequence() int32 { return t.sequence }

// Sequences count modulo 2^31.
func addSequence(s, n int32) int32 { return int32(uint32(s)+uint32(n)) & math.MaxInt32 }

func distance(from, to int32) int32 {
	d := (to - from) & math.MaxInt32
	if d > math.MaxInt32/2 {
		d += math.MinInt32
	}
	return d
}
