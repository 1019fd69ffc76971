package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/znode"
)

// Config says who a member is.
type Config struct {
	Link        string
	Root        string  // of the pool's tree, such as /mirror/eu
	Instance    string  // stays the same when the process starts anew; no two members of a pool have the same
	Zone        string  // a standby is in another, where there is one; may be empty
	Capacity    float64 // share of the load beside the others', above 0, to 1000
	PeerAddress string  // host:port at which other members reach this one; empty where it listens for none
	Evict       bool    // remove members whose processes are proven dead; else their sessions' ends are waited for
}

// Peers are the streams that members hold to each other. All methods are safe for concurrent use and none blocks.
type Peers interface {
	// Set says what to hold streams to: addresses by incarnation. self is the own incarnation, "" while there is none.
	Set(self string, peers map[string]string)
	// Dead gives incarnations whose processes are proven dead, each once.
	Dead() <-chan string
	// Streams says how the stream to each incarnation is.
	Streams() map[string]Stream
}

// Pool is a member. It implements mirror.Ownership and mirror.Store. All methods are safe for concurrent use.
type Pool struct {
	cfg    Config
	paths  znode.Paths
	client coord.Client
	peers  Peers // nil: there are none
	log    *slog.Logger

	held   atomic.Pointer[held]
	denied atomic.Bool // the members may not be listed, so that this one would not learn that its own node is gone
	mail   mailbox

	mu     sync.Mutex // held for a turn, and for what is asked and said from outside
	member *member    // guarded by mu
}

// New checks the configuration. Nothing is done before Run; until then nothing is held. peers may be nil. The pool closes
// the client when Run ends.
func New(cfg Config, client coord.Client, peers Peers, log *slog.Logger) (*Pool, error) {
	paths, err := znode.NewPaths(cfg.Root)
	if err != nil {
		return nil, fmt.Errorf("pool of link %s: %w", cfg.Link, err)
	}
	if _, err := (znode.Member{Instance: cfg.Instance, Zone: cfg.Zone, Capacity: cfg.Capacity, Peer: cfg.PeerAddress}).Encode(); err != nil {
		return nil, fmt.Errorf("pool of link %s: %w", cfg.Link, err)
	}
	p := &Pool{cfg: cfg, paths: paths, client: client, peers: peers, log: log.With("link", cfg.Link), mail: mailbox{wake: make(chan struct{}, 1)}}
	p.held.Store(&held{changed: make(chan struct{})})
	p.member = newMember(p)
	return p, nil
}

// leaveTime is how long a member that leaves tries to say what it released.
const leaveTime = 5 * time.Second

// Run joins the pool and takes part until ctx ends; whatever the service does, it goes on trying. Then it leaves: what was
// released is written, the rest is dropped, and the session is ended. By then the link should have released everything.
func (p *Pool) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	m := p.member
	p.mu.Lock()
	m.begin(work)
	p.mu.Unlock()
	for ctx.Err() == nil {
		p.turn(ctx)
	}
	late, stop := context.WithTimeout(work, leaveTime)
	defer stop()
	for late.Err() == nil && p.leaving() {
		p.turn(late)
	}
	p.mu.Lock()
	m.drop()
	p.mu.Unlock()
	err := p.client.Close()
	cancel()
	m.jobs.Wait()
	if err != nil && !errors.Is(err, coord.ErrClosed) {
		return fmt.Errorf("leave the pool of link %s: %w; its members see it go when the session expires", p.cfg.Link, err)
	}
	return nil
}

// leaving says whether something is to be written yet before the member goes.
func (p *Pool) leaving() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.member.farewell()
}

// turn does what follows from all that has happened, and waits until something does or ctx ends.
func (p *Pool) turn(ctx context.Context) {
	session, changed := p.client.Session()
	p.mu.Lock()
	p.member.turn(session)
	next := p.member.next
	p.mu.Unlock()
	var alarm <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-p.mail.wake:
	case <-alarm:
	case name := <-p.deaths():
		p.mail.post(func() { p.member.proven(name) })
	}
}

func (p *Pool) deaths() <-chan string {
	if p.peers == nil {
		return nil
	}
	return p.peers.Dead()
}

// mailbox keeps what is to be done in the next turn. Posting never waits.
type mailbox struct {
	wake chan struct{} // holds one: somebody posted

	mu      sync.Mutex
	letters []func() // guarded by mu
}

func (b *mailbox) post(letter func()) {
	b.mu.Lock()
	b.letters = append(b.letters, letter)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take empties the box.
func (b *mailbox) take() []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.letters
	b.letters = nil
	return all
}

// held is what the member has at one moment, for callers that must not wait. It is not changed once it is stored.
type held struct {
	generation uint64 // of the session that it rests on
	tenures    map[mirror.Unit]mirror.Tenure
	topics     map[string][]mirror.Tenure
	changed    chan struct{} // closed when another takes its place
}
