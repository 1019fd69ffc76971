package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// Times and sizes of the network.
const (
	userTimeout  = 20 * time.Second // as pkg/kafka sets TCP_USER_TIMEOUT and, nearly, the keepalive
	retransmit   = 10 * time.Second // at most: from the end of a loss to the next attempt of the sender's kernel
	kernelBuffer = 1 << 20          // bytes on their way or unread at which a client's write waits
)

// network joins clients and brokers in memory and in the time of a synctest bubble, with what TCP does when packets are
// lost: the sender's kernel keeps the bytes and tries again, until somebody gives up. Faults of paths touch only the
// clients that are subject to them; a broker that is down or frozen is so for everybody.
type network struct {
	mu      sync.Mutex
	random  *rand.Rand             // guarded by mu
	brokers map[string]*brokerHost // guarded by mu, by address
	conns   map[*conn]bool         // guarded by mu: the clients' ends of those that their broker has not closed
	counts  map[string]int         // guarded by mu: what was seen to happen
}

// brokerHost is a machine with one broker and the paths to it. All guarded by network.mu; what can overlap is counted.
type brokerHost struct {
	addr    string
	accept  chan net.Conn
	changed chan struct{} // closed and replaced when anything below changes
	latency time.Duration // one way

	down, frozen          int
	cut, lostTo, lostFrom int // for clients subject to faults
	slow                  time.Duration
	lossTo, lossFrom      time.Time // when the present loss began
	closed                bool
	stalledDials          int
}

// clientHost is a machine with a client. Guarded by network.mu.
type clientHost struct {
	faulty  bool // the paths' faults touch it
	dead    bool
	stalled int
}

func newNetwork(seed uint64) *network {
	return &network{random: rand.New(rand.NewPCG(seed, 77)), brokers: map[string]*brokerHost{}, conns: map[*conn]bool{}, counts: map[string]int{}}
}

// host adds a broker's machine.
func (n *network) host(addr string) *brokerHost {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := &brokerHost{addr: addr, accept: make(chan net.Conn, 1024), changed: make(chan struct{}),
		latency: time.Duration(1+n.random.IntN(60)) * time.Millisecond}
	n.brokers[addr] = b
	return b
}

// listener is a broker's, for kfake.
type listener struct {
	n *network
	b *brokerHost
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	for {
		l.n.mu.Lock()
		closed, changed := l.b.closed, l.b.changed
		l.n.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		select {
		case c := <-l.b.accept:
			return c, nil
		case <-changed:
		}
	}
}

// Close implements net.Listener.
func (l listener) Close() error {
	l.n.change(l.b, func() { l.b.closed = true })
	return nil
}

// Addr implements net.Listener.
func (l listener) Addr() net.Addr { return address(l.b.addr) }

type address string

// Network implements net.Addr.
func (address) Network() string { return "tcp" }

// String implements net.Addr.
func (a address) String() string { return string(a) }

// change changes a broker's machine and tells all that wait.
func (n *network) change(b *brokerHost, how func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	how()
	close(b.changed)
	b.changed = make(chan struct{})
	for c := range n.conns {
		if c.b == b {
			c.wake()
		}
	}
}

// dialer returns how a client dials.
func (n *network) dialer(m *clientHost) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		c, err := n.dial(ctx, m, addr)
		if err != nil {
			return nil, fmt.Errorf("dial %s: %w", addr, err)
		}
		return c, nil
	}
}

func (n *network) dial(ctx context.Context, m *clientHost, addr string) (net.Conn, error) {
	crossed := false
	for {
		n.mu.Lock()
		b := n.brokers[addr]
		if m.dead || b == nil || b.closed {
			n.mu.Unlock()
			return nil, syscall.ENETUNREACH
		}
		lost := m.faulty && b.lostTo+b.lostFrom > 0 || m.stalled > 0
		wait := 2 * n.oneWay(b, m)
		changed := b.changed
		switch {
		case lost:
			b.stalledDials++
			n.counts["dials without an answer"]++
			wait = time.Hour
		case crossed && (b.down > 0 || m.faulty && b.cut > 0):
			n.counts["dials refused"]++
			n.mu.Unlock()
			return nil, syscall.ECONNREFUSED
		case crossed:
			c := n.connect(m, b)
			n.mu.Unlock()
			return c, nil
		}
		n.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			crossed = !lost
		case <-changed:
			crossed = false
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
		timer.Stop()
	}
}

