package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy is a TCP relay on loopback that can break its connections. It starts faultless. BlackHole, DropRequests and
// DropReplies replace each other, as do Delay and DelayReplies, and two calls of any other method; the rest adds up, until Heal ends all of it. Its methods
// are safe for concurrent use. A fault is in force for every byte read after the call returned; a write that was under
// way in that moment may get through.
type Proxy struct {
	addr   string // set once
	target string // set once
	stats  counters
	up     limiter // bytes per second from clients to the target, over all connections
	down   limiter // the other way

	running sync.WaitGroup // the accept loop and every link

	quit     chan struct{} // closed by Close
	quitOnce sync.Once

	mu       sync.Mutex
	listener net.Listener       // guarded by mu; nil while cut
	links    map[*link]struct{} // guarded by mu
	faults   faults             // guarded by mu
	words    [][2][]byte        // guarded by mu: what is put in the place of what
	changed  chan struct{}      // guarded by mu; closed and replaced when faults change
}

// faults is what is in force.
type faults struct {
	swallowUp   bool
	swallowDown bool
	delay       [2]time.Duration // by direction
	rate        int              // bytes per second, zero for no limit
	piece       int              // bytes written at once, zero for no limit
	largest     int              // bytes; larger pieces of a stream, and all behind them, are swallowed; zero for no limit
	silentAfter int64
	silentOn    int16 // of requests of this kind, by its key at Kafka, and all behind them; zero for none
	resetAfter  int64
}

// ProxyStats counts what a proxy did since it was made, so that a test can prove that a fault took place.
type ProxyStats struct {
	Accepted      int64 // connections
	Open          int64 // connections now
	Cut           int64 // connections closed by Cut
	Reset         int64 // connections reset by Reset or ResetAfter, or by Heal because they had lost bytes
	Silenced      int64 // connections that SilenceAfter, SilenceOn or LoseLarge made swallow bytes
	Unreachable   int64 // connections reset because the target did not accept
	UpBytes       int64 // delivered to the target
	DownBytes     int64 // delivered to clients
	SwallowedUp   int64 // bytes for the target that were dropped
	SwallowedDown int64 // bytes for clients that were dropped
}

type counters struct {
	accepted, open, cut, reset, silenced, unreachable atomic.Int64
	delivered, swallowed                              [2]atomic.Int64 // by direction
}

// NewProxy listens on addr, a loopback address whose port may be 0, and relays to target, which need not be up yet.
// Close ends it.
func NewProxy(addr, target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for proxy: %w", err)
	}
	p := &Proxy{
		addr:    listener.Addr().String(),
		target:  target,
		quit:    make(chan struct{}),
		links:   map[*link]struct{}{},
		changed: make(chan struct{}),
	}
	p.serve(listener)
	return p, nil
}

// Addr returns the address that clients dial.
func (p *Proxy) Addr() string { return p.addr }

// Target returns the address that the proxy relays to.
func (p *Proxy) Target() string { return p.target }

// Stats returns the counters. Those of bytes are updated after the bytes were written.
func (p *Proxy) Stats() ProxyStats {
	c := &p.stats
	return ProxyStats{
		Accepted:      c.accepted.Load(),
		Open:          c.open.Load(),
		Cut:           c.cut.Load(),
		Reset:         c.reset.Load(),
		Silenced:      c.silenced.Load(),
		Unreachable:   c.unreachable.Load(),
		UpBytes:       c.delivered[up].Load(),
		DownBytes:     c.delivered[down].Load(),
		SwallowedUp:   c.swallowed[up].Load(),
		SwallowedDown: c.swallowed[down].Load(),
	}
}

// Cut closes every connection and refuses new ones, as a host does whose process is gone.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close() // the accept loop ends by it, whatever it says
		p.listener = nil
	}
	for l := range p.links {
		l.end(closed)
		p.stats.cut.Add(1)
		delete(p.links, l)
	}
}

// BlackHole accepts connections, keeps those there are, and swallows every byte in both directions. Neither side
// learns anything of the other, not even that it closed.
func (p *Proxy) BlackHole() {
	p.change(func(f *faults) { f.swallowUp, f.swallowDown = true, true })
}

// DropReplies swallows what comes from the target alone: requests arrive and take effect, their answers are lost.
func (p *Proxy) DropReplies() {
	p.change(func(f *faults) { f.swallowUp, f.swallowDown = false, true })
}

// DropRequests swallows what goes to the target alone: nothing of it arrives, and what the target says still does.
func (p *Proxy) DropRequests() {
	p.change(func(f *faults) { f.swallowUp, f.swallowDown = true, false })
}

