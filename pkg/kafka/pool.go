package kafka

import (
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// maxIdle is the number of unused connections kept per broker; more arise only while calls overlap.
	maxIdle = 2
	// maxIdleTime is below the times after which brokers (10 min) and network gear (about 6 min) drop
	// an idle connection, in the latter case without telling us.
	maxIdleTime = 4 * time.Minute
)

// pool keeps connections of the control plane between calls. Safe for concurrent use.
type pool struct {
	mu     sync.Mutex // guards the rest
	idle   map[string][]idleConn
	closed bool
}

type idleConn struct {
	conn  *Conn
	since time.Time
}

// take returns an unused connection to addr, nil if there is none.
func (p *pool) take(addr string) (*Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	p.expire()
	conns := p.idle[addr]
	if len(conns) == 0 {
		return nil, nil
	}
	last := len(conns) - 1
	p.idle[addr] = conns[:last]
	return conns[last].conn, nil
}

// put keeps conn for the next call, or closes it.
func (p *pool) put(conn *Conn) {
	p.mu.Lock()
	keep := !p.closed && conn.brokenBy() == nil && len(p.idle[conn.addr]) < maxIdle
	if keep {
		p.idle[conn.addr] = append(p.idle[conn.addr], idleConn{conn, time.Now()})
	}
	p.mu.Unlock()
	if !keep {
		// Its call is over: an error in closing concerns nobody.
		_ = conn.Close()
	}
}

// addrs returns the brokers to which there is an unused connection.
func (p *pool) addrs() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire()
	var addrs []string
	for addr, conns := range p.idle {
		if len(conns) > 0 {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// expire closes what was idle for too long. The caller holds mu.
func (p *pool) expire() {
	for addr, conns := range p.idle {
		p.idle[addr] = slices.DeleteFunc(conns, func(c idleConn) bool {
			if time.Since(c.since) < maxIdleTime {
				return false
			}
			_ = c.conn.Close() // unused and given up: its state concerns nobody
			return true
		})
		if len(p.idle[addr]) == 0 {
			delete(p.idle, addr)
		}
	}
}

// close closes the unused connections now and the others when they come back.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, conns := range p.idle {
		for _, c := range conns {
			errs = append(errs, c.conn.Close())
		}
	}
	p.idle = nil
	return errors.Join(errs...)
}
