package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// fakeOwnership is an Ownership whose tenures the test sets.
type fakeOwnership struct {
	mu       sync.Mutex
	now      map[string][]Tenure
	changed  chan struct{}
	offered  map[string]int
	invalid  map[Unit]int64 // terms up to it
	released []released
	settled  []Tenure
	report   Report
}

type released struct {
	Tenure
	drained bool
}

func newFakeOwnership() *fakeOwnership {
	return &fakeOwnership{now: map[string][]Tenure{}, changed: make(chan struct{}), invalid: map[Unit]int64{}}
}

// set replaces what is owned of a topic.
func (o *fakeOwnership) set(topic string, tenures ...Tenure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now[topic] = tenures
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *fakeOwnership) Offer(topics map[string]int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.offered = topics
}

func (o *fakeOwnership) Tenures(topic string) []Tenure {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.now[topic])
}

func (o *fakeOwnership) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

func (o *fakeOwnership) Valid(t Tenure) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return t.Term > o.invalid[t.Unit]
}

func (o *fakeOwnership) Release(t Tenure, drained bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.released = append(o.released, released{t, drained})
}

func (o *fakeOwnership) Settle(t Tenure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settled = append(o.settled, t)
}

func (o *fakeOwnership) Report(r Report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.report = r
}

func (o *fakeOwnership) given() []released {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.released)
}

func (o *fakeOwnership) calmed() []Tenure {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.settled)
}

func (o *fakeOwnership) offers() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.offered
}

func (o *fakeOwnership) load() Load {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.report.Loads) != 1 {
		return Load{}
	}
	return o.report.Loads[0]
}

func (o *fakeOwnership) able() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.report.Able
}

// whole is a tenure of all of a topic.
func whole(topic string, term int64) Tenure {
	return Tenure{Unit: Unit{Topic: topic, Of: 1}, Term: term, Since: time.Now()}
}

func leaving(t Tenure) Tenure {
	t.Leaving = true
	return t
}

// poolRig is a rig under a fake ownership.
func poolRig(t *testing.T) (*rig, *fakeOwnership) {
	r, own := newRig(t), newFakeOwnership()
	r.own = own
	return r, own
}

func (r *rig) silence(mute bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mute = mute
}

// partitions returns which partitions run, by the status.
func (r *rig) partitions() []int32 {
	var list []int32
	for _, t := range r.link.Status().Topics {
		for _, p := range t.Partitions {
			list = append(list, p.Source.Partition)
		}
	}
	return list
}

func (r *rig) saves() int {
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	return r.source.saves
}

// lanes returns how many pipelines are at the source and at the sink.
func (r *rig) lanes() (source, sink int) {
	r.source.mu.Lock()
	source = len(r.source.attached)
	r.source.mu.Unlock()
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	return source, len(r.sink.members)
}

func (r *rig) wantLanes(want int) {
	r.t.Helper()
	if source, sink := r.lanes(); source != want || sink != want {
		r.t.Errorf("%d pipelines at the source, %d at the sink, want %d", source, sink, want)
	}
}

func TestUnits(t *testing.T) {
	for _, test := range []struct {
		unit       Unit
		partitions int
		want       []int32
		name       string
	}{
		{Unit{"clicks", 0, 1}, 3, []int32{0, 1, 2}, "clicks"},
		{Unit{"clicks", 0, 1}, 0, nil, "clicks"},
		{Unit{"clicks", 0, 2}, 5, []int32{0, 2, 4}, "clicks@1/2"},
		{Unit{"clicks", 1, 2}, 5, []int32{1, 3}, "clicks@2/2"},
		{Unit{"clicks", 3, 4}, 3, nil, "clicks@4/4"},
		{Unit{"clicks", 3, 4}, 4, []int32{3}, "clicks@4/4"},
	} {
		tn := newTenant(t.Context(), &topic{}, Tenure{Unit: test.unit})
		if got := tn.missing(test.partitions); !slices.Equal(got, test.want) || test.unit.wanted(test.partitions) != len(test.want) || test.unit.String() != test.name {
			t.Errorf("%v of %d: got %v, %d wanted, want %v", test.unit, test.partitions, got, test.unit.wanted(test.partitions), test.want)
		}
	}
}