// oneWay is the time a segment takes. The caller holds mu.
func (n *network) oneWay(b *brokerHost, m *clientHost) time.Duration {
	d := b.latency + time.Duration(n.random.Int64N(int64(b.latency)/4+1))
	if m.faulty {
		d += b.slow
	}
	return d
}

// connect makes both ends. The caller holds mu.
func (n *network) connect(m *clientHost, b *brokerHost) *conn {
	to, from := newPipe(), newPipe()
	client := &conn{n: n, b: b, m: m, out: to, in: from}
	server := &conn{n: n, b: b, m: m, out: from, in: to, server: true}
	client.peer, server.peer = server, client
	n.conns[client] = true
	b.accept <- server
	return client
}

// lose begins to lose what goes one way or both; what it returns ends that.
func (n *network) lose(b *brokerHost, to, from bool) (heal func()) {
	toN, fromN := count(to), count(from)
	begun := time.Now()
	n.change(b, func() {
		if b.lostTo += toN; to && b.lostTo == 1 {
			b.lossTo = begun
		}
		if b.lostFrom += fromN; from && b.lostFrom == 1 {
			b.lossFrom = begun
		}
	})
	giveUp := time.AfterFunc(userTimeout, func() { n.timeOut(b) })
	return func() {
		giveUp.Stop()
		n.change(b, func() {
			b.lostTo -= toN
			b.lostFrom -= fromN
			now := time.Now()
			for c := range n.conns {
				if c.b == b {
					n.resend(c, now)
				}
			}
		})
	}
}

// delay takes a broker further away; what it returns brings it back, with all that is on its way.
func (n *network) delay(b *brokerHost, by time.Duration) (end func()) {
	n.change(b, func() {
		b.slow += by
		n.counts["spikes of latency"]++
	})
	return func() {
		n.change(b, func() {
			b.slow -= by
			for c := range n.conns {
				if c.b == b {
					arrival := time.Now().Add(n.oneWay(b, c.m))
					c.in.hurry(arrival)
					c.out.hurry(arrival)
				}
			}
		})
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// resend lets the kernels try again after a loss. The caller holds mu.
func (n *network) resend(c *conn, now time.Time) {
	if c.b.lostTo == 0 {
		c.out.resend(now, now.Sub(c.b.lossTo), n.oneWay(c.b, c.m), n.random)
	}
	if c.b.lostFrom == 0 {
		c.in.resend(now, now.Sub(c.b.lossFrom), n.oneWay(c.b, c.m), n.random)
	}
}

// timeOut ends the connections that heard nothing for the user timeout.
func (n *network) timeOut(b *brokerHost) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if c.b == b && c.m.faulty && !c.gone && b.lostTo+b.lostFrom > 0 {
			n.counts["connections timed out"]++
			c.drop(syscall.ETIMEDOUT)
		}
	}
}

// reset ends connections to a broker at both ends; each(c) says which.
func (n *network) reset(b *brokerHost, each func(c *conn) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if c.b == b && !c.gone && each(c) {
			n.counts["connections reset"]++
			c.reset()
		}
	}
}

// kill ends a client for good: its kernel throws away what it has not sent.
func (n *network) kill(m *clientHost) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.dead = true
	for c := range n.conns {
		if c.m == m && !c.gone {
			n.counts["connections of a killed mirror"]++
			c.drop(net.ErrClosed)
		}
	}
	for _, b := range n.brokers {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// stall lets a client's machine neither read nor write.
func (n *network) stall(m *clientHost) (resume func()) {
	set := func(by int) {
		n.mu.Lock()
		defer n.mu.Unlock()
		m.stalled += by
		for c := range n.conns {
			c.wake()
		}
		for _, b := range n.brokers {
			close(b.changed)
			b.changed = make(chan struct{})
		}
	}
	set(1)
	return func() { set(-1) }
}

// happened adds to the counts of what was seen.
func (n *network) happened(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[what]++
}
