package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// errPortTaken says that a stranger took a leased port between the lease and the start; other ports may do.
var errPortTaken = errors.New("port is taken")

// Node is one broker or ZooKeeper server. Its methods are safe for concurrent use; Kill, Stop and Restart wait for
// each other.
type Node struct {
	id    int32 // set once, as all up to kind
	addr  string
	proxy *Proxy
	lanes []*Proxy
	spec  processSpec
	kind  nodeKind

	operation sync.Mutex // held through Kill, Stop and Restart

	mu   sync.Mutex
	proc *Process // guarded by mu; nil before the first start
}

// nodeKind is what differs between a broker and a ZooKeeper server.
type nodeKind struct {
	// vacant blocks until a killed predecessor is forgotten, where a node could not start before; nil otherwise.
	vacant func(ctx context.Context) error

	// ready asks the node once whether it serves, with at least peers nodes in its view, itself among them.
	ready func(ctx context.Context, peers int) error
}

// ID returns the broker id, or the number of the ZooKeeper server; ids start at 1.
func (n *Node) ID() int32 { return n.id }

// Addr returns the address of the node without its proxy.
func (n *Node) Addr() string { return n.addr }

// Proxy returns the proxy in front of the node, nil where none was asked for.
func (n *Node) Proxy() *Proxy { return n.proxy }

// Lane returns the proxy of one of the further listeners, which are counted from 1. It panics on another number.
func (n *Node) Lane(number int) *Proxy { return n.lanes[number-1] }

// closeProxies ends all proxies in front of the node.
func (n *Node) closeProxies() {
	for _, proxy := range append([]*Proxy{n.proxy}, n.lanes...) {
		if proxy != nil {
			proxy.Close()
		}
	}
}

// LogFile returns the path of the log; it goes on over restarts.
func (n *Node) LogFile() string { return n.spec.log }

// PID returns the id of the current process, or of the last one where none is running.
func (n *Node) PID() int { return n.current().PID() }

// Alive reports whether the process is running or frozen.
func (n *Node) Alive() bool { return n.current().Alive() }

// Kill ends the node with SIGKILL and returns when it is gone.
func (n *Node) Kill() error {
	n.operation.Lock()
	defer n.operation.Unlock()
	return n.current().Kill()
}

// Stop shuts the node down in order, leadership handed over, and returns when it is gone. A node that is not gone
// after 15 s, as happens to a broker without a controller, is killed, which is an error.
func (n *Node) Stop() error {
	n.operation.Lock()
	defer n.operation.Unlock()
	return n.current().Stop()
}

// Freeze stops the process with SIGSTOP: its connections stay open and nothing answers.
func (n *Node) Freeze() error { return n.current().Freeze() }

// Thaw lets a frozen process run on.
func (n *Node) Thaw() error { return n.current().Thaw() }

// Restart starts the node again, on the same ports and data, stopping it first where it runs. It returns when the
// node serves: a broker is registered, unfenced and knows the controller, but its replicas may still be catching up,
// see [Cluster.WaitInSync].
func (n *Node) Restart(ctx context.Context) error {
	n.operation.Lock()
	defer n.operation.Unlock()
	if err := n.current().Stop(); err != nil {
		return err
	}
	if n.kind.vacant != nil {
		if err := n.kind.vacant(ctx); err != nil {
			return fmt.Errorf("restart %s: %w", n.spec.name, err)
		}
	}
	return n.start(ctx, 1)
}

func (n *Node) current() *Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// start starts the process and waits until the node is ready, or its process has ended.
func (n *Node) start(ctx context.Context, peers int) error {
	begin := time.Now()
	proc, err := startProcess(n.spec)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.proc = proc
	n.mu.Unlock()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-proc.Done():
			cancel(fmt.Errorf("process ended: %w", proc.exitError()))
		case <-ctx.Done():
		}
	})
	err = waitFor(ctx, n.spec.name+" is ready", func(ctx context.Context) error { return n.kind.ready(ctx, peers) })
	cancel(nil)
	watch.Wait()
	if err == nil {
		return nil
	}
	tail := logTail(n.spec.log)
	if !proc.Alive() && (strings.Contains(tail, "Address already in use") || strings.Contains(tail, "BindException")) {
		err = errors.Join(errPortTaken, err)
	}
	return fmt.Errorf("start %s (%v): %w; end of %s:\n%s", n.spec.name, time.Since(begin).Round(time.Millisecond), err, n.spec.log, tail)
}
