package mirror

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// haltRig is a running link whose partition 0 copied 6 records of a source log [start, end) and then halted.
func haltRig(t *testing.T, cfg LinkConfig, cause Cause) *rig {
	r := newRig(t)
	r.source.set("clicks", TopicInfo{sourceIDs[0], 2})
	r.source.start, r.source.end = 0, 100
	r.sink.ends = 40
	r.start(cfg)
	wait(time.Second / 2)
	r.feed(0, []entry{{base: 0, ids: idRange(0, 6), producer: -1, attrs: gzipCodec, stamp: 1000}})
	wait(2 * time.Second)
	p := r.pipeline(0)
	_, _, generation, _ := p.FetchFrom()
	switch cause {
	case CauseRetention:
		r.source.start = 20
		p.OutOfRange(generation)
	case CauseTruncated:
		p.Diverged(generation, 3, 4)
	case CauseSourceRecreated:
		r.source.end = 50
		r.source.set("clicks", TopicInfo{sourceIDs[1], 2})
	case CauseDestinationRecreated:
		r.sink.set("eu.clicks", TopicInfo{"other", 2})
	case CauseDestinationTruncated:
		p.DestinationGone(44)
	case CauseSequenceHole:
		p.Halt(cause, "a hole", nil)
	}
	wait(2 * time.Second)
	if got := r.status(0); got.Cause != cause {
		t.Fatalf("halted by %q, %s; want %s", got.Cause, got.Why, cause)
	}
	return r
}

// sourceIDs are topic ids as brokers give them.
var sourceIDs = [2]string{"000102030405060708090a0b0c0d0e0f", "ff0102030405060708090a0b0c0d0e0f"}

func TestSkip(t *testing.T) {
	after, beginning := Choice{}, Choice{Where: Beginning}
	at := func(offset int64) Choice { return Choice{Where: AtOffset, Offset: offset} }
	for _, test := range []struct {
		name    string
		cause   Cause
		choice  Choice
		want    int64
		loss    Loss // without times
		skipped int64
		err     error
	}{
		{name: "retention", cause: CauseRetention, choice: after, want: 20, loss: Loss{From: 6, To: 20, Records: 14}, skipped: 14},
		{name: "retention, at an offset", cause: CauseRetention, choice: at(30), want: 30, loss: Loss{From: 6, To: 20, Records: 14}, skipped: 24},
		{name: "retention, what is gone", cause: CauseRetention, choice: at(19), err: ErrOutOfRange},
		{name: "retention, beyond the end", cause: CauseRetention, choice: at(101), err: ErrOutOfRange},
		{name: "truncated", cause: CauseTruncated, choice: after, want: 4, loss: Loss{From: 6, To: 6, Surplus: &Range{4, 6}}},
		{name: "truncated, from the beginning", cause: CauseTruncated, choice: beginning, want: 0, loss: Loss{From: 6, To: 6, Surplus: &Range{4, 6}}},
		{name: "source made anew", cause: CauseSourceRecreated, choice: after, want: 0, loss: Loss{From: 6, To: 6}},
		{name: "destination made anew", cause: CauseDestinationRecreated, choice: after, want: 6, loss: Loss{From: 0, To: 6, Records: 6}},
		{name: "destination made anew, all again", cause: CauseDestinationRecreated, choice: beginning, want: 0, loss: Loss{From: 0, To: 6, Records: 6}},
		{name: "destination cut", cause: CauseDestinationTruncated, choice: after, want: 6, loss: Loss{From: 4, To: 6, Records: 2}},
		{name: "destination cut, what is gone again", cause: CauseDestinationTruncated, choice: at(4), want: 4, loss: Loss{From: 4, To: 6, Records: 2}},
		{name: "hole", cause: CauseSequenceHole, choice: after, want: 6, loss: Loss{From: 6, To: 6}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := haltRig(t, config(), test.cause)
				before := r.pipeline(0).identity
				tp := TopicPartition{"clicks", 0}
				got, err := r.link.Skip(t.Context(), tp, test.choice)
				if !errors.Is(err, test.err) {
					t.Fatalf("got error %v, want %v", err, test.err)
				}
				if err != nil {
					if s := r.status(0); s.Cause != test.cause {
						t.Errorf("a refused skip left cause %q", s.Cause)
					}
					_ = r.stop()
					return
				}
				loss := got.Loss
				loss.Since, loss.Until = time.Time{}, time.Time{}
				if got.ResumesAt != test.want || loss.From != test.loss.From || loss.To != test.loss.To || loss.Records != test.loss.Records || !sameRange(loss.Surplus, test.loss.Surplus) {
					t.Errorf("goes on at %d with loss %+v, want %d and %+v", got.ResumesAt, loss, test.want, test.loss)
				}
				wait(5 * time.Second)
				r.wantCopiedFrom(test.want, before)
				if got := r.link.Status().Topics[0]; got.Skipped[SkipOperator] != test.skipped || got.Lost[test.cause] != test.loss.Records {
					t.Errorf("counted %d skipped, %d lost; want %d, %d", got.Skipped[SkipOperator], got.Lost[test.cause], test.skipped, test.loss.Records)
				}
				if _, err := r.link.Skip(t.Context(), tp, after); !errors.Is(err, ErrNotHalted) {
					t.Errorf("a second skip: %v", err)
				}
				if err := r.stop(); err != nil {
					t.Errorf("stop: %v", err)
				}
			})
		})
	}
}

