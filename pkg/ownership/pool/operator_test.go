package pool

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDrainPinAndUnpin(t *testing.T) {
	within(t, 30, func(t *testing.T, r *region) {
		a, b, _ := trio(r)
		ctx := t.Context()
		if err := b.Drain(ctx, true); err != nil {
			t.Fatal(err)
		}
		r.until("b has nothing", 10*time.Second, func() bool { return len(b.tenures()) == 0 })
		r.await(time.Second)
		r.until("a sees it drain", time.Second, func() bool {
			return slices.ContainsFunc(a.View().Members, func(m Member) bool { return m.Instance == "b" && m.Draining })
		})
		if err := b.Drain(ctx, false); err != nil {
			t.Fatal(err)
		}
		r.until("b has its share again", 10*time.Minute, func() bool { return len(b.tenures()) >= 7 })
		var topic string
		for _, u := range a.tenures() {
			topic = u.Topic
		}
		if err := a.Pin(ctx, topic, "b"); err != nil {
			t.Fatal(err)
		}
		r.until("b has what is pinned to it", time.Minute, func() bool { return len(b.Tenures(topic)) == 1 })
		if pins := a.View().Pins; pins[topic] != "b" {
			t.Errorf("pins %v", pins)
		}
		for range 2 {
			if err := a.Unpin(ctx, topic); err != nil {
				t.Fatal(err)
			}
		}
		r.until("nothing is pinned", time.Second, func() bool { return len(b.View().Pins) == 0 })
		if err := a.Pin(ctx, "no/topic", "b"); err == nil {
			t.Error("a name that is none was pinned")
		}
		a.client.Cut()
		r.pass(2 * timeout)
		begun := time.Now()
		if err := a.Drain(ctx, true); err == nil || !strings.Contains(err.Error(), "eu") || !strings.Contains(err.Error(), "no session") {
			t.Errorf("drain without a connection: %v", err)
		}
		if took := time.Since(begun); took > noSession {
			t.Errorf("it took %v to say so", took)
		}
		a.client.Restore()
		r.until("it drains as soon as it is back", 30*time.Second, func() bool {
			return slices.ContainsFunc(b.View().Members, func(m Member) bool { return m.Instance == "a" && m.Draining })
		})
	})
}

func TestTopicsComeAndGo(t *testing.T) {
	within(t, 10, func(_ *testing.T, r *region) {
		trio(r)
		offer := func() {
			for _, a := range r.actors {
				a.Offer(maps.Clone(r.topics))
			}
		}
		r.topics["new"] = 4
		offer()
		r.await(2 * time.Second)
		delete(r.topics, "topic-003")
		offer()
		r.until("nobody has it", 20*time.Second, func() bool {
			return !slices.ContainsFunc(r.actors, func(a *actor) bool { return len(a.Tenures("topic-003")) > 0 })
		})
		r.topics["topic-003"] = 4
		offer()
		r.await(20 * time.Second)
	})
}
