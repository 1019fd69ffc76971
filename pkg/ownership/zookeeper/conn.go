package zookeeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errGivenUp  = errors.New("connection closed")
	errPartial  = errors.New("library wrote no whole frame")
	errCutOff   = errors.New("server did not answer for its leader")
	errIdentity = errors.New("ZooKeeper refused ownership.zookeeper.auth: check username and password")
)

// conn is a connection to one server, below the library, which writes one frame at a time from one goroutine and reads from
// another. It sees what the library does not tell: the greeting, which requests were answered, and every event of a watch.
type conn struct {
	net.Conn
	session   *session      // set once, as all here
	handshake time.Duration // until the greeting
	auth      []byte        // frame that is sent right after the greeting; nil for none
	clock     clock
	lost      sync.Once
	closing   atomic.Int32 // xid of the request that ends the session
	ended     atomic.Bool  // that it was answered

	// Owned by the reader.
	welcome bool   // the greeting is there
	frame   []byte // reused
	rest    []byte // of the frame, to be handed over

	greeted bool // owned by the writer: our greeting is sent
}

// SetReadDeadline implements net.Conn. The library would wait seven session timeouts for the greeting of a server that hangs.
func (c *conn) SetReadDeadline(t time.Time) error {
	if limit := time.Now().Add(c.handshake); !c.welcome && !t.IsZero() && t.After(limit) {
		t = limit
	}
	return c.Conn.SetReadDeadline(t)
}

// Read implements net.Conn. It reads whole frames, and hands them over once it has looked at them.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if err := c.next(); err != nil {
			c.fail(err)
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// next reads a frame into rest, or leaves rest empty where it is not for the library.
func (c *conn) next() error {
	c.frame = slices.Grow(c.frame[:0], lengthBytes)[:lengthBytes]
	if _, err := io.ReadFull(c.Conn, c.frame); err != nil {
		return c.explain(err)
	}
	n, err := frameLength(c.frame)
	if err != nil {
		return err
	}
	c.frame = slices.Grow(c.frame, n)[:lengthBytes+n]
	body := c.frame[lengthBytes:]
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		return c.explain(err)
	}
	if !c.welcome {
		return c.welcomed(body)
	}
	return c.answered(body)
}

func (c *conn) explain(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		if !c.welcome {
			return fmt.Errorf("%s accepts and does not answer: %w", c.RemoteAddr(), err)
		}
		return fmt.Errorf("%s fell silent: %w", c.RemoteAddr(), err)
	}
	return fmt.Errorf("%s closed the connection: %w", c.RemoteAddr(), err)
}

// welcomed takes the greeting. Our identity is sent before the library sends anything, so that no request goes without it.
func (c *conn) welcomed(body []byte) error {
	g, err := parseGreeting(body)
	if err != nil {
		return err
	}
	c.welcome = true
	c.rest = c.frame
	if g.session == 0 {
		c.lost.Do(c.session.expired)
		return nil
	}
	if c.auth != nil {
		if _, err := c.Conn.Write(c.auth); err != nil {
			return fmt.Errorf("send identity to %s: %w", c.RemoteAddr(), err)
		}
	}
	c.session.connected(g, c.clock.begin(g.timeout))
	return nil
}

func (c *conn) answered(body []byte) error {
	a, err := parseAnswer(body)
	if err != nil {
		return err
	}
	switch a.xid {
	case xidAuth:
		if a.code != 0 {
			return fmt.Errorf("%w (code %d)", errIdentity, a.code)
		}
		return nil
	case xidEvent:
		e, err := a.event()
		if err != nil {
			return err
		}
		c.session.watches.fire(e)
		return nil
	case c.closing.Load():
		if a.xid != 0 {
			c.ended.Store(true)
		}
	}
	if until, ok := c.clock.answered(a); ok {
		c.session.extend(until)
	}
	c.rest = c.frame
	return nil
}

// Write implements net.Conn, for one whole frame at a time.
func (c *conn) Write(p []byte) (int, error) {
	if len(p) < lengthBytes || int(binary.BigEndian.Uint32(p)) != len(p)-lengthBytes {
		c.fail(errPartial)
		return 0, errPartial
	}
	body, frame := p[lengthBytes:], p
	if !c.greeted {
		c.greeted = true
		c.clock.greet(time.Now())
	} else {
		r, err := parseRequest(body)
		if err != nil {
			c.fail(err)
			return 0, err
		}
		if r.op == opClose {
			c.closing.Store(r.xid)
		}
		if path, of, ok := r.watchable(); ok && c.session.watches.wanted(path, of) {
			frame = slices.Clone(p)
			frame[len(frame)-1] = 1
		}
		c.clock.sent(time.Now(), r)
	}
	n, err := c.Conn.Write(frame)
	if err != nil {
		err = fmt.Errorf("send to %s: %w", c.RemoteAddr(), err)
		c.fail(err)
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.fail(errGivenUp)
	return c.Conn.Close()
}

// giveUp closes the connection from our side, and says why.
func (c *conn) giveUp(why error) {
	c.fail(fmt.Errorf("%s: %w", c.RemoteAddr(), why))
	_ = c.Conn.Close() // the library reads that it is closed, and makes the next one
}

// fail says why the connection is of no use any more; the first reason counts.
func (c *conn) fail(why error) {
	c.lost.Do(func() { c.session.suspended(why) })
}