func sameRange(a, b *Range) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// wantCopiedFrom says that partition 0 reads from an offset as a producer of its own, and copies.
func (r *rig) wantCopiedFrom(next int64, before protocol.Identity) {
	r.t.Helper()
	p := r.pipeline(0)
	if from, _, _, appetite := p.FetchFrom(); from != next || appetite != Hungry {
		r.t.Fatalf("reads from %d, appetite %d, %+v; want %d", from, appetite, p.Status(time.Now()), next)
	}
	ids, err := r.store.Read(r.t.Context(), "link", "clicks")
	if id := ids.Partitions[0]; err != nil || !r.link.cfg.AtLeastOnce && (id.ProducerID == before.ProducerID || id.Base.Source != next) {
		r.t.Errorf("identity is %+v, %v; want a new producer from %d", id, err, next)
	}
	r.feed(0, []entry{{base: next, ids: idRange(next, 3), producer: -1, attrs: gzipCodec, stamp: 1000}})
	wait(2 * time.Second)
	if s := r.status(0); s.Next != next+3 {
		r.t.Errorf("copied up to %d, want %d: %+v", s.Next, next+3, s)
	}
	if at, ok := r.source.saved("clicks", 0); !ok || at.Source != next+3 || at.ProducerID == before.ProducerID {
		r.t.Errorf("saved %+v, %v", at, ok)
	}
}

func TestSkipIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := haltRig(t, config(), CauseRetention)
		for _, test := range []struct {
			name   string
			tp     TopicPartition
			change func()
			want   error
		}{
			{"unknown topic", TopicPartition{"none", 0}, nil, ErrUnknownPartition},
			{"unknown partition", TopicPartition{"clicks", 2}, nil, ErrUnknownPartition},
			{"negative partition", TopicPartition{"clicks", -1}, nil, ErrUnknownPartition},
			{"not halted", TopicPartition{"clicks", 1}, nil, ErrNotHalted},
			{"source does not answer", TopicPartition{"clicks", 0}, func() { r.source.unread = errTest }, errTest},
			{"store does not write", TopicPartition{"clicks", 0}, func() { r.source.unread = nil; r.store.refuse = errTest }, errTest},
			{"another process skipped", TopicPartition{"clicks", 0}, func() {
				r.store.refuse = nil
				r.store.conflicts = []Identities{{Version: 9, Partitions: map[int32]protocol.Identity{0: {ProducerID: 1}}}}
			}, ErrConflict},
		} {
			if test.change != nil {
				test.change()
			}
			if _, err := r.link.Skip(t.Context(), test.tp, Choice{}); !errors.Is(err, test.want) {
				t.Errorf("%s: got %v, want %v", test.name, err, test.want)
			}
			if s := r.status(0); s.Cause != CauseRetention {
				t.Errorf("%s: halted partition became %+v", test.name, s)
			}
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// TestSkipSurvivesCrashes ends the process after each durable step of a skip. Either nothing has happened, or the partition
// begins at the chosen place; a late save of the former producer's position changes nothing.
func TestSkipSurvivesCrashes(t *testing.T) {
	for _, test := range []struct {
		name  string
		crash func(r *rig, old protocol.Position)
		want  int64 // notKnown: it halts again
	}{
		{"before the identity is stored", func(r *rig, _ protocol.Position) {
			r.store.refuse = errTest
			if _, err := r.link.Skip(r.t.Context(), TopicPartition{"clicks", 0}, Choice{}); err == nil {
				r.t.Error("skip worked")
			}
		}, notKnown},
		{"after it, and a late save lands", func(r *rig, old protocol.Position) {
			r.source.refuse = errTest
			if _, err := r.link.Skip(r.t.Context(), TopicPartition{"clicks", 0}, Choice{}); err != nil {
				r.t.Error(err)
			}
			r.source.group[TopicPartition{"clicks", 0}] = old
		}, 20},
		{"after it, and the group has nothing", func(r *rig, _ protocol.Position) {
			r.source.refuse = errTest
			if _, err := r.link.Skip(r.t.Context(), TopicPartition{"clicks", 0}, Choice{}); err != nil {
				r.t.Error(err)
			}
			delete(r.source.group, TopicPartition{"clicks", 0})
		}, 20},
		{"after the position is saved", func(r *rig, _ protocol.Position) {
			if _, err := r.link.Skip(r.t.Context(), TopicPartition{"clicks", 0}, Choice{}); err != nil {
				r.t.Error(err)
			}
			wait(3 * time.Second)
		}, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := haltRig(t, config(), CauseRetention)
				old, _ := r.source.saved("clicks", 0)
				test.crash(r, old)
				r.source.refuse = errTest // a crash saves nothing
				_ = r.stop()
				r.source.refuse, r.store.refuse, r.seen = nil, nil, nil
				r.start(config())
				wait(2 * time.Second)
				p := r.pipeline(0)
				from, _, generation, _ := p.FetchFrom()
				if from < r.source.start {
					p.OutOfRange(generation)
					wait(5 * time.Second)
				}
				if s := p.Status(time.Now()); test.want == notKnown && (s.Cause != CauseRetention || s.Loss.From != 6 || s.Loss.To != 20) || test.want >= 0 && from != test.want {
					t.Errorf("reads from %d, %+v; want %d", from, s, test.want)
				}
				_ = r.stop()
			})
		})
	}
}

func TestSkipAtLeastOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.AtLeastOnce = true
		r := haltRig(t, cfg, CauseRetention)
		before := r.pipeline(0).identity
		r.source.refuse = errTest
		if _, err := r.link.Skip(t.Context(), TopicPartition{"clicks", 0}, Choice{}); !errors.Is(err, errTest) {
			t.Errorf("got %v, want the error of the save", err)
		}
		r.source.refuse = nil
		if got, err := r.link.Skip(t.Context(), TopicPartition{"clicks", 0}, Choice{}); err != nil || got.ResumesAt != 20 {
			t.Fatalf("got %+v, %v", got, err)
		}
		wait(2 * time.Second)
		r.wantCopiedFrom(20, before)
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// TestSkipOfARetentionThatWentOn pins that what the source deletes between the halt and the skip is counted and named.
func TestSkipOfARetentionThatWentOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := haltRig(t, config(), CauseRetention)
		r.source.start = 27
		got, err := r.link.Skip(t.Context(), TopicPartition{"clicks", 0}, Choice{})
		if err != nil || got.ResumesAt != 27 || got.Loss.From != 6 || got.Loss.To != 27 || got.Loss.Records != 21 {
			t.Errorf("got %+v, %v; want 6 to 27", got, err)
		}
		if lost := r.link.Status().Topics[0].Lost[CauseRetention]; lost != 21 {
			t.Errorf("counted %d, want 21", lost)
		}
		_ = r.stop()
	})
}

func TestSkipKnowsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.source.end = 100
		r.source.broken[TopicPartition{"clicks", 0}] = errTest
		r.start(config())
		wait(time.Second)
		if s := r.status(0); s.Cause != CausePositionLost || s.Loss.From != notKnown {
			t.Fatalf("got %+v", s)
		}
		if _, err := r.link.Skip(t.Context(), TopicPartition{"clicks", 0}, Choice{}); !errors.Is(err, ErrNoPlace) {
			t.Errorf("got %v, want ErrNoPlace", err)
		}
		if got, err := r.link.Skip(t.Context(), TopicPartition{"clicks", 0}, Choice{Where: AtOffset, Offset: 60}); err != nil || got.ResumesAt != 60 {
			t.Errorf("got %+v, %v", got, err)
		}
		wait(2 * time.Second)
		if from, _, _, _ := r.pipeline(0).FetchFrom(); from != 60 {
			t.Errorf("reads from %d", from)
		}
		_ = r.stop()
	})
}
