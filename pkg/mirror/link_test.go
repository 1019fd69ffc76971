package mirror

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// rig is a running link between fakes, in a bubble of synctest.
type rig struct {
	t       *testing.T
	source  *fakeSource
	sink    *fakeSink
	through Sink // nil: sink itself
	store   *memStore
	own     Ownership // nil: of everything
	link    *Link
	stop    func() error

	mu   sync.Mutex
	mute bool // the destination does not answer
	seen []*Pipeline
	acks map[TopicPartition]int64
}

// newRig prepares a link of topic clicks with two partitions.
func newRig(t *testing.T) *rig {
	r := &rig{t: t, source: newFakeSource(map[string]TopicInfo{"clicks": {"source-id", 2}, "other": {"x", 1}}),
		sink: newFakeSink(map[string]TopicInfo{}), store: newMemStore(), acks: map[TopicPartition]int64{}}
	return r
}

func config() LinkConfig {
	return LinkConfig{Name: "link", From: "edge", To: "region", Match: func(topic string) bool { return topic == "clicks" },
		Rename: func(topic string) (string, error) { return "eu." + topic, nil }, Create: true, Replicas: -1, Mapping: Same, Drain: 5 * time.Second}
}

// start runs the link and a destination that acknowledges after 10 ms.
func (r *rig) start(cfg LinkConfig) {
	sink := r.through
	if sink == nil {
		sink = r.sink
	}
	own := r.own
	if own == nil {
		own = &fakeLease{}
	}
	r.link = NewLink(cfg, r.source, sink, r.store, own, &fakeEvents{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(r.t.Context())
	serving, quit := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.link.Run(ctx) }()
	var wg sync.WaitGroup
	wg.Go(func() { r.serve(serving) })
	r.stop = func() error {
		cancel()
		err := <-done
		quit()
		wg.Wait()
		return err
	}
}

// serve is the produce lane.
func (r *rig) serve(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		r.seen = append(r.seen, r.sink.joiners()...)
		if !r.mute {
			for _, p := range r.seen {
				r.work(p)
			}
		}
		r.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *rig) work(p *Pipeline) {
	if plan, ok := p.Plan(); ok && !plan.NotBefore.After(time.Now()) {
		var tail *protocol.Tail
		if plan.Count && plan.Need != protocol.Resend {
			tail = protocol.NewTail(plan.Position, 0)
		}
		p.Joined(plan, tail, 3)
	}
	for {
		taken, step := p.Take(time.Now())
		if step != protocol.Send {
			return
		}
		taken.Hold().Release()
		r.acks[p.dest] = max(r.acks[p.dest], r.sink.ends)
		p.Answer(taken.Flight, 0, r.acks[p.dest], time.Now())
		r.acks[p.dest] += int64(taken.Records)
	}
}

// feed lets a partition read batches.
func (r *rig) feed(partition int, log []entry) {
	r.t.Helper()
	p := r.pipeline(partition)
	b := &bench{t: r.t, budget: NewBudget(1 << 20), p: p}
	b.intake = NewIntake(b.budget)
	b.feed(log)
	if next, _, _, _ := p.FetchFrom(); next < log[len(log)-1].next() { // the leader epoch is stored first; a lane fetches again
		wait(100 * time.Millisecond)
		b.feed(log)
	}
}

func (r *rig) pipeline(partition int) *Pipeline {
	r.t.Helper()
	for _, t := range r.link.all() {
		if list := t.pipelines(); partition < len(list) {
			return list[partition]
		}
	}
	r.t.Fatalf("partition %d does not run: %+v", partition, r.link.Status())
	return nil
}

func (r *rig) status(partition int) PartitionStatus {
	r.t.Helper()
	return r.pipeline(partition).Status(time.Now())
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestLinkMirrorsSavesAndDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.sink.ends = 40
		r.start(config())
		wait(time.Second / 2)
		if to, _, _ := r.sink.Catalog(); to.Topics["eu.clicks"].Partitions != 2 || len(to.Topics) != 1 {
			t.Fatalf("destination has %v", to.Topics)
		}
		ids, err := r.store.Read(t.Context(), "link", "clicks")
		if err != nil || len(ids.Partitions) != 2 {
			t.Fatalf("store has %+v, %v", ids, err)
		}
		want := protocol.Identity{SourceCluster: "source-cluster", SourceTopicID: "source-id", DestCluster: "dest-cluster", DestTopic: "eu.clicks",
			DestTopicID: "new-eu.clicks", DestPartition: 1, ProducerID: 1002, Base: protocol.Position{SourceEpoch: -1, ProducerID: 1002, Dest: 40, DestEpoch: 3}}
		if got := ids.Partitions[1]; got != want {
			t.Errorf("identity is %+v, want %+v", got, want)
		}
		r.feed(1, dense(2, 3, gzipCodec, 1))
		wait(2 * time.Second)
		if at, ok := r.source.saved("clicks", 1); !ok || at.Source != 6 || at.Sequence != 6 || at.Dest != 46 || at.ProducerID != 1002 {
			t.Errorf("saved %+v, %v", at, ok)
		}
		r.feed(0, dense(1, 3, gzipCodec, 1))
		wait(20 * time.Millisecond)
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		if at, ok := r.source.saved("clicks", 0); !ok || at.Source != 3 {
			t.Errorf("drain saved %+v, %v", at, ok)
		}
		if len(r.source.attached) != 0 || r.sink.detached != 2 {
			t.Errorf("%d attached to the source, %d detached from the sink", len(r.source.attached), r.sink.detached)
		}
	})
}

