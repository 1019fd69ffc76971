package consume

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror"
)

// partitionHead is what a fetch response says of a partition before its batches.
type partitionHead struct {
	topic     []byte // by name, or
	topicID   [16]byte
	partition int32
	code      int16
	high      int64 // high watermark
	stable    int64 // last stable offset
	logStart  int64
	aborted   []mirror.Aborted
	bytes     int // of its batches
	diverging bool
	// with diverging: the greatest leader epoch that the log shares with what was read before, and where it ends
	divergingEpoch int32
	divergesAt     int64
}

// walker parses a Fetch response of version 12 or 13 while it arrives. It hands out every batch whose last byte is there,
// so that it is sealed while its bytes are in the core's own cache.
type walker struct {
	frame   []byte // the whole response; only frame[:have] is filled
	have    int
	version int16
	want    int32 // correlation id

	place    int // where the taker looks for the next partition
	code     int16
	throttle time.Duration

	at         int // next byte to look at; beyond have while a cut batch is skipped
	state      walkState
	topics     int // still to begin
	partitions int // still to begin in this topic
	head       partitionHead
	recordsEnd int
	wanted     bool
	begun      bool // the partition's batches are being handed out
}

// walkState is what comes next in the response.
type walkState uint8

const (
	atStart walkState = iota
	atTopic
	atPartition
	atRecords
	atPartitionTags
	atTopicTags
	atTags
	atEnd
)

// sink takes what the walker finds.
type sink interface {
	partition(h *partitionHead) (wanted bool)
	batch(b batch.Batch)
	message(m batch.Message)
	broken(err error)
	finish()
}

func (w *walker) begin(frame []byte, version int16, correlation int32) {
	*w = walker{frame: frame, version: version, want: correlation, head: partitionHead{aborted: w.head.aborted[:0]}}
}

func (w *walker) done() bool { return w.state == atEnd }

// advance parses as far as the bytes that are there allow.
func (w *walker) advance(to sink) error {
	for w.state != atEnd {
		err := w.step(to)
		if errors.Is(err, errMore) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) step(to sink) error {
	if w.state == atRecords {
		return w.records(to)
	}
	r := reader{b: w.frame[min(w.at, w.have):w.have]}
	next := w.state
	switch w.state {
	case atStart:
		next = w.start(&r)
	case atTopic:
		next = w.topic(&r)
	case atPartition:
		next = w.partition(&r)
	case atPartitionTags:
		if w.partitionTags(&r); r.err == nil {
			next = w.nextPartition()
		}
	case atTopicTags:
		if r.tags(nil); r.err == nil { // it counts: a piece that is read again must not count twice
			next = w.nextTopic()
		}
	case atTags:
		r.tags(nil)
		next = atEnd
	case atRecords, atEnd:
	}
	if r.err != nil {
		if errors.Is(r.err, errMore) && w.have == len(w.frame) {
			return errors.New("response ends in the middle")
		}
		return r.err
	}
	return w.move(next, r.used, to)
}

// move accepts what a step read.
func (w *walker) move(next walkState, used int, to sink) error {
	was := w.state
	w.at += used
	w.state = next
	switch {
	case was == atStart && w.want != 0:
		return fmt.Errorf("answer to another request than %d", w.want)
	case was == atPartition:
		w.recordsEnd = w.at + w.head.bytes
		w.begun, w.wanted = false, false
		if w.recordsEnd > len(w.frame) {
			return fmt.Errorf("partition %d says it has %d bytes", w.head.partition, w.head.bytes)
		}
		if w.head.bytes > 0 {
			w.begun, w.wanted = true, to.partition(&w.head)
		}
	case was == atPartitionTags && !w.begun: // without batches the tags are known before the pipeline hears of it
		to.partition(&w.head)
		to.finish()
	case was == atPartitionTags:
		to.finish()
	}
	return nil
}

func (w *walker) start(r *reader) walkState {
	if r.int32() == w.want {
		w.want = 0
	}
	r.tags(nil)
	w.throttle = time.Duration(r.int32()) * time.Millisecond
	w.code = r.int16()
	r.int32() // session
	w.topics = r.count()
	if r.err != nil {
		return w.state
	}
	return w.nextTopic()
}

func (w *walker) nextTopic() walkState {
	if w.topics == 0 {
		return atTags
	}
	w.topics--
	return atTopic
}

func (w *walker) topic(r *reader) walkState {
	if w.version >= byIDVersion {
		copy(w.head.topicID[:], r.take(16))
	} else {
		w.head.topic = r.take(r.count())
	}
	n := r.count()
	if r.err != nil {
		return w.state
	}
	w.partitions = n
	return w.nextPartition()
}

func (w *walker) nextPartition() walkState {
	if w.partitions == 0 {
		return atTopicTags
	}
	w.partitions--
	return atPartition
}

func (w *walker) partition(r *reader) walkState {
	h := &w.head
	h.partition = r.int32()
	h.code = r.int16()
	h.high = r.int64()
	h.stable = r.int64()
	h.logStart = r.int64()
	h.diverging, h.aborted = false, h.aborted[:0]
	for n := r.count(); n > 0 && r.err == nil; n-- {
		h.aborted = append(h.aborted, mirror.Aborted{Producer: r.int64(), First: r.int64()})
		r.tags(nil)
	}
	// Brokers list transactions in the order in which they ended.
	slices.SortFunc(h.aborted, func(a, b mirror.Aborted) int { return cmp.Compare(a.First, b.First) })
	r.int32() // preferred replica
	h.bytes = r.count()
	return atRecords
}

// partitionTags reads where the log diverges from what was read before (KIP-595), which comes without batches.
func (w *walker) partitionTags(r *reader) {
	r.tags(func(tag uint64, b []byte) {
		if tag == 0 && len(b) >= 12 {
			w.head.diverging = true
			w.head.divergingEpoch = int32(binary.BigEndian.Uint32(b))
			w.head.divergesAt = int64(binary.BigEndian.Uint64(b[4:]))
		}
	})
}

// records hands out the batches that are there.
func (w *walker) records(to sink) error {
	for w.at < w.recordsEnd {
		rest := w.recordsEnd - w.at
		n := rest // what is cut by the broker at the end of a partition is read again by the next fetch
		if rest >= batch.PeekLen {
			if w.have-w.at < batch.PeekLen {
				return errMore
			}
			n = int(int32(binary.BigEndian.Uint32(w.frame[w.at+8:]))) + 12
		}
		if !w.wanted || rest < batch.PeekLen || n > rest {
			w.at = w.recordsEnd
			break
		}
		if w.have-w.at < n {
			return errMore
		}
		n, err := handOut(w.frame[w.at:w.recordsEnd:w.recordsEnd], to)
		if err != nil {
			to.broken(err)
			w.at, w.wanted = w.recordsEnd, false
			break
		}
		w.at += n
	}
	if w.at > w.have {
		return errMore
	}
	w.state = atPartitionTags
	return nil
}

// handOut hands out the first batch of records, or the first message where they are of an older format, and returns its length.
func handOut(records []byte, to sink) (int, error) {
	if batch.IsMessage(records) {
		m, _, err := batch.SplitMessage(records)
		if err == nil {
			to.message(m)
		}
		return len(m), err
	}
	b, _, err := batch.Split(records)
	if err == nil {
		to.batch(b)
	}
	return len(b), err
}
