package kafka

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = 10 * time.Second

// echoServer answers every byte with itself.
func echoServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

func echoProxy(t *testing.T) *Proxy {
	t.Helper()
	target := echoServer(t)
	p, err := NewProxy("127.0.0.1:0", target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if open := p.Stats().Open; open != 0 {
			t.Errorf("open connections after Close: got %d, want 0", open)
		}
	})
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// echo sends data and reads it back within wait.
func echo(conn net.Conn, data []byte, wait time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(data)
		sent <- err
	}()
	back := make([]byte, len(data))
	_, err := io.ReadFull(conn, back)
	if err = errors.Join(err, <-sent); err != nil {
		return err
	}
	if !bytes.Equal(back, data) {
		return errors.New("other bytes came back")
	}
	return nil
}

func mustEcho(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if err := echo(conn, []byte(text), patience); err != nil {
		t.Fatalf("echo %q: %v", text, err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// until polls until ok returns true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func TestProxyRelays(t *testing.T) {
	p := echoProxy(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // more than all buffers on the way
	if err := echo(dial(t, p), data, patience); err != nil {
		t.Fatal(err)
	}
	until(t, "both directions are counted", func() bool {
		s := p.Stats()
		return s.UpBytes == int64(len(data)) && s.DownBytes == int64(len(data))
	})
	if s := p.Stats(); s.Accepted != 1 || s.Open != 1 || s.Reset != 0 || s.Cut != 0 {
		t.Errorf("got %+v, want one open connection and no fault", s)
	}
}

func TestProxyPassesTheEndOn(t *testing.T) {
	p := echoProxy(t)
	conn := dial(t, p)
	mustEcho(t, conn, "x")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read after the end of both sides: got %v, want EOF", err)
	}
	until(t, "the link is gone", func() bool { return p.Stats().Open == 0 })
}

func TestProxyResetsWhereTheTargetIsDown(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := NewProxy("127.0.0.1:0", closed.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := net.Dial("tcp", p.Addr()) // the reset may be here before dial returns
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("dial and read: got %v, want connection reset", err)
	}
	if got := p.Stats().Unreachable; got != 1 {
		t.Errorf("unreachable: got %d, want 1", got)
	}
}

func TestProxyCut(t *testing.T) {
	p := echoProxy(t)
	conn := dial(t, p)
	mustEcho(t, conn, "before")

	p.Cut()
	p.Cut()
	if err := echo(conn, []byte("x"), patience); err == nil || isTimeout(err) {
		t.Errorf("echo over the cut connection: got %v, want a closed connection", err)
	}
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial while cut: got %v, want connection refused", err)
	}
	if got := p.Stats().Cut; got != 1 {
		t.Errorf("cut connections: got %d, want 1", got)
	}
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	mustEcho(t, dial(t, p), "after")
}

func TestProxyReset(t *testing.T) {
	p := echoProxy(t)
	conn := dial(t, p)
	mustEcho(t, conn, "before")

	p.Reset()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: got %v, want connection reset", err)
	}
	if got := p.Stats().Reset; got != 1 {
		t.Errorf("reset connections: got %d, want 1", got)
	}
	mustEcho(t, dial(t, p), "after")
}

func TestProxyBlackHole(t *testing.T) {
	p := echoProxy(t)
	used, idle := dial(t, p), dial(t, p)
	mustEcho(t, used, "before")
	mustEcho(t, idle, "before")

	p.BlackHole()
	late := dial(t, p)
	for name, conn := range map[string]net.Conn{"a connection from before": used, "a new connection": late} {
		if err := echo(conn, []byte("lost"), 100*time.Millisecond); !isTimeout(err) {
			t.Errorf("echo over %s: got %v, want a timeout", name, err)
		}
	}
	if s := p.Stats(); s.SwallowedUp != 8 || s.SwallowedDown != 0 || s.Reset != 0 || s.Cut != 0 {
		t.Errorf("got %+v, want 8 bytes swallowed on the way up and nothing closed", s)
	}

	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]net.Conn{"a connection from before": used, "a new connection": late} {
		if err := echo(conn, []byte("x"), patience); err == nil || isTimeout(err) {
			t.Errorf("echo after healing over %s, which lost bytes: got %v, want a reset", name, err)
		}
	}
	mustEcho(t, idle, "it lost nothing and goes on")
	mustEcho(t, dial(t, p), "after")
}

func TestProxyBlackHoleHidesTheEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p, err := NewProxy("127.0.0.1:0", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn := dial(t, p)
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}

	p.BlackHole()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	read := func(wait time.Duration) error {
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	if err := read(100 * time.Millisecond); !isTimeout(err) {
		t.Errorf("read while the end is hidden: got %v, want a timeout", err)
	}
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	if err := read(patience); !errors.Is(err, io.EOF) {
		t.Errorf("read after healing: got %v, want EOF", err)
	}
}

func TestProxyDropReplies(t *testing.T) {
	p := echoProxy(t)
	conn := dial(t, p)
	mustEcho(t, conn, "before")

	p.DropReplies()
	if err := echo(conn, []byte("landed"), 100*time.Millisecond); !isTimeout(err) {
		t.Errorf("echo: got %v, want a timeout", err)
	}
	until(t, "the reply is swallowed and the request is not", func() bool {
		s := p.Stats()
		return s.SwallowedUp == 0 && s.SwallowedDown == 6 && s.UpBytes == 12
	})
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	mustEcho(t, dial(t, p), "after")
}

func TestProxyTranslates(t *testing.T) {
	p := echoProxy(t)
	if err := p.Translate(map[string]string{"here": "longer"}); err == nil {
		t.Error("a word of another length is accepted")
	}
	if err := p.Translate(map[string]string{"host-a": "host-b"}); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, p)
	if _, err := conn.Write([]byte("to host-a and host-c")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("to host-a and host-c"))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "to host-b and host-c" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestProxySlows(t *testing.T) {
	tests := []struct {
		name  string
		fault func(*Proxy)
		bytes int
		least time.Duration
	}{
		{"delay in both directions", func(p *Proxy) { p.Delay(60 * time.Millisecond) }, 1, 120 * time.Millisecond},
		{"delay of replies", func(p *Proxy) { p.DelayReplies(120 * time.Millisecond) }, 1, 120 * time.Millisecond},
		{"throttle in both directions at once", func(p *Proxy) { p.Throttle(100_000) }, 20_000, 190 * time.Millisecond},
		{"throttle to less than one piece", func(p *Proxy) { p.Throttle(1000) }, 200, 190 * time.Millisecond},
		{"delay keeps the stream flowing", func(p *Proxy) { p.Delay(60 * time.Millisecond) }, 1 << 20, 120 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := echoProxy(t)
			conn := dial(t, p)
			data := bytes.Repeat([]byte("x"), test.bytes)
			mustEcho(t, conn, "before")

			test.fault(p)
			begin := time.Now()
			if err := echo(conn, data, patience); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took < test.least {
				t.Errorf("round trip: got %v, want at least %v", took, test.least)
			}
			if err := p.Heal(); err != nil {
				t.Fatal(err)
			}
			mustEcho(t, conn, "after, on the same connection")
		})
	}
}

func TestProxyCloseEndsEveryWait(t *testing.T) {
	for name, fault := range map[string]func(*Proxy){
		"black hole": (*Proxy).BlackHole,
		"delay":      func(p *Proxy) { p.Delay(time.Hour) },
		"throttle":   func(p *Proxy) { p.Throttle(1) },
	} {
		t.Run(name, func(t *testing.T) {
			p := echoProxy(t)
			conn := dial(t, p)
			mustEcho(t, conn, "before")
			fault(p)
			if err := echo(conn, []byte("stuck"), 50*time.Millisecond); !isTimeout(err) {
				t.Errorf("echo: got %v, want a timeout", err)
			}
			// The clean-up closes the proxy and waits for all of it.
		})
	}
}
