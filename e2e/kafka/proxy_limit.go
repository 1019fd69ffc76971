package kafka

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// slack is by how much a limiter may be late and make up for it: timers of a busy machine are, and the rate would fall
// short by that.
const slack = 100 * time.Millisecond

// limiter spaces bytes out in time.
type limiter struct {
	mu   sync.Mutex
	free time.Time // guarded by mu: when all that was reserved is through
}

// reserve books n bytes at rate bytes per second, and returns how long to wait before they may be written.
func (l *limiter) reserve(n, rate int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.free) > slack { // it was idle, and not just late
		l.free = now
	}
	l.free = l.free.Add(time.Duration(n) * time.Second / time.Duration(rate))
	return l.free.Sub(now)
}

func (p *Proxy) limiter(d direction) *limiter {
	if d == up {
		return &p.up
	}
	return &p.down
}

// write delivers data under the faults in force, which may change between two pieces of it. It returns false when
// the link has ended.
func (l *link) write(ctx context.Context, d direction, to *net.TCPConn, data []byte) bool {
	for len(data) > 0 {
		f, _ := l.proxy.current()
		piece := f.next(data, l.carried[d])
		if f.rate > 0 {
			if !pause(ctx, l.proxy.limiter(d).reserve(len(piece), f.rate)) {
				return false
			}
			f, _ = l.proxy.current()
		}
		if f.largest > 0 && len(data) > f.largest {
			l.silence(&l.blocked[d])
		}
		if f.silentOn > 0 && d == up && begins(data, f.silentOn) || f.silentAfter > 0 && l.carried[d] >= f.silentAfter {
			l.silence(&l.blocked[up])
			l.silence(&l.blocked[down])
		}
		if f.resetAfter > 0 && l.carried[d] >= f.resetAfter {
			l.proxy.stats.reset.Add(1)
			l.end(reset)
			return false
		}
		data = data[len(piece):]
		if f.swallows(d) || l.blocked[d].Load() {
			l.torn.Store(true)
			l.proxy.stats.swallowed[d].Add(int64(len(piece)))
			continue
		}
		n, err := to.Write(piece)
		l.carried[d] += int64(n)
		l.proxy.stats.delivered[d].Add(int64(n))
		if err != nil {
			return false
		}
	}
	return true
}

// next returns how much of data is written at once by a link that has carried so many bytes.
func (f faults) next(data []byte, carried int64) []byte {
	n := len(data)
	if f.rate > 0 {
		n = min(n, max(minPiece, f.rate/20))
	}
	if f.piece > 0 {
		n = min(n, f.piece)
	}
	for _, limit := range [...]int64{f.silentAfter, f.resetAfter} {
		if carried < limit { // exactly up to there
			n = int(min(int64(n), limit-carried))
		}
	}
	return data[:n]
}

// begins says whether data begins with a request of a kind: its size and then its key.
func begins(data []byte, key int16) bool {
	return len(data) >= 6 && int16(binary.BigEndian.Uint16(data[4:])) == key
}

// silence makes a link swallow one direction until it is reset, by Heal or by its peers.
func (l *link) silence(blocked *atomic.Bool) {
	if !blocked.Swap(true) && !l.torn.Swap(true) {
		l.proxy.stats.silenced.Add(1)
	}
}

func (f faults) swallows(d direction) bool {
	if d == up {
		return f.swallowUp
	}
	return f.swallowDown
}

// pause waits; it returns false when ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// awaitOpen waits until nothing is swallowed in this direction; it returns false when the link ended meanwhile.
func (l *link) awaitOpen(ctx context.Context, d direction) bool {
	for {
		f, changed := l.proxy.current()
		if !f.swallows(d) {
			return ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