func TestLinkSavesEachSecondWhenMovedAndHourlyWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(config())
		wait(1500 * time.Millisecond)
		before := r.source.saves
		wait(30 * time.Second)
		if got := r.source.saves - before; got != 0 {
			t.Errorf("saved %d times while nothing moved", got)
		}
		for i := range int64(3) {
			r.feed(0, []entry{{base: i, ids: idRange(i, 1), producer: -1, attrs: gzipCodec, stamp: 1}})
			wait(time.Second)
		}
		if got := r.source.saves - before; got != 3 {
			t.Errorf("saved %d times in three seconds with records, want 3", got)
		}
		before = r.source.saves
		wait(2*time.Hour + time.Minute)
		if got := r.source.saves - before; got < 2 || got > 4 {
			t.Errorf("saved %d times in two idle hours, want once an hour for each partition", got)
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func TestLinkTellsWhenPositionsAreNotSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.source.refuse = errTest
		r.start(config())
		wait(2 * time.Second)
		if s := r.link.Status(); !strings.Contains(s.SaveProblem, errTest.Error()) {
			t.Errorf("save problem is %q", s.SaveProblem)
		}
		if s := r.status(0); s.Committed != -1 {
			t.Errorf("committed is %d, want unknown", s.Committed)
		}
		if err := r.stop(); !errors.Is(err, errTest) {
			t.Errorf("stop: %v, want what saving said", err)
		}
	})
}

func TestLinkDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(config())
		wait(time.Second)
		r.mu.Lock()
		r.mute = true
		r.mu.Unlock()
		r.feed(0, dense(1, 3, gzipCodec, 1))
		taken, step := r.pipeline(0).Take(time.Now())
		if step != protocol.Send {
			t.Fatalf("got step %d", step)
		}
		taken.Hold().Release()
		begun := time.Now()
		err := r.stop()
		if took := time.Since(begun); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("drain took %v, want its 5 s", took)
		}
		if err == nil || !strings.Contains(err.Error(), "un-acknowledged") {
			t.Errorf("stop: %v", err)
		}
		if at, _ := r.source.saved("clicks", 0); at.Source != 0 {
			t.Errorf("saved %+v of a batch that was not acknowledged", at)
		}
	})
}

func TestLinkGrowsWithItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(config())
		wait(time.Second)
		r.source.set("clicks", TopicInfo{"source-id", 5})
		wait(time.Second)
		if got := len(r.link.Status().Topics[0].Partitions); got != 5 {
			t.Errorf("%d partitions run, want 5", got)
		}
		if to, _, _ := r.sink.Catalog(); to.Topics["eu.clicks"].Partitions != 5 {
			t.Errorf("destination has %d partitions", to.Topics["eu.clicks"].Partitions)
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func TestLinkHaltsWhatIsNotWhatItWas(t *testing.T) {
	mine := protocol.Identity{SourceCluster: "source-cluster", SourceTopicID: "source-id", DestCluster: "dest-cluster", DestTopic: "eu.clicks",
		DestTopicID: "dest-id", ProducerID: 7, Base: protocol.Position{SourceEpoch: -1, ProducerID: 7, DestEpoch: -1}}
	with := func(change func(*protocol.Identity)) protocol.Identity {
		id := mine
		change(&id)
		return id
	}
	for _, test := range []struct {
		name  string
		id    protocol.Identity
		later func(*rig)
		cause Cause
	}{
		{"all as it was", mine, nil, ""},
		{"other source cluster", with(func(id *protocol.Identity) { id.SourceCluster = "z" }), nil, CauseWrongCluster},
		{"other destination cluster", with(func(id *protocol.Identity) { id.DestCluster = "z" }), nil, CauseWrongCluster},
		{"source made anew", with(func(id *protocol.Identity) { id.SourceTopicID = "z" }), nil, CauseSourceRecreated},
		{"destination made anew", with(func(id *protocol.Identity) { id.DestTopicID = "z" }), nil, CauseDestinationRecreated},
		{"source ids unknown", with(func(id *protocol.Identity) { id.SourceTopicID = "" }), nil, ""},
		{"source made anew while running", mine, func(r *rig) { r.source.set("clicks", TopicInfo{"z", 2}) }, CauseSourceRecreated},
		{"destination made anew while running", mine, func(r *rig) { r.sink.set("eu.clicks", TopicInfo{"z", 2}) }, CauseDestinationRecreated},
		{"source of another cluster, before the catalogue tells", mine, func(r *rig) {
			r.source.whose = &Whose{"z", "z"}
			_, _, generation, _ := r.pipeline(0).FetchFrom()
			r.pipeline(0).OutOfRange(generation)
		}, CauseWrongCluster},
		{"source made anew, before the catalogue tells", mine, func(r *rig) {
			r.source.whose = &Whose{"source-cluster", "z"}
			_, _, generation, _ := r.pipeline(0).FetchFrom()
			r.pipeline(0).OutOfRange(generation)
		}, CauseSourceRecreated},
		{"destination of another cluster, found by a lane", mine, func(r *rig) { r.pipeline(0).DestinationIs(Whose{"z", "z"}) }, CauseWrongCluster},
		{"destination made anew, found by a lane", mine, func(r *rig) { r.pipeline(0).DestinationIs(Whose{"dest-cluster", "z"}) }, CauseDestinationRecreated},
		{"destination of another cluster, found by its end", mine, func(r *rig) {
			r.sink.whose = &Whose{"z", "z"}
			r.pipeline(0).DestinationGone(0)
		}, CauseWrongCluster},
		{"destination made anew, found by its end", mine, func(r *rig) {
			r.sink.whose = &Whose{"dest-cluster", "z"}
			r.pipeline(0).DestinationGone(0)
		}, CauseDestinationRecreated},
		{"position of another tool", mine, nil, CausePositionLost},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.sink.set("eu.clicks", TopicInfo{"dest-id", 2})
				r.store.topics["clicks"] = Identities{1, map[int32]protocol.Identity{0: test.id, 1: mine}}
				if test.cause == CausePositionLost {
					r.source.broken[TopicPartition{"clicks", 0}] = errTest
				}
				r.start(config())
				wait(time.Second)
				if test.later != nil {
					test.later(r)
					wait(time.Second)
				}
				if got := r.status(0).Cause; got != test.cause {
					t.Errorf("got cause %q, want %q", got, test.cause)
				}
				if err := r.stop(); err != nil {
					t.Errorf("stop: %v", err)
				}
				if _, ok := r.source.saved("clicks", 0); ok && test.cause == CausePositionLost {
					t.Error("the foreign position was overwritten")
				}
			})
		})
	}
}

