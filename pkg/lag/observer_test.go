package lag

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror"
)

func TestNewRefusesALinkThatCannotBeAsked(t *testing.T) {
	if _, err := New(Config{Links: []func() mirror.LinkStatus{nil}}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error")
	}
}

func TestRunTakesASnapshotEverySecondUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &holder{}
		h.set(link(topic("clicks", partition(0, mirror.StateCaughtUp, 5, 5))))
		o, _ := newObserver(t, h)
		if got := o.Snapshot(); got != nil {
			t.Fatalf("a snapshot before Run: %+v", got)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }()
		synctest.Wait()
		first := o.Snapshot()
		if first == nil || first.Instance != "ad-17" || len(first.Links) != 1 {
			t.Fatalf("first snapshot: %+v", first)
		}
		h.set(link(topic("clicks", partition(0, mirror.StateCopying, 5, 9))))
		time.Sleep(time.Second)
		synctest.Wait()
		second := o.Snapshot()
		if age := second.Time.Sub(first.Time); age != time.Second {
			t.Errorf("the second snapshot came after %v, want 1s", age)
		}
		if got := *first.Links[0].Topics[0].LagRecords; got != 0 {
			t.Errorf("the first snapshot changed: lag %d", got)
		}
		if got := *second.Links[0].Topics[0].LagRecords; got != 4 {
			t.Errorf("lag %d, want 4", got)
		}
		cancel(errors.New("enough"))
		synctest.Wait()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		time.Sleep(5 * time.Second)
		if o.Snapshot() != second {
			t.Error("a snapshot after Run")
		}
	})
}

func TestSnapshotOfTheProcess(t *testing.T) {
	o, err := New(Config{Instance: "a", Zone: "z", Version: "v", BudgetTotal: 100, BudgetUsed: func() int64 { return 0 }}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	o.observe(second(1))
	got := o.Snapshot()
	if got.Zone != "z" || got.Version != "v" || got.BudgetTotal != 100 || got.BudgetUsed == nil || *got.BudgetUsed != 0 || !got.Time.Equal(second(1)) {
		t.Errorf("got %+v", got)
	}
	if o, err = New(Config{BudgetTotal: 100}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	o.observe(second(1))
	if got := o.Snapshot(); got.BudgetUsed != nil {
		t.Errorf("without a way to know, %d bytes are used", *got.BudgetUsed)
	}
}

func TestStates(t *testing.T) {
	troubled := topic("b")
	troubled.Problem = "no leader"
	withProblem := link(topic("a", partition(0, caughtUp, 5, 5)))
	withProblem.Problem = "no answer"
	saved := link()
	saved.LastSave = second(0)
	unsaved := link()
	unsaved.SaveProblem = "no coordinator"
	for _, test := range []struct {
		name        string
		status      mirror.LinkStatus
		topic, link mirror.State
		running     bool
	}{
		{"nothing known", link(), "", mirror.StateStarting, false},
		{"nothing matches", saved, "", mirror.StateStarting, true},
		{"nothing saved", unsaved, "", mirror.StateStarting, true},
		{"a topic without partitions", link(topic("a")), mirror.StateStarting, mirror.StateStarting, true},
		{"a topic with a problem", link(troubled), waiting, waiting, true},
		{"the worst partition decides", link(topic("a", partition(0, caughtUp, 5, 5), partition(1, halted, 5, 9), partition(2, waiting, 5, 9))), halted, halted, true},
		{"the worst topic decides", link(topic("a", partition(0, caughtUp, 5, 5)), topic("b", partition(0, copying, 5, 9))), caughtUp, copying, true},
		{"a link with a problem", withProblem, caughtUp, waiting, true},
		{"a state nobody knows is the worst", link(topic("a", partition(0, halted, 5, 9), partition(1, "burning", 5, 9))), "burning", "burning", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &holder{status: test.status}
			o, _ := newObserver(t, h)
			o.observe(second(0))
			got := o.Snapshot().Links[0]
			if got.State != test.link || got.Running != test.running {
				t.Errorf("link is %s, running %v, want %s, %v", got.State, got.Running, test.link, test.running)
			}
			if len(got.Topics) > 0 && got.Topics[0].State != test.topic {
				t.Errorf("topic is %s, want %s", got.Topics[0].State, test.topic)
			}
		})
	}
}

func TestSumsAreUnknownWhenAPartIs(t *testing.T) {
	missing := topic("clicks", partition(0, copying, 5, 9))
	missing.Problem = "partition 1 has no identity"
	unstarted := partition(1, mirror.StateStarting, 0, 3)
	unstarted.Started = false
	for _, test := range []struct {
		name            string
		status          mirror.TopicStatus
		lag, end, acked int64 // -1 unknown
	}{
		{"all known", topic("clicks", partition(0, copying, 5, 9), partition(1, caughtUp, 3, 3)), 4, 12, 8},
		{"ahead of an old end", topic("clicks", partition(0, caughtUp, 9, 5)), 0, 5, 9},
		{"an end is unknown", topic("clicks", partition(0, copying, 5, 9), partition(1, waiting, 3, -1)), -1, -1, 8},
		{"a partition did not start", topic("clicks", partition(0, copying, 5, 9), unstarted), -1, 12, -1},
		{"partitions are missing", missing, -1, -1, -1},
		{"there are no partitions", topic("clicks"), -1, -1, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, _ := newObserver(t, &holder{status: link(test.status)})
			o.observe(second(0))
			got := o.Snapshot().Links[0].Topics[0]
			for name, sum := range map[string]struct {
				got  *int64
				want int64
			}{"lag": {got.LagRecords, test.lag}, "end": {got.SourceEnd, test.end}, "acked": {got.Acked, test.acked}} {
				if (sum.got == nil) != (sum.want < 0) || sum.got != nil && *sum.got != sum.want {
					t.Errorf("%s: got %v, want %d", name, sum.got, sum.want)
				}
			}
		})
	}
}

