package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/pool"
	"tributary/pkg/ownership/zookeeper"
)

// poolMember is a member on a real service, with a link that releases what is leaving.
type poolMember struct {
	*pool.Pool
	name string
}

// realPool is a pool on a real service.
type realPool struct {
	t       *testing.T
	servers []string
	topics  map[string]int
	all     []poolMember
}

func (r *realPool) connect(log *slog.Logger) *zookeeper.Client {
	r.t.Helper()
	c, err := zookeeper.Connect(zookeeper.Config{Servers: r.servers, SessionTimeout: 4 * time.Second}, log)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *realPool) start(instance string) poolMember {
	r.t.Helper()
	log := slog.New(slog.NewTextHandler(r.t.Output(), nil)).With("instance", instance)
	m, err := pool.New(pool.Config{Link: "eu", Root: "/mirror/eu", Instance: instance, Capacity: 1, Evict: true}, r.connect(log), nil, log)
	if err != nil {
		r.t.Fatal(err)
	}
	p := poolMember{m, instance}
	m.Offer(r.topics)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.link(ctx, r.topics) })
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(running.Wait)
	r.t.Cleanup(cancel)
	r.all = append(r.all, p)
	return p
}

func (p poolMember) link(ctx context.Context, topics map[string]int) {
	for {
		changed := p.Changed()
		for topic := range topics {
			for _, t := range p.Tenures(topic) {
				if t.Leaving {
					p.Release(t, true)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (r *realPool) share(p poolMember) (n int) {
	for topic := range r.topics {
		for _, t := range p.Tenures(topic) {
			if p.Valid(t) {
				n++
			}
		}
	}
	return n
}

// until waits for a share of the units at each poolMember, all of them valid, and says how long that took.
func (r *realPool) until(what string, ok func() bool) {
	r.t.Helper()
	begun := time.Now()
	for end := begun.Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			for _, p := range r.all {
				v := p.View()
				r.t.Logf("%s: %v, %d units, %d unowned, problems %q", p.name, v.Phase, len(v.Units), len(v.Unowned), v.Problems)
			}
			r.t.Fatalf("still not: %s", what)
		}
	}
	r.t.Logf("%s after %v", what, time.Since(begun).Round(time.Millisecond))
}

// owned says whether every topic has exactly one valid owner.
func (r *realPool) owned() bool {
	for topic := range r.topics {
		owners := 0
		for _, p := range r.all {
			for _, t := range p.Tenures(topic) {
				if p.Valid(t) {
					owners++
				}
			}
		}
		if owners != 1 {
			return false
		}
	}
	return true
}

// On a real server members share, drain, lose their nodes, and find the tree empty.
func TestPoolOnRealService(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real server")
	}
	z := kafka.NewZooKeeper(t, kafka.ZooKeeperOptions{Nodes: 1})
	r := &realPool{t: t, servers: z.Servers(), topics: map[string]int{}}
	for i := range 200 {
		r.topics[fmt.Sprintf("topic-%03d", i)] = 4
	}
	a, b, c := r.start("a"), r.start("b"), r.start("c")
	r.until("all is shared", func() bool {
		return r.owned() && r.share(a) > 40 && r.share(b) > 40 && r.share(c) > 40
	})
	if err := a.Drain(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	r.until("one has drained", func() bool { return r.owned() && r.share(a) == 0 })
	was := b.View().Incarnation
	other := r.connect(slog.New(slog.DiscardHandler))
	defer func() { _ = other.Close() }() // nothing is in its session
	remove(t, other, "/mirror/eu/members/"+was)
	r.until("one that lost its node has rejoined", func() bool { return r.owned() && b.View().Incarnation != was && b.View().Incarnation != "" })
	before := []string{a.View().Incarnation, b.View().Incarnation, c.View().Incarnation}
	remove(t, other, "/mirror")
	r.until("an empty tree is filled again", func() bool {
		return r.owned() && a.View().Incarnation != before[0] && b.View().Incarnation != before[1] && c.View().Incarnation != before[2]
	})
}

// remove removes a node and all below it, though members make new ones at the same time.
func remove(t *testing.T, c *zookeeper.Client, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var clear func(path string) error
	clear = func(path string) error {
		names, _, err := c.Children(ctx, path, false)
		for _, name := range names {
			err = errors.Join(err, clear(path+"/"+name))
		}
		if _, w := c.Write(ctx, coord.Op{Kind: coord.OpDelete, Path: path, Version: coord.AnyVersion}); w != nil && !errors.Is(w, coord.ErrNoNode) {
			err = errors.Join(err, w)
		}
		return err
	}
	for err := clear(path); err != nil; err = clear(path) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "/mirror") && errors.Is(err, coord.ErrNotEmpty) {
			return // they have begun anew
		}
	}
}