func TestLinkBegins(t *testing.T) {
	stored := protocol.Identity{SourceCluster: "source-cluster", DestTopic: "eu.clicks", ProducerID: 7, Base: protocol.Position{Source: 3, SourceEpoch: -1, ProducerID: 7, Dest: 5, DestEpoch: 1}}
	saved := protocol.Position{Source: 90, SourceEpoch: 2, ProducerID: 7, Sequence: 87, Dest: 92, DestEpoch: 1}
	newer := func(p protocol.Position, change func(*protocol.Position)) protocol.Position {
		change(&p)
		return p
	}
	elsewhere := stored
	elsewhere.DestPartition = 3
	skipped := stored
	skipped.ProducerID, skipped.Generation, skipped.Base.ProducerID, skipped.Base.Generation = 8, 1, 8, 1
	compacted := stored
	compacted.Compacted, compacted.Epoch, compacted.Start = true, 4, 33
	for _, test := range []struct {
		name      string
		stored    *protocol.Identity
		saved     *protocol.Position
		compacted bool
		plain     bool // at least once
		latest    bool
		conflict  bool
		want      protocol.Position
		halted    Cause
	}{
		{name: "first start", want: protocol.Position{Source: 11, SourceEpoch: -1, ProducerID: 1001, Dest: 40, DestEpoch: 3}},
		{name: "first start, latest", latest: true, want: protocol.Position{Source: 99, SourceEpoch: -1, ProducerID: 1001, Dest: 40, DestEpoch: 3}},
		{name: "no position", stored: &stored, want: stored.Base},
		{name: "no position, latest", stored: &stored, latest: true, want: stored.Base},
		{name: "position", stored: &stored, saved: &saved, want: saved},
		{name: "position of another producer", stored: &stored, saved: new(newer(saved, func(p *protocol.Position) { p.ProducerID = 8 })), want: stored.Base},
		{name: "store lost", saved: &saved, want: saved},
		{name: "store put back to before a skip", stored: &elsewhere, saved: new(newer(saved, func(p *protocol.Position) { p.ProducerID, p.Generation = 8, 1 })),
			want: newer(saved, func(p *protocol.Position) { p.ProducerID, p.Generation = 8, 1 })},
		{name: "position of before a skip", stored: &skipped, saved: &saved, want: skipped.Base},
		{name: "another was first", conflict: true, want: stored.Base},
		{name: "compacted, first start", compacted: true, want: protocol.Position{Source: 11, SourceEpoch: -1, ProducerID: 1001, Dest: 40, DestEpoch: 3}},
		{name: "compacted, position of the newest epoch", compacted: true, stored: &compacted, saved: new(newer(saved, func(p *protocol.Position) { p.Epoch = 4 })),
			want: newer(saved, func(p *protocol.Position) { p.Epoch, p.Sequence = 5, 0 })},
		{name: "compacted, position of an older epoch", compacted: true, stored: &compacted, saved: &saved,
			want: newer(stored.Base, func(p *protocol.Position) { p.Source, p.Epoch = 33, 5 })},
		{name: "compacted, store lost", compacted: true, saved: &saved, halted: CausePositionLost},
		{name: "compacted since it began", compacted: true, stored: &stored, saved: &saved, want: newer(saved, func(p *protocol.Position) { p.Epoch, p.Sequence = 1, 0 })},
		{name: "at least once", plain: true, stored: &stored, saved: &saved, want: protocol.Position{Source: 90, SourceEpoch: 2, ProducerID: 1001, Dest: 40, DestEpoch: 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.mute = true
				r.source.start, r.source.end, r.sink.ends = 11, 99, 40
				r.source.set("clicks", TopicInfo{"", 1})
				r.source.compacted["clicks"] = test.compacted
				if test.stored != nil {
					r.store.topics["clicks"] = Identities{1, map[int32]protocol.Identity{0: *test.stored}}
				}
				if test.conflict {
					r.store.conflicts = []Identities{{1, map[int32]protocol.Identity{0: stored}}}
				}
				if test.saved != nil {
					r.source.group[TopicPartition{"clicks", 0}] = *test.saved
				}
				cfg := config()
				cfg.AtLeastOnce, cfg.Latest = test.plain, test.latest
				r.start(cfg)
				wait(50 * time.Millisecond)
				b := &bench{p: r.pipeline(0)}
				if got := b.position(); got != test.want {
					t.Errorf("begins at %+v, want %+v", got, test.want)
				}
				if got := r.status(0).Cause; got != test.halted {
					t.Errorf("got cause %q, want %q", got, test.halted)
				}
				r.stop()
				ids, err := r.store.Read(t.Context(), "link", "clicks")
				if err != nil {
					t.Fatal(err)
				}
				if id, ok := ids.Partitions[0]; !test.plain && test.halted == "" && (!ok || id.ProducerID != test.want.ProducerID || id.Epoch != test.want.Epoch) {
					t.Errorf("store has %+v, %v", id, ok)
				} else if test.stored != nil && id.DestPartition != test.stored.DestPartition {
					t.Errorf("goes to partition %d now, was %d", id.DestPartition, test.stored.DestPartition)
				}
			})
		})
	}
}

