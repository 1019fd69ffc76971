package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
)

// span is a range of offsets, from included and to not.
type span struct{ from, to int64 }

func (s span) size() int64 { return max(0, s.to-s.from) }

// errOverrun says that a log does not have the records any more that were about to be read.
var errOverrun = errors.New("its records were deleted, by retention or with its end, while it was read; verify again")

// scanner reads logs, one at a time, over connections it keeps. Not safe for concurrent use.
type scanner struct {
	conns   map[*site]map[string]*fetchConn
	decoder decoder
	pages   [2]*fetched
	read    func(bytes int) // told of every response
}

func newScanner(read func(int)) *scanner {
	return &scanner{conns: map[*site]map[string]*fetchConn{}, pages: [2]*fetched{{}, {}}, read: read}
}

// close closes the connections.
func (s *scanner) close() {
	for _, conns := range s.conns {
		for _, c := range conns {
			_ = c.conn.Close() // only read from
		}
	}
}

// visit is what a scan does with the records and with what it cannot read.
type visit struct {
	record  func(*record) error
	corrupt func(*corrupt) // a batch that was passed over
}

// scan visits the records of a log within a range in order; with committedOnly the aborted ones too, marked. It rides out
// lost connections and elections, and gives up after a minute without progress.
func (s *scanner) scan(ctx context.Context, at *site, tp topicPartition, within span, level isolation, v visit) error {
	next, since := within.from, time.Now()
	var backoff kafka.Backoff
	for next < within.to {
		reached, err := s.session(ctx, at, tp, span{next, within.to}, level, v)
		if reached > next {
			next, since = reached, time.Now()
			backoff.Reset()
		}
		if err == nil || next >= within.to {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if stop, ok := errors.AsType[*visitError](err); ok {
			return stop.err
		}
		if errors.Is(err, errOverrun) || time.Since(since) > patienceTotal || isFatal(err) {
			return fmt.Errorf("read %s at %s from offset %d: %w", tp, at.cluster.Name(), next, err)
		}
		if err := backoff.Wait(ctx); err != nil {
			return err
		}
		if err := at.refresh(ctx); err != nil && time.Since(since) > patienceTotal {
			return err
		}
	}
	return nil
}

// isFatal says whether a broker's answer will not change by asking again.
func isFatal(err error) bool {
	_, coded := kafka.Code(err)
	return coded && !kafka.Retriable(err)
}

// visitError is an error of the visitor.
type visitError struct{ err error }

// Error is the visitor's.
func (e *visitError) Error() string { return e.err.Error() }

// session reads over one connection. It returns up to where the records were visited.
func (s *scanner) session(ctx context.Context, at *site, tp topicPartition, within span, level isolation, v visit) (next int64, err error) {
	c, err := s.conn(ctx, at, tp)
	if err != nil {
		return within.from, err
	}
	release := context.AfterFunc(ctx, func() { _ = c.conn.Close() }) // unblocks reads
	next, clean, err := s.pump(ctx, c, at, tp, within, level, v)
	if !release() || !clean {
		s.drop(at, c)
	}
	return next, err
}

// pump keeps one fetch under way while it works on the response before. clean says that none is left under way.
func (s *scanner) pump(ctx context.Context, c *fetchConn, at *site, tp topicPartition, within span, level isolation, v visit) (next int64, clean bool, err error) {
	next = within.from
	if err := c.send(tp, next, level); err != nil {
		return next, false, err
	}
	for turn, idle := 0, 0; ; turn++ {
		page := s.pages[turn%2]
		if err := c.receive(page); err != nil {
			return next, false, fmt.Errorf("fetch: %w", err)
		}
		s.read(len(page.frame))
		if page.code == codeOutOfRange {
			return next, true, errOverrun
		}
		if err := kafka.ErrorCode(page.code); err != nil {
			return next, true, err
		}
		if idle++; page.next > next || page.throttle > 0 {
			idle = 0
		}
		// Compaction may have removed the last records below the end: two empty answers in a row are the end.
		last := page.next >= within.to || idle >= 2
		if !last {
			if err := at.rate.take(ctx, len(page.frame)); err != nil {
				return next, false, err
			}
			if err := c.send(tp, page.next, level); err != nil {
				return next, false, err
			}
		}
		if err := s.page(page, span{next, within.to}, v); err != nil {
			return next, last, &visitError{err}
		}
		if next = page.next; last {
			return within.to, true, nil
		}
	}
}

// page visits the records of one response.
func (s *scanner) page(page *fetched, within span, v visit) error {
	open := transactions{waiting: page.aborted}
	open.sort()
	for rest := page.entries; len(rest) > 0; {
		e, ok := cutEntry(rest)
		if !ok {
			return nil
		}
		rest = rest[len(e):]
		aborted := open.judge(e)
		if e.isControl() || e.modern() && e.last() < within.from {
			continue
		}
		err := s.decoder.records(e, func(r *record) error {
			if r.offset < within.from || r.offset >= within.to {
				return nil
			}
			r.aborted = aborted
			return v.record(r)
		})
		if bad, ok := errors.AsType[*corrupt](err); ok {
			v.corrupt(bad)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// transactions tells aborted batches from others within one response.
type transactions struct {
	waiting []kmsg.FetchResponseTopicPartitionAbortedTransaction // by first offset
	aborted map[int64]bool                                       // producers with an aborted transaction open
}

func (t *transactions) sort() {
	slices.SortFunc(t.waiting, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return cmp.Compare(a.FirstOffset, b.FirstOffset)
	})
}

// judge takes in the next batch and says whether its records were aborted.
func (t *transactions) judge(e entry) bool {
	if !e.inTransaction() {
		return false
	}
	for len(t.waiting) > 0 && t.waiting[0].FirstOffset <= e.last() {
		if t.aborted == nil {
			t.aborted = map[int64]bool{}
		}
		t.aborted[t.waiting[0].ProducerID] = true
		t.waiting = t.waiting[1:]
	}
	if e.isControl() {
		if e.isAbort() {
			delete(t.aborted, e.producer())
		}
		return false
	}
	return t.aborted[e.producer()]
}

// conn returns a connection to the leader of a log.
func (s *scanner) conn(ctx context.Context, at *site, tp topicPartition) (*fetchConn, error) {
	address := at.leader(tp)
	if address == "" {
		return nil, kafka.Error{Code: 5} // no leader at the moment
	}
	if c := s.conns[at][address]; c != nil {
		return c, nil
	}
	conn, err := at.cluster.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	if s.conns[at] == nil {
		s.conns[at] = map[string]*fetchConn{}
	}
	c := &fetchConn{conn: conn}
	s.conns[at][address] = c
	return c, nil
}

// drop closes a connection whose state is not known.
func (s *scanner) drop(at *site, c *fetchConn) {
	_ = c.conn.Close() // given up
	delete(s.conns[at], c.conn.Addr())
}
