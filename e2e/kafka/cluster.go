package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	startTimeout  = 2 * time.Minute // for New; provisioning on a cold machine has its own
	coldTimeout   = 15 * time.Minute
	startAttempts = 3 // on other ports
)

// Cluster is a running Kafka cluster. Its methods are safe for concurrent use.
type Cluster struct {
	group
	version Version
	home    home
	ownZK   *ZooKeeper // nil where none was started for this cluster
	client  *kgo.Client
	admin   *kadm.Client
}

// New starts a cluster for a test, which fails where that is impossible. The cluster ends with the test; where the test
// failed, configuration and logs are kept and their place is logged.
func New(t testing.TB, o Options) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), coldTimeout)
	defer cancel()
	c, err := Start(ctx, o)
	if err != nil {
		t.Fatalf("start a Kafka cluster: %v", err)
	}
	stopWithTest(t, c)
	return c
}

// Start starts a cluster and returns when each broker is registered, unfenced and sees all the others. It provisions
// what is missing first, with progress on stderr. ctx bounds the start alone; Stop ends the cluster. Where the start
// fails, the logs are kept and the error names them.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	h, err := prepare(ctx, os.Stderr, o.Version)
	if err != nil {
		return nil, err
	}
	return startCluster(ctx, h, o)
}

func startCluster(ctx context.Context, h home, o Options) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		c, err := launch(ctx, h, o)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, errPortTaken) || attempt == startAttempts || o.Dir != "" {
			return nil, err
		}
	}
}

// launch makes one attempt, and takes down what it started where it does not succeed.
func launch(ctx context.Context, h home, o Options) (*Cluster, error) {
	dir, err := openWorkDir(o.Dir, string(o.Version))
	if err != nil {
		return nil, err
	}
	ports, err := leasePorts(o.Nodes * (4 + 2*o.Lanes)) // direct, controller, proxied, proxy, and two for each lane
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	c := &Cluster{group: group{dir: dir, ports: ports}, version: o.Version, home: h}
	if err := c.up(ctx, h, o); err != nil {
		c.KeepLogs()
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) up(ctx context.Context, h home, o Options) error {
	ensemble := o.ZooKeeper
	if o.Version.usesZooKeeper() && ensemble == nil {
		own, err := StartZooKeeper(ctx, ZooKeeperOptions{Dir: filepath.Join(c.dir.path, "zookeeper")})
		if err != nil {
			return err
		}
		c.ownZK, ensemble = own, own
	}
	if err := c.addNodes(h, o, ensemble); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	client, err := c.Client()
	if err != nil {
		return err
	}
	c.client, c.admin = client, kadm.NewClient(client)
	return nil
}

// addNodes writes the configuration and the storage of each node, and makes its proxy.
func (c *Cluster) addNodes(h home, o Options, ensemble *ZooKeeper) error {
	layout := newLayout(o, c.ports)
	for i := range layout.brokers {
		b := &layout.brokers[i]
		name := "broker-" + strconv.Itoa(int(b.id))
		dir, err := c.dir.node(name)
		if err != nil {
			return err
		}
		config := filepath.Join(dir, "server.properties")
		if err := writeProperties(config, layout.properties(b, dir, ensemble)); err != nil {
			return err
		}
		kind := nodeKind{ready: brokerReady(b.direct, b.id)}
		if ensemble != nil && o.Version.usesZooKeeper() {
			kind.vacant = ensemble.brokerGone(b.id)
		} else if err := h.formatStorage(filepath.Join(dir, dataName), layout.clusterID, b.id); err != nil {
			return err
		}
		argv, err := h.command(jvm{heapMB: o.HeapMB, flags: o.JVMArgs, main: "kafka.Kafka", args: []string{config}})
		if err != nil {
			return err
		}
		node := &Node{id: b.id, addr: b.direct, kind: kind,
			spec: processSpec{name: name, argv: argv, dir: dir, log: filepath.Join(dir, "server.log")}}
		if o.Proxy {
			if node.proxy, err = proxyFor(b.proxy, b.proxied); err != nil {
				return err
			}
		}
		for _, lane := range b.lanes {
			proxy, err := proxyFor(lane.proxy, lane.proxied)
			if err != nil {
				node.closeProxies()
				return err
			}
			node.lanes = append(node.lanes, proxy)
		}
		c.nodes = append(c.nodes, node)
	}
	return nil
}

func proxyFor(addr, target string) (*Proxy, error) {
	proxy, err := NewProxy(addr, target)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = errors.Join(errPortTaken, err)
	}
	return proxy, err
}

// Version returns the release that runs.
func (c *Cluster) Version() Version { return c.version }

// Brokers returns the bootstrap addresses for the program under test: those of the proxies where there are any.
// Clients that start here are told of no other addresses.
func (c *Cluster) Brokers() []string { return c.proxied() }

// Lane returns the bootstrap addresses of one of the further listeners, which are counted from 1. It panics on another
// number.
func (c *Cluster) Lane(number int) []string {
	addrs := make([]string, len(c.nodes))
	for i, node := range c.nodes {
		addrs[i] = node.Lane(number).Addr()
	}
	return addrs
}

// Direct returns the bootstrap addresses that bypass the proxies; clients that start here stay off them.
func (c *Cluster) Direct() []string { return c.direct() }

// Bootstrap returns Brokers as one string, as bootstrap.servers wants it.
func (c *Cluster) Bootstrap() string { return strings.Join(c.Brokers(), ",") }

// Stop ends all processes, gives the ports back and removes the temporary directory. The brokers are killed; to see
// them shut down in order, Stop the nodes one by one first. Later calls return what the first did.
func (c *Cluster) Stop() error { return c.once(c.stop) }

func (c *Cluster) stop() error {
	if c.client != nil {
		c.client.Close()
	}
	err := c.end()
	if c.ownZK != nil {
		err = errors.Join(err, c.ownZK.Stop())
	}
	if err != nil {
		return fmt.Errorf("stop cluster: %w", err)
	}
	return nil
}
