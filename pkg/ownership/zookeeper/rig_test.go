package zookeeper

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/pkg/ownership/coord"
)

const timeout = 3 * time.Second

// ensemble starts real servers.
func ensemble(t *testing.T, nodes int, properties map[string]string) *kafka.ZooKeeper {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	return kafka.NewZooKeeper(t, kafka.ZooKeeperOptions{Nodes: nodes, Properties: properties})
}

// rig is an ensemble, with a relay for each client.
type rig struct {
	z *kafka.ZooKeeper

	mu     sync.Mutex
	relays map[coord.Client]*relay // guarded by mu
}

func newRig(z *kafka.ZooKeeper) *rig { return &rig{z: z, relays: map[coord.Client]*relay{}} }

func (r *rig) Connect(t *testing.T) coord.Client {
	relay := newRelay(t, r.z.Direct())
	c := connect(t, Config{Servers: relay.addrs, SessionTimeout: timeout})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.relays[c] = relay
	return c
}

func connect(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := Connect(cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a session that cannot be ended expires
	return c
}

func (r *rig) relay(c coord.Client) *relay {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.relays[c]
}

func (r *rig) Expire(t *testing.T, c coord.Client) {
	r.relay(c).Expire(t, r.z.Direct()[0])
}

func (r *rig) Cut(_ *testing.T, c coord.Client)  { r.relay(c).Cut() }
func (r *rig) Heal(_ *testing.T, c coord.Client) { r.relay(c).Heal() }

func (r *rig) Lose(_ *testing.T, c coord.Client, done bool) {
	what := loseRequest
	if done {
		what = loseAnswer
	}
	r.relay(c).Lose(what)
}

func (r *rig) Restart(t *testing.T) {
	for _, node := range r.z.Nodes() {
		if err := node.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for _, node := range r.z.Nodes() {
		all.Go(func() {
			if err := node.Restart(t.Context()); err != nil {
				t.Errorf("restart: %v", err)
			}
		})
	}
	all.Wait()
}
