package kafka

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// Conn is one authenticated connection to a broker. It is used in one of two ways at a time: by Do,
// or by a lane that drives the socket itself with Read, WriteVec and the deadlines. One goroutine may
// read while another writes. Close may be called by anybody.
type Conn struct {
	addr     string
	sock     *socket
	session  *session
	broker   *sarama.Broker         // what opened the connection, asked again only to renew the session
	versions map[int16]versionRange // by api key; set by dial
	counted  *traffic               // of the cluster

	turn        chan struct{} // holds one element while a Do is under way
	correlation int32         // owned by the Do under way
	mutedUntil  time.Time     // owned by the Do under way: the broker reads nothing from us before

	mu     sync.Mutex // guards broken
	broken error
}

// versionRange is what a broker speaks of one request.
type versionRange struct{ oldest, newest int16 }

// Addr returns the address that was dialed.
func (c *Conn) Addr() string { return c.addr }

// MaxVersion returns the newest version of the request that the broker speaks, -1 if it lacks it.
func (c *Conn) MaxVersion(apiKey int16) int16 {
	known, ok := c.versions[apiKey]
	if !ok {
		return -1
	}
	return known.newest
}

// Read reads what has arrived into p, like net.Conn.
func (c *Conn) Read(p []byte) (int, error) { return c.sock.Read(p) }

// WakeAt lets a blocked Read sleep on while fewer than n bytes wait (SO_RCVLOWAT), n >= 1 and not more
// than what is still to come. It saves wake-ups under Linux, under TLS for large n, and is nothing
// elsewhere. Set it to 1 before waiting for something short. For the goroutine that reads.
func (c *Conn) WakeAt(n int) { c.sock.wakeAt(n) }

// WriteVec sends all of v before it returns: in one writev, or under TLS copied into full records. It
// consumes v, whose elements are changed. It gives up when nothing moved for patience (> 0): a slow link
// is not a dead one. After an error part of v may have been sent: close.
func (c *Conn) WriteVec(v net.Buffers, patience time.Duration) error {
	return c.sock.writeVec(v, patience)
}

// Unacknowledged returns how many bytes were sent and not yet acknowledged by the peer's kernel (SIOCOUTQ),
// 0 where that cannot be told. While it falls the link is slow, not dead.
func (c *Conn) Unacknowledged() int {
	if c.sock.raw == nil {
		return 0
	}
	return unacknowledged(c.sock.raw)
}

// SetReadDeadline sets when Read gives up; zero means never. Do and Reauthenticate clear it. Reading can go on
// after a Read that gave up.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.sock.SetReadDeadline(t) }

// NeedsReauth reports whether the SASL session has used up most of the time that the broker granted
// and Reauthenticate should be called at the next moment when nothing is in flight. A broker closes a
// connection that outlives its session, without an error code.
func (c *Conn) NeedsReauth() bool {
	due, _ := c.session.due()
	return due
}

// Reauthenticate renews the SASL session if NeedsReauth, else it returns at once. No request may be
// in flight and nobody may use the socket meanwhile. It takes a few round trips, each bounded to
// 10 s, and clears the deadlines. After an error the connection is of no use.
func (c *Conn) Reauthenticate() error {
	due, answers := c.session.due()
	if !due {
		return nil
	}
	c.WakeAt(1)
	// sarama renews the session before it sends whatever it is asked to send, once it finds it due.
	_, err := c.broker.ApiVersions(versionsRequest())
	if err == nil {
		c.session.asked(answers)
		err = c.sock.SetDeadline(time.Time{})
	}
	if err != nil {
		return c.fail(fmt.Errorf("renew SASL session at %s: %w", c.addr, withCode(err)))
	}
	return nil
}

// fail marks c broken for good, closes its socket and returns the first reason for that.
func (c *Conn) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		c.broken = err
		// The reason just recorded is the one to report; Close tells this call's result again.
		_ = c.sock.Close()
	}
	return c.broken
}

// brokenBy returns why c is of no use any more, nil if it is.
func (c *Conn) brokenBy() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// Close ends the connection, and whatever waits on it, at once; bytes not sent yet are thrown away.
// Further calls do nothing and return the same.
func (c *Conn) Close() error {
	err := c.sock.Close()
	// sarama closes the socket again, which does nothing, and ends its goroutine. It has one error of
	// its own, that this was done before.
	_ = c.broker.Close()
	return err
}
