package zookeeper

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Limits of one attempt. They double with each round of failures, up to the time after which the library gives a silent
// server up, so that an ensemble which is slow for good is reached in the end.
const (
	dialLimit      = 300 * time.Millisecond
	handshakeLimit = 500 * time.Millisecond // of TLS, and of the greeting

	complainEvery = 30 * time.Second
	fewRounds     = 4
)

// dialer makes the library's connections, one at a time.
type dialer struct {
	cfg     Config // set once, as all up to mu
	hosts   *hosts
	session *session
	log     *slog.Logger

	complained time.Time // owned by the library's goroutine that dials

	mu   sync.Mutex
	held *conn // guarded by mu; the newest
}

// dial is a zk.Dialer. The former connection is closed: the library leaves it open when the session expired.
func (d *dialer) dial(network, address string, _ time.Duration) (net.Conn, error) {
	d.drop()
	made, err := d.open(d.hosts.ctx, network, address)
	if err != nil {
		err = fmt.Errorf("connect to ZooKeeper at %s: %w", address, err)
		d.session.suspended(err)
		return nil, err
	}
	c := &conn{Conn: made, session: d.session, handshake: d.limit(handshakeLimit)}
	if d.cfg.Auth != nil {
		c.auth = authFrame(*d.cfg.Auth)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = c
	return c, nil
}

func (d *dialer) open(ctx context.Context, network, address string) (net.Conn, error) {
	dialing := net.Dialer{Timeout: d.limit(dialLimit)}
	plain, err := dialing.DialContext(ctx, network, address)
	if err != nil || d.cfg.TLS == nil {
		return plain, err
	}
	config, err := d.cfg.TLS.load(d.hosts.name(address))
	if err != nil {
		_ = plain.Close() // nothing was said on it
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.limit(handshakeLimit))
	defer cancel()
	secure := tls.Client(plain, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = plain.Close() // the handshake's error is the one that counts
		return nil, fmt.Errorf("make TLS handshake: %w", err)
	}
	return secure, nil
}

func (d *dialer) limit(first time.Duration) time.Duration {
	return max(first, min(first<<min(d.hosts.rounds, maxDoublings), d.cfg.SessionTimeout*2/3))
}

// complain tells the operator, now and then, why there is no connection. It is called after each round of failures; the
// first few are no news.
func (d *dialer) complain() {
	if d.hosts.rounds < fewRounds || time.Since(d.complained) < complainEvery {
		return
	}
	d.complained = time.Now()
	d.log.Warn("zookeeper was not reached", "err", d.session.why())
}

// drop closes the connection, if there is one, and returns it.
func (d *dialer) drop() *conn {
	d.mu.Lock()
	c := d.held
	d.held = nil
	d.mu.Unlock()
	if c != nil {
		_ = c.Close() // it is given up
	}
	return c
}

// current returns the newest connection, nil for none.
func (d *dialer) current() *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held
}