func TestPartitionKeepsUnknownApartFromZero(t *testing.T) {
	s := partition(3, mirror.StateStarting, 0, -1)
	s.Started = false
	if got := newPartition(s, nil); got.Next != nil || got.Committed != nil || got.SourceEnd != nil || got.Lag != nil {
		t.Errorf("unknown: got %+v", got)
	}
	s = partition(3, caughtUp, 0, 0)
	s.Committed = 0
	if got := newPartition(s, nil); got.Next == nil || got.Committed == nil || got.SourceEnd == nil || got.Lag == nil || *got.Lag != 0 {
		t.Errorf("zero: got %+v", got)
	}
}

func TestTopicWatermark(t *testing.T) {
	h := &holder{}
	o, _ := newObserver(t, h)
	problem := topic("clicks", partition(0, caughtUp, 5, 5), partition(1, caughtUp, 3, 3))
	problem.Problem = "partition 2 has no identity"
	for i, step := range []struct {
		at     int
		status mirror.TopicStatus
		want   int // seconds; unset: unknown
	}{
		{0, topic("clicks", partition(0, caughtUp, 5, 5), partition(1, copying, 0, 3)), unset},
		{1, topic("clicks", partition(0, caughtUp, 5, 5), partition(1, caughtUp, 3, 3)), 1},
		{50, topic("clicks", partition(0, copying, 5, 6), partition(1, caughtUp, 3, 3)), 1},
		{60, topic("clicks", partition(0, caughtUp, 6, 6), partition(1, waiting, 3, -1)), 50},
		{70, problem, 50},
		{80, topic("clicks"), 50},
		{90, topic("clicks", partition(0, caughtUp, 6, 6), partition(1, caughtUp, 3, 3), partition(2, copying, 0, 9)), 50},
		{91, topic("clicks", partition(0, caughtUp, 6, 6), partition(1, caughtUp, 3, 3), partition(2, caughtUp, 9, 9)), 91},
		{40, topic("clicks", partition(0, waiting, 6, -1), partition(1, waiting, 3, -1), partition(2, waiting, 9, -1)), 40},
		{30, problem, 30},
	} {
		h.set(link(step.status))
		o.observe(second(step.at))
		got := unset
		if through := o.Snapshot().Links[0].Topics[0].ReplicatedThrough; through != nil {
			got = int(through.Unix() - second(0).Unix())
		}
		if got != step.want {
			t.Fatalf("step %d: got %d, want %d", i, got, step.want)
		}
	}
}

