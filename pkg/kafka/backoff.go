package kafka

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	defaultBackoffMin = 50 * time.Millisecond
	defaultBackoffMax = 10 * time.Second
)

// Backoff gives growing, jittered waits between attempts: the n-th lies between half of Min*2^n and
// all of it, and never exceeds Max. The zero value is ready for use. It is for one goroutine.
type Backoff struct {
	// Min is the longest first wait; 0 means 50 ms.
	Min time.Duration
	// Max is the longest wait; 0 means 10 s.
	Max time.Duration

	ceiling time.Duration // of the next wait; 0 before the first
}

// Next returns the next wait.
func (b *Backoff) Next() time.Duration {
	first, last := b.Min, b.Max
	if first <= 0 {
		first = defaultBackoffMin
	}
	if last <= 0 {
		last = defaultBackoffMax
	}
	ceiling := min(max(b.ceiling, first), last)
	b.ceiling = min(ceiling, last/2) * 2
	half := ceiling / 2
	return half + rand.N(ceiling-half+1)
}

// Reset makes the next wait a first one again; call it after a success.
func (b *Backoff) Reset() { b.ceiling = 0 }

// Wait sleeps for Next or until ctx ends, and returns ctx's cause in the latter case.
func (b *Backoff) Wait(ctx context.Context) error {
	timer := time.NewTimer(b.Next())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
