package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// Batch holds the facts of one batch header as it is stored.
type Batch struct {
	Partition       int32
	BaseOffset      int64
	LastOffsetDelta int32
	Records         int32 // as counted in the header
	SizeBytes       int   // of the whole batch, header included
	LeaderEpoch     int32
	Codec           Codec
	LogAppendTime   bool
	Transactional   bool
	Control         bool
	BaseTimestamp   int64 // milliseconds since 1970
	MaxTimestamp    int64 // milliseconds since 1970
	ProducerID      int64
	ProducerEpoch   int16
	BaseSequence    int32
}

const (
	batchHeaderBytes = 61
	batchLengthEnd   = 12 // the length field counts what follows this byte
	batchMagicAt     = 16
)

// Batches returns the batch headers of a topic, partition after partition, up
// to the ends noted at the start. Legacy formats (magic 0 and 1) are an error.
func Batches(ctx context.Context, seeds []string, topic string) ([]Batch, error) {
	r, err := openReader(ctx, seeds, topic)
	if err != nil {
		return nil, err
	}
	defer r.close()
	spans, err := r.spans(ctx, readUncommitted)
	if err != nil {
		return nil, err
	}
	var all []Batch
	for _, p := range r.partitions() {
		if all, err = r.appendBatches(ctx, all, p, spans[p]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (r *reader) appendBatches(ctx context.Context, all []Batch, partition int32, s span) ([]Batch, error) {
	next, progress := s.from, time.Now()
	for next < s.to {
		answer, err := r.fetch(ctx, partition, next, readUncommitted)
		if err != nil {
			return nil, err
		}
		for b := answer.RecordBatches; ; {
			batch, size, err := parseBatch(b)
			if err != nil {
				return nil, fmt.Errorf("parse batch headers of %s/%d behind %d: %w", r.topic, partition, next, err)
			}
			if size == 0 {
				break
			}
			b = b[size:]
			batch.Partition = partition
			if end := batch.BaseOffset + int64(batch.LastOffsetDelta) + 1; end > next && next < s.to {
				all = append(all, batch)
				next, progress = end, time.Now()
			}
		}
		if time.Since(progress) > stallAfter {
			return nil, fmt.Errorf("read %s/%d: nothing at %d for %v although the end is %d", r.topic, partition, next, stallAfter, s.to)
		}
	}
	return all, nil
}

// parseBatch reads the first batch header of b. Size 0 means that b ends within
// a batch, as answers to Fetch do.
func parseBatch(b []byte) (batch Batch, size int, err error) {
	if len(b) <= batchMagicAt {
		return Batch{}, 0, nil
	}
	if magic := b[batchMagicAt]; magic != 2 {
		return Batch{}, 0, fmt.Errorf("magic is %d, not 2", magic)
	}
	size = int(int32(binary.BigEndian.Uint32(b[8:]))) + batchLengthEnd
	if size < batchHeaderBytes {
		return Batch{}, 0, fmt.Errorf("size %d is less than a header", size)
	}
	if len(b) < size {
		return Batch{}, 0, nil
	}
	attributes := binary.BigEndian.Uint16(b[21:])
	return Batch{
		BaseOffset:      int64(binary.BigEndian.Uint64(b)),
		SizeBytes:       size,
		LeaderEpoch:     int32(binary.BigEndian.Uint32(b[12:])),
		Codec:           Codec(attributes & 7),
		LogAppendTime:   attributes&(1<<3) != 0,
		Transactional:   attributes&(1<<4) != 0,
		Control:         attributes&(1<<5) != 0,
		LastOffsetDelta: int32(binary.BigEndian.Uint32(b[23:])),
		BaseTimestamp:   int64(binary.BigEndian.Uint64(b[27:])),
		MaxTimestamp:    int64(binary.BigEndian.Uint64(b[35:])),
		ProducerID:      int64(binary.BigEndian.Uint64(b[43:])),
		ProducerEpoch:   int16(binary.BigEndian.Uint16(b[51:])),
		BaseSequence:    int32(binary.BigEndian.Uint32(b[53:])),
		Records:         int32(binary.BigEndian.Uint32(b[57:])),
	}, size, nil
}
