package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

const (
	dialTime  = 3 * time.Second // for a stream, with TLS and greetings
	firstWait = 20 * time.Millisecond
	mostWait  = time.Second
)

// peer is one whose process is watched.
type peer struct {
	end    context.CancelFunc
	log    *slog.Logger
	status Status // guarded by Streams.mu, but for Incarnation and Address, which are set once
}

// watch holds a stream to a peer, until ctx ends, the peer takes leave, or its process is proven dead.
func (s *Streams) watch(ctx context.Context, p *peer) {
	wait := firstWait
	for ctx.Err() == nil {
		st, err := s.dial(ctx, p, p.status.Address, dialTime)
		if err == nil {
			err = s.expected(st, p)
		}
		if err != nil {
			s.down(p, err)
			sleep(ctx, wait+rand.N(wait))
			wait = min(2*wait, mostWait)
			continue
		}
		wait = firstWait
		if s.hold(ctx, p, st) {
			return
		}
	}
}

// hold keeps a stream up and proves its end. It returns false if the peer has to be dialed anew, without any conclusion.
func (s *Streams) hold(ctx context.Context, p *peer, st *stream) (over bool) {
	for short := 0; ; short++ {
		s.set(p, Connected, "")
		begin := time.Now()
		err := st.talk(ctx, func(quiet int) { s.heard(p, quiet) })
		st.close()
		switch {
		case ctx.Err() != nil:
			return true
		case errors.Is(err, errGoodbye):
			s.set(p, Left, "it took leave")
			return true
		}
		s.down(p, err)
		if !closedByPeer(err) {
			return false
		}
		if time.Since(begin) > mostWait {
			short = 0
		}
		if short > 0 { // opened and closed by turns: somebody in between is at play
			sleep(ctx, min(firstWait<<min(short, 10), mostWait))
		}
		next, dead := s.confirm(ctx, p, st)
		if dead {
			s.pronounce(ctx, p)
			return true
		}
		if st = next; st == nil {
			return false
		}
	}
}

// closedByPeer says whether a stream ended as those of a dying process do.
func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// pronounce delivers the death of a peer, as soon as somebody listens.
func (s *Streams) pronounce(ctx context.Context, p *peer) {
	s.set(p, Dead, "its process is dead: the stream was closed, and its port is not its own any more")
	select {
	case s.dead <- p.status.Incarnation:
	case <-ctx.Done():
	}
}

// dial opens a connection to an address of p and greets. Whoever answers is returned.
func (s *Streams) dial(ctx context.Context, p *peer, address string, limit time.Duration) (*stream, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	raw := conn.(*net.TCPConn)
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	st, err := s.introduce(p, raw)
	if !stop() || err != nil {
		_ = raw.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	return st, nil
}

// introduce says who we are and whom we look for, and reads who is there.
func (s *Streams) introduce(p *peer, raw *net.TCPConn) (*stream, error) {
	var config *tls.Config
	if s.tls != nil {
		var err error
		if config, err = s.tls.load(); err != nil {
			return nil, err
		}
		if config.ServerName, _, err = net.SplitHostPort(p.status.Address); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	hello := greeting{kind: kindHello, process: s.process, pool: s.pool, from: s.self, to: p.status.Incarnation}
	s.mu.Unlock()
	if !hello.sound() {
		return nil, fmt.Errorf("greet %q as %q: %w", hello.to, hello.from, errGreeting)
	}
	conn, err := encrypted(raw, config, tls.Client)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(hello.encode()); err != nil {
		return nil, fmt.Errorf("write greeting: %w", err)
	}
	far, err := readGreeting(conn)
	switch {
	case err != nil:
		return nil, err
	case far.kind == kindRefusal || far.pool != s.pool:
		return nil, errRefused
	case far.kind != kindWelcome:
		return nil, errGreeting
	}
	return &stream{raw: raw, conn: conn, far: far}, nil
}

// expected returns an error, and closes the stream, if another incarnation answered than the one that is watched.
func (s *Streams) expected(st *stream, p *peer) error {
	if st.far.from == p.status.Incarnation {
		return nil
	}
	st.close()
	if st.far.from == "" {
		return errors.New("it has not joined the pool yet")
	}
	return fmt.Errorf("it is %s by now", st.far.from)
}

// set notes a state.
func (s *Streams) set(p *peer, state State, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.status.State != state {
		p.status.State, p.status.Since = state, time.Now()
		p.log.Info("peer stream changed", "state", state.String(), "why", problem)
	}
	p.status.Problem, p.status.Silent = problem, false
}

// down notes why there is no stream, and logs it when that is news.
func (s *Streams) down(p *peer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.status.Problem != err.Error() {
		p.log.Info("peer not connected", "err", err)
	}
	if p.status.State != Connecting {
		p.status.State, p.status.Since = Connecting, time.Now()
	}
	p.status.Problem, p.status.Silent = err.Error(), false
}

// heard notes for how many beats nothing came.
func (s *Streams) heard(p *peer, quiet int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	silent := quiet >= silentBeats
	if silent && !p.status.Silent {
		p.log.Warn("peer fell silent")
	} else if !silent && p.status.Silent {
		p.log.Info("peer was heard again")
	}
	p.status.Silent = silent
}
