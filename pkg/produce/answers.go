package produce

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// readAnswers brings the answers to the pipelines until the connection breaks.
func (s *session) readAnswers(ctx context.Context) {
	in := bufio.NewReaderSize(patientReader{s}, 16<<10)
	var frame []byte
	for r := range s.sent {
		if ctx.Err() != nil {
			continue // the outcome is unknown; Broken says so
		}
		var err error
		if frame, err = readFrame(in, frame); err == nil {
			err = s.answered(r, frame)
		}
		if err != nil {
			if ctx.Err() == nil {
				err = fmt.Errorf("read produce answer: %w", err)
			}
			s.hangUp(err)
		}
		s.pool.Put(r)
	}
}

// readFrame reads one response, without its size, into b.
func readFrame(in io.Reader, b []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return b, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 5 || n > maxAnswerBytes {
		return b, fmt.Errorf("response of %d bytes", n)
	}
	if cap(b) < int(n) {
		b = make([]byte, n)
	}
	b = b[:n]
	_, err := io.ReadFull(in, b)
	return b, err
}

const maxAnswerBytes = 16 << 20

var errHangUp = errors.New("a partition's outcome has to be settled on a new connection")

// answered gives each batch of r its answer.
func (s *session) answered(r *request, frame []byte) error {
	if got := int32(binary.BigEndian.Uint32(frame)); got != r.correlation {
		return fmt.Errorf("answer to request %d where %d was expected", got, r.correlation)
	}
	var resp kmsg.ProduceResponse
	resp.SetVersion(produceVersion)
	if err := resp.ReadFrom(frame[5:]); err != nil { // correlation id, no tags
		return err
	}
	now := time.Now()
	s.took(r, now)
	refill := s.answeredOne(now, time.Duration(resp.ThrottleMillis)*time.Millisecond)
	at, left := 0, len(r.items)
	var hangUp error
	for _, t := range resp.Topics {
		for i := range t.Partitions {
			k := find(r.items, at, t.Topic, t.Partitions[i].Partition)
			if k < 0 {
				return fmt.Errorf("answer for %s/%d, which was not asked", t.Topic, t.Partitions[i].Partition)
			}
			at, left = k+1, left-1
			if err := s.judge(&r.items[k], &t.Partitions[i], now); err != nil {
				hangUp = err
			}
		}
	}
	if left != 0 {
		return fmt.Errorf("answer lacks %d of %d partitions", left, len(r.items))
	}
	if refill {
		s.lane.kick()
	}
	return hangUp
}

// answeredOne frees a place in the window and sets the next deadline. It returns whether the writer has enough places to
// be woken for.
func (s *session) answeredOne(now time.Time, throttle time.Duration) (refill bool) {
	l := s.lane
	l.mu.Lock()
	l.inFlight--
	l.throttle(throttle, now)
	s.awaits(now)
	refill = l.inFlight < refillAt
	l.mu.Unlock()
	return refill
}

// find returns the place of a partition in items, looking from at on, as answers mostly come in order.
func find(items []item, at int, topic string, partition int32) int {
	for i := range items {
		k := at + i
		if k >= len(items) {
			k -= len(items)
		}
		if d := &items[k].e.dest; d.Partition == partition && d.Topic == topic {
			return k
		}
	}
	return -1
}

// judge lets the pipeline take its answer, and does what it says.
func (s *session) judge(it *item, a *kmsg.ProduceResponseTopicPartition, now time.Time) error {
	l := s.lane
	if a.ErrorCode != 0 {
		it.e.p.Link().CountError(mirror.SideTarget, catalog.Classify(kafka.ErrorCode(a.ErrorCode)))
	}
	switch deliver(it, a, now) {
	case mirror.GoOn:
		l.ready(it.e)
	case mirror.Pause:
		l.lookLater(it.e, now.Add(it.e.p.RetryIn(now)), false)
	case mirror.Leave:
		l.lookLater(it.e, now.Add(max(0, it.e.p.RetryIn(now))), true)
	case mirror.Hangup:
		if kafka.Retriable(kafka.ErrorCode(a.ErrorCode)) {
			l.sink.Refresh()
		}
		return fmt.Errorf("%s/%d: %w: %w", it.e.dest.Topic, it.e.dest.Partition, kafka.ErrorCode(a.ErrorCode), errHangUp)
	case mirror.Nothing:
	}
	return nil
}

// deliver brings the answer to the pipeline, with the records at fault where the broker names them.
func deliver(it *item, a *kmsg.ProduceResponseTopicPartition, now time.Time) mirror.Verdict {
	if a.ErrorCode == 0 || len(a.ErrorRecords) == 0 && a.ErrorMessage == nil {
		return it.e.p.Answer(it.taken.Flight, a.ErrorCode, a.BaseOffset, now)
	}
	r := mirror.Refusal{Code: a.ErrorCode}
	for _, e := range a.ErrorRecords {
		r.Records = append(r.Records, e.RelativeOffset)
	}
	switch {
	case len(a.ErrorRecords) > 0 && a.ErrorRecords[0].ErrorMessage != nil:
		r.Text = *a.ErrorRecords[0].ErrorMessage
	case a.ErrorMessage != nil:
		r.Text = *a.ErrorMessage
	}
	return it.e.p.Refuse(it.taken.Flight, r, now)
}
