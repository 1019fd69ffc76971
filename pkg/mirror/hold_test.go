package mirror

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A source transaction that hangs is told within seconds, with its producer, and the word goes when it ends.
func TestHungTransactionIsTold(t *testing.T) {
	began := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	owner := OpenTransaction{ProducerID: 7, First: 3, TransactionalID: "billing-1", Began: began}
	for _, test := range []struct {
		name string
		open map[int32]OpenTransaction
		err  error
		want string
	}{
		{"named", map[int32]OpenTransaction{0: owner}, nil, "open transaction since 2026-11-22T08:00:00Z of producer id 7 (transactional id billing-1): the 7 offsets from 3 on are held back"},
		{"producer alone", map[int32]OpenTransaction{0: {ProducerID: 7, First: 3}}, nil, "since at least 2000-01-01T00:00:01Z of producer id 7: the 7 offsets"},
		{"another by now", map[int32]OpenTransaction{0: {ProducerID: 8, First: 5}}, nil, "since at least 2000-01-01T00:00:01Z: the 7 offsets"},
		{"refused", nil, errTest, "since at least 2000-01-01T00:00:01Z of a producer that is not known (as the test wants it): the 7 offsets"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.source.open, r.source.openErr = test.open, test.err
				r.start(config())
				wait(500 * time.Millisecond)
				r.feed(0, dense(1, 3, gzipCodec, 1))
				wait(500 * time.Millisecond)
				r.hear(0, 3, 10, 9*time.Second)
				if s := r.status(0); s.State != StateCaughtUp || s.HeldBack != 7 || s.Lag() != 0 {
					t.Errorf("early: got %s (%s), %d held back, lag %d; want caught up, 7, 0", s.State, s.Why, s.HeldBack, s.Lag())
				}
				r.hear(0, 3, 10, 11*time.Second)
				if s := r.status(0); s.State != StateWaiting || !strings.Contains(s.Why, test.want) || s.Lag() != 0 {
					t.Errorf("got %s, %q, lag %d; want waiting, %q, 0", s.State, s.Why, s.Lag(), test.want)
				}
				r.hear(0, 10, 10, time.Second)
				if s := r.status(0); s.State != StateCopying || s.HeldBack != 0 || s.Lag() != 7 {
					t.Errorf("ended: got %s (%s), %d held back, lag %d; want copying, 0, 7", s.State, s.Why, s.HeldBack, s.Lag())
				}
				if err := r.stop(); err != nil {
					t.Errorf("stop: %v", err)
				}
			})
		})
	}
}

// Transactions that follow each other are no trouble, however long there is always one open, and nobody is asked.
func TestBriefTransactionsAreNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(config())
		wait(time.Second)
		for i := range int64(10) {
			if i > 0 {
				r.feed(0, []entry{{base: i - 1, ids: []int64{i - 1}, producer: -1, stamp: 1}})
			}
			r.hear(0, i, i+1, 6*time.Second)
			if s := r.status(0); s.State != StateCaughtUp || s.HeldBack != 1 {
				t.Fatalf("round %d: got %s (%s), %d held back; want caught up, 1", i, s.State, s.Why, s.HeldBack)
			}
		}
		if r.source.openAsked != 0 {
			t.Errorf("asked %d times for open transactions", r.source.openAsked)
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// hear lets a partition hear from its source every half second that nothing new can be read.
func (r *rig) hear(partition int, stable, high int64, d time.Duration) {
	r.t.Helper()
	p := r.pipeline(partition)
	in := NewIntake(NewBudget(1 << 20))
	for end := time.Now().Add(d); time.Now().Before(end); wait(500 * time.Millisecond) {
		_, _, generation, appetite := p.FetchFrom()
		if appetite != Hungry || !in.Begin(p, generation, Fetched{Stable: stable, High: high}) {
			r.t.Fatalf("the partition is not fetched: appetite %d, %+v", appetite, p.Status(time.Now()))
		}
		in.End()
	}
}