// discard is a log that nobody reads.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestLinkTakesEveryEpochOnce starts a compacted link again and again, with its positions lost in between.
func TestLinkTakesEveryEpochOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.source.set("clicks", TopicInfo{"", 1})
		r.source.compacted["clicks"] = true
		for want := range int16(5) {
			r.start(config())
			wait(100 * time.Millisecond)
			b := &bench{p: r.pipeline(0)}
			if got := b.position(); got.Epoch != want || got.Sequence != 0 {
				t.Errorf("start %d: position is %+v", want, got)
			}
			if err := r.stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
			r.seen = nil
			if want%2 == 0 {
				delete(r.source.group, TopicPartition{"clicks", 0})
			}
		}
	})
}

// TestLinkRestartsACompactedPartition pins that doubt at a compacted source ends in a new epoch, by itself.
func TestLinkRestartsACompactedPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.source.set("clicks", TopicInfo{"", 1})
		r.source.compacted["clicks"] = true
		r.start(config())
		wait(time.Second)
		r.mu.Lock()
		r.mute = true
		r.mu.Unlock()
		r.feed(0, dense(1, 3, gzipCodec, 1))
		p := r.pipeline(0)
		taken, _ := p.Take(time.Now())
		taken.Hold().Release()
		if v := p.Answer(taken.Flight, 45, -1, time.Now()); v != Hangup {
			t.Fatalf("got verdict %d", v)
		}
		p.Broken(time.Now())
		r.mu.Lock()
		r.mute = false
		r.mu.Unlock()
		wait(time.Second)
		b := &bench{p: p}
		if got := b.position(); got.Epoch != 1 || got.Source != 0 || got.Sequence != 0 {
			t.Errorf("position is %+v, want epoch 1 from the acknowledged prefix", got)
		}
		r.feed(0, dense(1, 3, gzipCodec, 1))
		wait(time.Second)
		if got := b.position(); got.Source != 3 || got.Epoch != 1 {
			t.Errorf("position is %+v", got)
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func TestLinkRetriesAStartAndTellsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.store.refuse = errTest
		r.start(config())
		wait(time.Second)
		s := r.link.Status()
		if !strings.Contains(s.Problem, errTest.Error()) || len(s.Topics) != 1 || !strings.Contains(s.Topics[0].Problem, errTest.Error()) {
			t.Errorf("problem is %q, topics %+v", s.Problem, s.Topics)
		}
		r.store.mu.Lock()
		r.store.refuse = nil
		r.store.mu.Unlock()
		wait(10 * time.Second)
		if s := r.link.Status(); s.Problem != "" || len(s.Topics[0].Partitions) != 2 {
			t.Errorf("problem is %q, %d partitions", s.Problem, len(s.Topics[0].Partitions))
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func TestLinkWithoutTheRightToCreate(t *testing.T) {
	for _, test := range []struct {
		name string
		dest map[string]TopicInfo
		want string
	}{
		{"missing", nil, "does not exist at region"},
		{"short", map[string]TopicInfo{"eu.clicks": {"d", 1}}, "has 1 partitions, 2 are needed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				for name, info := range test.dest {
					r.sink.set(name, info)
				}
				cfg := config()
				cfg.Create = false
				r.start(cfg)
				wait(time.Second)
				if s := r.link.Status(); !strings.Contains(s.Problem, test.want) {
					t.Errorf("problem is %q, want %q", s.Problem, test.want)
				}
				r.sink.set("eu.clicks", TopicInfo{"d", 2}) // an operator helps
				wait(10 * time.Second)
				if s := r.link.Status(); s.Problem != "" || len(s.Topics[0].Partitions) != 2 {
					t.Errorf("problem is %q", s.Problem)
				}
				if err := r.stop(); err != nil {
					t.Errorf("stop: %v", err)
				}
			})
		})
	}
}

