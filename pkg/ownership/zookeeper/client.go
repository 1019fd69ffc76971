// Package zookeeper is the real coord.Client: a session with a ZooKeeper ensemble, over the library go-zookeeper/zk.
//
// The library keeps the connection and encodes requests. What it does not do, or not safely, is done here, at the connection
// below it: the lease, watches, proving who we are, limits of time, choosing a server; and around it: contexts, the meaning
// of errors. It never retries a write.
//
// A request that was made under one session may be executed under the next, if the former expires while the request waits
// in the library. Therefore every write must begin with an OpCheck of a node that dies with the session; see coord.Client.
package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"tributary/pkg/ownership/coord"
)

// Client is a coord.Client.
type Client struct {
	session *session // set once, as all up to mu
	dialer  *dialer
	library *zk.Conn
	acl     []zk.ACL
	log     *slog.Logger

	over    <-chan zk.Event    // closed when the library's goroutines have ended
	closing context.CancelFunc // ends dialing and waiting for it

	mu     sync.Mutex
	closed bool           // guarded by mu
	calls  sync.WaitGroup // goroutines of calls, and the beat; added to under mu
}

var _ coord.Client = (*Client)(nil)

// Connect checks cfg and returns a client that seeks a session until it is closed. It does not wait for one: what keeps it
// from one is logged, and part of the errors of calls. Close must be called.
func Connect(cfg Config, log *slog.Logger) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("check ownership.zookeeper: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := newSession(cfg.SessionTimeout)
	h := &hosts{servers: cfg.Servers, resolve: net.DefaultResolver.LookupHost, ctx: ctx, log: log}
	d := &dialer{cfg: cfg, hosts: h, session: s, log: log}
	h.failed = d.complain
	c := &Client{session: s, dialer: d, closing: cancel, log: log, acl: zk.WorldACL(zk.PermAll)}
	if cfg.Auth != nil {
		c.acl = zk.DigestACL(zk.PermAll, cfg.Auth.Username, string(cfg.Auth.Password))
	}
	var err error
	c.library, c.over, err = zk.Connect(cfg.Servers, cfg.SessionTimeout, zk.WithDialer(d.dial), zk.WithHostProvider(h),
		zk.WithLogger(libraryLog{log}), zk.WithLogInfo(false))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("connect to ZooKeeper: %w", err)
	}
	c.calls.Go(c.beat)
	return c, nil
}

// Session implements coord.Client. In the phase Connecting, ID and Generation are those of the session that expired.
func (c *Client) Session() (coord.Session, <-chan struct{}) { return c.session.state() }

// Lease implements coord.Client. See clock for how it is reckoned: it is right also where servers are cut off from each other.
func (c *Client) Lease() time.Time { return c.session.until() }

// Close implements coord.Client. It takes milliseconds, or a second where the servers do not answer; then the session lives
// on until it expires, which is the error.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()

	before, _ := c.session.state()
	if before.Phase != coord.Connected {
		c.closing() // or the library would wait for a server
	}
	c.library.Close()
	c.session.closed()
	c.closing()
	last := c.dialer.drop()
	for range c.over { // events that nobody asked for
	}
	c.calls.Wait()
	nothing := before.ID == 0 || before.Phase == coord.Connecting // to be ended
	if !nothing && (last == nil || !last.ended.Load()) {
		return fmt.Errorf("end session %#x: %w; it ends by itself within %v", before.ID, errors.Join(errNoAnswer, c.session.why()), before.Timeout)
	}
	return nil
}

var errNoAnswer = errors.New("no answer")

// A beat keeps the lease: the library's own pings are answered by servers that may not know. It is a write to nothing that
// has to pass the leader, a fixed number of times in a timeout.
const beatsPerTimeout = 6

// beat runs until the client is closed. A server that answers pings but not the beat is cut off from its leader; another
// may not be.
func (c *Client) beat() {
	for {
		s, changed := c.session.state()
		if s.Phase == coord.Closed {
			return
		}
		next := make(<-chan time.Time)
		if s.Phase == coord.Connected {
			if err := c.sync(s.Timeout * 2 / 3); err != nil {
				c.log.Debug("beat was not answered", "err", err)
			}
			next = time.After(s.Timeout / beatsPerTimeout)
		}
		select {
		case <-changed:
		case <-next:
		}
	}
}

// sync asks for an answer of the leader, and gives the connection up where there is none.
func (c *Client) sync(limit time.Duration) error {
	on := c.dialer.current() // and no later one, which has asked nothing yet
	stuck := time.AfterFunc(limit, func() {
		if on != nil {
			on.giveUp(fmt.Errorf("%w within %v", errCutOff, limit))
		}
	})
	defer stuck.Stop()
	_, err := c.library.Sync("/")
	return err
}

// libraryLog passes on what the library has to say.
type libraryLog struct{ log *slog.Logger }

// Printf implements zk.Logger.
func (l libraryLog) Printf(format string, args ...any) {
	l.log.Debug("zookeeper library", "text", fmt.Sprintf(format, args...))
}
