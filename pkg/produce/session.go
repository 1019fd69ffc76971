package produce

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// session is one connection of a lane.
type session struct {
	lane   *lane
	conn   *kafka.Conn
	hangUp context.CancelCauseFunc
	sent   chan *request // in order of sending; the writer is its only sender, at most maxInFlight are ever in it

	pool sync.Pool // of *request
}

// item is one batch in a request.
type item struct {
	e     *entry
	taken mirror.Taken
}

// request is a Produce request under way.
type request struct {
	items       []item
	bytes       int
	correlation int32
	sentAt      time.Time
}

// write takes batches from the members and sends them until the connection breaks or ctx ends. It returns why.
func (s *session) write(ctx context.Context) error {
	l := s.lane
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := l.due(time.Now())
		if s.conn.NeedsReauth() && l.idle() {
			if err := s.conn.Reauthenticate(); err != nil {
				return err
			}
		}
		if n, err := s.fill(); err != nil {
			return err
		} else if n > 0 {
			continue
		}
		wait := time.Second // the session's renewal is looked at that often
		if !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		timer.Reset(max(wait, 0))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.wake:
		case <-timer.C:
		}
	}
}

func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight == 0
}

// fill sends as many requests as the window allows, in one system call. It returns how many.
func (s *session) fill() (int, error) {
	l := s.lane
	l.mu.Lock()
	free := maxInFlight - l.inFlight
	l.working = append(l.working, l.readied...)
	l.readied = l.readied[:0]
	l.mu.Unlock()
	if free < maxInFlight-refillAt+1 || len(l.working) == 0 || s.conn.NeedsReauth() {
		return 0, nil
	}
	var requests []*request
	for len(requests) < free {
		r := s.row()
		if r == nil {
			break
		}
		requests = append(requests, r)
	}
	if len(requests) == 0 {
		return 0, nil
	}
	return len(requests), s.send(requests)
}

// row makes a request of at most one batch of each working entry, nil when there is nothing to send now.
func (s *session) row() *request {
	l := s.lane
	now := time.Now()
	r, _ := s.pool.Get().(*request)
	if r == nil {
		r = &request{}
	}
	r.items, r.bytes = r.items[:0], 0
	number := l.sink.rows.Add(1)
	kept := l.working[:0]
	for i, e := range l.working {
		if r.bytes >= maxRequestBytes {
			kept = append(kept, l.working[i:]...)
			break
		}
		if e.lane.Load() != l {
			continue // it has moved on
		}
		if e.slot.row.Load() == number {
			kept = append(kept, e)
			continue
		}
		e.queued.Store(false) // before Take, so that a batch that comes after it queues e again
		taken, step := e.p.Take(now)
		switch step {
		case protocol.Send:
			r.items = append(r.items, item{e, taken})
			r.bytes += len(taken.Bytes)
			e.slot.row.Store(number)
			if e.queued.CompareAndSwap(false, true) {
				kept = append(kept, e)
			}
		case protocol.Calm:
			l.join(e)
		case protocol.Wait:
		}
	}
	l.turn(kept, len(r.items))
	if len(r.items) == 0 {
		s.pool.Put(r)
		return nil
	}
	return r
}

// turn lets those that were left out of a full request come first in the next one.
func (l *lane) turn(kept []*entry, served int) {
	if n := len(kept); n > 0 && served > 0 && served < n {
		rest := append([]*entry(nil), kept[:served]...)
		copy(kept, kept[served:])
		copy(kept[n-served:], rest)
	}
	l.working = kept
}

// send writes the requests and passes them to the reader of answers.
func (s *session) send(requests []*request) error {
	l := s.lane
	l.encoder.reset()
	for _, r := range requests {
		r.correlation = l.encoder.add(r.items)
	}
	now := time.Now()
	l.mu.Lock()
	first := l.inFlight == 0
	l.inFlight += len(requests)
	patience := s.patience(now)
	l.mu.Unlock()
	for _, r := range requests {
		r.sentAt = now
	}
	err := s.conn.SetWriteDeadline(now.Add(patience))
	if err == nil && first {
		err = s.conn.SetReadDeadline(now.Add(patience))
	}
	if err == nil {
		err = s.conn.WriteVec(l.encoder.vector())
	}
	for _, r := range requests {
		for i := range r.items {
			r.items[i].taken.Hold().Release()
		}
		s.sent <- r
	}
	return err
}

// patience is how long an answer may take. Called with the lane's lock held.
func (s *session) patience(now time.Time) time.Duration {
	return produceTimeout + answerPatience + max(0, s.lane.muted.Sub(now))
}

// readAnswers brings the answers to the pipelines until the connection breaks.
func (s *session) readAnswers(ctx context.Context) {
	in := bufio.NewReaderSize(s.conn, 16<<10)
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
	s.answeredOne(now, time.Duration(resp.ThrottleMillis)*time.Millisecond)
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
	s.lane.kick()
	return hangUp
}

// answeredOne frees a place in the window and sets the next deadline.
func (s *session) answeredOne(now time.Time, throttle time.Duration) {
	l := s.lane
	l.mu.Lock()
	l.inFlight--
	if throttle > 0 {
		l.muted = now.Add(throttle)
	}
	deadline := time.Time{}
	if l.inFlight > 0 {
		deadline = now.Add(s.patience(now))
	}
	_ = s.conn.SetReadDeadline(deadline) // fails on a closed connection only, and then the next read says so
	l.mu.Unlock()
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
	switch it.e.p.Answer(it.taken.Flight, a.ErrorCode, a.BaseOffset, now) {
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
		return fmt.Errorf("%s/%d: %v: %w", it.e.dest.Topic, it.e.dest.Partition, kafka.ErrorCode(a.ErrorCode), errHangUp)
	case mirror.Nothing:
	}
	return nil
}
