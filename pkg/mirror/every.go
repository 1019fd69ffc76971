package mirror

import (
	"context"
	"time"
)

// every calls do once per interval until ctx ends. What takes longer than the interval puts the next call off.
func every(ctx context.Context, interval time.Duration, do func(now time.Time)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			do(now)
		}
	}
}
