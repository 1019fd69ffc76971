package kafka

import (
	"context"
	"errors"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
)

// group is the nodes that start and end together, of a cluster or an ensemble.
type group struct {
	nodes []*Node // set once, as all here
	dir   *workDir
	ports *portLease

	stopOnce sync.Once
	stopErr  error // set by stopOnce
}

// Node returns the node with an id of 1 to the number of nodes: the broker id, as metadata has it.
// It panics on another id.
func (g *group) Node(id int32) *Node { return g.nodes[id-1] }

// Nodes returns all nodes by ascending id.
func (g *group) Nodes() []*Node { return append([]*Node(nil), g.nodes...) }

// Dir returns the directory that has a subdirectory with configuration, log and data for each node.
func (g *group) Dir() string { return g.dir.path }

// KeepLogs makes Stop keep configuration and logs in a temporary directory that it would remove otherwise.
func (g *group) KeepLogs() { g.dir.keepLogs.Store(true) }

// start starts all nodes at once: none of a quorum is ready alone.
func (g *group) start(ctx context.Context) error {
	starts, ctx := errgroup.WithContext(ctx)
	for _, node := range g.nodes {
		starts.Go(func() error { return node.start(ctx, len(g.nodes)) })
	}
	return starts.Wait()
}

// end ends all nodes, then the proxies, and gives directory and ports back. The nodes are killed: in an orderly
// shutdown the last ones would wait in vain for a quorum.
func (g *group) end() error {
	var errs []error
	for _, node := range g.nodes {
		if node.current() != nil { // nil where start did not get that far
			errs = append(errs, node.Kill())
		}
		node.closeProxies()
	}
	return errors.Join(append(errs, g.dir.close(), g.ports.release())...)
}

// once calls stop the first time, and returns what it returned then.
func (g *group) once(stop func() error) error {
	g.stopOnce.Do(func() { g.stopErr = stop() })
	return g.stopErr
}

// direct returns the addresses of the nodes themselves.
func (g *group) direct() []string {
	addrs := make([]string, len(g.nodes))
	for i, node := range g.nodes {
		addrs[i] = node.addr
	}
	return addrs
}

// proxied returns the addresses of the proxies, or of the nodes where there are none.
func (g *group) proxied() []string {
	addrs := g.direct()
	for i, node := range g.nodes {
		if node.proxy != nil {
			addrs[i] = node.proxy.Addr()
		}
	}
	return addrs
}

// stoppable is a Cluster or a ZooKeeper.
type stoppable interface {
	KeepLogs()
	Dir() string
	Stop() error
}

// stopWithTest stops s at the end of the test, keeping the logs where the test failed.
func stopWithTest(t testing.TB, s stoppable) {
	t.Cleanup(func() {
		if t.Failed() {
			s.KeepLogs()
			t.Logf("logs are kept in %s", s.Dir())
		}
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}
