package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// What strangers may cost: connections that have not greeted yet, how long they have for it, and those that did. Who comes
// too many is closed at once, which proves nothing to anybody.
const (
	maxNewcomers = 64
	maxGuests    = 512
	greetingTime = 2 * time.Second
)

var (
	errListener = errors.New("the listener for peers is gone")
	errLeave    = errors.New("this member leaves")
	errReplaced = errors.New("the same member dialed again")
)

// guest is a peer that dialed, and watches this process by the stream.
type guest struct{ leave context.CancelCauseFunc }

// accept serves whoever connects until ctx ends. Nothing but the end closes the listener: its port refusing a connection is
// the proof that this process is dead.
func (s *Streams) accept(ctx context.Context, all *sync.WaitGroup) error {
	for {
		raw, err := s.listener.AcceptTCP()
		if ctx.Err() != nil {
			if err == nil {
				_ = raw.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept a peer: %w: %w", errListener, err)
		}
		if err != nil { // such as a lack of descriptors, which passes
			s.log.Warn("accepting a peer failed", "err", err)
			sleep(ctx, beat)
			continue
		}
		if !s.admit() {
			_ = raw.Close()
			continue
		}
		all.Go(func() {
			defer func() { _ = raw.Close() }()
			s.serve(ctx, raw)
		})
	}
}

// admit counts a newcomer, if there is room for one.
func (s *Streams) admit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newcomers >= maxNewcomers || len(s.guests) >= maxGuests {
		return false
	}
	s.newcomers++
	return true
}

// serve greets a newcomer and lets it watch this process for as long as it likes.
func (s *Streams) serve(ctx context.Context, raw *net.TCPConn) {
	st, err := s.greet(ctx, raw)
	s.mu.Lock()
	s.newcomers--
	if err != nil || st.far.to != s.self { // it looks for who was here before, or has another incarnation by now
		s.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			s.log.Debug("peer refused", "remote", raw.RemoteAddr().String(), "err", err)
		}
		return
	}
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	me := &guest{leave: leave}
	if before := s.guests[st.far.from]; before != nil {
		before.leave(errReplaced)
	}
	s.guests[st.far.from] = me
	s.mu.Unlock()

	err = st.talk(ctx, func(int) {})
	s.mu.Lock()
	if s.guests[st.far.from] == me {
		delete(s.guests, st.far.from)
	}
	s.mu.Unlock()
	if ctx.Err() != nil && !errors.Is(err, errReplaced) {
		st.leave()
	}
}

// greet hears who a newcomer is and answers, all within greetingTime.
func (s *Streams) greet(ctx context.Context, raw *net.TCPConn) (*stream, error) {
	if err := raw.SetDeadline(time.Now().Add(greetingTime)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	var config *tls.Config
	if s.tls != nil {
		var err error
		if config, err = s.tls.load(); err != nil {
			return nil, err
		}
	}
	conn, err := encrypted(raw, config, tls.Server)
	if err != nil {
		return nil, err
	}
	hello, err := readGreeting(conn)
	if err != nil {
		return nil, err
	}
	answer := greeting{kind: kindRefusal, process: s.process}
	known := hello.kind == kindHello && hello.pool == s.pool
	if known {
		s.mu.Lock()
		answer = greeting{kind: kindWelcome, process: s.process, pool: s.pool, from: s.self, to: hello.from}
		s.mu.Unlock()
	}
	if _, err := conn.Write(answer.encode()); err != nil {
		return nil, fmt.Errorf("write greeting: %w", err)
	}
	if !known {
		return nil, fmt.Errorf("greet: %w", errRefused)
	}
	return &stream{raw: raw, conn: conn, far: hello}, nil
}

// sleep waits, but not beyond the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
