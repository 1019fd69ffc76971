package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// tree is what ZooKeeper holds of a pool, read past the program and past its proxies. Who owns what is told by sessions, not
// by the content of nodes.
type tree struct {
	conn *zk.Conn
	root string
}

// holding is an owner node.
type holding struct {
	incarnation string // "" where its session is of no member
	instance    string
	session     int64
	created     int64 // transaction that made the node: another one, and the unit changed hands
}

const incarnationSuffix = len("-01234567-0123456789")

// newTree connects to these servers. Who asks for it closes the connection.
func newTree(t *testing.T, servers []string, root string) *tree {
	t.Helper()
	conn, _, err := zk.Connect(servers, 10*time.Second, zk.WithLogger(quiet{}))
	must(t, err)
	return &tree{conn: conn, root: root}
}

// quiet is a logger for a client whose trouble is part of a test.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// bounded bounds a call of the client, which takes no context. What is abandoned ends with the connection.
func bounded[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1) // one answer, also where nobody waits for it any more
	go func() {
		value, err := call()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("ask ZooKeeper: %w", context.Cause(ctx))
	}
}

// members returns the incarnations of all members, by session.
func (tr *tree) members(ctx context.Context) (map[int64]string, error) {
	return bounded(ctx, func() (map[int64]string, error) {
		names, _, err := tr.conn.Children(tr.root + "/members")
		if err != nil {
			return nil, fmt.Errorf("list members: %w", err)
		}
		all := map[int64]string{}
		for _, name := range names {
			_, stat, err := tr.conn.Exists(path.Join(tr.root, "members", name))
			if err != nil {
				return nil, fmt.Errorf("look at member %s: %w", name, err)
			}
			all[stat.EphemeralOwner] = name
		}
		return all, nil
	})
}

// incarnation returns the incarnation of an instance, "" while there is none.
func (tr *tree) incarnation(ctx context.Context, instance string) (string, error) {
	members, err := tr.members(ctx)
	for _, name := range members {
		if instanceOf(name) == instance {
			return name, err
		}
	}
	return "", err
}

func instanceOf(incarnation string) string {
	return incarnation[:max(0, len(incarnation)-incarnationSuffix)]
}

// owners returns the holdings by unit, as ZooKeeper names it.
func (tr *tree) owners(ctx context.Context) (map[string]holding, error) {
	members, err := tr.members(ctx)
	if err != nil {
		return nil, err
	}
	return bounded(ctx, func() (map[string]holding, error) {
		units, _, err := tr.conn.Children(tr.root + "/topics")
		if err != nil {
			return nil, fmt.Errorf("list owners: %w", err)
		}
		all := map[string]holding{}
		for _, unit := range units {
			there, stat, err := tr.conn.Exists(tr.node(unit))
			if err != nil {
				return nil, fmt.Errorf("look at the owner of %s: %w", unit, err)
			}
			if there {
				name := members[stat.EphemeralOwner]
				all[unit] = holding{incarnation: name, instance: instanceOf(name), session: stat.EphemeralOwner, created: stat.Czxid}
			}
		}
		return all, nil
	})
}

// node is the path of an owner node.
func (tr *tree) node(unit string) string { return path.Join(tr.root, "topics", unit) }

// wipe deletes everything of the pool, in an order that members notice in whatever way they do.
func (tr *tree) wipe() (deleted int, err error) {
	var below func(node string) error
	below = func(node string) error {
		children, _, err := tr.conn.Children(node)
		if errors.Is(err, zk.ErrNoNode) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, child := range children {
			if err := below(path.Join(node, child)); err != nil {
				return err
			}
		}
		err = tr.conn.Delete(node, -1)
		if err == nil {
			deleted++
		}
		if errors.Is(err, zk.ErrNotEmpty) { // members are at work: what came meanwhile goes as well
			return below(node)
		}
		if errors.Is(err, zk.ErrNoNode) {
			return nil
		}
		return err
	}
	if err := below(tr.root); err != nil {
		return deleted, fmt.Errorf("wipe %s: %w", tr.root, err)
	}
	return deleted, nil
}

