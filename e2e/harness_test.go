// Package e2e_test proves the claims of the README on real Kafka, with the program as a box: each test starts brokers,
// produces at the edge, kills, freezes and cuts things, and compares every record at the other end. README.md lists the
// claims.
package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tributary/e2e/kafka"
)

const (
	// fullEnv, set to anything, asks for the sizes of a release.
	fullEnv = "E2E_FULL"
	// soakEnv is for how long the crash loops repeat.
	soakEnv = "SOAK"
	// binaryEnv names a binary to test instead of one built for the run.
	binaryEnv = "MIRROR"

	pollInterval = 50 * time.Millisecond
	startTimeout = 15 * time.Minute // of a cluster; a machine without the jars downloads them first
)

// stage is what the tests share: it is set once, by TestMain, because a cluster takes seconds to start and hundreds of
// megabytes to run. Tests keep apart by their topics and links.
var stage struct {
	binary string
	edge   venue // one node
	second venue // one node behind a proxy: another edge
	region venue // three nodes behind proxies
	home   venue // one node

	lossEdge venue // one node that TestLosses breaks beside other tests
	lossHome venue // the same

	shared venue    // three nodes, with a way of its own for each member of a pool
	zk     ensemble // three servers
}

// venue is a cluster that starts when the first test asks for it.
type venue struct {
	options kafka.Options
	once    sync.Once
	cluster *kafka.Cluster
	err     error
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tributary-e2e-")
	if err == nil {
		defer os.RemoveAll(dir)
		stage.binary, err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	// Records of every age are test data, not rubbish; and brokers look for producers to forget every second, so that the
	// ones that may be forgotten are. What a topic's own retention allows is deleted, and what the cleaner finds is cleaned,
	// within seconds.
	properties := map[string]string{"log.retention.ms": "-1", "producer.id.expiration.check.interval.ms": "1000", "log.cleaner.backoff.ms": "1000",
		"log.retention.check.interval.ms": "1000", "log.initial.task.delay.ms": "0"}
	stage.edge.options = kafka.Options{Properties: properties}
	stage.second.options = kafka.Options{Proxy: true, Properties: properties}
	stage.region.options = kafka.Options{Nodes: 3, Proxy: true, Properties: properties}
	for _, v := range []*venue{&stage.home, &stage.lossEdge, &stage.lossHome} {
		v.options = kafka.Options{Properties: properties}
	}
	stage.edge.options.Lanes = poolLanes
	stage.shared.options = kafka.Options{Nodes: 3, Lanes: poolLanes, Properties: poolProperties(properties)}
	code := m.Run()
	if err := stage.zk.close(code != 0); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	for _, v := range []*venue{&stage.edge, &stage.second, &stage.region, &stage.home, &stage.lossEdge, &stage.lossHome, &stage.shared} {
		if err := v.close(code != 0); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			code = max(code, 1)
		}
	}
	return code
}

// build makes the program as it is released.
func build(dir string) (string, error) {
	if path := os.Getenv(binaryEnv); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(dir, "mirror")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "tributary/cmd/mirror")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, bytes.TrimSpace(out))
	}
	return path, nil
}

// get returns the cluster, with all replicas in sync whatever the test before did.
func (v *venue) get(t *testing.T) *kafka.Cluster {
	t.Helper()
	v.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		v.cluster, v.err = kafka.Start(ctx, v.options)
	})
	if v.err != nil {
		t.Fatalf("start a cluster: %v", v.err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, reviveAll(ctx, v.cluster))
	must(t, v.cluster.WaitInSync(ctx))
	return v.cluster
}

// reviveAll starts the dead brokers of a cluster at once: none of a quorum is ready alone.
func reviveAll(ctx context.Context, c *kafka.Cluster) error {
	nodes := c.Nodes()
	failures := make([]error, len(nodes))
	var starts sync.WaitGroup
	for i, n := range nodes {
		if !n.Alive() {
			starts.Go(func() { failures[i] = n.Restart(ctx) })
		}
	}
	starts.Wait()
	return errors.Join(failures...)
}

func (v *venue) close(failed bool) error {
	if v.cluster == nil {
		return nil
	}
	if failed {
		v.cluster.KeepLogs()
		fmt.Fprintln(os.Stderr, "e2e: logs of the brokers are kept in", v.cluster.Dir())
	}
	return v.cluster.Stop()
}

// full says whether this is a release's run.
func full() bool { return os.Getenv(fullEnv) != "" }

// size returns the small number in make test, the large one in the full run.
func size[T any](small, large T) T {
	if full() {
		return large
	}
	return small
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually polls probe until it returns nil, and fails the test when that takes longer than within. It returns how
// long it took.
func eventually(t *testing.T, within time.Duration, what string, probe func(ctx context.Context) error) time.Duration {
	t.Helper()
	begun := time.Now()
	if err := poll(t.Context(), within, probe); err != nil {
		t.Fatalf("%s: not within %v: %v", what, within, err)
	}
	return time.Since(begun)
}

// poll calls probe until it returns nil; the error is the last one of probe.
func poll(ctx context.Context, within time.Duration, probe func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last error
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // what the deadline itself causes says nothing
			last = err
		}
		if pause(ctx, pollInterval) != nil {
			return errors.Join(last, context.Cause(ctx))
		}
	}
}

// pause holds for a while: a fault for its time, a process for its life.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// within returns a context that ends with the test or after d.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
