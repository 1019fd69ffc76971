package heartbeat

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

func TestAHeartbeatEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newFakeTarget(t)
		cfg := config(t)
		ready := time.Now().Add(time.Second)
		w := newWriter(cfg, target, func() *lag.Snapshot {
			if time.Now().Before(ready) {
				return nil
			}
			return snapshot()
		}, quiet())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		begun := time.Now()
		go func() { ended <- w.run(ctx) }()
		time.Sleep(32 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if len(target.records) != 4 {
			t.Fatalf("%d heartbeats in 31 s after the first snapshot, want 4", len(target.records))
		}
		for i, r := range target.records {
			want := begun.Add(time.Second + time.Duration(i)*cfg.Interval)
			if r.Origin != "ad-17" || r.Cluster != "edge" || r.Sequence != int64(i) || !r.Time.Equal(want) || r.Incarnation != begun.UnixMilli() || r.Interval != cfg.Interval || r.Unsure != nil || r.Summary.Version != "v1" {
				t.Errorf("number %d: %+v", i, r)
			}
		}
		topic := target.creates[0]
		if len(target.creates) != 1 || topic.Partitions != 1 || topic.Replication != -1 || len(topic.Configs) != 1 || topic.Configs["cleanup.policy"] != "delete" {
			t.Errorf("created %+v", target.creates)
		}
		if s := w.status(); s.Success == nil || s.Problem != "" || s.Cluster != "edge" {
			t.Errorf("status %+v", s)
		}
	})
}

// Nothing piles up while the cluster is out of reach: what was not written is never written, and takes no sequence.
func TestAnOutageTakesNoSequence(t *testing.T) {
	target := newFakeTarget(t)
	w := newWriter(config(t), target, snapshot, quiet())
	w.beat(t.Context())
	target.next = func() outcome { return missed }
	w.beat(t.Context()) // this one may have landed
	target.next = func() outcome { return refused }
	for range 100 {
		w.beat(t.Context())
	}
	if s := w.status(); s.Problem == "" {
		t.Error("no problem is told")
	}
	target.next = nil
	w.beat(t.Context())
	if len(target.records) != 2 || target.records[1].Sequence != 2 || len(target.records[1].Unsure) != 1 || target.records[1].Unsure[0] != (span{1, 2}) {
		t.Errorf("got %+v", target.records)
	}
	if s := w.status(); s.Problem != "" {
		t.Errorf("the problem stays: %s", s.Problem)
	}
}

// Whatever becomes of writes, and whatever of the log does not arrive: what was acknowledged and did not arrive is lost, to
// the record, and nothing else is.
func TestOnlyWhatWasAcknowledgedIsLost(t *testing.T) {
	total, unknown := int64(0), 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		target := newFakeTarget(t)
		trouble := 0
		target.next = func() outcome {
			if trouble--; trouble < 0 && rng.IntN(20) == 0 {
				trouble = rng.IntN(6)
			}
			if trouble < 0 {
				return acked
			}
			unknown++
			return outcome(rng.IntN(4))
		}
		w := newWriter(config(t), target, snapshot, quiet())
		for range 200 {
			w.beat(t.Context())
		}
		target.next = nil
		w.beat(t.Context())

		o, want := &origin{}, int64(0)
		for i, r := range target.records {
			if i > 0 && i < len(target.records)-1 && rng.IntN(12) == 0 {
				if target.sure[r.Sequence] {
					want++
				}
				continue // lost on the way
			}
			o.take(r, moment(i), false)
			if rng.IntN(10) == 0 {
				o.take(r, moment(i), false)
			}
		}
		if o.settle(moment(100_000)); o.Lost != want {
			t.Fatalf("seed %d: lost %d, want %d", seed, o.Lost, want)
		}
		total += want
	}
	if total == 0 || unknown == 0 {
		t.Errorf("%d lost, %d of unknown outcome: the test shows nothing", total, unknown)
	}
}

func TestSummary(t *testing.T) {
	now := moment(100)
	at := func(second int) *time.Time { return new(moment(second)) }
	topic := func(state mirror.State, through, deadline *time.Time) lag.Topic {
		topic := lag.Topic{State: state, ReplicatedThrough: through, Partitions: []lag.Partition{{State: state}, {State: mirror.StateCaughtUp}}}
		topic.LossDeadline = deadline
		return topic
	}
	s := &lag.Snapshot{Version: "v3", Eligible: new(false), Links: []lag.Link{
		{State: mirror.StateCopying, Topics: []lag.Topic{topic(mirror.StateCopying, at(90), at(5000)), {Away: true, State: lag.StateElsewhere}}, Disks: []lag.Disk{{FullAt: at(900)}, {}, {FullAt: at(800)}}},
		{State: mirror.StateHalted, Topics: []lag.Topic{topic(mirror.StateHalted, at(40), at(4000)), topic(mirror.StateWaiting, at(95), nil)}}}}
	got := summarize(s, now)
	if got.Version != "v3" || got.State != mirror.StateHalted || *got.Lag != time.Minute || !got.LossDeadline.Equal(*at(4000)) || !got.DiskFullAt.Equal(*at(800)) || got.NotOK != 2 || got.Eligible == nil || *got.Eligible {
		t.Errorf("got %+v", got)
	}
	s.Links[1].Topics[1].ReplicatedThrough = nil
	if got := summarize(s, now); got.Lag != nil {
		t.Errorf("a topic of which nothing is known: lag %v", *got.Lag)
	}
	if got := summarize(&lag.Snapshot{}, now); got.Lag != nil || got.State != "" || got.LossDeadline != nil {
		t.Errorf("without links: %+v", got)
	}
}
