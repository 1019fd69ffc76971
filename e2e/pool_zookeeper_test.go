package e2e_test

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"tributary/e2e/kafka"
)

const tooLargeBytes = 1_000_000 // for a node: servers drop a connection at a little more

// Whatever happens to ZooKeeper, its leader killed or frozen, its quorum lost, its tree wiped, owner nodes damaged, the
// answer to a create lost: no member dies, records of topics that have an owner flow on, nothing is lost, doubled or
// reordered, and all is as before within the session timeout and thirty seconds, without help.
func TestPoolZooKeeper(t *testing.T) {
	p := newPool(t, "pool-zk", poolOptions{topics: 24, members: 3, session: 4 * time.Second, viaZK: true})
	p.flow(t, poolTraffic)
	t.Run("leader killed", p.leaderKilled)
	t.Run("leader frozen", p.leaderFrozen)
	t.Run("quorum lost", p.quorumLost)
	t.Run("owner nodes damaged", p.ownersDamaged)
	t.Run("answer lost", p.answerLost)
	t.Run("tree wiped", p.treeWiped)
	for _, m := range p.members {
		if m.run.ended() {
			t.Errorf("%s has ended: %v", m.name(), m.run.exit)
		}
	}
	p.finish(t)
}

// requireRecovered proves that every topic has an owner and flows soon after a fault.
func (p *pool) requireRecovered(t *testing.T) {
	t.Helper()
	took := eventually(t, p.session+recoverWithin, "all topics have owners", p.allOwned)
	moved := p.awaitAfter(t, p.topicsOf, time.Now(), max(p.session+recoverWithin-took, time.Second))
	t.Logf("all topics have owners after %v, and records after %v more", took.Round(time.Millisecond), moved)
}

func (p *pool) leaderKilled(t *testing.T) {
	p.calm(t)
	owners, at := p.owners(t), time.Now()
	leader, err := p.zk.Leader(t.Context())
	must(t, err)
	must(t, leader.Kill())
	elected := eventually(t, recoverWithin, "another server leads", func(ctx context.Context) error {
		_, err := p.zk.Leader(ctx)
		return err
	})
	t.Logf("another server led after %v", elected.Round(time.Millisecond))
	must(t, pause(t.Context(), p.session+poolTick))
	must(t, leader.Restart(within(t, time.Minute)))
	p.requireUnmoved(t, owners)
	p.requireGaps(t, "silence around the death of ZooKeeper's leader", p.silences(p.topicsOf, at), killGap)
	p.requireRecovered(t)
}

func (p *pool) leaderFrozen(t *testing.T) {
	p.calm(t)
	at := time.Now()
	leader, err := p.zk.Leader(t.Context())
	must(t, err)
	var others []string
	for _, n := range p.zk.Nodes() {
		if n != leader {
			others = append(others, n.Addr())
		}
	}
	p.tree.conn.Close() // it may be connected to the leader
	must(t, leader.Freeze())
	t.Cleanup(func() { _ = leader.Thaw() })
	p.tree = newTree(t, others, p.rootPath())
	elected := eventually(t, recoverWithin, "another server leads", func(ctx context.Context) error {
		now, err := p.zk.Leader(ctx)
		if err == nil && now == leader {
			err = describe("server %d leads still", now.ID())
		}
		return err
	})
	t.Logf("another server led after %v", elected.Round(time.Millisecond))
	p.requireRecovered(t)
	p.requireGaps(t, "silence around the freeze of ZooKeeper's leader", p.silences(p.topicsOf, at), killGap)
	must(t, leader.Thaw())
	p.requireRecovered(t)
	p.level(t)
}

