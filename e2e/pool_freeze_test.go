package e2e_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// An owner that is frozen for three session timeouts, also with requests on their way that arrive when its heirs have gone
// on, doubles and reorders nothing when it wakes, and is a member again within five seconds. So it is with a backlog of
// old records, which wait until nothing of the sleeper can arrive any more; status says what they wait for.
func TestPoolFreeze(t *testing.T) {
	t.Run("young", func(t *testing.T) {
		p := newPool(t, "pool-freeze", poolOptions{topics: 24, members: 3})
		p.flow(t, poolTraffic)
		var moved gaps
		for i := range size(2, 20) {
			moved = append(moved, p.freeze(t, p.members[i%3], i%2 == 1)...)
			p.level(t)
		}
		p.requireGaps(t, "first new record after SIGSTOP", moved, p.session+poolTick+2*time.Second)
		p.finish(t)
	})
	if full() { // the waits of old records take minutes
		t.Run("old", freezeWithBacklog)
	}
}

// freeze stops a member for three session timeouts, and returns how long each of its topics had nothing new. late lets what
// it sends last arrive when others own the topics.
func (p *pool) freeze(t *testing.T, m *member, late bool) gaps {
	t.Helper()
	p.calm(t)
	topics := p.of(t, m)
	was, err := p.tree.incarnation(t.Context(), m.name())
	must(t, err)
	ways := m.ways[len(p.from.Nodes()):]
	if late {
		each(ways, func(w *kafka.Proxy) { w.Delay(p.session * 5 / 2) })
		must(t, pause(t.Context(), 300*time.Millisecond)) // meanwhile some requests are sent
	}
	at := time.Now()
	must(t, m.run.freeze(t.Context()))
	t.Cleanup(func() { _ = m.run.thaw() })
	moved := p.awaitAfter(t, topics, at, 3*p.session)
	arrived := total(ways, func(s kafka.ProxyStats) int64 { return s.UpBytes })
	must(t, pause(t.Context(), 3*p.session-time.Since(at)))
	if !isStopped(m.run.pid()) {
		t.Fatal("the frozen member ran")
	}
	arrived = total(ways, func(s kafka.ProxyStats) int64 { return s.UpBytes }) - arrived
	if late && arrived == 0 {
		t.Error("nothing of the frozen member was on its way when its heirs had gone on")
	}
	must(t, heal(ways))
	must(t, m.run.thaw())
	took := eventually(t, rejoinWithin, "the sleeper is a member again", p.rejoined(m, was))
	t.Logf("%s: %v; %d bytes came late; a member again after %v", m.name(), moved, arrived, took.Round(time.Millisecond))
	return moved
}

// freezeWithBacklog freezes an owner in the midst of records that the destination does not remember the producers of.
func freezeWithBacklog(t *testing.T) {
	forgetProducersAfter(t, stage.shared.get(t), 20*time.Second)
	p := newPool(t, "pool-old", poolOptions{topics: 12, members: 3})
	source := func(do func(*kafka.Proxy)) {
		for _, m := range p.members {
			each(m.ways[:len(p.from.Nodes())], do)
		}
	}
	source(func(w *kafka.Proxy) { w.Throttle(300_000) }) // or all would be copied before anything can happen
	t.Cleanup(func() { source(func(w *kafka.Proxy) { _ = w.Heal() }) })
	p.flow(t, load.FleetSpec{Every: 10 * time.Millisecond, Records: 10, Rounds: 1000, Seed: 9, Age: time.Hour})
	reports := p.fleet.wait(t)

	m := p.members[0]
	topics := p.of(t, m)
	was, err := p.tree.incarnation(t.Context(), m.name())
	must(t, err)
	at := time.Now()
	must(t, m.run.freeze(t.Context()))
	t.Cleanup(func() { _ = m.run.thaw() })
	for _, topic := range topics {
		if n, all := p.watch.Records(topic), reports[0].Acked(); n == 0 || n >= all {
			t.Errorf("%s: %d records of %d were copied before the freeze", topic, n, all)
		}
	}
	p.requireWait(t, topics)
	must(t, pause(t.Context(), 3*p.session-time.Since(at)))
	source(func(w *kafka.Proxy) { must(t, w.Heal()) })
	must(t, m.run.thaw())
	eventually(t, rejoinWithin, "the sleeper is a member again", p.rejoined(m, was))
	p.awaitCopied(t, 3*time.Minute)
	stood := p.silences(topics, at)
	p.requireGaps(t, "silence of old records after SIGSTOP", stood, p.session+poolTick+poolIdle+time.Minute)
	for i, d := range stood {
		if d < poolIdle {
			t.Errorf("%s stood still for %v only, want at least %v: its owner could still have sent", topics[i], d, poolIdle)
		}
	}
	p.stopAll(t)
	p.requireExact(t, reports)
}

// requireWait proves that the heirs of the topics say what they wait for, each as soon as it has read something old.
func (p *pool) requireWait(t *testing.T, topics []string) {
	t.Helper()
	left := slices.Clone(topics)
	eventually(t, p.session+poolTick+poolIdle, "status says what the old records wait for", func(ctx context.Context) error {
		owners, err := p.tree.owners(ctx)
		if err != nil {
			return err
		}
		var last error
		left = slices.DeleteFunc(left, func(topic string) bool {
			why, err := p.waitsFor(ctx, topic, owners[topic].instance)
			if err != nil {
				last = err
				return false
			}
			t.Logf("%s: %s", topic, why)
			return true
		})
		return last
	})
}

// waitsFor is what the old records of a topic wait for at its heir.
func (p *pool) waitsFor(ctx context.Context, topic, instance string) (string, error) {
	heir, ok := p.live()[instance]
	if !ok || heir == p.members[0] {
		return "", describe("%s is with %q", topic, instance)
	}
	status, err := heir.topic(ctx, topic)
	if err != nil {
		return "", err
	}
	if len(status.Partitions) == 0 {
		return "", describe("%s has no partition", topic)
	}
	part := status.Partitions[0]
	if part.State != "waiting" || !strings.Contains(part.Error, "old records wait until") {
		return "", describe("%s/%d is %s: %s %s", topic, part.Partition, part.State, part.Reason, part.Error)
	}
	return part.Error, nil
}
