package pool

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord/fake"
)

const timeout = 6 * time.Second

// region is a pool under test: members on one ensemble, in one synctest bubble.
type region struct {
	t        *testing.T
	ensemble *fake.Ensemble
	peers    *wires
	topics   map[string]int
	actors   []*actor
	started  int
	evict    bool
	jitter   func() time.Duration
	vandals  bool // somebody else writes to the tree
	oracle   oracle
}

// actor is a process: a member, and a link that does what links do.
type actor struct {
	*Pool
	client *fake.Client
	name   string
	stop   context.CancelFunc
	ended  chan error
	oracle *oracle

	mu     sync.Mutex
	frozen bool // nothing is released, settled or noticed
	seen   map[mirror.Unit]mirror.Tenure
	gave   map[mirror.Unit]int64 // terms of what was released
}

func newRegion(t *testing.T, topics int) *region {
	r := &region{t: t, ensemble: fake.New(), topics: map[string]int{}, evict: true}
	r.peers = &wires{of: map[string]*wire{}}
	r.oracle = newOracle(t)
	for i := range topics {
		r.topics[fmt.Sprintf("topic-%03d", i)] = 4
	}
	return r
}

// start starts a process for an instance.
func (r *region) start(instance string) *actor { return r.startWith(instance, timeout) }

// startWith starts a member whose sessions have a timeout of their own.
func (r *region) startWith(instance string, timeout time.Duration) *actor {
	r.t.Helper()
	r.started++
	c := r.ensemble.Client(timeout)
	c.Delay(r.jitter)
	w := r.peers.add(instance)
	p, err := New(Config{Link: "eu", Root: "/mirror/eu", Instance: instance, Zone: "zone-" + instance, Capacity: 1, PeerAddress: fmt.Sprintf("host:%d", r.started), Evict: r.evict},
		c, w, slog.New(slog.NewTextHandler(testWriter{r.t, instance}, nil)))
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := newActor(p, instance, &r.oracle, cancel)
	a.client = c
	r.actors = append(r.actors, a)
	p.Offer(r.topics)
	p.Report(mirror.Report{Able: true})
	go func() { a.ended <- p.Run(ctx) }()
	go a.link(ctx)
	return a
}

func newActor(p *Pool, instance string, o *oracle, stop context.CancelFunc) *actor {
	return &actor{Pool: p, name: instance, stop: stop, ended: make(chan error, 1), oracle: o, seen: map[mirror.Unit]mirror.Tenure{}, gave: map[mirror.Unit]int64{}}
}

// link releases what is leaving.
func (a *actor) link(ctx context.Context) {
	for {
		changed := a.Changed()
		a.look()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-time.After(7 * time.Second): // about as long as old records wait
			a.settle()
		}
	}
}

// look takes note of what came and what went, and releases what is leaving.
func (a *actor) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.frozen {
		return
	}
	now := map[mirror.Unit]mirror.Tenure{}
	for _, t := range a.tenures() {
		if a.gave[t.Unit] != t.Term {
			now[t.Unit] = t
		}
	}
	for u, t := range a.seen {
		if now[u].Term != t.Term {
			a.oracle.end(t, endedSilent)
			delete(a.seen, u)
		}
	}
	for u, t := range now {
		if _, ok := a.seen[u]; !ok {
			a.oracle.begin(a.name, t)
		}
		a.seen[u] = t
		if t.Leaving {
			a.release(t)
		}
	}
}

// release ends a tenure as a link does that drained it.
func (a *actor) release(t mirror.Tenure) {
	a.oracle.end(t, endedDrained)
	delete(a.seen, t.Unit)
	a.gave[t.Unit] = t.Term
	a.Release(t, true)
}

func (a *actor) settle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.frozen {
		return
	}
	for _, t := range a.seen {
		a.oracle.settle(t)
		a.Settle(t)
	}
}

