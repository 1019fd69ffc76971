package e2e_test

import (
	"testing"
	"time"
)

const evenWithin = 2 * time.Minute // of the start of a new member

// A member that joins under load has its share within two minutes, and no topic stands still for more than a second on the
// way to it. When two of three are killed at the same time, the third has all topics.
func TestPoolGrow(t *testing.T) {
	p := newPool(t, "pool-grow", poolOptions{topics: 30, members: 2, session: 4 * time.Second})
	p.flow(t, poolTraffic)
	p.calm(t)
	at, before := time.Now(), p.owners(t)
	newcomer := p.start(t, 3)
	took := eventually(t, evenWithin, "the new member has its share", p.expectEven)
	topics := p.of(t, newcomer)
	p.awaitAfter(t, topics, time.Now(), recoverWithin)
	t.Logf("the new member had %d topics after %v", len(topics), took.Round(time.Millisecond))
	p.requireGaps(t, "silence of a topic on its way", p.silences(topics, at), killGap)
	for topic, now := range p.owners(t) {
		if now.instance != newcomer.name() && now.instance != before[topic].instance {
			t.Errorf("%s moved from %s to %s, which has no need of it", topic, before[topic].instance, now.instance)
		}
	}
	p.killAllBut(t, newcomer)
	p.finish(t)
}

// killAllBut kills the other members within 100 ms.
func (p *pool) killAllBut(t *testing.T, survivor *member) {
	t.Helper()
	p.calm(t)
	others := []*member{}
	at := time.Now()
	for _, m := range p.members {
		if m != survivor {
			must(t, m.run.kill())
			others = append(others, m)
		}
	}
	if took := time.Since(at); took > 100*time.Millisecond {
		t.Logf("the kills took %v", took)
	}
	for _, m := range others {
		if !m.run.killed() {
			t.Fatalf("%s ended by itself: %v", m.name(), m.run.exit)
		}
		p.gone(m)
	}
	p.requireGaps(t, "first new record after the death of all others", p.awaitAfter(t, p.topicsOf, at, p.session+recoverWithin), p.session+poolTick+2*time.Second)
	if mine := p.of(t, survivor); len(mine) != len(p.topicsOf) {
		t.Errorf("the survivor has %d topics of %d", len(mine), len(p.topicsOf))
	}
}
