// Package peer keeps a TCP stream from every member of a pool to every other, and proves by it that the process of a member is
// dead: within milliseconds, where the end of its session takes seconds. The kernel of a process that ends closes its
// sockets and refuses connections to its port from then on, and nothing else looks like that. Whatever else may happen to a
// stream (silence, a time-out, a reset, an answer that is not understood) proves nothing, and is left to the session.
package peer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// Config says where a member is reached, and by whom.
type Config struct {
	// Listen is the host:port to listen on and to announce. Of a host that is an IP address that address alone is listened
	// on, of a name all. Port 0 takes a free one. Empty: the host name and a free port.
	Listen string
	// Pool is what all members have in common and no other pool has: 1 to 400 bytes.
	Pool string
	// TLS is nil for plain TCP.
	TLS *TLS
}

// State is what is known of the stream to a peer.
type State uint8

// States.
const (
	Connecting State = iota // there is no stream; it is dialed again and again
	Connected               // there is one
	Left                    // the peer took leave; it is not dialed any more
	Dead                    // its process is proven dead; it is not dialed any more
)

func (s State) String() string {
	return [...]string{"connecting", "connected", "left", "dead"}[s]
}

// Status is the stream to one peer.
type Status struct {
	Incarnation string
	Address     string // as announced
	State       State
	Since       time.Time // of the state
	Silent      bool      // connected, and nothing came for silentBeats seconds: it may be frozen, overloaded or cut off
	Problem     string    // why there is no stream, "" while there is
}

// Streams are the streams of one member of one pool. All methods are safe for concurrent use.
type Streams struct {
	pool     string   // set once, like all down to changed
	process  [16]byte // tells this process from another at the same address
	tls      *TLS
	listener *net.TCPListener
	address  string
	log      *slog.Logger
	dead     chan string   // unbuffered: who is proven dead stays undelivered until somebody cares
	changed  chan struct{} // holds one token, so that Set never waits

	mu        sync.Mutex // guards everything below
	self      string
	wanted    map[string]string
	peers     map[string]*peer  // by incarnation: those dialed, and those that left or died while still wanted
	guests    map[string]*guest // by incarnation of who dialed
	newcomers int               // connections that have not greeted yet
}

// New listens, which is what refuses other processes the port, but accepts nothing before Run. It starts no goroutine. One
// who does not call Run calls Close.
func New(cfg Config, log *slog.Logger) (*Streams, error) {
	if len(cfg.Pool) == 0 || len(cfg.Pool) > maxPoolBytes {
		return nil, fmt.Errorf("open peer streams: the pool's id has %d bytes, want 1 to %d", len(cfg.Pool), maxPoolBytes)
	}
	if cfg.TLS != nil {
		if _, err := cfg.TLS.load(); err != nil {
			return nil, fmt.Errorf("open peer streams: %w", err)
		}
	}
	host, bind, err := addresses(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("open peer streams: %w", err)
	}
	listener, err := net.Listen("tcp", bind)
	if err != nil {
		return nil, fmt.Errorf("listen for peers (ownership.zookeeper.peer names a port of this host that is free): %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for peers: %w", err), listener.Close())
	}
	s := &Streams{pool: cfg.Pool, tls: cfg.TLS, listener: listener.(*net.TCPListener), address: net.JoinHostPort(host, port), log: log,
		dead: make(chan string), changed: make(chan struct{}, 1), peers: map[string]*peer{}, guests: map[string]*guest{}}
	_, _ = rand.Read(s.process[:]) // never fails, by its contract
	return s, nil
}

// addresses returns the host to announce and what to listen on.
func addresses(listen string) (host, bind string, err error) {
	if listen == "" {
		if host, err = os.Hostname(); err != nil {
			return "", "", fmt.Errorf("find a name to announce (set ownership.zookeeper.peer): %w", err)
		}
		return host, ":0", nil
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", "", fmt.Errorf("ownership.zookeeper.peer is not host:port: %w", err)
	}
	ip := net.ParseIP(host)
	if host == "" || ip != nil && ip.IsUnspecified() {
		return "", "", fmt.Errorf("ownership.zookeeper.peer: %q is no address that others can reach", listen)
	}
	if ip == nil {
		// A name may stand for the loopback address here and for another elsewhere, as that of the host often does.
		return host, ":" + port, nil
	}
	return host, listen, nil
}

// Addr is the host:port to announce.
func (s *Streams) Addr() string { return s.address }

// Close ends listening where Run was never called.
func (s *Streams) Close() error { return s.listener.Close() }

// Set says who the own member is, "" while it is none, and which streams to hold: incarnations and their addresses. The own
// one may be among them. It may be called often and returns at once.
func (s *Streams) Set(self string, peers map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if self != s.self {
		// What the others watch is over, though this process lives.
		for _, g := range s.guests {
			g.leave(errLeave)
		}
	}
	s.self, s.wanted = self, maps.Clone(peers)
	delete(s.wanted, self)
	if self == "" {
		s.wanted = nil
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Dead delivers the incarnations whose processes are proven dead, each once, and only while they are in what Set said. It
// is never closed.
func (s *Streams) Dead() <-chan string { return s.dead }

// Status returns how the streams are, in order of the incarnations.
func (s *Streams) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, 0, len(s.peers))
	for _, name := range slices.Sorted(maps.Keys(s.peers)) {
		all = append(all, s.peers[name].status)
	}
	return all
}

// Run accepts and dials until ctx ends. Then it takes leave of everybody: none of them takes the end for a death.
func (s *Streams) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { _ = s.listener.Close() }) // ends accept; its error says nothing new
	defer stop()
	all.Go(func() { cancel(s.accept(ctx, &all)) })
	for {
		s.reconcile(ctx, &all)
		select {
		case <-s.changed:
		case <-ctx.Done():
			if err := context.Cause(ctx); errors.Is(err, errListener) {
				return err
			}
			return nil
		}
	}
}

// reconcile ends the streams that are not wanted any more and starts those that are.
func (s *Streams) reconcile(ctx context.Context, all *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, p := range s.peers {
		if address, ok := s.wanted[name]; !ok || address != p.status.Address {
			p.end()
			delete(s.peers, name)
		}
	}
	for name, address := range s.wanted {
		if s.peers[name] != nil {
			continue
		}
		p := &peer{log: s.log.With("peer", name, "address", address)}
		p.status = Status{Incarnation: name, Address: address, Since: time.Now(), Problem: "not dialed yet"}
		ctx, end := context.WithCancel(ctx)
		p.end = end
		s.peers[name] = p
		all.Go(func() {
			defer end()
			s.watch(ctx, p)
		})
	}
}
