package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
)

const (
	// pollWait is how long a read waits at the end of the log.
	pollWait = time.Second
	// maxUnpacked bounds what a batch of heartbeats may unpack to: some thousand of them.
	maxUnpacked = 8 << 20

	codeOutOfRange = 1 // OFFSET_OUT_OF_RANGE
)

// partition reads one partition until a time, or until ctx ends. What fails is noted and tried again.
func (r *reader) partition(ctx context.Context, p int32, until time.Time) {
	backoff := kafka.Backoff{Min: time.Second, Max: retryMax}
	for ctx.Err() == nil && time.Now().Before(until) {
		begun := time.Now()
		err := r.readPartition(ctx, p, until)
		if err == nil || ctx.Err() != nil {
			return
		}
		r.fail(err)
		if time.Since(begun) > retryMax {
			backoff.Reset()
		}
		sleep(ctx, backoff.Next())
	}
}

// readPartition is partition without the trying again.
func (r *reader) readPartition(ctx context.Context, p int32, until time.Time) error {
	next, live, err := r.begin(ctx, p)
	if err != nil {
		return err
	}
	for ctx.Err() == nil && time.Now().Before(until) {
		data, end, err := r.cluster.Follow(ctx, r.cfg.Topic, p, next, pollWait)
		if code, _ := kafka.Code(err); err != nil && code == codeOutOfRange {
			return r.leave(ctx, p, next)
		}
		if err != nil {
			return err
		}
		now := time.Now()
		records, after, bad := unpack(data, next)
		if after == next && next < end {
			return fmt.Errorf("read %s/%d at %s: nothing was returned at offset %d, below the end %d", r.cfg.Topic, p, r.cluster.Name(), next, end)
		}
		next = after
		r.take(taken{partition: p, records: records, bad: bad, next: next, atEnd: next >= end, live: live}, now)
		live = live || next >= end
	}
	return nil
}

// begin returns the offset to begin at: where the partition was left, else that of firstLook ago. live says that it was left
// just now with nothing behind, so that what comes was written since.
func (r *reader) begin(ctx context.Context, p int32) (next int64, live bool, err error) {
	r.mu.Lock()
	next, known := r.place.Next[p]
	live = time.Since(r.atEnd[p]) < 2*pollWait
	r.mu.Unlock()
	if known {
		return next, live, nil
	}
	next, err = r.cluster.OffsetAt(ctx, r.cfg.Topic, p, time.Now().Add(-firstLook))
	if err == nil && next < 0 {
		_, next, err = r.cluster.Ends(ctx, r.cfg.Topic, p)
	}
	return next, false, err
}

// leave leaves an offset that is not in the log: retention took what was not read, or the log is another one. What is missing
// then says nothing.
func (r *reader) leave(ctx context.Context, p int32, next int64) error {
	start, end, err := r.cluster.Ends(ctx, r.cfg.Topic, p)
	if err != nil {
		return err
	}
	r.log.Warn("heartbeats passed over, as they are gone from the topic", "partition", p, "next", next, "start", start, "end", end)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard.discontinue()
	r.changed = true
	delete(r.atEnd, p)
	if r.place.Next[p] = start; next > end {
		delete(r.place.Next, p) // begin as one that was never here
	}
	return nil
}

// taken is what one read brought.
type taken struct {
	partition   int32
	records     []Record
	bad         int // records that are no heartbeat
	next        int64
	atEnd, live bool
}

// take takes in what was read, together with how far: both are saved together.
func (r *reader) take(t taken, now time.Time) {
	var latencies []time.Duration
	r.mu.Lock()
	for _, record := range t.records {
		r.heard.take(record, now, t.live)
		if t.live {
			latencies = append(latencies, now.Sub(record.Time))
		}
	}
	r.heard.ignored += int64(t.bad)
	r.place.Next[t.partition] = t.next
	r.success = &now
	if t.atEnd {
		r.atEnd[t.partition] = now
	}
	r.changed = r.changed || len(t.records)+t.bad > 0
	r.mend()
	r.mu.Unlock()
	for _, l := range latencies {
		r.cfg.Latency(r.cluster.Name(), l)
	}
}

// unpack takes batches apart, from an offset on. It returns the heartbeats, the offset after the last whole batch, and how
// many records are none. A batch that cannot be read is passed over as one of these: nothing that comes after it may be
// held up by what anybody may have written.
func unpack(data []byte, next int64) (records []Record, after int64, bad int) {
	after = next
	for len(data) > 0 {
		b, rest, err := batch.Split(data)
		if errors.Is(err, batch.ErrIncomplete) {
			break
		}
		if err != nil {
			var ok bool
			if rest, after, ok = passOver(data, after); ok {
				bad++
			}
			data = rest
			continue
		}
		data = rest
		if b.NextOffset() <= after {
			continue
		}
		all, err := contents(b)
		if err != nil {
			bad++
		}
		for _, raw := range all {
			if raw.Offset < next {
				continue
			}
			record, err := parse(raw.Key, raw.Value)
			if err != nil {
				bad++
				continue
			}
			records = append(records, record)
		}
		after = b.NextOffset()
	}
	return records, after, bad
}

// passOver takes off what is no batch: a message of an older format, or what has the length of none. ok is false where the rest
// of it was not returned, or lies before after. Where nobody can say how long it is, reading goes on at the next offset.
func passOver(data []byte, after int64) (rest []byte, next int64, ok bool) {
	m, rest, err := batch.SplitMessage(data)
	switch {
	case errors.Is(err, batch.ErrIncomplete):
		return nil, after, false
	case err != nil:
		return nil, after + 1, true
	case m.Offset() < after:
		return rest, after, false
	}
	return rest, m.Offset() + 1, true
}

// contents returns the records of a batch; of a transaction's end there are none.
func contents(b batch.Batch) ([]batch.Record, error) {
	if b.IsControl() {
		return nil, nil
	}
	if err := b.Verify(); err != nil {
		return nil, err
	}
	return b.Records(maxUnpacked)
}
