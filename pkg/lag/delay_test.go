package lag

import (
	"testing"
	"time"

	"tributary/pkg/mirror"
)

func TestDelays(t *testing.T) {
	var d delays
	ack := func(at time.Time, state mirror.State, age time.Duration) {
		d.observe(at, mirror.PartitionStatus{State: state, LastAck: at, AckedMaxTime: at.Add(-age).UnixMilli()}, nil)
	}
	ack(second(0), mirror.StateCaughtUp, time.Minute)
	ack(second(1), mirror.StateCaughtUp, time.Second)
	ack(second(2), mirror.StateCopying, time.Hour) // a backlog: its age is not that of its arrival
	if got := d.largest(); got != time.Minute {
		t.Errorf("got %v, want a minute", got)
	}
	ack(second(13*3600), mirror.StateCaughtUp, 2*time.Second)
	if got := d.largest(); got != time.Minute {
		t.Errorf("13 hours later: got %v, want a minute", got)
	}
	ack(second(40*3600), mirror.StateCaughtUp, 3*time.Second)
	if got := d.largest(); got != 3*time.Second {
		t.Errorf("40 hours later: got %v, want 3 seconds", got)
	}
}
