package e2e_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"tributary/e2e/kafka"
)

const (
	keepsFor     = 55 * time.Second // what passes within that moves nothing
	givesUpAfter = time.Minute      // without an acknowledgement, as soon as another member gets on with both clusters
	handsOverIn  = 10 * time.Second // to notice, say and plan that, to let go of the topics and to take them over
)

// A member of a pool that is cut off from ZooKeeper, from Kafka, from its peers or from everything is replaced, or not, as
// the table of failures says; nothing is lost, doubled or reordered, and it takes part again when it is back.
func TestPoolCuts(t *testing.T) {
	p := newPool(t, "pool-cuts", poolOptions{topics: 24, members: 3, viaZK: true, viaPeers: true})
	p.flow(t, poolTraffic)
	t.Run("peers", p.cutFromPeers)
	t.Run("zookeeper", p.cutFromZooKeeper)
	t.Run("everything", p.cutFromEverything)
	if full() { // it takes more than two minutes
		sources := len(p.from.Nodes())
		t.Run("destination", func(t *testing.T) { m := p.members[0]; p.cutFromKafka(t, m, m.ways[sources:]) })
		t.Run("source", func(t *testing.T) { m := p.members[1]; p.cutFromKafka(t, m, m.ways[:sources]) })
	}
	p.finish(t)
}

// cut makes a fault at proxies, and returns a function that ends it after it has shown that it took place.
func cut(t *testing.T, proxies []*kafka.Proxy, do func(*kafka.Proxy), count func(kafka.ProxyStats) int64) (end func()) {
	t.Helper()
	before := total(proxies, count)
	each(proxies, do)
	t.Cleanup(func() { _ = heal(proxies) })
	return func() {
		t.Helper()
		if n := total(proxies, count) - before; n == 0 {
			t.Error("nothing shows that the fault took place")
		}
		must(t, heal(proxies))
	}
}

// A member whose peers hear nothing of it keeps its topics: nobody evicts on silence.
func (p *pool) cutFromPeers(t *testing.T) {
	p.calm(t)
	m, owners, at := p.members[0], p.owners(t), time.Now()
	end := cut(t, p.peers.around(m.lane), (*kafka.Proxy).BlackHole, swallowedAny)
	eventually(t, 15*time.Second, "an alert", p.members[1].says("it hears nothing of the peer", hearsNothingOf(m.name())))
	must(t, pause(t.Context(), 3*p.session-time.Since(at)))
	p.requireUnmoved(t, owners)
	p.requireGaps(t, "silence without peers", p.silences(p.topicsOf, at), killGap)
	end()
	must(t, pause(t.Context(), p.session))
	p.requireUnmoved(t, owners)
}

// A member that ZooKeeper hears nothing of goes on with young records until its session ends, and no topic stands still.
func (p *pool) cutFromZooKeeper(t *testing.T) {
	for name, fault := range map[string]struct {
		do    func(*kafka.Proxy)
		count func(kafka.ProxyStats) int64
	}{"silent": {(*kafka.Proxy).BlackHole, swallowedAny}, "refused": {(*kafka.Proxy).Cut, connectionsCut}} {
		t.Run(name, func(t *testing.T) {
			p.calm(t)
			m := p.members[1]
			topics, at := p.of(t, m), time.Now()
			was, err := p.tree.incarnation(t.Context(), m.name())
			must(t, err)
			end := cut(t, m.zk, fault.do, fault.count)
			eventually(t, p.session+rejoinWithin, "status tells of it", m.says("the session is not in use", stateIs("suspended", "connecting")))
			took := p.awaitTaken(t, m, p.session+poolTick+2*time.Second)
			t.Logf("its session ended and its topics were taken after %v", took.Round(time.Millisecond))
			moved := p.awaitAfter(t, topics, time.Now(), recoverWithin)
			p.requireGaps(t, "silence without ZooKeeper", p.silences(topics, at), 2*time.Second)
			t.Logf("then %v", moved)
			end()
			back := eventually(t, p.session+rejoinWithin, "it is a member again", p.rejoined(m, was))
			t.Logf("a member again after %v", back.Round(time.Millisecond))
			p.level(t)
		})
	}
}

// awaitTaken waits until others own all that a member owned.
func (p *pool) awaitTaken(t *testing.T, m *member, patience time.Duration) time.Duration {
	t.Helper()
	return eventually(t, patience, "others own all topics", func(ctx context.Context) error {
		owners, err := p.tree.owners(ctx)
		if err != nil {
			return err
		}
		for _, topic := range p.topicsOf {
			if o := owners[topic]; o.instance == m.name() || o.instance == "" {
				return describe("%s is with %q", topic, o.instance)
			}
		}
		return nil
	})
}

// A member that is cut off from everything is as one that is frozen.
func (p *pool) cutFromEverything(t *testing.T) {
	p.calm(t)
	m := p.members[2]
	topics, at := p.of(t, m), time.Now()
	was, err := p.tree.incarnation(t.Context(), m.name())
	must(t, err)
	all := slices.Concat(m.zk, m.ways, p.peers.around(m.lane))
	end := cut(t, all, (*kafka.Proxy).BlackHole, swallowedAny)
	p.requireGaps(t, "first new record after the cut", p.awaitAfter(t, topics, at, p.session+recoverWithin), p.session+poolTick+2*time.Second)
	must(t, pause(t.Context(), 3*p.session-time.Since(at)))
	end()
	back := eventually(t, p.session+rejoinWithin, "it is a member again", p.rejoined(m, was))
	t.Logf("a member again after %v", back.Round(time.Millisecond))
	p.level(t)
}

// A member that reaches no broker of one cluster stays a member. It keeps its topics for a minute, and then hands them over to
// those that reach both.
func (p *pool) cutFromKafka(t *testing.T, m *member, ways []*kafka.Proxy) {
	p.calm(t)
	topics, at := p.of(t, m), time.Now()
	was, err := p.tree.incarnation(t.Context(), m.name())
	must(t, err)
	end := cut(t, ways, (*kafka.Proxy).BlackHole, swallowedAny)
	must(t, pause(t.Context(), keepsFor-time.Since(at)))
	if mine := p.of(t, m); !slices.Equal(mine, topics) {
		t.Errorf("after %v it owns %v, want %v", keepsFor, mine, topics)
	}
	p.requireGaps(t, "first new record after the cut", p.awaitAfter(t, topics, at, givesUpAfter+handsOverIn+recoverWithin), givesUpAfter+handsOverIn)
	if now, err := p.tree.incarnation(t.Context(), m.name()); err != nil || now != was {
		t.Errorf("the member that was cut off: got %q, %v, want %q still", now, err, was)
	}
	end()
}

func swallowedAny(s kafka.ProxyStats) int64 { return s.SwallowedUp + s.SwallowedDown }