func TestNothingRunsWithoutATenure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.start(config())
		wait(time.Second)
		if got := own.offers(); !maps.Equal(got, map[string]int{"clicks": 2}) {
			t.Errorf("offered %v, want clicks with two partitions", got)
		}
		if s := r.link.Status(); len(s.Topics) != 0 || s.Problem != "" || r.saves() != 0 {
			t.Errorf("status %+v, %d saves, want nothing", s, r.saves())
		}
		r.source.set("clicks", TopicInfo{"source-id", 3})
		wait(time.Second)
		if got := own.offers()["clicks"]; got != 3 {
			t.Errorf("offered %d partitions, want 3", got)
		}
		r.end()
		if got := own.given(); len(got) != 0 {
			t.Errorf("released %+v", got)
		}
	})
}

func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.start(config())
		wait(time.Second)
		own.set("clicks", whole("clicks", 3))
		wait(100 * time.Millisecond)
		r.feed(0, dense(2, 3, gzipCodec, 1))
		wait(2 * time.Second)
		r.silence(true)
		r.feed(1, dense(1, 3, gzipCodec, 1))
		taken, step := r.pipeline(1).Take(time.Now())
		if step != protocol.Send {
			t.Fatalf("got step %d", step)
		}
		taken.Hold().Release()
		p := r.pipeline(1)
		own.set("clicks", leaving(whole("clicks", 3)))
		wait(2 * time.Second)
		if got := own.given(); len(got) != 0 {
			t.Fatalf("released %+v while a batch is not answered", got)
		}
		if _, _, _, appetite := r.pipeline(0).FetchFrom(); appetite != Away {
			t.Errorf("a partition that leaves has appetite %d", appetite)
		}
		p.Answer(taken.Flight, 0, 0, time.Now())
		begun := time.Now()
		wait(50 * time.Millisecond)
		if got := own.given(); len(got) != 1 || !got[0].drained || got[0].Term != 3 {
			t.Fatalf("released %+v %v after the answer, want the drained unit", got, time.Since(begun))
		}
		if at, _ := r.source.saved("clicks", 1); at.Source != 3 {
			t.Errorf("saved %+v, want source offset 3", at)
		}
		r.wantLanes(0)
		if got := r.partitions(); len(got) != 0 {
			t.Errorf("partitions %v still run", got)
		}
		own.set("clicks")
		wait(time.Second)
		r.silence(false)
		own.set("clicks", whole("clicks", 5)) // it comes back
		wait(time.Second)
		if at := r.status(1); at.Next != 3 || r.pipeline(1) == p {
			t.Errorf("began again at %d, want 3, with another pipeline", at.Next)
		}
		r.end()
		if got := own.given(); len(got) != 2 || !got[1].drained || got[1].Term != 5 {
			t.Errorf("released %+v in the end", got)
		}
		r.wantLanes(0)
	})
}

func TestHandOverIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		unsaved bool // the group refuses, else the answer is missing
	}{"not answered": {}, "not saved": {true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, own := poolRig(t)
				r.start(config())
				own.set("clicks", whole("clicks", 1))
				wait(500 * time.Millisecond) // nothing has looked yet whether it is stuck
				if test.unsaved {
					r.feed(0, dense(1, 3, gzipCodec, 1))
					r.source.mu.Lock()
					r.source.refuse = errTest
					r.source.mu.Unlock()
					wait(50 * time.Millisecond)
				} else {
					r.silence(true)
					r.feed(0, dense(1, 3, gzipCodec, 1))
					taken, _ := r.pipeline(0).Take(time.Now())
					defer taken.Hold().Release()
				}
				own.set("clicks", leaving(whole("clicks", 1)))
				wait(4900 * time.Millisecond)
				if got := own.given(); len(got) != 0 {
					t.Fatalf("released %+v within the drain time", got)
				}
				wait(2 * time.Second)
				if got := own.given(); len(got) != 1 || got[0].drained {
					t.Errorf("released %+v after the drain time, want not drained", got)
				}
				r.wantLanes(0)
				if err := r.stop(); err != nil {
					t.Errorf("stop: %v", err)
				}
			})
		})
	}
}