// quorumLost takes two of three servers away. Meanwhile everything flows and nothing moves; the topics of a member that
// dies then wait until the quorum is back.
func (p *pool) quorumLost(t *testing.T) {
	p.calm(t)
	owners, at := p.owners(t), time.Now()
	victim := p.members[0]
	orphans := p.of(t, victim)
	down := p.zk.Nodes()[:2]
	for _, n := range down {
		must(t, n.Kill())
	}
	must(t, pause(t.Context(), size(12*time.Second, 5*time.Minute)))
	if leader, err := p.zk.Leader(within(t, 5*time.Second)); err == nil {
		t.Fatalf("server %d leads without a quorum", leader.ID())
	}
	for _, m := range p.members {
		eventually(t, rejoinWithin, "status tells of it", m.says("the session is not in use", stateIs("suspended")))
	}
	p.awaitAfter(t, p.topicsOf, time.Now(), time.Second+2*p.noise)
	p.requireGaps(t, "silence without ZooKeeper's quorum", p.silences(p.topicsOf, at), killGap)

	must(t, victim.run.kill())
	p.gone(victim)
	dead := time.Now()
	must(t, pause(t.Context(), 2*p.session))
	for _, topic := range orphans {
		if took, err := p.watch.FirstAfter(topic, dead); err == nil {
			t.Errorf("%s went on after %v without an owner", topic, took)
		}
	}
	for _, n := range down {
		must(t, n.Restart(within(t, time.Minute)))
	}
	back := time.Now()
	p.requireRecovered(t)
	for topic, now := range p.owners(t) {
		if was := owners[topic]; was.instance != victim.name() && was != now {
			t.Errorf("owner of %s: got %+v, want %+v as before", topic, now, was)
		}
	}
	t.Logf("all flowed again %v after the quorum was back", time.Since(back).Round(time.Millisecond))
	p.start(t, victim.lane)
	p.level(t)
}

// ownersDamaged writes nonsense into owner nodes, deletes one, and puts one in the place of another that is of no member.
func (p *pool) ownersDamaged(t *testing.T) {
	conn, node := p.tree.conn, func(i int) string { return p.tree.node(p.topicsOf[i]) }
	set := func(path, data string) func() error {
		return func() error { _, err := conn.Set(path, []byte(data), -1); return err }
	}
	for _, damage := range []func() error{
		set(node(0), "\x00{garbage"),
		set(node(1), strings.Repeat("x", tooLargeBytes)),
		func() error { return conn.Delete(node(2), -1) },
		func() error {
			_, err := conn.Multi(&zk.DeleteRequest{Path: node(3), Version: -1},
				&zk.CreateRequest{Path: node(3), Data: []byte("{}"), Acl: zk.WorldACL(zk.PermAll), Flags: zk.FlagEphemeral})
			return err
		},
		set(path.Join(p.tree.root, "plan"), "no plan"),
	} { // a node may be on its way from one owner to the next
		eventually(t, recoverWithin, "damage is done", func(context.Context) error { return damage() })
	}
	eventually(t, p.session+recoverWithin, "the stranger's node is replaced", func(ctx context.Context) error {
		owners, err := p.tree.owners(ctx)
		if got := owners[p.topicsOf[3]]; err == nil && (got.instance == "" || got.session == conn.SessionID()) {
			err = describe("it is %+v", got)
		}
		return err
	})
	p.requireRecovered(t)
}

func (p *pool) treeWiped(t *testing.T) {
	n, err := p.tree.wipe()
	must(t, err)
	if n < 2*len(p.topicsOf) {
		t.Errorf("only %d nodes were deleted", n)
	}
	t.Logf("%d nodes deleted", n)
	p.requireRecovered(t)
	if full() { // few topics move at a time
		p.level(t)
	}
}

// answerLost cuts a member's connection when ZooKeeper has made its owner nodes and the member has not heard of it.
func (p *pool) answerLost(t *testing.T) {
	victim, heirs := p.members[0], p.members[1:]
	for _, m := range heirs {
		each(m.zk, func(w *kafka.Proxy) { w.DelayReplies(p.session / 8) })
		t.Cleanup(func() { _ = heal(m.zk) })
	}
	topics := p.of(t, victim)
	must(t, victim.run.kill())
	p.gone(victim)
	orphan := map[string]holding{}
	eventually(t, p.session+recoverWithin, "an heir makes its owner node", func(ctx context.Context) error {
		owners, err := p.tree.owners(ctx)
		for _, topic := range topics {
			if o := owners[topic]; o.instance != "" && o.instance != victim.name() {
				orphan[topic] = o
			}
		}
		if err == nil && len(orphan) == 0 {
			err = fmt.Errorf("%d topics wait", len(topics))
		}
		return err
	})
	resets := func() (n int64) {
		for _, m := range heirs {
			n += total(m.zk, func(s kafka.ProxyStats) int64 { return s.Reset })
		}
		return n
	}
	before := resets()
	for _, m := range heirs {
		each(m.zk, (*kafka.Proxy).Reset)
	}
	if resets() == before {
		t.Error("no connection was reset")
	}
	for _, m := range heirs {
		must(t, heal(m.zk))
	}
	t.Logf("%d owner nodes were there before their maker had heard of it", len(orphan))
	p.requireRecovered(t)
	for topic, was := range orphan {
		if now := p.owners(t)[topic]; now != was {
			t.Errorf("owner of %s: got %+v, want %+v, recognised as its own", topic, now, was)
		}
	}
}
