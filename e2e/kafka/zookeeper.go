package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// ZooKeeperOptions says what ensemble to start. The zero value is one server.
type ZooKeeperOptions struct {
	// Nodes is the number of servers, 1 or 3; zero means 1.
	Nodes int

	// Properties are server properties on top of the ones for tests; they win over those. tickTime is 500 (ms) where
	// they do not say otherwise, which bounds session timeouts to 1 to 10 s.
	Properties map[string]string

	// HeapMB is the heap limit of each server in MiB; zero means 128.
	HeapMB int

	// JVMArgs replaces the flags that make a JVM start fast, as in Options.
	JVMArgs []string

	// Proxy puts a Proxy in front of each server.
	Proxy bool

	// Dir is as in Options.
	Dir string
}

const (
	defaultZooKeeperHeapMB = 128
	leaderPatience         = time.Second // with one server that is asked whether it leads: it may be frozen
)

// ZooKeeper is a running ensemble. Its methods are safe for concurrent use.
type ZooKeeper struct{ group }

// NewZooKeeper starts an ensemble for a test, as New does a cluster.
func NewZooKeeper(t testing.TB, o ZooKeeperOptions) *ZooKeeper {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), coldTimeout)
	defer cancel()
	z, err := StartZooKeeper(ctx, o)
	if err != nil {
		t.Fatalf("start ZooKeeper: %v", err)
	}
	stopWithTest(t, z)
	return z
}

// StartZooKeeper starts an ensemble and returns when each server serves. The rest is as for Start.
func StartZooKeeper(ctx context.Context, o ZooKeeperOptions) (*ZooKeeper, error) {
	if o.Nodes != 0 && o.Nodes != 1 && o.Nodes != 3 {
		return nil, fmt.Errorf("ZooKeeper nodes: %d is not 1 or 3", o.Nodes)
	}
	h, err := prepare(ctx, os.Stderr, zooKeeper39)
	if err != nil {
		return nil, err
	}
	return startZooKeeper(ctx, h, o)
}

func startZooKeeper(ctx context.Context, h home, o ZooKeeperOptions) (*ZooKeeper, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	o.Nodes = max(o.Nodes, 1)
	if o.HeapMB == 0 {
		o.HeapMB = defaultZooKeeperHeapMB
	}
	for attempt := 1; ; attempt++ {
		z, err := launchZooKeeper(ctx, h, o)
		if err == nil {
			return z, nil
		}
		if !errors.Is(err, errPortTaken) || attempt == startAttempts || o.Dir != "" {
			return nil, err
		}
	}
}

func launchZooKeeper(ctx context.Context, h home, o ZooKeeperOptions) (*ZooKeeper, error) {
	dir, err := openWorkDir(o.Dir, string(zooKeeper39))
	if err != nil {
		return nil, err
	}
	ports, err := leasePorts(o.Nodes * 4) // client, quorum, election, proxy
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	z := &ZooKeeper{group: group{dir: dir, ports: ports}}
	err = z.addNodes(h, o)
	if err == nil {
		err = z.start(ctx)
	}
	if err != nil {
		z.KeepLogs()
		return nil, errors.Join(err, z.Stop())
	}
	return z, nil
}

func (z *ZooKeeper) addNodes(h home, o ZooKeeperOptions) error {
	common := zooKeeperProperties()
	clientPorts := make([]int, o.Nodes)
	for i := range clientPorts {
		clientPorts[i] = z.ports.next()
		if o.Nodes > 1 {
			common["server."+strconv.Itoa(i+1)] = fmt.Sprintf("127.0.0.1:%d:%d", z.ports.next(), z.ports.next())
		}
	}
	for i, port := range clientPorts {
		if err := z.addNode(h, o, int32(i+1), port, common); err != nil {
			return err
		}
	}
	return nil
}

func (z *ZooKeeper) addNode(h home, o ZooKeeperOptions, id int32, port int, common map[string]string) error {
	name := "zookeeper-" + strconv.Itoa(int(id))
	dir, err := z.dir.node(name)
	if err != nil {
		return err
	}
	properties := maps.Clone(common)
	properties["clientPort"] = strconv.Itoa(port)
	properties["dataDir"] = filepath.Join(dir, dataName)
	maps.Copy(properties, o.Properties)
	config := filepath.Join(dir, "zoo.cfg")
	if err := writeProperties(config, properties); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, dataName, "myid"), []byte(strconv.Itoa(int(id))), 0o644); err != nil {
		return fmt.Errorf("write myid: %w", err)
	}
	argv, err := h.command(jvm{heapMB: o.HeapMB, flags: o.JVMArgs,
		main: "org.apache.zookeeper.server.quorum.QuorumPeerMain", args: []string{config}})
	if err != nil {
		return err
	}
	node := &Node{id: id, addr: loopback(port), kind: nodeKind{ready: zooKeeperReady(loopback(port))},
		spec: processSpec{name: name, argv: argv, dir: dir, log: filepath.Join(dir, "server.log")}}
	if o.Proxy {
		if node.proxy, err = proxyFor(loopback(z.ports.next()), node.addr); err != nil {
			return err
		}
	}
	z.nodes = append(z.nodes, node)
	return nil
}

func zooKeeperProperties() map[string]string {
	return map[string]string{
		"4lw.commands.whitelist": "*",
		"admin.enableServer":     "false", // its web server is not among the jars
		"clientPortAddress":      "127.0.0.1",
		"initLimit":              "20",
		"syncLimit":              "5",
		"tickTime":               "500",
	}
}

// Servers returns the addresses for the program under test: those of the proxies where there are any.
func (z *ZooKeeper) Servers() []string { return z.proxied() }

// Direct returns the addresses that bypass the proxies.
func (z *ZooKeeper) Direct() []string { return z.direct() }

// Leader returns the server that leads, or the only one.
func (z *ZooKeeper) Leader(ctx context.Context) (*Node, error) {
	var errs []error
	for _, node := range z.nodes {
		mode, err := zooKeeperModeWithin(ctx, leaderPatience, node.addr)
		if mode == "leader" || mode == "standalone" {
			return node, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("find the ZooKeeper leader: none of %v leads: %w", z.Direct(), errors.Join(errs...))
}

// Stop ends all servers, as Cluster.Stop does.
func (z *ZooKeeper) Stop() error {
	return z.once(func() error {
		if err := z.end(); err != nil {
			return fmt.Errorf("stop ZooKeeper: %w", err)
		}
		return nil
	})
}
