package zookeeper

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/ownership/coord"
)

// script is a connection to a server that says what is written down.
type script struct {
	net.Conn
	in       io.Reader
	out      bytes.Buffer
	deadline time.Time
	closed   bool
}

func (s *script) Read(p []byte) (int, error)        { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)       { return s.out.Write(p) }
func (s *script) Close() error                      { s.closed = true; return nil }
func (s *script) RemoteAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2181} }
func (s *script) SetReadDeadline(t time.Time) error { s.deadline = t; return nil }

const helloHex = "00000000" + "00000bb8" + "0123456789abcdef" + "00000000" // 3 s

func greetingFrame(t *testing.T) []byte { return frameOf(unhex(t, helloHex)) }

func answerTo(xid, code int32) []byte {
	body := binary.BigEndian.AppendUint32(nil, uint32(xid))
	body = binary.BigEndian.AppendUint64(body, 9)
	return frameOf(binary.BigEndian.AppendUint32(body, uint32(code)))
}

func requestFrame(xid, op int32, rest ...byte) []byte {
	body := binary.BigEndian.AppendUint32(nil, uint32(xid))
	return frameOf(append(binary.BigEndian.AppendUint32(body, uint32(op)), rest...))
}

// met returns a connection whose greeting was read, and what the server goes on to say.
func met(t *testing.T, auth []byte, says ...[]byte) (*conn, *script) {
	t.Helper()
	s := &script{in: bytes.NewReader(slicesOf(append([][]byte{greetingFrame(t)}, says...)...))}
	c := &conn{Conn: s, session: newSession(timeout), handshake: time.Second, auth: auth}
	if _, err := c.Write(frameOf(make([]byte, 44))); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(greetingFrame(t)))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, greetingFrame(t)) {
		t.Fatalf("greeting: got %x, %v", got, err)
	}
	return c, s
}

func TestHandshakeHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{in: bytes.NewReader(greetingFrame(t))}
		c := &conn{Conn: s, session: newSession(timeout), handshake: time.Second}
		for _, test := range []struct {
			name      string
			set, want time.Time
		}{
			{"long", time.Now().Add(time.Minute), time.Now().Add(time.Second)},
			{"short", time.Now().Add(time.Millisecond), time.Now().Add(time.Millisecond)},
			{"none", time.Time{}, time.Time{}},
		} {
			if err := c.SetReadDeadline(test.set); err != nil || !s.deadline.Equal(test.want) {
				t.Errorf("%s: got %v, %v, want %v", test.name, s.deadline, err, test.want)
			}
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Minute)
		if err := c.SetReadDeadline(later); err != nil || !s.deadline.Equal(later) {
			t.Errorf("after the greeting: got %v, %v", s.deadline, err)
		}
	})
}

func TestIdentityGoesBeforeEveryRequest(t *testing.T) {
	auth := authFrame(Auth{"u", "p"})
	c, s := met(t, auth, answerTo(xidAuth, 0), answerTo(1, 0))
	if !bytes.HasSuffix(s.out.Bytes(), auth) {
		t.Errorf("sent %x", s.out.Bytes())
	}
	got := make([]byte, len(answerTo(1, 0)))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, answerTo(1, 0)) {
		t.Errorf("the library gets %x, %v, want only the answer to its own request", got, err)
	}
}

func TestRefusedIdentityEndsTheConnection(t *testing.T) {
	c, _ := met(t, authFrame(Auth{"u", "p"}), answerTo(xidAuth, -115))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, errIdentity) {
		t.Errorf("got %v", err)
	}
	if s, _ := c.session.state(); s.Phase != coord.Suspended || !errors.Is(c.session.why(), errIdentity) {
		t.Errorf("got %+v, %v", s, c.session.why())
	}
}

func TestRequestArmsAWatchThatSomebodyWaitsFor(t *testing.T) {
	c, s := met(t, nil)
	s.out.Reset()
	path := append([]byte{0, 0, 0, 2}, "/a"...)
	get := requestFrame(1, opGet, append(path, 0)...)
	list := requestFrame(2, opChildren, append(path, 0)...)
	c.session.watches.arm("/a", ofNode)
	for _, frame := range [][]byte{get, list} {
		before := bytes.Clone(frame)
		if _, err := c.Write(frame); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(frame, before) {
			t.Error("the library's buffer was written to")
		}
	}
	armed := bytes.Clone(get)
	armed[len(armed)-1] = 1
	if want := slicesOf(armed, list); !bytes.Equal(s.out.Bytes(), want) {
		t.Errorf("sent %x, want %x", s.out.Bytes(), want)
	}
}

func TestPartOfAFrameIsRefused(t *testing.T) {
	c, _ := met(t, nil)
	for name, p := range map[string][]byte{"cut": requestFrame(1, opSync)[:8], "two": slicesOf(requestFrame(1, opSync), requestFrame(2, opSync)),
		"nothing": nil, "no op": frameOf([]byte{0, 0, 0, 1})} {
		if _, err := c.Write(p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestEventClosesWatches(t *testing.T) {
	for name, test := range map[string]struct {
		what           int32
		node, children bool
	}{
		"created": {1, true, false}, "deleted": {2, true, true}, "data changed": {3, true, false}, "children changed": {4, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			body := binary.BigEndian.AppendUint32(nil, uint32(0xffffffff))
			body = append(body, make([]byte, answerBytes-4)...)
			body = binary.BigEndian.AppendUint32(body, uint32(test.what))
			body = append(body, unhex(t, "00000003"+"00000002"+"2f61")...)
			c, _ := met(t, nil, frameOf(body))
			w := c.session.watches
			node, children, other := w.arm("/a", ofNode), w.arm("/a", ofChildren), w.arm("/b", ofNode)
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Fatalf("the library gets an event: %v", err)
			}
			if isClosed(node) != test.node || isClosed(children) != test.children || isClosed(other) {
				t.Errorf("closed: node %v, children %v, another %v", isClosed(node), isClosed(children), isClosed(other))
			}
		})
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestEndOfAConnectionIsTold(t *testing.T) {
	c, s := met(t, nil)
	if err := c.Close(); err != nil || !s.closed {
		t.Errorf("close: %v", err)
	}
	if now, _ := c.session.state(); now.Phase != coord.Suspended || now.Generation != 1 || now.ID != 0x0123456789abcdef || now.Timeout != timeout {
		t.Errorf("got %+v", now)
	}
}

func TestReasonOfAConnectionGivenUpIsKept(t *testing.T) {
	c, s := met(t, nil)
	c.giveUp(errCutOff)
	_ = c.Close() // as the library does, which knows of no reason
	if why := c.session.why(); !errors.Is(why, errCutOff) || !s.closed {
		t.Errorf("got %v, closed %v", why, s.closed)
	}
}