func TestSpreadKeepsItsPlace(t *testing.T) {
	tp := &topic{link: &Link{cfg: LinkConfig{Name: "link", Mapping: Spread}}, name: "clicks"}
	seen := map[int32]bool{}
	for p := range int32(6) {
		d := tp.destPartition(protocol.Identity{SourceCluster: "c"}, p, 6)
		if d < 0 || d > 5 || seen[d] {
			t.Errorf("partition %d goes to %d", p, d)
		}
		seen[d] = true
	}
	other := &topic{link: &Link{cfg: LinkConfig{Name: "link2", Mapping: Spread}}, name: "clicks"}
	spread := map[int32]bool{}
	for cluster := range strings.FieldsSeq("a b c d e f g h i j k l m n") {
		spread[other.destPartition(protocol.Identity{SourceCluster: cluster}, 0, 6)] = true
	}
	if len(spread) < 3 {
		t.Errorf("14 one-partition sources fill only %d of 6 partitions", len(spread))
	}
}

// TestLinkTurnsToACompactedSource pins that a policy which changes under a running mirror makes its partitions start anew
// under a new epoch, where they are, with nothing sent twice.
func TestLinkTurnsToACompactedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.source.set("clicks", TopicInfo{"", 1})
		r.start(config())
		wait(time.Second)
		r.feed(0, dense(1, 3, gzipCodec, 1))
		wait(time.Second)
		r.mu.Lock()
		r.mute = true
		r.mu.Unlock()
		r.feed(0, []entry{{base: 3, ids: idRange(3, 2), producer: -1, attrs: gzipCodec, stamp: 1}})
		r.source.mu.Lock()
		r.source.compacted["clicks"] = true
		r.source.mu.Unlock()
		wait(policiesEvery)
		p := r.pipeline(0)
		b := &bench{p: p}
		if _, _, _, appetite := p.FetchFrom(); appetite != Away || b.position().Epoch != 0 {
			t.Errorf("with records under way: appetite %d, position %+v; want nothing read, epoch 0", appetite, b.position())
		}
		r.mu.Lock()
		r.mute = false
		r.mu.Unlock()
		wait(2 * time.Second)
		want := protocol.Position{Source: 5, SourceEpoch: 7, ProducerID: p.identity.ProducerID, Epoch: 1, Dest: 5, DestEpoch: 3}
		if got := b.position(); got != want {
			t.Errorf("position is %+v, want %+v", got, want)
		}
		if s := r.status(0); s.Counters.RecordsAcked != 5 {
			t.Errorf("%d records were sent, want 5", s.Counters.RecordsAcked)
		}
		id := r.store.topics["clicks"].Partitions[0]
		if !id.Compacted || id.Epoch != 1 || id.Start != 5 {
			t.Errorf("identity is %+v, want compacted, epoch 1 from offset 5 on", id)
		}
		r.feed(0, []entry{{base: 5, ids: idRange(5, 2), producer: -1, attrs: gzipCodec, stamp: 1}})
		wait(policiesEvery + time.Second) // nothing happens a second time
		if got := b.position(); got.Source != 7 || got.Epoch != 1 || got.Sequence != 2 {
			t.Errorf("position is %+v, want 7 in epoch 1", got)
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}