// expectEven returns an error unless every topic has a live owner and no member has much more than its share.
func (p *pool) expectEven(ctx context.Context) error {
	owners, err := p.tree.owners(ctx)
	if err != nil {
		return err
	}
	live := p.live()
	share := map[string]int{}
	for name := range live {
		share[name] = 0
	}
	for _, topic := range p.topicsOf {
		o, owned := owners[topic]
		if _, ok := live[o.instance]; !owned || !ok {
			return fmt.Errorf("the owner of %s is %q of members %v", topic, o.instance, share)
		}
		share[o.instance]++
	}
	fair := float64(len(p.topicsOf)) / float64(len(live))
	for name, n := range share {
		if math.Abs(float64(n)-fair) > max(2, fair/4) {
			return fmt.Errorf("%s has %d topics of %v", name, n, share)
		}
	}
	return nil
}

// awaitEven waits until every topic has an owner and the load is even, and returns how long that took.
func (p *pool) awaitEven(t *testing.T) time.Duration {
	t.Helper()
	return eventually(t, poolSettles, "all topics of "+p.link+" have owners, evenly", p.expectEven)
}

// level gives every member its share at once, by the orders of an operator: to do it by itself a pool takes up to two minutes,
// which TestPoolGrow measures.
func (p *pool) level(t *testing.T) {
	t.Helper()
	eventually(t, poolSettles, "all topics have owners", p.allOwned)
	order := func(args ...string) { p.mustCommand(t, p.members[0], args...) }
	wanted := p.shares(p.owners(t))
	for topic, m := range wanted {
		order("pin", p.link, topic, "--to", m.name())
	}
	took := eventually(t, poolSettles, "pinned topics move", func(ctx context.Context) error {
		owners, err := p.tree.owners(ctx)
		for topic, m := range wanted {
			if err == nil && owners[topic].instance != m.name() {
				err = describe("%s is with %q, want %s", topic, owners[topic].instance, m.name())
			}
		}
		return err
	})
	for topic := range wanted {
		order("unpin", p.link, topic)
	}
	t.Logf("%d topics were sent where they are missed within %v", len(wanted), took.Round(time.Millisecond))
	p.awaitEven(t)
}

// shares returns which topics are to move to whom, that all have as many.
func (p *pool) shares(owners map[string]holding) map[string]*member {
	live, has := p.live(), map[string]int{}
	for _, o := range owners {
		has[o.instance]++
	}
	fair := (len(p.topicsOf) + len(live) - 1) / len(live)
	moves := map[string]*member{}
	for _, topic := range p.topicsOf {
		giver := owners[topic].instance
		for name, m := range live {
			if name != giver && has[giver] > fair && has[name] < fair {
				moves[topic] = m
				has[giver]--
				has[name]++
				break
			}
		}
	}
	return moves
}

// owners returns who owns what now.
func (p *pool) owners(t *testing.T) map[string]holding {
	t.Helper()
	all, err := p.tree.owners(within(t, 10*time.Second))
	must(t, err)
	return all
}

// of returns the topics that a member owns.
func (p *pool) of(t *testing.T, m *member) []string {
	t.Helper()
	mine, err := p.ownedBy(within(t, 10*time.Second), m.name())
	must(t, err)
	slices.Sort(mine)
	if len(mine) == 0 {
		t.Fatalf("%s owns nothing", m.name())
	}
	return mine
}

// requireUnmoved fails the test when anything changed hands since owners were noted.
func (p *pool) requireUnmoved(t *testing.T, before map[string]holding) {
	t.Helper()
	for unit, now := range p.owners(t) {
		if was := before[unit]; was != now {
			t.Errorf("owner of %s: got %+v, want %+v as before", unit, now, was)
		}
	}
}
