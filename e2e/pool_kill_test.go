package e2e_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/e2e/load"
)

// poolTraffic is 20 records a second for every topic.
var poolTraffic = load.FleetSpec{Every: 50 * time.Millisecond, Seed: 5}

// When a member that owns a third of 60 topics dies by kill -9 under load, every topic of it has new records at the
// destination within a second with eviction by peers, and within the session timeout, a tick and two seconds without;
// nothing is lost, doubled or reordered.
func TestPoolKill(t *testing.T) {
	tests := []struct {
		name  string
		o     poolOptions
		kills int
		limit time.Duration
	}{
		{"evict", poolOptions{topics: 60, members: 3, session: 4 * time.Second}, size(2, 20), killGap},
		{"expire", poolOptions{topics: 60, members: 3, noEvict: true}, size(1, 5), poolSession + poolTick + 2*time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPool(t, "pool-"+test.name, test.o)
			p.flow(t, poolTraffic)
			var all gaps
			for i := range test.kills {
				victim := p.members[0] // the oldest: each lane in turn
				moved := p.kill(t, victim)
				if len(moved) < 15 {
					t.Errorf("kill %d: %s owned %d topics of 60, want a third", i+1, victim.name(), len(moved))
				}
				t.Logf("kill %d of %d: %v; without a fault %v", i+1, test.kills, moved, p.noise.Round(time.Millisecond))
				all = append(all, moved...)
				p.start(t, victim.lane)
				p.level(t)
			}
			p.requireGaps(t, "first new record after kill -9", all, test.limit)
			if !test.o.noEvict {
				p.requireEvictions(t, test.kills)
			}
			p.finish(t)
		})
	}
}

// kill ends a member by SIGKILL, and returns how long each of its topics had nothing new.
func (p *pool) kill(t *testing.T, victim *member) gaps {
	t.Helper()
	p.calm(t)
	topics, at := p.of(t, victim), time.Now()
	must(t, victim.run.kill())
	if !victim.run.killed() {
		t.Fatalf("%s ended by itself: %v; the log ends with\n%s", victim.name(), victim.run.exit, victim.logTail(15))
	}
	p.gone(victim)
	return p.awaitAfter(t, topics, at, p.session+recoverWithin)
}

// requireEvictions proves that it were peers who removed the dead: the logs of those who are there say so.
func (p *pool) requireEvictions(t *testing.T, want int) {
	t.Helper()
	n := 0.0
	for _, m := range p.members {
		evictions, err := m.metric(within(t, 10*time.Second), "mirror_evictions_total")
		must(t, err)
		n += evictions
	}
	if n == 0 || int(n) > want {
		t.Errorf("the members that are there have evicted %v of %d dead", n, want)
	}
}

// SIGTERM of a member drains it: it exits with 0, and none of its topics stands still for more than a second. So it is when
// an operator drains it, or sends a topic to another member by name.
func TestPoolStop(t *testing.T) {
	p := newPool(t, "pool-stop", poolOptions{topics: 30, members: 3, session: 4 * time.Second})
	p.flow(t, poolTraffic)
	for range size(1, 3) {
		leaver := p.members[0]
		p.calm(t)
		topics, at := p.of(t, leaver), time.Now()
		leaver.stop(t)
		t.Logf("%s stopped in %v", leaver.name(), time.Since(at).Round(time.Millisecond))
		p.gone(leaver)
		p.awaitAfter(t, topics, time.Now(), p.session+recoverWithin)
		p.requireGaps(t, "silence around SIGTERM", p.silences(topics, at), killGap)
		p.start(t, leaver.lane)
		p.level(t)
	}
	p.drainAndBack(t, p.members[1])
	p.pinAndUnpin(t)
	p.finish(t)
}

// drainAndBack lets an operator drain a member and take that back.
func (p *pool) drainAndBack(t *testing.T, m *member) {
	t.Helper()
	p.calm(t)
	topics, at := p.of(t, m), time.Now()
	p.mustCommand(t, m, "drain", p.link, "--wait", "30s")
	if left, err := p.ownedBy(t.Context(), m.name()); err != nil || len(left) > 0 {
		t.Errorf("after drain --wait %s owns %v: %v", m.name(), left, err)
	}
	p.awaitAfter(t, topics, time.Now(), p.session+recoverWithin)
	p.requireGaps(t, "silence around drain", p.silences(topics, at), killGap)
	p.mustCommand(t, m, "drain", p.link, "--undo")
	p.level(t)
}

// pinAndUnpin sends a topic to a member that does not have it.
func (p *pool) pinAndUnpin(t *testing.T) {
	t.Helper()
	p.calm(t)
	from, to := p.members[0], p.members[1]
	topic, at := p.of(t, from)[0], time.Now()
	p.mustCommand(t, from, "pin", p.link, topic, "--to", to.name())
	took := eventually(t, p.session+recoverWithin, "the pinned topic moves", p.ownerIs(topic, to))
	t.Logf("the pinned topic moved in %v", took.Round(time.Millisecond))
	p.awaitAfter(t, []string{topic}, time.Now(), p.session+recoverWithin)
	p.requireGaps(t, "silence around pin", p.silences([]string{topic}, at), killGap)
	if said := p.mustCommand(t, from, "owners", p.link); !strings.Contains(said, topic) || !strings.Contains(said, to.name()) {
		t.Errorf("owners names neither %s nor %s:\n%s", topic, to.name(), said)
	}
	p.mustCommand(t, to, "unpin", p.link, topic)
	if got := p.command(t, from, "pin", p.link, "no-such-topic", "--to", to.name()); got.code == 0 {
		t.Errorf("a topic that is not there can be pinned: %s", got.stdout)
	}
}

// command lets an operator say something to a member.
func (p *pool) command(t *testing.T, m *member, args ...string) answer {
	t.Helper()
	got, err := m.command(within(t, time.Minute), args...)
	must(t, err)
	return got
}

func (p *pool) mustCommand(t *testing.T, m *member, args ...string) string {
	t.Helper()
	got := p.command(t, m, args...)
	if got.code != 0 {
		t.Fatalf("mirror %s: exit code %d: %s%s", strings.Join(args, " "), got.code, got.stdout, got.stderr)
	}
	return got.stdout
}

var errNotYet = errors.New("not yet")

// describe is for errors of what is awaited.
func describe(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errNotYet}, args...)...)
}
