package load

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

func TestFleetWritesEveryTopic(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "a", "b", "c"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	seeds, topics := cluster.ListenAddrs(), []string{"a", "b", "c"}
	reports, err := Fleet(testContext(t), seeds, FleetSpec{Topics: topics, Partitions: 2, Records: 5, Every: -1, Rounds: 20, Seed: 1, Age: time.Hour})
	if err != nil || len(reports) != len(topics) {
		t.Fatalf("got %d reports, %v", len(reports), err)
	}
	for i, report := range reports {
		if report.Topic != topics[i] || report.Acked() != 2*5*20 {
			t.Errorf("topic %s: got %v, want 200 acknowledged records", topics[i], report)
		}
		result, err := Audit(testContext(t), seeds, report.Topic, report)
		if err != nil || !result.OK() || result.Matched != 200 {
			t.Errorf("audit of %s: got %v, %v", report.Topic, result, err)
		}
	}
	if result, err := Audit(testContext(t), seeds, "a", reports[1]); err != nil || result.OK() {
		t.Errorf("the records of b pass for those of a: %v, %v", result, err)
	}
}

func TestWatcherMeasuresSilence(t *testing.T) {
	seeds := startCluster(t, 2)
	w, err := NewWatcher(seeds, []string{testTopic}, 2)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	burst := func() {
		if _, err := Fleet(ctx, seeds, FleetSpec{Topics: []string{testTopic}, Partitions: 2, Rounds: 3, Every: time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	await := func(n int64) {
		for w.Records(testTopic) < n {
			if pause(ctx, time.Millisecond) != nil {
				t.Fatalf("got %d records, want %d", w.Records(testTopic), n)
			}
		}
	}
	burst()
	await(6)
	quiet := time.Now()
	if _, err := w.FirstAfter(testTopic, quiet); !errors.Is(err, errNothingNew) {
		t.Errorf("first record after the last: got %v, want %v", err, errNothingNew)
	}
	const hush = 300 * time.Millisecond
	if err := pause(ctx, hush); err != nil {
		t.Fatal(err)
	}
	burst()
	await(12)
	if first, err := w.FirstAfter(testTopic, quiet); err != nil || first < hush {
		t.Errorf("first record after the hush: got %v, %v, want at least %v", first, err, hush)
	}
	if got := w.Delay(testTopic, quiet); got <= 0 || got > time.Minute {
		t.Errorf("delay: got %v, want what a record takes", got)
	}
	if got := w.Silence(testTopic, quiet, time.Now()); got < hush {
		t.Errorf("silence: got %v, want at least %v", got, hush)
	}
}
