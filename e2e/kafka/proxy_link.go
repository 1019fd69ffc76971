package kafka

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// direction is that of bytes; it indexes counters.
type direction int

const (
	up   direction = iota // client to target
	down                  // target to client
)

// ending is how a link closes its connections.
type ending int

const (
	closed ending = iota
	reset
)

const (
	chunkBytes  = 16 << 10
	chunksQueue = 256 // of at most chunkBytes: what is in the air while delayed
	minPiece    = 512 // bytes written at once under a throttle
	thinQueue   = 2   // chunks that a throttled link takes in hand before the sender has to wait
	thinBuffer  = 32 << 10
	thinPause   = 5 * time.Millisecond
)

// chunk is bytes on their way.
type chunk struct {
	data []byte
	due  time.Time // not delivered before
}

// link is one client connection and its counterpart to the target.
type link struct {
	proxy  *Proxy
	client *net.TCPConn
	torn   atomic.Bool        // lost bytes: the stream makes no sense any more
	cancel context.CancelFunc // ends all waits of the link

	blocked [2]atomic.Bool // by direction: all is swallowed
	carried [2]int64       // bytes by direction; each owned by its deliver

	mu     sync.Mutex
	target *net.TCPConn // guarded by mu until handle has set it; nil in a black hole
	ended  bool         // guarded by mu
}

// handle relays one accepted connection until both directions have ended.
func (p *Proxy) handle(conn *net.TCPConn, listener net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &link{proxy: p, client: conn, cancel: cancel}
	p.mu.Lock()
	if p.listener != listener { // cut between accept and here
		p.mu.Unlock()
		l.end(reset)
		return
	}
	p.links[l] = struct{}{}
	hole := p.faults.swallowUp
	p.mu.Unlock()
	p.stats.accepted.Add(1)
	p.stats.open.Add(1)

	if hole {
		l.torn.Store(true)
		l.swallowAll()
	} else if l.dial(ctx) {
		var both sync.WaitGroup
		both.Go(func() { l.relay(ctx, up, l.client, l.target) })
		both.Go(func() { l.relay(ctx, down, l.target, l.client) })
		both.Wait()
	}
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	l.end(closed)
	p.stats.open.Add(-1)
}

// dial connects to the target. Where that fails, a reset is the nearest thing to a refusal.
func (l *link) dial(ctx context.Context) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", l.proxy.target)
	if err != nil {
		l.proxy.stats.unreachable.Add(1)
		l.end(reset)
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.target = conn.(*net.TCPConn)
	if l.ended { // while dialling
		_ = l.target.Close()
		return false
	}
	return true
}

// end closes both connections; only the first call counts. Errors say that a connection is gone already.
func (l *link) end(how ending) {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	for _, conn := range []*net.TCPConn{l.client, l.target} {
		if conn == nil {
			continue
		}
		if how == reset {
			_ = conn.SetLinger(0)
		}
		_ = conn.Close()
	}
}

func (l *link) isTorn() bool { return l.torn.Load() }

// swallowAll reads what a client says into a black hole, until the link is ended; there is no other side. The end of
// the client goes unnoticed too.
func (l *link) swallowAll() {
	buffer := make([]byte, chunkBytes)
	for {
		n, err := l.client.Read(buffer)
		l.proxy.stats.swallowed[up].Add(int64(n))
		if err != nil {
			return
		}
	}
}

// relay moves the bytes of one direction: it reads, and a second goroutine writes what is due.
func (l *link) relay(ctx context.Context, d direction, from, to *net.TCPConn) {
	queue := make(chan chunk, chunksQueue)
	var writer sync.WaitGroup
	writer.Go(func() { l.deliver(ctx, d, to, queue) })
	defer writer.Wait()
	defer close(queue)
	for {
		if !l.thin(ctx, d, from, queue) {
			return
		}
		buffer := make([]byte, chunkBytes)
		n, err := from.Read(buffer)
		if n > 0 {
			f, _ := l.proxy.current()
			select {
			case queue <- chunk{data: l.proxy.translate(d, buffer[:n]), due: time.Now().Add(f.delay[d])}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// thin waits while a throttled link has enough in hand: a thin line does not take megabytes off its sender at once.
func (l *link) thin(ctx context.Context, d direction, from *net.TCPConn, queue chan chunk) bool {
	narrowed := false
	for {
		f, _ := l.proxy.current()
		if f.rate == 0 {
			return true
		}
		inAir := int(float64(f.rate) * f.delay[d].Seconds())
		if !narrowed {
			_ = from.SetReadBuffer(thinBuffer + inAir) // an error says that the connection has ended, and so will the next read
			narrowed = true
		}
		if len(queue) < thinQueue+inAir/chunkBytes {
			return true
		}
		if !pause(ctx, thinPause) {
			return false
		}
	}
}

// deliver writes the chunks of one direction, and passes the end of the stream on.
func (l *link) deliver(ctx context.Context, d direction, to *net.TCPConn, queue <-chan chunk) {
	for c := range queue {
		if !pause(ctx, time.Until(c.due)) || !l.write(ctx, d, to, c.data) {
			l.end(closed) // the reader must not wait for us
		}
	}
	if !l.blocked[d].Load() && l.awaitOpen(ctx, d) {
		_ = to.CloseWrite() // an error says that there is nothing left to close
	}
}
