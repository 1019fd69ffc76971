package mirror

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Times of a rate.
const (
	rateBurst   = 100 * time.Millisecond // what the rate lets through in it may go at once
	rateAhead   = 2 * time.Second        // what it lets through in that is read ahead
	rateLinger  = 2 * time.Second        // for so long after a wait for it a link still counts as limited
	minAhead    = 1 << 20                // bytes that are read ahead at least
	minPortion  = 64 << 10               // bytes of one partition that a fetch brings at least, if they are there
	portionTime = time.Second
)

// allowance is the token bucket of a link: over all lanes and partitions it lets as many bytes go as the rate says, and after a
// pause what the rate lets through in rateBurst. A batch goes whenever the bucket is not empty; what is larger than its content is
// owed, and nothing goes before that is paid back. So batches of any size go, and the rate holds over any longer time. Its zero
// value limits nothing. Safe for concurrent use.
type allowance struct {
	rate atomic.Int64 // bytes per second, 0: no limit; written under mu

	mu  sync.Mutex
	has float64   // guarded by mu: bytes; below 0 they are owed
	at  time.Time // guarded by mu: as of when; zero before the first
}

// set changes the rate. What is owed stays owed, and is paid back at the new one.
func (a *allowance) set(rate int64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fill(now)
	a.rate.Store(rate)
	a.fill(now)
}

// fill brings the bucket up to now. Called under mu.
func (a *allowance) fill(now time.Time) {
	rate := float64(a.rate.Load())
	content := rate * rateBurst.Seconds()
	switch {
	case rate == 0:
		a.has, a.at = 0, time.Time{}
		return
	case a.at.IsZero():
		a.has = content
	default:
		a.has = min(content, a.has+rate*max(0, now.Sub(a.at).Seconds()))
	}
	a.at = now
}

// take lets n bytes go, or says that they have to wait.
func (a *allowance) take(n int, now time.Time) bool {
	if a.rate.Load() == 0 {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fill(now)
	if a.rate.Load() > 0 && a.has <= 0 {
		return false
	}
	a.has -= float64(n)
	return true
}

// spend counts n bytes that go beside those that were taken.
func (a *allowance) spend(n int) {
	if a.rate.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.has -= float64(n)
}

// wait is how long it takes until something may go, 0 when something may.
func (a *allowance) wait(now time.Time) time.Duration {
	if a.rate.Load() == 0 {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fill(now)
	rate := float64(a.rate.Load())
	if rate == 0 || a.has > 0 {
		return 0
	}
	return max(1, time.Duration(math.Ceil((1-a.has)/rate*float64(time.Second))))
}

// SetRate changes how many bytes per second the link sends, at once and while it runs; 0 is no limit. Safe for concurrent use.
func (l *Link) SetRate(bytesPerSecond int64) {
	l.allowance.set(bytesPerSecond, time.Now())
	l.sink.Kick() // what waits for the former rate may go by now
}

// RateWait is how long it takes until the link's rate lets something go, 0 when it does. Safe for concurrent use.
func (l *Link) RateWait(now time.Time) time.Duration { return l.allowance.wait(now) }

// Spend counts bytes on the wire beside the batches that Take counts: the frames around them. Safe for concurrent use.
func (l *Link) Spend(bytes int) { l.allowance.spend(bytes) }

// Portion is how many bytes of one partition a fetch should bring at most, so that what the rate lets through is shared evenly and
// does not fill the memory; 0: as many as there are. Safe for concurrent use.
func (l *Link) Portion() int {
	rate := l.allowance.rate.Load()
	if rate == 0 {
		return 0
	}
	return max(minPortion, int(min(float64(math.MaxInt32), float64(rate)*portionTime.Seconds())))
}

// crowded says that enough is queued for the rate. More would wait as well at the source, and take memory that other links need.
func (l *Link) crowded() bool {
	rate := l.allowance.rate.Load()
	return rate > 0 && float64(l.queued.Load()) > max(minAhead, float64(rate)*rateAhead.Seconds())
}

// mergeTarget is how large batches of several become: with a rate no larger than what may go at once.
func (l *Link) mergeTarget() int {
	rate := l.allowance.rate.Load()
	if rate == 0 {
		return mergeTargetBytes
	}
	return max(mergeBelowBytes, int(min(mergeTargetBytes, float64(rate)*rateBurst.Seconds())))
}

// limited says that the link's rate holds it back.
func (l *Link) limited(now time.Time) bool {
	return l.allowance.rate.Load() > 0 && l.flow.limited.recent(now, rateLinger)
}

// slowed says that the partition is behind for the link's rate and not because something stands still: what it has under way is
// answered in time, and nothing is amiss.
func (p *Pipeline) slowed(now time.Time) bool {
	answered := p.window.sent == 0 || now.Sub(p.owedSince) < stalledAfter
	return p.joined && answered && p.sourceTrouble == "" && p.destTrouble == "" && p.link.limited(now)
}

// rateText tells people about it.
func (l *Link) rateText() string {
	return fmt.Sprintf("limited by rate: %d bytes per second", l.allowance.rate.Load())
}