func TestATopicThatLeftIsForgotten(t *testing.T) {
	h := &holder{status: link(topic("clicks", partition(0, caughtUp, 5, 5)))}
	o, _ := newObserver(t, h)
	o.observe(second(0))
	h.set(link())
	o.observe(second(1))
	h.set(link(topic("clicks", partition(0, copying, 0, 5))))
	o.observe(second(2))
	if got := o.Snapshot().Links[0].Topics[0].ReplicatedThrough; got != nil {
		t.Errorf("a topic that came back remembers %v", got)
	}
}

func TestLost(t *testing.T) {
	h := &holder{}
	o, _ := newObserver(t, h)
	clicks := topic("clicks", partition(0, halted, 5, -1))
	loss := &mirror.Loss{From: 5, To: 8, Records: 3}
	clicks.Partitions[0].Cause, clicks.Partitions[0].Loss = mirror.CauseRetention, loss
	clicks.Lost = map[mirror.Cause]int64{mirror.CauseRetention: 3}
	clicks.Skipped = map[mirror.SkipReason]int64{mirror.SkipOperator: 2}
	h.set(link(clicks))
	o.observe(second(0))
	got := o.Snapshot().Links[0].Topics[0]
	if got.Lost[mirror.CauseRetention] != 3 || got.Skipped[mirror.SkipOperator] != 2 || got.Partitions[0].Loss != loss {
		t.Errorf("got %v lost, %v skipped, loss %v", got.Lost, got.Skipped, got.Partitions[0].Loss)
	}
}

func TestPartitionsAreInOrder(t *testing.T) {
	o, _ := newObserver(t, &holder{status: link(topic("clicks", partition(2, copying, 5, 9), partition(0, copying, 5, 9), partition(1, copying, 5, 9)))})
	o.observe(second(0))
	if got := o.Snapshot().Links[0].Topics[0].Partitions; !slices.IsSortedFunc(got, func(a, b Partition) int { return int(a.Partition - b.Partition) }) {
		t.Errorf("got %+v", got)
	}
}

func TestLastAckAndCounters(t *testing.T) {
	a, b := partition(0, copying, 5, 9), partition(1, copying, 5, 9)
	a.LastAck, b.LastAck = second(7), second(5)
	a.Counters = mirror.Counters{RecordsAcked: 1, BytesAcked: 2, RecordsFetched: 3, BytesFetched: 4, BatchesRaw: 5, BatchesRecoded: 6, RecordsDropped: 7, Resends: 8, Scans: 9, Gaps: mirror.Gaps{Control: 10, Compaction: 11, Unexplained: 12}}
	b.Counters = a.Counters
	o, _ := newObserver(t, &holder{status: link(topic("clicks", a, b))})
	o.observe(second(9))
	got := o.Snapshot().Links[0].Topics[0]
	if got.LastAck == nil || !got.LastAck.Equal(second(7)) {
		t.Errorf("last ack %v, want %v", got.LastAck, second(7))
	}
	if want := (mirror.Counters{RecordsAcked: 2, BytesAcked: 4, RecordsFetched: 6, BytesFetched: 8, BatchesRaw: 10, BatchesRecoded: 12, RecordsDropped: 14, Resends: 16, Scans: 18, Gaps: mirror.Gaps{Control: 20, Compaction: 22, Unexplained: 24}}); got.Counters != want {
		t.Errorf("counters %+v, want %+v", got.Counters, want)
	}
}
