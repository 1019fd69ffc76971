package mirror

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// TestForgottenOwnersStayUnknown hands a unit over whose identity was rebuilt: what its former owner may still send is as
// unknown to the next owner, however that comes to it.
func TestForgottenOwnersStayUnknown(t *testing.T) {
	const idleClose = 10 * time.Minute
	for name, before := range map[string]Predecessor{"drained": PredecessorNone, "dead": PredecessorDead} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, own := poolRig(t)
				r.sink.limits = Limits{MaxBatchBytes: 1 << 20, OldAge: testExpiry / 2, IdleClose: idleClose}
				r.source.group[TopicPartition{"clicks", 0}] = protocol.Position{Source: 0, SourceEpoch: -1, ProducerID: 7, DestEpoch: 3}
				r.start(config())
				own.set("clicks", whole("clicks", 1))
				wait(time.Second)
				own.set("clicks")
				wait(time.Second)
				next := whole("clicks", 2)
				next.Before, next.Wait = before, 6*time.Second
				own.set("clicks", next)
				wait(time.Second)
				log := dense(1, 3, gzipCodec, time.Now().Add(-testExpiry).UnixMilli())
				r.feed(0, log)
				wait(time.Minute)
				if s := r.status(0); !strings.Contains(s.Why, "old records wait") {
					t.Errorf("a minute after the hand-over it is %s: %s", s.State, s.Why)
				}
				wait(idleClose)
				if s := r.status(0); strings.Contains(s.Why, "old records wait") {
					t.Errorf("waits still: %s", s.Why)
				}
				own.set("clicks")
				wait(2 * time.Hour)
				third := whole("clicks", 3)
				own.set("clicks", third)
				wait(time.Second)
				r.feed(0, log)
				wait(time.Second)
				if s := r.status(0); strings.Contains(s.Why, "old records wait") {
					t.Errorf("hours later it waits again: %s", s.Why)
				}
				r.end()
			})
		})
	}
}

// TestConnectionsThatAreNeverClosed has a destination that closes no idle connections: a partition that was idle for long has
// its ownership proven all the same.
func TestConnectionsThatAreNeverClosed(t *testing.T) {
	for name, idleClose := range map[string]time.Duration{"never": -time.Millisecond, "not told": 0, "told": unknownIdleClose} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(_ *LinkConfig, l *Limits, _ *protocol.Identity) { l.OldAge, l.IdleClose = testExpiry/2, idleClose })
				b.join()
				log := dense(3, 3, gzipCodec, time.Now().Add(time.Hour).UnixMilli())
				send := func() protocol.Step {
					taken, step := b.p.Take(time.Now())
					if step == protocol.Send {
						taken.Hold().Release()
						b.p.Answer(taken.Flight, 0, b.position().Dest, time.Now())
					}
					return step
				}
				b.feed(log)
				if step := send(); step != protocol.Send {
					t.Fatalf("got step %d", step)
				}
				b.lease.lose(true)
				time.Sleep(time.Minute)
				if step := send(); step != protocol.Send {
					t.Errorf("a busy connection waits for a proof: step %d", step)
				}
				time.Sleep(unknownIdleClose/2 + time.Second)
				if step := send(); step != protocol.Wait {
					t.Errorf("an idle connection is sent on without a proof: step %d", step)
				}
				b.p.stop()
			})
		})
	}
}

// TestUnprovenPartitionIsNotRead has old records that wait for a proof of ownership: they are not read again and again.
func TestUnprovenPartitionIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		own.invalid[Unit{"clicks", 0, 1}] = 1
		r.start(config())
		own.set("clicks", whole("clicks", 1))
		wait(time.Second)
		log := dense(1, 3, gzipCodec, 1)
		r.feed(0, log)
		wait(10 * time.Second)
		if _, _, _, appetite := r.pipeline(0).FetchFrom(); appetite != Away {
			t.Errorf("got appetite %d while nothing may be sent", appetite)
		}
		own.mu.Lock()
		own.invalid = nil
		own.mu.Unlock()
		r.source.mu.Lock()
		woken := r.source.woken
		r.source.mu.Unlock()
		wait(time.Second)
		r.source.mu.Lock()
		woken = r.source.woken - woken
		r.source.mu.Unlock()
		if woken == 0 {
			t.Error("no lane was told to read again")
		}
		r.feed(0, log)
		wait(time.Second)
		if s := r.status(0); s.Next != 3 {
			t.Errorf("status is %+v", s)
		}
		r.end()
	})
}
