package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// What is said on a stream behind the greetings: single bytes. Unknown ones are signs of life like any other.
const (
	byteBeat    = '.'
	byteGoodbye = '!'
)

const (
	beat        = time.Second // between two signs of life
	silentBeats = 3           // without one a stream is silent, which changes nothing but the status
	deafBeats   = 30          // without one a stream is given up and dialed anew; the other end may not know it any more
	noise       = 1024        // bytes within one beat are no conversation of a mirror
	leaving     = 250 * time.Millisecond
)

var (
	errGoodbye = errors.New("it took leave")
	errDeaf    = errors.New("nothing came for too long")
	errNoise   = errors.New("it sent what no mirror sends")
)

// stream is one connection on which both ends have greeted.
type stream struct {
	raw  *net.TCPConn
	conn net.Conn // raw, or TLS on it
	far  greeting // of the other end
}

// close ends the connection without another word: what TLS would add may take seconds.
func (s *stream) close() { _ = s.raw.Close() }

// encrypted moves a connection onto TLS, unless that is nil.
func encrypted(raw *net.TCPConn, config *tls.Config, end func(net.Conn, *tls.Config) *tls.Conn) (net.Conn, error) {
	if config == nil {
		return raw, nil
	}
	conn := end(raw, config)
	if err := conn.Handshake(); err != nil { // bounded by the deadline of raw
		return nil, fmt.Errorf("make TLS handshake: %w", err)
	}
	return conn, nil
}

// talk keeps the stream alive from this end, and tells heard after each beat, and after each byte, for how many beats nothing
// came. It returns when the stream has ended, with why: the end of ctx, the other end's goodbye, or an error. It counts
// beats and not time: a process that was frozen itself must not take that for the silence of others.
func (s *stream) talk(ctx context.Context, heard func(quiet int)) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var buf [256]byte
	quiet, said := 0, 0
	next := time.Now()
	for {
		if now := time.Now(); !now.Before(next) {
			if err := s.say(byteBeat); err != nil {
				return err
			}
			next, said = now.Add(beat), 0
		}
		if err := s.conn.SetReadDeadline(next); err != nil {
			return err
		}
		if ctx.Err() != nil { // looked at behind the deadline that the end of ctx may have set before ours
			return context.Cause(ctx)
		}
		n, err := s.conn.Read(buf[:])
		switch said += n; {
		case bytes.IndexByte(buf[:n], byteGoodbye) >= 0:
			return errGoodbye
		case said > noise:
			return errNoise
		case n > 0:
			quiet = 0
			heard(quiet)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err != nil {
			quiet++
			heard(quiet)
		}
		if quiet > deafBeats {
			return errDeaf
		}
	}
}

// say writes a single byte, for which there is always room unless the other end has not read for hours.
func (s *stream) say(b byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(beat)); err != nil {
		return err
	}
	_, err := s.conn.Write([]byte{b})
	return err
}

// leave says goodbye and waits a moment for the other end to close: a reset could take the goodbye with it.
func (s *stream) leave() {
	if s.say(byteGoodbye) != nil || s.raw.CloseWrite() != nil {
		return
	}
	if s.raw.SetReadDeadline(time.Now().Add(leaving)) != nil {
		return
	}
	var buf [256]byte
	for {
		if _, err := s.raw.Read(buf[:]); err != nil {
			return
		}
	}
}
