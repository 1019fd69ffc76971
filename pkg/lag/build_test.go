package lag

import (
	"maps"
	"testing"
	"time"

	"tributary/pkg/mirror"
)

func TestSum(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	at := func(s int) *time.Time { v := second(s); return &v }
	a := Topic{Topic: "a", State: copying, LagRecords: n(1), SourceEnd: n(10), Acked: n(9), ReplicatedThrough: at(5), LastAck: at(5),
		Counters: mirror.Counters{Resends: 1}, Lost: map[mirror.Cause]int64{mirror.CauseRetention: 3}, Partitions: make([]Partition, 1)}
	b := Topic{Topic: "b", State: halted, LagRecords: n(2), SourceEnd: n(20), Acked: n(18), ReplicatedThrough: at(3), LastAck: at(7),
		Counters: mirror.Counters{Resends: 2}, Lost: map[mirror.Cause]int64{mirror.CauseRetention: 4, mirror.CauseTruncated: 1}}
	got := Sum("all", []Topic{a, b})
	if got.Topic != "all" || got.State != halted || *got.LagRecords != 3 || *got.SourceEnd != 30 || *got.Acked != 27 || got.Partitions != nil ||
		!got.ReplicatedThrough.Equal(second(3)) || !got.LastAck.Equal(second(7)) || got.Counters.Resends != 3 ||
		!maps.Equal(got.Lost, map[mirror.Cause]int64{mirror.CauseRetention: 7, mirror.CauseTruncated: 1}) {
		t.Errorf("got %+v", got)
	}
	if a.Lost[mirror.CauseRetention] != 3 || *a.LagRecords != 1 {
		t.Errorf("the first topic changed: %+v", a)
	}
	for name, topics := range map[string][]Topic{"last": {a, {}}, "first": {{}, a}} {
		got = Sum("all", topics)
		if got.LagRecords != nil || got.SourceEnd != nil || got.Acked != nil || got.ReplicatedThrough != nil {
			t.Errorf("%s unknown: got %+v", name, got)
		}
		if got.LastAck == nil {
			t.Errorf("%s unknown: the last acknowledgement of the other is lost", name)
		}
	}
	b.PausedUntil = at(60)
	for name, topics := range map[string][]Topic{"last": {a, b}, "first": {b, a}} {
		if got := Sum("all", topics); got.PausedUntil == nil || !got.PausedUntil.Equal(second(60)) {
			t.Errorf("the %s is paused: got %v", name, got.PausedUntil)
		}
	}
	if got := Sum("none", nil); got.Topic != "none" || got.LagRecords != nil {
		t.Errorf("of none: got %+v", got)
	}
}
