package peer

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// A dying process closes its sockets one by one, so for a moment its port still takes connections.
const (
	redials     = 25
	redialWait  = 5 * time.Millisecond
	redialTime  = 500 * time.Millisecond // for one redial with its greeting
	confirmTime = 2 * time.Second        // for all; a proof that comes later is left to the session
)

// confirm asks at the very address where the stream was whether its process is dead. It returns a new stream if the same
// incarnation answers, and neither stream nor proof if nothing can be concluded.
func (s *Streams) confirm(ctx context.Context, p *peer, was *stream) (st *stream, dead bool) {
	ctx, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	wait := redialWait
	for try := range redials {
		st, err := s.dial(ctx, p, was.raw.RemoteAddr().String(), redialTime)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return nil, true
		case errors.Is(err, errRefused):
			return nil, false // somebody else lives there by now, of whom we know nothing
		case err == nil && st.far.from == p.status.Incarnation:
			return st, false
		case err == nil:
			st.close()
			if replaced(was.far, st.far) {
				return nil, true
			}
		}
		if ctx.Err() != nil {
			return nil, false
		}
		if try >= redials/2 { // the machine is busy: the rest of the tries is spread over a second
			wait = min(wait*3/2, 20*redialWait)
		}
		sleep(ctx, wait)
	}
	return nil, false
}

// replaced says whether the address has been taken over by a later process of the same instance: only the end of the former
// one frees it. A new incarnation of the same process proves nothing.
func replaced(was, is greeting) bool {
	return is.process != was.process && is.from != was.from && instanceOf(is.from) != "" && instanceOf(is.from) == instanceOf(was.from)
}
