package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"tributary/e2e/kafka"
)

// poolProperties are those of the brokers that a pool writes to: others, and short patience with idle connections, because
// that is for how long the heir of an owner that fell silent waits before it writes old records.
func poolProperties(common map[string]string) map[string]string {
	all := maps.Clone(common)
	all["connections.max.idle.ms"] = fmt.Sprint(poolIdle.Milliseconds())
	return all
}

// ensemble is the ZooKeeper of all pools. It starts when the first test asks for it.
type ensemble struct {
	once sync.Once
	zk   *kafka.ZooKeeper
	err  error
}

// get returns the ensemble with all its servers alive.
func (e *ensemble) get(t *testing.T) *kafka.ZooKeeper {
	t.Helper()
	e.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		e.zk, e.err = kafka.StartZooKeeper(ctx, kafka.ZooKeeperOptions{Nodes: 3})
	})
	if e.err != nil {
		t.Fatalf("start ZooKeeper: %v", e.err)
	}
	for _, n := range e.zk.Nodes() {
		if !n.Alive() {
			must(t, n.Restart(within(t, time.Minute)))
		}
	}
	return e.zk
}

func (e *ensemble) close(failed bool) error {
	if e.zk == nil {
		return nil
	}
	if failed {
		e.zk.KeepLogs()
		fmt.Fprintln(os.Stderr, "e2e: logs of ZooKeeper are kept in", e.zk.Dir())
	}
	return e.zk.Stop()
}
