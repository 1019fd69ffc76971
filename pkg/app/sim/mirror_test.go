package sim

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"tributary/pkg/catalog"
	"tributary/pkg/consume"
	"tributary/pkg/kafka"
	"tributary/pkg/lag"
	"tributary/pkg/mirror"
	"tributary/pkg/ownership"
	"tributary/pkg/produce"
)

const linkName = "edge-region"

// errCrashed is what a crashed mirror gets from its store.
var errCrashed = errors.New("this mirror has crashed")

// store is the identities' store as one incarnation of the mirror has it: what survives it is in Memory.
type store struct {
	*ownership.Memory
	mu      sync.Mutex
	crashed bool // guarded by mu
}

func (s *store) Update(ctx context.Context, link, topic string, ids mirror.Identities) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		return errCrashed
	}
	return s.Memory.Update(ctx, link, topic, ids)
}

// incarnation is one run of the mirror, wired as mirror run does it, without a status server.
type incarnation struct {
	host   *clientHost
	net    *network
	store  *store
	link   *mirror.Link
	budget *mirror.Budget
	stop   context.CancelFunc
	ended  chan error // holds one
}

// startMirror starts a mirror that subject faults of the network touch.
func startMirror(t *testing.T, w *world) *incarnation {
	t.Helper()
	m := &incarnation{host: &clientHost{faulty: true}, net: w.net, store: &store{Memory: w.memory}, ended: make(chan error, 1)}
	open := func(c *cluster) (*kafka.Cluster, *catalog.Watcher) {
		var brokers []string
		for _, b := range c.hosts {
			brokers = append(brokers, b.addr)
		}
		k, err := kafka.New(c.name, kafka.Config{Brokers: brokers, Dial: w.net.dialer(m.host)}, w.log)
		if err != nil {
			t.Fatalf("cluster %s: %v", c.name, err)
		}
		return k, catalog.NewWatcher(k, w.log)
	}
	edge, edgeTopics := open(w.edge)
	region, regionTopics := open(w.region)
	m.budget = mirror.NewBudget(64 << 20)
	source := consume.NewSource(edge, edgeTopics, m.budget, w.log)
	sink := produce.NewSink(region, regionTopics, w.log)
	m.link = mirror.NewLink(mirror.LinkConfig{Name: linkName, From: "edge", To: "region",
		Match:  func(topic string) bool { return topic == young || topic == old },
		Rename: func(topic string) (string, error) { return topic, nil },
		Create: true, Replicas: -1, Mapping: mirror.Same, Drain: 10 * time.Second}, source, sink, m.store, new(mirror.Alone), w, w.log)
	observer, err := lag.New(lag.Config{Links: []func() mirror.LinkStatus{m.link.Status}, BudgetTotal: m.budget.Total(), BudgetUsed: m.budget.Used}, w.log)
	if err != nil {
		t.Fatalf("observer: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	go func() {
		rest, stopRest := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for _, run := range []func(context.Context) error{edgeTopics.Run, regionTopics.Run, source.Run, sink.Run, observer.Run} {
			wg.Go(func() { _ = run(rest) }) // they end with rest
		}
		err := m.link.Run(ctx)
		stopRest()
		wg.Wait()
		m.ended <- errors.Join(err, edge.Close(), region.Close())
	}()
	return m
}

// shutDown stops it as SIGTERM does, and waits.
func (m *incarnation) shutDown() error {
	m.stop()
	return <-m.ended
}

// kill ends it as kill -9 does: from now on nothing of it reaches a cluster or the store.
func (m *incarnation) kill() {
	m.store.mu.Lock()
	m.store.crashed = true
	m.store.mu.Unlock()
	m.net.kill(m.host)
	m.stop()
}

// partitions returns what the mirror says of each partition.
func (m *incarnation) partitions() []mirror.PartitionStatus {
	var out []mirror.PartitionStatus
	for _, topic := range m.link.Status().Topics {
		out = append(out, topic.Partitions...)
	}
	return out
}