// TestLostTenureIsDroppedAtOnce has batches under way when the tenure goes, or another term comes.
func TestLostTenureIsDroppedAtOnce(t *testing.T) {
	for name, next := range map[string][]int64{"vanished": nil, "another term": {2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, own := poolRig(t)
				r.start(config())
				own.set("clicks", whole("clicks", 1))
				wait(time.Second)
				r.silence(true)
				r.feed(0, dense(3, 3, gzipCodec, time.Now().UnixMilli()))
				p := r.pipeline(0)
				taken, _ := p.Take(time.Now())
				defer taken.Hold().Release()
				saves := r.saves()
				own.set("clicks")
				if len(next) > 0 {
					own.set("clicks", whole("clicks", 2))
				}
				synctest.Wait()
				if _, step := p.Take(time.Now()); step != protocol.Wait {
					t.Errorf("a dropped partition sends: step %d", step)
				}
				if v := p.Answer(taken.Flight, 0, 0, time.Now()); v != Nothing {
					t.Errorf("the answer to a dropped partition: verdict %d", v)
				}
				if at := p.Status(time.Now()); at.Next != 0 || at.QueuedBytes != 0 {
					t.Errorf("dropped partition is %+v", at)
				}
				wait(2 * time.Second)
				if at, _ := r.source.saved("clicks", 0); at.Source != 0 || r.saves()-saves > 2*len(next) {
					t.Errorf("saved %+v, %d saves", at, r.saves()-saves)
				}
				if got := own.given(); len(got) != 0 {
					t.Errorf("released %+v", got)
				}
				r.wantLanes(2 * len(next))
				for _, again := range r.link.all()[0].pipelines() {
					if again == p {
						t.Error("the pipeline of the former term runs on")
					}
				}
				r.end()
			})
		})
	}
}

func TestRangesOfATopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.source.set("clicks", TopicInfo{"source-id", 5})
		r.start(config())
		second, third := Tenure{Unit: Unit{"clicks", 1, 3}, Term: 1}, Tenure{Unit: Unit{"clicks", 2, 3}, Term: 7}
		own.set("clicks", third)
		wait(time.Second)
		if got := r.partitions(); !slices.Equal(got, []int32{2}) {
			t.Errorf("partitions %v run, want 2", got)
		}
		own.set("clicks", third, second)
		wait(time.Second)
		if got := r.partitions(); !slices.Equal(got, []int32{1, 2, 4}) {
			t.Errorf("partitions %v run, want 1, 2, 4", got)
		}
		r.source.set("clicks", TopicInfo{"source-id", 6})
		wait(time.Second)
		if got := r.partitions(); !slices.Equal(got, []int32{1, 2, 4, 5}) {
			t.Errorf("partitions %v run after it grew, want 1, 2, 4, 5", got)
		}
		for partition, want := range map[int32]error{0: ErrUnknownPartition, 4: ErrNotHalted, 6: ErrUnknownPartition} {
			if _, err := r.link.Skip(t.Context(), TopicPartition{"clicks", partition}, Choice{}); !errors.Is(err, want) {
				t.Errorf("skip of partition %d: %v, want %v", partition, err, want)
			}
		}
		own.set("clicks", second)
		synctest.Wait()
		if got := r.partitions(); !slices.Equal(got, []int32{1, 4}) {
			t.Errorf("partitions %v run after one range went, want 1, 4", got)
		}
		ids, _ := r.store.Read(t.Context(), "link", "clicks")
		if got := slices.Sorted(maps.Keys(ids.Partitions)); !slices.Equal(got, []int32{1, 2, 4, 5}) {
			t.Errorf("identities of %v are stored", got)
		}
		r.end()
	})
}