// freeze stops the process, or lets it go on.
func (a *actor) freeze(frozen bool) {
	a.mu.Lock()
	a.frozen = frozen
	a.mu.Unlock()
	if frozen {
		a.client.Freeze()
	} else {
		a.client.Restore()
	}
}

func (a *actor) tenures() []mirror.Tenure {
	h := a.held.Load()
	return slices.Collect(maps.Values(h.tenures))
}

// quit ends a process as SIGTERM does.
func (r *region) quit(a *actor) {
	a.look()
	a.mu.Lock()
	for _, t := range a.seen {
		a.release(t)
	}
	a.frozen = true
	a.mu.Unlock()
	a.stop()
	if err := <-a.ended; err != nil {
		r.t.Error(err)
	}
	r.remove(a)
	r.peers.remove(a.Pool)
}

// kill ends a process as SIGKILL does. With seen its peers learn so.
func (r *region) kill(a *actor, seen bool) {
	name := a.incarnation()
	a.look()
	a.mu.Lock()
	a.frozen = true
	for _, t := range a.seen {
		r.oracle.end(t, endedKilled)
	}
	a.mu.Unlock()
	a.client.Kill()
	a.stop()
	<-a.ended
	r.remove(a)
	r.peers.remove(a.Pool)
	if seen {
		r.peers.tell(name)
	}
}

func (r *region) remove(a *actor) {
	r.actors = slices.DeleteFunc(r.actors, func(b *actor) bool { return a == b })
}

// end ends all processes.
func (r *region) end() {
	for _, a := range slices.Clone(r.actors) {
		r.kill(a, false)
	}
}

// owners returns who validly has each unit, and fails where two have.
func (r *region) owners() map[string]string {
	r.t.Helper()
	owners := map[string]string{}
	for _, a := range r.actors {
		for _, t := range a.tenures() {
			if !a.Valid(t) {
				continue
			}
			if s, _ := a.client.Session(); !r.ensemble.Live(s.ID) {
				r.t.Fatalf("%s holds %s validly, and its session has ended", a.name, t.Unit)
			}
			for p := range max(r.topics[t.Topic], 1) {
				if !t.Has(int32(p)) {
					continue
				}
				key := fmt.Sprintf("%s/%d", t.Topic, p)
				if was := owners[key]; was != "" && !r.vandals {
					r.t.Fatalf("%s has two owners: %s and %s", key, was, a.name)
				}
				owners[key] = a.name
			}
		}
	}
	return owners
}

// await waits until every topic has an owner, and returns how many each has.
func (r *region) await(within time.Duration) map[string]int {
	r.t.Helper()
	begun := time.Now()
	all := 0
	for _, partitions := range r.topics {
		all += partitions
	}
	for {
		synctest.Wait()
		owners := r.owners()
		if len(owners) == all {
			n := map[string]int{}
			for _, name := range owners {
				n[name]++
			}
			for name := range n {
				n[name] /= 4 // each topic has four
			}
			return n
		}
		if time.Since(begun) > within {
			r.dump()
			r.t.Fatalf("after %v %d of %d partitions have owners", within, len(owners), all)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *region) dump() {
	for _, a := range r.actors {
		v := a.View()
		why := map[string]int{}
		for _, u := range v.Unowned {
			why[u.Why]++
		}
		r.t.Logf("%s: %v, incarnation %s, leader %s, %d members, %d units, unowned %v, problems %q", a.name, v.Phase, v.Incarnation, v.Leader, len(v.Members), len(v.Units), why, v.Problems)
	}
	for _, path := range []string{"/mirror/eu/members", "/mirror/eu/topics"} {
		r.t.Logf("%s: %s", path, some(r.ensemble.Names(path)))
	}
}

type testWriter struct {
	t    *testing.T
	name string
}

func (w testWriter) Write(line []byte) (int, error) {
	if testing.Verbose() {
		w.t.Logf("%s %s", w.name, strings.TrimSpace(string(line)))
	}
	return len(line), nil
}
