package kafka

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"math/bits"
	"net"
	"sync"
	"syscall"
	"time"
)

// socket is one connection to a broker, plain or under TLS. One goroutine may read while another
// writes. As a net.Conn it is what sarama gets to authenticate on.
type socket struct {
	net.Conn // the transport, or TLS over it; reads and deadlines go there
	// The TCP connection, or what Config.Dial gave instead.
	transport net.Conn
	raw       syscall.RawConn // nil unless TCP: there are no options to set

	out patientWriter // what everything is sent through

	// Only under TLS, else nil. A write goes plain -> Conn (which encrypts) -> cipher -> out.
	plain  *bufio.Writer
	cipher *bufferedConn

	wake int // set by the reading goroutine: the low-water mark in force, 0 before the first

	closing  sync.Once
	closeErr error // set by closing
}

// openSocket resolves addr, connects and makes the TLS handshake if cfg has TLS.
func openSocket(ctx context.Context, addr string, cfg Config) (*socket, error) {
	dial := cfg.Dial
	if dial == nil {
		dial = tcpDialer().DialContext
	}
	bounded, cancel := context.WithTimeout(ctx, dialTimeout)
	conn, err := dial(bounded, "tcp", addr)
	cancel()
	if err != nil {
		return nil, err
	}
	s, err := newSocket(conn)
	if err == nil && cfg.TLS != nil {
		err = cfg.TLS.encrypt(ctx, s, addr)
	}
	if err != nil {
		// The reason for giving up is the error to tell; nothing was sent that a close could lose.
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

func tcpDialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
		},
	}
}

// newSocket sets the options of a TCP connection; another has none.
func newSocket(conn net.Conn) (*socket, error) {
	s := &socket{Conn: conn, transport: conn, out: patientWriter{Conn: conn}}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return s, nil
	}
	// Whatever ends this connection, kill -9 included, the kernel throws away what it has not sent.
	// A produce request must not arrive minutes after its sender was declared dead.
	if err := tcp.SetLinger(0); err != nil {
		return nil, fmt.Errorf("set SO_LINGER: %w", err)
	}
	var err error
	if s.raw, err = tcp.SyscallConn(); err != nil {
		return nil, fmt.Errorf("reach socket options: %w", err)
	}
	if err := setUserTimeout(s.raw, userTimeout); err != nil {
		return nil, fmt.Errorf("set TCP_USER_TIMEOUT: %w", err)
	}
	return s, nil
}

func (s *socket) secure(conn *tls.Conn, cipher *bufferedConn) {
	s.Conn, s.cipher = conn, cipher
	s.plain = bufio.NewWriterSize(conn, tlsBufferBytes)
}

// Write sends p at once.
func (s *socket) Write(p []byte) (int, error) {
	if s.plain == nil {
		return s.transport.Write(p)
	}
	n, err := s.plain.Write(p)
	if err != nil {
		return n, err
	}
	return n, s.flush()
}

// writeVec sends v at once, by writev or through the TLS buffers; it consumes v. It gives up when nothing moved for
// patience.
func (s *socket) writeVec(v net.Buffers, patience time.Duration) error {
	s.out.patience.Store(int64(patience))
	defer s.out.patience.Store(0)
	if s.plain == nil {
		return s.out.writeVec(v)
	}
	for _, piece := range v {
		if _, err := s.plain.Write(piece); err != nil {
			return err
		}
	}
	return s.flush()
}

func (s *socket) flush() error {
	if err := s.plain.Flush(); err != nil {
		return err
	}
	return s.cipher.flush()
}

// wakeAt sets the number of waiting bytes below which a blocked read sleeps on. It is advice: where it
// cannot be had, reads return earlier.
func (s *socket) wakeAt(n int) {
	if s.plain != nil {
		n = belowTLS(n)
	}
	if n == s.wake {
		return
	}
	s.wake = n
	if s.raw != nil {
		setLowWater(s.raw, n)
	}
}

// tlsHeld is more than what the buffers above the TCP connection can hold: the bufferedConn, and the record or two in tls.Conn.
const tlsHeld = tlsBufferBytes + 64<<10

// belowTLS turns a number of bytes still to come into one of the TCP connection, which has to deliver at least what is not
// held above it already; encryption only adds. A power of two, so that it does not change with every record.
func belowTLS(n int) int {
	n -= tlsHeld
	if n < 2 {
		return 1
	}
	return 1 << (bits.Len(uint(n)) - 1)
}

// abort ends every blocked read and write, now and later. A deadline would not do: whoever is using
// the socket may be about to set its own.
func (s *socket) abort() {
	_ = s.Close() // whoever owns the socket closes it too, and is told
}

// Close drops the connection and what was not sent yet. TLS gets no farewell: it would have to wait
// for room in the socket. Further calls return the first one's result.
func (s *socket) Close() error {
	s.closing.Do(func() { s.closeErr = s.transport.Close() })
	return s.closeErr
}
