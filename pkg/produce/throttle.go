package produce

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that throttles a connection for a quota answers at once, and then reads nothing more of it for as long as the answer
// says. What lies there by then it carries out afterwards, also where the connection is gone meanwhile: that shows only behind
// what is read. So a request may arrive long after the grace of a calm scan, which old records would be doubled by. Hence nothing
// is sent into a long pause (KIP-219 asks for the same), one request goes at a time while there may be another pause, and a
// calm scan waits for the end of one: that of its own lane's connection, and what the broker says of one that it does not know, as
// another process had it. A quota is of the user or the client id, so that it shows at any connection of theirs. That way not
// everything is seen: a pause is longer than the quota's memory (quota.window.num x quota.window.size.seconds, 11 s) where a single
// request is more than what the quota allows in that time.

const (
	// longPause is from when on a pause matters: of as many shorter ones as there can be requests under way, the grace of a calm scan
	// outlasts the sum. Over a long way it would cost throughput to send nothing into those.
	longPause = grace / maxInFlight
	// throttleMemory is for how long after a long pause there may be another.
	throttleMemory = time.Minute
)

// throttle takes note of an answer's. Called with mu held.
func (l *lane) throttle(took time.Duration, now time.Time) {
	if took > 0 {
		l.muted = now.Add(took)
	}
	if took >= longPause {
		l.throttled = now
	}
}

// room returns how many requests may be under way, 0 during a long pause. Called with mu held.
func (l *lane) room(now time.Time) int {
	switch {
	case l.throttled.IsZero() || now.Sub(l.throttled) >= throttleMemory && !now.Before(l.muted):
		return maxInFlight
	case now.Before(l.muted):
		return 0
	}
	return 1
}

// pause returns how long the broker still reads nothing.
func (l *lane) pause(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.muted.Sub(now))
}

// waitThrottle returns when the broker has read on from connections that it throttles, as far as a new one tells.
func (l *lane) waitThrottle(ctx context.Context, address string) error {
	conn, err := l.sink.cluster.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	nothing := kmsg.NewPtrProduceRequest()
	nothing.SetVersion(produceVersion)
	nothing.Acks, nothing.TimeoutMillis = -1, int32(produceTimeout.Milliseconds())
	answer, err := conn.Do(ctx, nothing)
	if err != nil {
		return fmt.Errorf("ask for a quota's pause: %w", err)
	}
	pause := time.Duration(answer.(*kmsg.ProduceResponse).ThrottleMillis) * time.Millisecond
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pause):
		return nil
	}
}
