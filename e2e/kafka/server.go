package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// ServerOptions says how to run one server of Kafka 4.3 exactly as its properties say, as a container of it is run: nothing is
// added to them.
type ServerOptions struct {
	// Properties are those of a KRaft node that is a broker: node.id, listeners, log.dirs, which must be one absolute path, and
	// so on.
	Properties map[string]string

	// ClusterID is what the storage is formatted with.
	ClusterID string

	// Addr is the host:port at which the server answers clients without TLS.
	Addr string

	// HeapMB is the heap limit in MiB; zero means 384.
	HeapMB int

	// Dir is where server.properties and server.log go; it must exist, and stays.
	Dir string
}

// StartServer starts one server and returns when it serves. It provisions what is missing first, with progress on stderr. The
// caller kills it.
func StartServer(ctx context.Context, o ServerOptions) (*Node, error) {
	id, err := strconv.ParseInt(o.Properties["node.id"], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read node.id: %w", err)
	}
	h, err := prepare(ctx, os.Stderr, Kafka43)
	if err != nil {
		return nil, err
	}
	data := o.Properties["log.dirs"]
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("create log.dirs: %w", err)
	}
	if err := h.formatStorage(data, o.ClusterID, int32(id)); err != nil {
		return nil, err
	}
	config := filepath.Join(o.Dir, "server.properties")
	if err := writeProperties(config, o.Properties); err != nil {
		return nil, err
	}
	if o.HeapMB == 0 {
		o.HeapMB = defaultHeapMB
	}
	argv, err := h.command(jvm{heapMB: o.HeapMB, main: "kafka.Kafka", args: []string{config}})
	if err != nil {
		return nil, err
	}
	node := &Node{id: int32(id), addr: o.Addr, kind: nodeKind{ready: brokerReady(o.Addr, int32(id))},
		spec: processSpec{name: "server-" + o.Addr, argv: argv, dir: o.Dir, log: filepath.Join(o.Dir, "server.log")}}
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := node.start(starting, 1); err != nil {
		return nil, errors.Join(err, node.Kill())
	}
	return node, nil
}

// Tool returns the command line of a tool of Kafka 4.3, up to its own arguments: main is its class.
func Tool(ctx context.Context, main string, heapMB int) ([]string, error) {
	h, err := prepare(ctx, os.Stderr, Kafka43)
	if err != nil {
		return nil, err
	}
	return h.command(jvm{heapMB: heapMB, main: main})
}

// Ports returns free loopback addresses that nobody else is given before the test ends.
func Ports(t testing.TB, count int) []string {
	t.Helper()
	lease, err := leasePorts(count)
	if err != nil {
		t.Fatalf("lease ports: %v", err)
	}
	t.Cleanup(func() {
		if err := lease.release(); err != nil {
			t.Errorf("release ports: %v", err)
		}
	})
	addrs := make([]string, count)
	for i := range addrs {
		addrs[i] = loopback(lease.next())
	}
	return addrs
}