// TestHungStartEndsWithItsTenure starts one topic whose store does not answer, beside another.
func TestHungStartEndsWithItsTenure(t *testing.T) {
	for name, test := range map[string]struct{ next []Tenure }{
		"lost": {}, "leaving": {[]Tenure{leaving(whole("clicks", 1))}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, own := poolRig(t)
				r.store.hang = map[string]bool{"clicks": true}
				cfg := config()
				cfg.Match = func(string) bool { return true }
				r.start(cfg)
				own.set("clicks", whole("clicks", 1))
				wait(time.Second)
				own.set("other", whole("other", 4))
				wait(50 * time.Millisecond)
				if got := r.partitions(); !slices.Equal(got, []int32{0}) {
					t.Fatalf("%d partitions run beside a start that hangs, want that of the other topic", len(got))
				}
				if n := r.store.hungNow(); n != 1 {
					t.Fatalf("%d reads hang, want that of the start", n)
				}
				own.set("clicks", test.next...)
				synctest.Wait()
				if got := own.given(); len(got) != len(test.next) || len(got) > 0 && (!got[0].drained || got[0].Topic != "clicks") {
					t.Errorf("released %+v", got)
				}
				if n := r.store.hungNow(); n != 0 {
					t.Errorf("%d reads hang: the start goes on", n)
				}
				r.store.mu.Lock()
				r.store.hang = nil
				r.store.mu.Unlock()
				own.set("clicks", whole("clicks", 2))
				wait(50 * time.Millisecond)
				if got := len(r.partitions()); got != 3 {
					t.Errorf("%d partitions run, want 3", got)
				}
				r.end()
			})
		})
	}
}

// TestStoreGone has the store refuse while the tenure lasts: the start is tried until it works.
func TestStoreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.store.refuse = errTest
		r.start(config())
		own.set("clicks", whole("clicks", 1))
		wait(time.Minute + 25*time.Second)
		s := r.link.Status()
		if len(s.Topics) != 1 || !strings.Contains(s.Topics[0].Problem, errTest.Error()) || !strings.Contains(s.Problem, "clicks") || len(r.partitions()) > 0 {
			t.Errorf("status is %+v", s)
		}
		if got := own.load(); !got.Stuck {
			t.Errorf("reported %+v, want stuck", got)
		}
		r.store.mu.Lock()
		r.store.refuse = nil
		r.store.mu.Unlock()
		wait(10 * time.Second)
		if s := r.link.Status(); len(r.partitions()) != 2 || s.Problem != "" {
			t.Errorf("%d partitions run, problem %q", len(r.partitions()), s.Problem)
		}
		r.end()
	})
}

func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.source.end = 60 // as look asks for it
		r.start(config())
		own.set("clicks", whole("clicks", 1))
		wait(time.Second)
		if got := own.load(); !math.IsNaN(got.BytesPerSecond) {
			t.Errorf("reported %+v before anything was measured, want NaN", got)
		}
		log := dense(60, 1, gzipCodec, time.Now().UnixMilli())
		for i := range int64(60) {
			r.feed(0, log[i:i+1])
			wait(time.Second)
		}
		size := float64(len(log[0].bytes()))
		if got := own.load(); got.BytesPerSecond < size*0.9 || got.BytesPerSecond > size*1.1 || got.Stuck {
			t.Errorf("reported %+v, want about %v bytes per second", got, size)
		}
		wait(2 * time.Minute)
		if got := own.load(); got.BytesPerSecond > size*0.2 {
			t.Errorf("reported %+v two minutes later", got)
		}
		if got := own.load(); !got.Stuck { // partition 1 has nothing of 60
			t.Errorf("reported %+v, want stuck", got)
		}
		r.end()
	})
}

