package mirror

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// back is a group at the destination that brings the rig's topic back to where it is from.
var back = Onward{"mirror.back", protocol.Place{Cluster: "source-cluster", Topic: "clicks"}}

func (r *rig) lead(err error, onward ...Onward) {
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	r.sink.onward, r.sink.unseen = onward, err
}

// place returns where the saved positions of the topic say that it goes.
func (r *rig) place() protocol.Place {
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	return r.source.to["clicks"]
}

func (r *rig) looks() int {
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	return r.sink.looks
}

// reads says whether partition 0 may be read.
func (r *rig) reads() bool {
	_, _, _, appetite := r.pipeline(0).FetchFrom()
	return appetite == Hungry
}

func (r *rig) wantLoop(want bool) {
	r.t.Helper()
	s := r.status(0)
	if says := s.State == StateWaiting && strings.Contains(s.Why, "mirror.back"); says != want || r.reads() == want {
		r.t.Errorf("%v: says that it is mirrored back: %t, reads: %t, want %t, %t: %s %q", time.Now(), says, r.reads(), want, !want, s.State, s.Why)
	}
	place := protocol.Place{Cluster: "dest-cluster", Topic: "eu.clicks"}
	if want {
		place = protocol.Place{} // it does not keep the other one from going on
	}
	if got := r.place(); got != place {
		r.t.Errorf("saved positions lead to %+v, want %+v", got, place)
	}
}

func (r *rig) end() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Errorf("stop: %v", err)
	}
}

func TestLoopIsSeenBeforeAnythingIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.lead(nil, Onward{"mirror.on", protocol.Place{Cluster: "home", Topic: "eu.clicks"}}, back)
		r.start(config())
		wait(100 * time.Millisecond)
		r.wantLoop(true)
		wait(time.Hour)
		r.wantLoop(true)
		r.lead(errTest) // what cannot be seen is not gone
		wait(time.Minute)
		r.wantLoop(true)
		r.lead(nil)
		wait(loopEveryFound + time.Second)
		r.wantLoop(false)
		r.feed(0, dense(1, 3, gzipCodec, 1))
		wait(2 * time.Second)
		if at, ok := r.source.saved("clicks", 0); !ok || at.Source != 3 {
			t.Errorf("saved %+v, %t, want source offset 3", at, ok)
		}
		r.end()
	})
}

// TestLoopIsSeenWhileRunning has the other link start later, or unseen at first; of what was read nothing is lost.
func TestLoopIsSeenWhileRunning(t *testing.T) {
	for name, within := range map[string]time.Duration{"soon": 15 * time.Second, "later": 6 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				if name == "soon" {
					r.lead(errTest)
				}
				r.start(config())
				wait(100 * time.Millisecond)
				if name == "later" {
					wait(time.Minute)
				}
				r.wantLoop(false)
				r.feed(0, dense(1, 3, gzipCodec, 1))
				_, _, generation, _ := r.pipeline(0).FetchFrom()
				r.lead(nil, back)
				wait(within)
				r.wantLoop(true)
				b := &bench{t: t, source: r.source, budget: NewBudget(1 << 20), p: r.pipeline(0)}
				b.intake = NewIntake(b.budget)
				b.respond(generation, dense(3, 3, gzipCodec, 1)) // a fetch that was under way
				wait(2 * time.Second)
				if at, _ := r.source.saved("clicks", 0); at.Source != 3 {
					t.Errorf("saved %+v, want source offset 3: what was read is delivered, and no more", at)
				}
				r.wantLoop(true)
				r.lead(nil)
				wait(loopEveryFound + time.Second)
				r.wantLoop(false)
				r.end()
			})
		})
	}
}

// TestLegalLayoutsAreLeftAlone has groups at the destination that do not bring back, or that cannot be seen.
func TestLegalLayoutsAreLeftAlone(t *testing.T) {
	for name, test := range map[string]struct {
		onward Onward
		err    error
	}{
		"nobody":                   {},
		"chain":                    {onward: Onward{"mirror.region-home", protocol.Place{Cluster: "home-cluster", Topic: "clicks"}}},
		"back under another name":  {onward: Onward{"mirror.back", protocol.Place{Cluster: "source-cluster", Topic: "eu.clicks"}}},
		"no right to see":          {err: errTest},
		"the same one's elsewhere": {onward: Onward{"mirror.link", protocol.Place{Cluster: "dest-cluster", Topic: "clicks"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.lead(test.err, test.onward)
				r.start(config())
				wait(time.Second)
				r.wantLoop(false)
				wait(time.Minute)
				r.wantLoop(false)
				looks := r.looks()
				wait(time.Hour)
				if got := r.looks() - looks; got < 11 || got > 13 {
					t.Errorf("looked %d times in an hour, want every five minutes", got)
				}
				r.end()
			})
		})
	}
}

// meet is a destination whose groups are what the source of another link has.
type meet struct {
	*fakeSink
	other *fakeSource
	group string
}

func (m meet) Onward(_ context.Context, topics map[string][]int32) (map[string][]Onward, error) {
	m.other.mu.Lock()
	defer m.other.mu.Unlock()
	found := map[string][]Onward{}
	for topic := range topics {
		if to := m.other.to[topic]; to != (protocol.Place{}) {
			found[topic] = []Onward{{m.group, to}}
		}
	}
	return found, nil
}

// TestOfTwoThatStartTogetherOneReads runs two links to and fro from the same instant on.
func TestOfTwoThatStartTogetherOneAtMostReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topics := map[string]TopicInfo{"clicks": {"id", 1}}
		a, b := newRig(t), newRig(t)
		cfg := config()
		cfg.Rename = func(topic string) (string, error) { return topic, nil }
		for _, r := range []*rig{a, b} {
			r.source, r.sink = newFakeSource(topics), newFakeSink(topics)
		}
		b.source.now.Cluster, b.sink.now.Cluster = "dest-cluster", "source-cluster"
		a.through, b.through = meet{a.sink, b.source, "mirror.b"}, meet{b.sink, a.source, "mirror.a"}
		a.start(cfg)
		b.start(cfg)
		one := 0
		for range 1000 {
			wait(100 * time.Millisecond)
			if a.reads() && b.reads() {
				t.Fatal("both read")
			}
			if a.reads() || b.reads() {
				one++
			}
		}
		if one < 600 {
			t.Errorf("in 100 s one of them read for %v, want at least a minute", time.Duration(one)*100*time.Millisecond)
		}
		a.end()
		b.end()
	})
}