// SilenceAfter makes a connection a black hole once it has carried that many bytes in one direction, so that it dies in
// the middle of whatever it carries. Bytes carried before the call count.
func (p *Proxy) SilenceAfter(bytes int64) {
	p.change(func(f *faults) { f.silentAfter = bytes })
}

// ResetAfter ends each connection with a TCP reset once it has carried that many bytes in one direction. Bytes carried
// before the call count.
func (p *Proxy) ResetAfter(bytes int64) {
	p.change(func(f *faults) { f.resetAfter = bytes })
}

// LoseLarge swallows what is sent in pieces of more than size bytes, and all behind it in that direction, as a path does
// whose packets may not be that large and which does not say so: connections are made and small requests answered.
func (p *Proxy) LoseLarge(size int) {
	p.change(func(f *faults) { f.largest = size })
}

// SilenceOn makes a connection a black hole once a request of a kind begins a piece of what it carries to the target, by the
// key that Kafka has for it, which is not 0: so whoever alone asks for that hears nothing more.
func (p *Proxy) SilenceOn(key int16) {
	p.change(func(f *faults) { f.silentOn = key })
}

// Slice delivers at most that many bytes at a time, as packets of their own.
func (p *Proxy) Slice(bytes int) {
	p.change(func(f *faults) { f.piece = bytes })
}

// Delay holds all bytes for d in each direction: a round trip takes 2 d longer. At most 4 MiB are held for each
// connection and direction, which bounds the throughput.
func (p *Proxy) Delay(d time.Duration) {
	p.change(func(f *faults) { f.delay = [2]time.Duration{d, d} })
}

// DelayReplies is Delay for what comes from the target alone: requests take effect at once, and the client is told later.
func (p *Proxy) DelayReplies(d time.Duration) {
	p.change(func(f *faults) { f.delay = [2]time.Duration{down: d} })
}

// Translate puts words of the same length in the place of others in what comes from the target, as when a name means another
// place to some. It is no fault, and stays over Heal. A word that comes in two pieces is missed.
func (p *Proxy) Translate(words map[string]string) error {
	var all [][2][]byte
	for old, word := range words {
		if old == "" || len(old) != len(word) {
			return fmt.Errorf("translate %q to %q: the lengths differ", old, word)
		}
		all = append(all, [2][]byte{[]byte(old), []byte(word)})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.words = all
	return nil
}

// translate returns bytes of one direction as they are passed on.
func (p *Proxy) translate(d direction, data []byte) []byte {
	if d == up {
		return data
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.words {
		data = bytes.ReplaceAll(data, w[0], w[1])
	}
	return data
}

// Throttle limits each direction to bytesPerSecond, shared by all connections; zero lifts the limit.
func (p *Proxy) Throttle(bytesPerSecond int) {
	p.change(func(f *faults) { f.rate = bytesPerSecond })
}

// Reset ends every current connection with a TCP reset, at both sides. New ones are accepted.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resetLocked(func(*link) bool { return true })
}

// Heal ends all faults. Connections that lost bytes are reset, because what follows would be nonsense to the peer;
// the others go on. It is an error if a stranger took the port while it was cut.
func (p *Proxy) Heal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setLocked(faults{})
	p.resetLocked((*link).isTorn)
	select {
	case <-p.quit:
		return nil
	default:
	}
	if p.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		return fmt.Errorf("heal proxy: %w", err)
	}
	p.serve(listener)
	return nil
}

// Close ends the proxy and all connections, and returns when nothing of it runs any more.
func (p *Proxy) Close() {
	p.quitOnce.Do(func() { close(p.quit) })
	p.Cut()
	p.running.Wait()
}

func (p *Proxy) change(edit func(*faults)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.faults
	edit(&f)
	p.setLocked(f)
}

func (p *Proxy) setLocked(f faults) {
	p.faults = f
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) resetLocked(which func(*link) bool) {
	for l := range p.links {
		if which(l) {
			l.end(reset)
			p.stats.reset.Add(1)
			delete(p.links, l)
		}
	}
}

// current returns the faults in force, and a channel that is closed when they change.
func (p *Proxy) current() (faults, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults, p.changed
}

// serve accepts connections until the listener is closed. It runs with mu held, or before the proxy is shared.
func (p *Proxy) serve(listener net.Listener) {
	p.listener = listener
	p.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // the connection went away before it was ours, or files ran out: ask again
				select {
				case <-p.quit:
					return
				case <-time.After(10 * time.Millisecond):
					continue
				}
			}
			p.running.Go(func() { p.handle(conn.(*net.TCPConn), listener) })
		}
	})
}
