package kafka

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// pair returns a socket and its peer, whose kernel takes little on its own.
func pair(t *testing.T) (*socket, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer func() { _ = listener.Close() }()
	sock, err := openSocket(t.Context(), listener.Addr().String(), Config{})
	if err != nil {
		t.Fatalf("openSocket: %v", err)
	}
	t.Cleanup(func() { _ = sock.Close() })
	peer, err := listener.Accept()
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	tcp := peer.(*net.TCPConn)
	if err := tcp.SetReadBuffer(32 << 10); err != nil {
		t.Fatalf("SetReadBuffer: %v", err)
	}
	if err := sock.transport.(*net.TCPConn).SetWriteBuffer(32 << 10); err != nil {
		t.Fatalf("SetWriteBuffer: %v", err)
	}
	return sock, tcp
}

// TestSlowPeerIsNotDead sends what a slow peer needs many times the patience for.
func TestSlowPeerIsNotDead(t *testing.T) {
	const size, patience = 4 << 20, time.Second
	sock, peer := pair(t)
	var g errgroup.Group
	pauses := 0
	g.Go(func() error {
		piece := make([]byte, 256<<10)
		for got := 0; got < size; {
			n, err := io.ReadAtLeast(peer, piece[:min(len(piece), size-got)], 1)
			if err != nil {
				return err
			}
			got += n
			if got>>19 != (got-n)>>19 { // every 512 KiB
				time.Sleep(patience / 3)
				pauses++
			}
		}
		return nil
	})
	begun := time.Now()
	if err := sock.writeVec(net.Buffers{make([]byte, 100), make([]byte, size-100)}, patience); err != nil {
		t.Fatalf("write to a slow peer: %v", err)
	}
	if err := g.Wait(); err != nil {
		t.Fatalf("peer: %v", err)
	}
	if took := time.Since(begun); pauses < 5 || took < 2*patience {
		t.Errorf("the peer paused %d times, the write took %v: it was not slow", pauses, took)
	}
}

// TestDeadPeerIsGivenUp fills a peer that stops to read; what it has not taken is told meanwhile.
func TestDeadPeerIsGivenUp(t *testing.T) {
	sock, _ := pair(t)
	if err := sock.writeVec(net.Buffers{make([]byte, 16<<20)}, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write to a peer that does not read: got %v, want a deadline", err)
	}
	if n := unacknowledged(sock.raw); n <= 0 {
		t.Errorf("%d bytes are unacknowledged, want some", n)
	}
}
