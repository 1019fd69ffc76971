package sim

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"time"
)

// segment is what one write sent.
type segment struct {
	data []byte
	sent time.Time // when it leaves the sender's kernel, for the last time
	at   time.Time // when it arrives
	held bool      // lost so far: the sender's kernel has it

	// Some of it was read. The rest is there too, whatever happens: the mirror holds a partition's lock from the first batch
	// of it in a response to the last, and a goroutine that waits for a lock would stop the bubble's time.
	begun bool
}

// pipe is one direction of a connection. Guarded by network.mu; both channels hold one.
type pipe struct {
	queue    []segment
	size     int
	last     time.Time // when the newest segment arrives
	end      error     // what the reader gets after the queue; nil while open
	endAt    time.Time
	endHeld  bool // the end was lost so far
	deaf     bool // nobody reads it any more
	readable chan struct{}
	writable chan struct{}
}

func newPipe() *pipe {
	return &pipe{readable: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
}

// resend gives what was lost a time of arrival.
func (p *pipe) resend(now time.Time, outage, oneWay time.Duration, random *rand.Rand) {
	sent := now.Add(time.Duration(random.Int64N(int64(min(max(outage, time.Millisecond), retransmit)))))
	at := sent.Add(oneWay)
	for i := range p.queue {
		if s := &p.queue[i]; s.held {
			s.held, s.sent = false, sent
			s.at = later(at, p.last)
			p.last = s.at
		}
	}
	if p.endHeld {
		p.endHeld, p.endAt = false, later(at, p.last)
	}
	signal(p.readable)
}

// hurry lets what is on its way arrive by a time: a queue that has gone delays nothing any more.
func (p *pipe) hurry(by time.Time) {
	for i := range p.queue {
		if s := &p.queue[i]; !s.held && s.at.After(by) && s.sent.Before(by) {
			s.at = by
		}
	}
	if p.last.After(by) && len(p.queue) > 0 {
		p.last = p.queue[len(p.queue)-1].at
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// discard forgets what has not arrived, or with all everything.
func (p *pipe) discard(now time.Time, all bool) {
	kept := p.queue[:0]
	p.size = 0
	for _, s := range p.queue {
		if !all && !s.held && !s.at.After(now) {
			kept = append(kept, s)
			p.size += len(s.data)
		}
	}
	p.queue = kept
	signal(p.writable)
}

// conn is one end of a connection.
type conn struct {
	n      *network
	b      *brokerHost
	m      *clientHost
	server bool
	out    *pipe
	in     *pipe
	peer   *conn

	// Guarded by n.mu.
	broken  error // what every use of this end gives
	gone    bool  // of a client's end: it is closed, its peer may not know
	readBy  time.Time
	writeBy time.Time
}

var _ net.Conn = (*conn)(nil)

// wake lets whoever waits at either end look again. The caller holds n.mu.
func (c *conn) wake() {
	for _, p := range []*pipe{c.in, c.out} {
		signal(p.readable)
		signal(p.writable)
	}
}

// still says that this end's machine does nothing at the moment.
func (c *conn) still() bool {
	if c.server {
		return c.b.frozen > 0
	}
	return c.m.stalled > 0
}

func (c *conn) lost() bool {
	if !c.m.faulty {
		return false
	}
	if c.server {
		return c.b.lostFrom > 0
	}
	return c.b.lostTo > 0
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	for {
		c.n.mu.Lock()
		n, wait, err := c.take(p, time.Now())
		c.n.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
		pause(c.in.readable, wait)
	}
}

// take reads what has arrived, or says how long to wait at most.
func (c *conn) take(p []byte, now time.Time) (int, time.Duration, error) {
	if c.broken != nil {
		return 0, 0, c.broken
	}
	wait := time.Hour
	if !c.readBy.IsZero() {
		if !now.Before(c.readBy) {
			return 0, 0, os.ErrDeadlineExceeded
		}
		wait = c.readBy.Sub(now)
	}
	begun := len(c.in.queue) > 0 && c.in.queue[0].begun
	if c.still() && !begun {
		c.n.counts["reads of a machine that stood still"]++
		return 0, wait, nil
	}
	if len(c.in.queue) > 0 {
		s := &c.in.queue[0]
		if s.held {
			return 0, wait, nil
		}
		if s.at.After(now) {
			return 0, min(wait, s.at.Sub(now)), nil
		}
		n := copy(p, s.data)
		s.begun = true
		if s.data = s.data[n:]; len(s.data) == 0 {
			c.in.queue = c.in.queue[1:]
		}
		c.in.size -= n
		signal(c.in.writable)
		return n, 0, nil
	}
	if c.in.end != nil && !c.in.endHeld {
		if c.in.endAt.After(now) {
			return 0, min(wait, c.in.endAt.Sub(now)), nil
		}
		return 0, 0, c.in.end
	}
	return 0, wait, nil
}

// pause waits for a signal, at most d.
func pause(c chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	select {
	case <-c:
	case <-timer.C:
	}
	timer.Stop()
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		c.n.mu.Lock()
		n, wait, err := c.put(p, time.Now())
		c.n.mu.Unlock()
		p = p[n:]
		written += n
		if err != nil {
			return written, err
		}
		if n == 0 {
			pause(c.out.writable, wait)
		}
	}
	return written, nil
}

// put sends as much as there is room for, or says how long to wait at most.
func (c *conn) put(p []byte, now time.Time) (int, time.Duration, error) {
	if c.broken != nil {
		return 0, 0, c.broken
	}
	wait := time.Hour
	if !c.writeBy.IsZero() {
		if !now.Before(c.writeBy) {
			return 0, 0, os.ErrDeadlineExceeded
		}
		wait = c.writeBy.Sub(now)
	}
	room := len(p) // a broker's response in one piece, see segment
	if !c.server {
		room = min(room, kernelBuffer-c.out.size)
	}
	if c.out.deaf {
		return len(p), 0, nil // the peer's reset is on its way
	}
	if room <= 0 || c.still() {
		return 0, wait, nil
	}
	s := segment{data: append([]byte(nil), p[:room]...), sent: now, held: c.lost()}
	if s.held {
		c.n.counts["segments lost"]++
	} else {
		s.at = later(now.Add(c.n.oneWay(c.b, c.m)), c.out.last)
		c.out.last = s.at
	}
	c.out.queue = append(c.out.queue, s)
	c.out.size += room
	signal(c.out.readable)
	return room, 0, nil
}

// Close implements net.Conn. A client's is abortive, as with SO_LINGER 0; a broker's is not.
func (c *conn) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.server {
		delete(c.n.conns, c.peer)
	}
	if c.broken != nil {
		return nil
	}
	if !c.server {
		c.drop(net.ErrClosed)
		return nil
	}
	c.broken = net.ErrClosed
	c.in.discard(time.Now(), true)
	c.in.deaf = true
	c.finish(io.EOF)
	c.wake()
	return nil
}

// finish sends the end of a direction behind what is on its way.
func (c *conn) finish(err error) {
	if c.out.end != nil {
		return
	}
	c.out.end, c.out.endHeld = err, c.lost()
	c.out.endAt = later(time.Now().Add(c.n.oneWay(c.b, c.m)), c.out.last)
}

// drop ends a client's end: what its kernel still had is thrown away, what is on its way arrives, and then a reset, unless
// that is lost. The caller holds n.mu.
func (c *conn) drop(err error) {
	c.broken, c.gone = err, true
	kept, now := c.out.queue[:0], time.Now()
	for _, s := range c.out.queue {
		if !s.held && !s.sent.After(now) {
			kept = append(kept, s)
		}
	}
	c.out.queue, c.out.last = kept, now
	if len(kept) > 0 {
		c.out.last = kept[len(kept)-1].at
	}
	c.in.discard(now, true)
	c.in.deaf = true
	c.finish(syscall.ECONNRESET)
	c.wake()
}

// reset ends both ends at once, as a reset from between them: what had arrived can be read. The caller holds n.mu.
func (c *conn) reset() {
	now := time.Now()
	for _, p := range []*pipe{c.in, c.out} {
		p.discard(now, false)
		p.end, p.endAt, p.endHeld, p.deaf = syscall.ECONNRESET, now, false, true
	}
	c.gone = true
	c.wake()
}

// crash ends both ends as the crash of the broker's machine: what it had not read is lost. The caller holds n.mu.
func (c *conn) crash() {
	c.peer.broken = syscall.ECONNRESET
	c.in.discard(time.Now(), true)
	c.out.discard(time.Now(), true)
	c.reset()
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return address("local") }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return address(c.b.addr) }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // neither fails
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.readBy = t
	signal(c.in.readable)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.writeBy = t
	signal(c.out.writable)
	return nil
}
