package zookeeper

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// relay stands between one client and all servers. It knows frames, so that it can lose a certain answer.
type relay struct {
	addrs   []string // one for each server, set once
	running sync.WaitGroup
	lns     []net.Listener

	mu       sync.Mutex
	links    map[*hop]struct{} // guarded by mu, as is all below
	cut      bool
	silent   bool // nothing passes in either direction
	lose     lose
	accepted int
	hello    []byte // the newest greeting's body: session and password
	carried  int    // bytes of answers
}

type lose int

const (
	loseNothing lose = iota
	loseRequest
	loseAnswer
)

// hop is one connection and its counterpart.
type hop struct {
	client, server *net.TCPConn
	swallow        int32 // xid of the answer that is lost; guarded by the relay's mu
}

func newRelay(t *testing.T, servers []string) *relay {
	t.Helper()
	r := &relay{links: map[*hop]struct{}{}}
	for _, server := range servers {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.addrs = append(r.addrs, ln.Addr().String())
		r.lns = append(r.lns, ln)
		r.running.Go(func() { r.accept(ln, server) })
	}
	t.Cleanup(r.close)
	return r
}

func (r *relay) close() {
	for _, ln := range r.lns {
		_ = ln.Close()
	}
	r.Cut()
	r.running.Wait()
}

func (r *relay) accept(ln net.Listener, server string) {
	for {
		in, err := ln.Accept()
		if err != nil {
			return
		}
		client := in.(*net.TCPConn)
		out, err := net.DialTimeout("tcp", server, time.Second)
		if err != nil {
			_ = client.SetLinger(0)
			_ = client.Close()
			continue
		}
		h := &hop{client: client, server: out.(*net.TCPConn)}
		r.mu.Lock()
		r.accepted++
		r.links[h] = struct{}{}
		cut := r.cut
		r.mu.Unlock()
		if cut {
			r.reset(h)
			continue
		}
		r.running.Go(func() { r.forward(h) })
		r.running.Go(func() { r.back(h) })
	}
}

// Cut resets all connections, and new ones at once.
func (r *relay) Cut() {
	r.mu.Lock()
	r.cut = true
	r.mu.Unlock()
	r.Reset()
}

// Heal ends Cut and Silence.
func (r *relay) Heal() {
	r.mu.Lock()
	torn := r.silent
	r.cut, r.silent = false, false
	r.mu.Unlock()
	if torn {
		r.Reset()
	}
}

// Silence lets no byte pass, while all connections stay and new ones are accepted.
func (r *relay) Silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = true
}

// Reset resets all present connections.
func (r *relay) Reset() {
	r.mu.Lock()
	var all []*hop
	for h := range r.links {
		all = append(all, h)
	}
	r.mu.Unlock()
	for _, h := range all {
		r.reset(h)
	}
}

func (r *relay) reset(h *hop) {
	r.mu.Lock()
	delete(r.links, h)
	r.mu.Unlock()
	_ = h.client.SetLinger(0)
	_ = h.client.Close()
	_ = h.server.Close()
}

// Expire ends the session of the client at a server. Meanwhile the client is cut off, or it would take its session back.
func (r *relay) Expire(t *testing.T, server string) {
	t.Helper()
	r.Cut()
	defer r.Heal()
	r.mu.Lock()
	hello := r.hello
	r.mu.Unlock()
	endSession(t, server, hello)
}

func (r *relay) Lose(what lose) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lose = what
}

// stats returns how many connections there were, and how many bytes of answers.
func (r *relay) stats() (accepted, carried int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted, r.carried
}

func readFrame(from io.Reader) ([]byte, error) {
	frame := make([]byte, lengthBytes)
	if _, err := io.ReadFull(from, frame); err != nil {
		return nil, err
	}
	frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
	_, err := io.ReadFull(from, frame[lengthBytes:])
	return frame, err
}

func (r *relay) forward(h *hop) {
	defer r.reset(h)
	for first := true; ; first = false {
		frame, err := readFrame(h.client)
		if err != nil || !first && !r.passes(h, frame) {
			return
		}
		if r.isSilent() {
			continue
		}
		if _, err := h.server.Write(frame); err != nil {
			return
		}
	}
}

// passes says whether a request is to arrive, and whether its answer is to be lost.
func (r *relay) passes(h *hop, frame []byte) bool {
	request, err := parseRequest(frame[lengthBytes:])
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || request.op != opMulti || r.lose == loseNothing {
		return true
	}
	passes := r.lose == loseAnswer
	r.lose = loseNothing
	h.swallow = request.xid
	return passes
}

func (r *relay) isSilent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.silent
}

func (r *relay) back(h *hop) {
	defer r.reset(h)
	for first := true; ; first = false {
		frame, err := readFrame(h.server)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.carried += len(frame)
		if first {
			r.hello = frame[lengthBytes:]
		}
		lost := !first && h.swallow != 0 && int32(binary.BigEndian.Uint32(frame[lengthBytes:])) == h.swallow
		r.mu.Unlock()
		if lost {
			return
		}
		if r.isSilent() {
			continue
		}
		if _, err := h.client.Write(frame); err != nil {
			return
		}
	}
}

// endSession ends the session of a greeting at a server, as its client would.
func endSession(t *testing.T, server string, hello []byte) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", server, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	// Protocol, zxid, timeout, session, password: a greeting answers with protocol, timeout, session, password.
	body := append(make([]byte, 4+8), hello[4:4+4+8+4+16]...)
	greet := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	end := binary.BigEndian.AppendUint32(nil, requestBytes)
	for _, n := range []int32{1, opClose} {
		end = binary.BigEndian.AppendUint32(end, uint32(n))
	}
	for _, frame := range [][]byte{greet, end} {
		if _, err := conn.Write(frame); err != nil {
			t.Fatalf("end session: %v", err)
		}
		if _, err := readFrame(conn); err != nil {
			t.Fatalf("end session: %v", err)
		}
	}
}
