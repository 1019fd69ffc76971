package mirror

import (
	"testing"
	"time"
)

// A partition that is behind and stands still says so, though no error told it.
func TestStatusNoticesAStandstill(t *testing.T) {
	now := time.Now()
	b := newBench(t, nil)
	b.join()
	b.p.Status(now) // caught up with an empty source; it is looked at every second
	b.feed(dense(3, 2, gzipCodec, now.UnixMilli()))
	for _, step := range []struct {
		name  string
		after time.Duration
		want  State
	}{
		{"new records", 0, StateCopying},
		{"nothing yet", stalledAfter - time.Second, StateCopying},
		{"nothing for too long", stalledAfter, StateWaiting},
	} {
		if s := b.p.Status(now.Add(step.after)); s.State != step.want {
			t.Errorf("%s: got %s (%s), want %s", step.name, s.State, s.Why, step.want)
		}
	}
	b.ackAll(0)
	if s := b.p.Status(now.Add(2 * stalledAfter)); s.State != StateCaughtUp {
		t.Errorf("after the acknowledgement: got %s (%s), want %s", s.State, s.Why, StateCaughtUp)
	}
}