// TestOldRecordsWait has old records to send after a takeover. Young ones do not wait.
func TestOldRecordsWait(t *testing.T) {
	const idleClose = 10 * time.Minute
	for _, test := range []struct {
		name   string
		before Predecessor
		young  bool
		want   time.Duration
		says   string
	}{
		{"nobody was before", PredecessorNone, false, 0, ""},
		{"dead", PredecessorDead, false, 6 * time.Second, "may still arrive"},
		{"silent", PredecessorUnknown, false, idleClose, "may still hold open connections to region"},
		{"silent, young records", PredecessorUnknown, true, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, own := poolRig(t)
				r.source.set("clicks", TopicInfo{"source-id", 1})
				r.source.end = 3
				r.sink.limits = Limits{MaxBatchBytes: 1 << 20, OldAge: testExpiry / 2, IdleClose: idleClose}
				r.start(config())
				tenure := whole("clicks", 2)
				tenure.Before, tenure.Wait = test.before, 6*time.Second
				own.set("clicks", tenure)
				wait(time.Second)
				stamp := time.Now().Add(-testExpiry)
				if test.young {
					stamp = time.Now()
				}
				log := dense(1, 3, gzipCodec, stamp.UnixMilli())
				r.feed(0, log)
				wait(time.Second)
				arrive := func() {
					if r.status(0).Next != 3 { // it gave its memory back and reads again
						r.feed(0, log)
						wait(time.Second)
					}
					if s := r.status(0); s.Next != 3 {
						t.Errorf("status is %+v", s)
					}
					r.end()
				}
				if test.want == 0 {
					arrive()
					return
				}
				s, p := r.status(0), r.pipeline(0)
				until := tenure.Since.Add(test.want)
				if s.State != StateWaiting || !strings.Contains(s.Why, test.says) || !strings.Contains(s.Why, until.UTC().Format(time.RFC3339)) {
					t.Errorf("state is %s: %s", s.State, s.Why)
				}
				if plan, ok := p.Plan(); !ok || plan.Need != protocol.ScanCalm || !plan.NotBefore.Equal(until) {
					t.Errorf("plan is %+v, want a calm scan not before %v", plan, until)
				}
				wait(3 * time.Minute)
				if test.before == PredecessorUnknown {
					if got := own.load(); got.Stuck {
						t.Errorf("reported %+v: it does not wait for anything that another need not wait for", got)
					}
					if len(own.calmed()) > 0 {
						t.Errorf("settled %+v too early", own.calmed())
					}
				}
				wait(idleClose)
				if s := r.status(0); s.Why != "" && strings.Contains(s.Why, "old records") {
					t.Errorf("waits still: %s", s.Why)
				}
				if len(own.calmed()) != 1 || own.settled[0].Term != 2 {
					t.Errorf("settled %+v, want once", own.calmed())
				}
				arrive()
			})
		})
	}
}

// TestForgottenOwnersAreUnknown has a pool whose store is empty, while the group has a position: somebody was there.
func TestForgottenOwnersAreUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		r.sink.limits = Limits{MaxBatchBytes: 1 << 20, OldAge: testExpiry / 2, IdleClose: time.Hour}
		r.source.group[TopicPartition{"clicks", 0}] = protocol.Position{Source: 0, SourceEpoch: -1, ProducerID: 7, DestEpoch: 3}
		r.start(config())
		own.set("clicks", whole("clicks", 1))
		wait(time.Second)
		for partition, want := range []bool{true, false} {
			r.feed(partition, dense(1, 3, gzipCodec, time.Now().Add(-testExpiry).UnixMilli()))
			wait(time.Second)
			if s := r.status(partition); strings.Contains(s.Why, "old records wait") != want {
				t.Errorf("partition %d is %s: %s; want that it waits: %t", partition, s.State, s.Why, want)
			}
		}
		r.end()
	})
}

// TestUnprovenOwnershipSendsLater pins that a partition whose lease could not be proven goes on by itself once it can.
func TestUnprovenOwnershipSendsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		own.invalid[Unit{"clicks", 0, 1}] = 1
		r.start(config())
		own.set("clicks", whole("clicks", 1))
		wait(time.Second)
		r.feed(0, dense(1, 3, gzipCodec, 1))
		wait(200 * time.Millisecond)
		if s := r.status(0); s.Next != 0 || !strings.Contains(s.Why, "ownership") {
			t.Errorf("status is %+v", s)
		}
		own.mu.Lock()
		own.invalid = nil
		own.mu.Unlock()
		wait(time.Second)
		r.sink.mu.Lock()
		readied := r.sink.readied
		r.sink.mu.Unlock()
		if readied == 0 {
			t.Error("no lane was told to look again")
		}
		r.end()
	})
}

