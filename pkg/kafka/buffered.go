package kafka

import (
	"bufio"
	"net"
	"sync"
)

// tlsBufferBytes is the size of each buffer around a TLS connection: crypto/tls reads and writes one
// 16 KiB record per system call by itself, and those calls cost more than the cipher.
const tlsBufferBytes = 64 << 10

// bufferedConn is the transport under a tls.Conn. Until holdBack it sends every write at once, as
// a handshake needs; after that only what fills the buffer, and the rest on flush.
type bufferedConn struct {
	net.Conn
	in *bufio.Reader // used by the goroutine that reads the tls.Conn

	mu      sync.Mutex // guards the rest: a read of the tls.Conn can write too, to answer a key update
	out     *bufio.Writer
	holding bool
}

func newBufferedConn(conn net.Conn) *bufferedConn {
	return &bufferedConn{
		Conn: conn,
		in:   bufio.NewReaderSize(conn, tlsBufferBytes),
		out:  bufio.NewWriterSize(conn, tlsBufferBytes),
	}
}

func (b *bufferedConn) Read(p []byte) (int, error) { return b.in.Read(p) }

func (b *bufferedConn) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.out.Write(p)
	if err == nil && !b.holding {
		err = b.out.Flush()
	}
	return n, err
}

// holdBack ends the handshake: from now on small writes wait for flush.
func (b *bufferedConn) holdBack() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holding = true
	return b.out.Flush()
}

// flush sends what is held back.
func (b *bufferedConn) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Flush()
}
