package app

import (
	"errors"
	"net"
	"sync"
)

// demoGate stands in front of a simulated cluster's brokers and can make all of them unreachable: open connections are
// reset, whatever is under way on them, and new ones as soon as they are made. Safe for concurrent use.
type demoGate struct {
	mu   sync.Mutex
	shut bool                   // guarded by mu
	open map[*gateConn]struct{} // guarded by mu
}

func newDemoGate() *demoGate { return &demoGate{open: map[*gateConn]struct{}{}} }

// listen is net.Listen behind the gate.
func (g *demoGate) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &gateListener{l, g}, nil
}

// cut makes the brokers unreachable until heal.
func (g *demoGate) cut() {
	g.mu.Lock()
	g.shut = true
	victims := g.open
	g.open = map[*gateConn]struct{}{}
	g.mu.Unlock()
	for c := range victims {
		reset(c.Conn)
	}
}

func (g *demoGate) heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}

// admit takes in a connection, and returns nil when there is no way through.
func (g *demoGate) admit(c net.Conn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return nil
	}
	guarded := &gateConn{c, g}
	g.open[guarded] = struct{}{}
	return guarded
}

func (g *demoGate) forget(c *gateConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, c)
}

// gateListener resets what comes while the gate is shut.
type gateListener struct {
	net.Listener
	gate *demoGate
}

// Accept implements net.Listener.
func (l *gateListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if guarded := l.gate.admit(c); guarded != nil {
			return guarded, nil
		}
		reset(c)
	}
}

// gateConn is a connection that the gate can reset.
type gateConn struct {
	net.Conn
	gate *demoGate
}

// Close implements net.Conn.
func (c *gateConn) Close() error {
	c.gate.forget(c)
	if err := c.Conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil // the gate was first
}

// reset closes c so that the other side sees a reset, not an orderly end. Errors say only that it is closed already.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