func TestProofTakesNoMemory(t *testing.T) {
	b := newBench(t, nil)
	if n := testing.AllocsPerRun(100, func() { b.p.tenant.valid() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestManyTenures gives and takes two topics 200 times, at every moment of a start, and leaves nothing behind.
func TestManyTenures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, own := poolRig(t)
		cfg := config()
		cfg.Match = func(string) bool { return true }
		r.start(cfg)
		wait(time.Second)
		begun := runtime.NumGoroutine()
		for i := range int64(200) {
			tenure := whole("clicks", i)
			own.set("clicks", tenure)
			own.set("other", whole("other", i))
			if i%3 > 0 {
				wait(time.Duration(i%7) * time.Millisecond)
			}
			if i%2 > 0 {
				own.set("clicks", leaving(tenure))
				wait(time.Duration(i%5) * time.Millisecond)
			}
			own.set("clicks")
			own.set("other")
		}
		wait(2 * time.Second)
		if now := runtime.NumGoroutine(); now > begun { // fewer: that of the test before had not quite ended
			t.Errorf("%d goroutines, before %d", now, begun)
		}
		r.wantLanes(0)
		if got := r.partitions(); len(got) > 0 {
			t.Errorf("partitions %v run", got)
		}
		if len(own.given()) == 0 {
			t.Error("nothing was ever handed over")
		}
		r.end()
	})
}

// askedSource counts what is asked of the source.
type askedSource struct {
	*fakeSource
	loads, policies, commits atomic.Int64
}

func (s *askedSource) LoadPositions(ctx context.Context, group string, topics map[string][]int32) (map[TopicPartition]Loaded, error) {
	s.loads.Add(1)
	time.Sleep(5 * time.Millisecond)
	return s.fakeSource.LoadPositions(ctx, group, topics)
}

func (s *askedSource) Policies(ctx context.Context, topics []string) (map[string]Policy, error) {
	s.policies.Add(1)
	time.Sleep(5 * time.Millisecond)
	return s.fakeSource.Policies(ctx, topics)
}

func (s *askedSource) SavePositions(ctx context.Context, group string, positions map[TopicPartition]protocol.Position, to map[string]protocol.Place) error {
	s.commits.Add(1)
	time.Sleep(5 * time.Millisecond)
	return s.fakeSource.SavePositions(ctx, group, positions, to)
}

// TestManyStartsAskTogether takes 200 topics over at once.
func TestManyStartsAskTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topics := map[string]TopicInfo{}
		for i := range 200 {
			topics[fmt.Sprint("topic-", i)] = TopicInfo{"id", 3}
		}
		own := newFakeOwnership()
		source := &askedSource{fakeSource: newFakeSource(topics)}
		sink := newFakeSink(topics)
		cfg := config()
		cfg.Match = func(string) bool { return true }
		cfg.Rename = func(topic string) (string, error) { return topic, nil }
		link := NewLink(cfg, source, sink, newMemStore(), own, &fakeEvents{}, discard())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- link.Run(ctx) }()
		wait(policiesEvery + time.Second)
		source.policies.Store(0)
		for name := range topics {
			own.set(name, whole(name, 1))
		}
		begun := time.Now()
		for len(sink.joiners()) == 0 {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(begun); took > 50*time.Millisecond {
			t.Errorf("the first partition began after %v", took)
		}
		for running := 0; running < 600; time.Sleep(time.Millisecond) {
			running = 0
			for _, topic := range link.all() {
				running += len(topic.pipelines())
			}
		}
		if took := time.Since(begun); took > 200*time.Millisecond {
			t.Errorf("all began after %v", took)
		}
		if source.loads.Load() > 20 || source.commits.Load() > 20 || source.policies.Load() > 0 {
			t.Errorf("200 starts asked for positions %d times, saved %d times, and asked for policies %d times", source.loads.Load(), source.commits.Load(), source.policies.Load())
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if got := len(own.given()); got != 200 {
			t.Errorf("%d units released, want 200", got)
		}
	})
}
