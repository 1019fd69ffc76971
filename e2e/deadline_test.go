package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/kafka"
)

// What the clocks of TestDeadlines go by.
const (
	agedTopic, sizedTopic = "aged", "sized"
	blindLink             = "deadline-blind" // its mirror loses the source
	seeingLink            = "deadline"       // its mirror loses the destination

	agedSegment  = 10 * time.Second
	sizedLimit   = 20 << 20
	sizedSegment = 1 << 20 // the least that Kafka 4 takes
	sizedEach    = 30_000  // bytes, ten times a second
	trafficEvery = 100 * time.Millisecond

	deletionCheck = time.Second
	// slack is how late a busy machine may be: the broker's check, and the test that looks.
	slack = 8 * time.Second
	// restartAfter is when the mirror that lost its destination dies by kill -9, and starts again: later than it writes down
	// what it tells.
	restartAfter = 40 * time.Second
	// blindness is how much earlier a deadline may be where the mirror sees nothing of the source: it believes for 30 s that
	// the source's end was as it was told.
	blindness = 35 * time.Second
)

// While a link is cut, the time until loss that the mirror tells is never later than the time at which the broker deletes
// the first record that was not mirrored, and at most a segment and a check earlier; also where the mirror cannot see the
// source, though then less exactly, and across a restart while the destination cannot be reached. By size, under steady
// traffic, it is within a fifth.
func TestDeadlines(t *testing.T) {
	t.Parallel() // its clusters are its own, and it is waiting for the most part
	retention := size(100*time.Second, 3*time.Minute)
	from := kafka.New(t, kafka.Options{Proxy: true, Properties: map[string]string{"log.initial.task.delay.ms": "0",
		"log.retention.check.interval.ms": strconv.Itoa(int(deletionCheck.Milliseconds()))}})
	to := kafka.New(t, kafka.Options{Proxy: true})
	must(t, from.CreateTopic(within(t, time.Minute), agedTopic, 1, 1, map[string]string{"retention.ms": strconv.Itoa(int(retention.Milliseconds())),
		"segment.ms": strconv.Itoa(int(agedSegment.Milliseconds()))}))
	must(t, from.CreateTopic(within(t, time.Minute), sizedTopic, 1, 1, map[string]string{"retention.ms": "-1",
		"retention.bytes": strconv.Itoa(sizedLimit), "segment.bytes": strconv.Itoa(sizedSegment)}))
	writeSteadily(t, from)

	seeing, blind := between(seeingLink, from, to, agedTopic, sizedTopic), between(blindLink, from, to, agedTopic)
	seeing.Clusters[fromName] = clusterSettings{Brokers: from.Direct()}
	blind.Clusters[toName] = clusterSettings{Brokers: to.Direct()}
	blind.link().Topics.Rename = "blind.{topic}"
	hosts := map[string]*host{seeingLink: newHost(t, seeing), blindLink: newHost(t, blind)}
	for _, h := range hosts {
		h.start(t)
		eventually(t, time.Minute, "deadlines are known", func(ctx context.Context) error { return knowsDeadlines(ctx, h) })
	}
	must(t, pause(t.Context(), 25*time.Second)) // a few rounds of questions, so that the traffic is known

	from.Node(1).Proxy().Cut()
	to.Node(1).Proxy().Cut()
	cut := time.Now()
	foretold := []*foretold{
		{topic: agedTopic, link: seeingLink, cause: "retention_time", early: agedSegment + deletionCheck + slack},
		{topic: agedTopic, link: blindLink, cause: "retention_time", early: agedSegment + deletionCheck + slack + blindness},
		{topic: sizedTopic, link: seeingLink, cause: "retention_bytes"},
	}
	followTruth(t, from, hosts, foretold, cut, retention+time.Minute)
	for _, f := range foretold {
		f.check(t, cut)
	}
	for _, h := range hosts {
		must(t, h.run.kill()) // what it lost it cannot deliver, and its destination is gone
	}
}

// foretold is what a mirror told of one topic, and what then was.
type foretold struct {
	topic, link, cause string
	early              time.Duration // how much earlier than the truth a deadline may be; 0: a fifth

	next    int64 // the first record that was not mirrored, -1 until the mirror stands still
	told    []sample
	looked  time.Time
	gap     time.Duration // the longest time for which nobody looked
	deleted time.Time
}

type sample struct{ at, deadline time.Time }

// knowsDeadlines returns an error unless the mirror tells by when something is lost, of every topic.
func knowsDeadlines(ctx context.Context, h *host) error {
	report, err := h.status(ctx)
	if err != nil {
		return err
	}
	if len(report.Links[0].Topics) == 0 {
		return errors.New("no topics")
	}
	for _, topic := range report.Links[0].Topics {
		if topic.LossDeadline == nil {
			return fmt.Errorf("%s: %+v", topic.Topic, topic)
		}
	}
	return nil
}

// writeSteadily writes into both topics until the test ends.
func writeSteadily(t *testing.T, c *kafka.Cluster) {
	client, err := c.Client(kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		tick := time.NewTicker(trafficEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			records := []*kgo.Record{{Topic: agedTopic, Value: make([]byte, 100)}, {Topic: sizedTopic, Value: make([]byte, sizedEach)}}
			if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil && ctx.Err() == nil {
				t.Errorf("write: %v", err)
				return
			}
		}
	})
	t.Cleanup(func() {
		stop()
		writing.Wait()
		client.Close()
	})
}

// followTruth samples what the mirrors tell, until the broker has deleted the first record that each did not mirror.
func followTruth(t *testing.T, from *kafka.Cluster, hosts map[string]*host, all []*foretold, cut time.Time, patience time.Duration) {
	t.Helper()
	for _, f := range all {
		f.next = -1
		eventually(t, 30*time.Second, "the mirror stands still", func(ctx context.Context) error { return f.stand(ctx, hosts[f.link]) })
	}
	restarted := false
	for open := len(all); open > 0; {
		if h := hosts[seeingLink]; !restarted && time.Since(cut) > restartAfter {
			h.restart(t)
			restarted = true
		}
		if time.Since(cut) > patience {
			t.Fatalf("%d of %d records were not deleted", open, len(all))
		}
		for _, f := range all {
			if !f.deleted.IsZero() {
				continue
			}
			if err := f.look(t, from, hosts[f.link]); err != nil {
				t.Logf("%s of %s: %v", f.cause, f.topic, err) // a machine that hangs for seconds costs a broker its leadership
			} else if !f.deleted.IsZero() {
				open--
			}
		}
		must(t, pause(t.Context(), 250*time.Millisecond))
	}
}

// look asks the broker whether the record is still there, and the mirror for how long.
func (f *foretold) look(t *testing.T, from *kafka.Cluster, h *host) error {
	starts, err := from.StartOffsets(within(t, slack), f.topic)
	if err != nil {
		return err
	}
	if now := time.Now(); !f.looked.IsZero() {
		f.gap = max(f.gap, now.Sub(f.looked))
	}
	f.looked = time.Now()
	if starts[0] > f.next {
		f.deleted = f.looked
		return nil
	}
	report, err := h.status(within(t, slack))
	if err != nil {
		return err
	}
	for _, topic := range report.Links[0].Topics {
		if deadline, ok := topic.Deadlines[f.cause]; topic.Topic == f.topic && ok {
			f.told = append(f.told, sample{time.Now(), deadline})
		} else if topic.Topic == f.topic {
			t.Fatalf("%s of %s: nothing is told any more: %+v", f.cause, f.topic, topic)
		}
	}
	return nil
}

// stand waits until nothing more of the topic is mirrored.
func (f *foretold) stand(ctx context.Context, h *host) error {
	report, err := h.status(ctx)
	if err != nil {
		return err
	}
	for _, topic := range report.Links[0].Topics {
		if topic.Topic != f.topic || len(topic.Partitions) == 0 || topic.Partitions[0].NextOffset == nil {
			continue
		}
		was := f.next
		if f.next = *topic.Partitions[0].NextOffset; was == f.next {
			return nil
		}
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
	}
	return errors.New("it goes on")
}

// check compares what was told with the truth.
func (f *foretold) check(t *testing.T, cut time.Time) {
	t.Helper()
	after := 0 // samples after the restart
	for _, s := range f.told {
		if s.at.Sub(cut) > restartAfter+slack {
			after++
		}
	}
	if len(f.told) < 20 || after < 10 {
		t.Errorf("%s of %s (%s): only %d samples, %d of them after the restart", f.cause, f.topic, f.link, len(f.told), after)
	}
	earliest, latest := f.told[0].deadline, f.told[0].deadline
	for _, s := range f.told {
		if s.deadline.Before(earliest) {
			earliest = s.deadline
		}
		if s.deadline.After(latest) {
			latest = s.deadline
		}
	}
	allowed := f.early
	if allowed == 0 {
		allowed = f.deleted.Sub(cut)/5 + slack
	}
	t.Logf("%s of %s (%s): record %d was deleted %v after the cut; told were %v to %v before that, in %d samples", f.cause, f.topic, f.link, f.next,
		f.deleted.Sub(cut).Round(time.Millisecond), f.deleted.Sub(latest).Round(time.Millisecond), f.deleted.Sub(earliest).Round(time.Millisecond), len(f.told))
	if latest.After(f.deleted) {
		t.Errorf("%s of %s (%s): a deadline was %v later than the truth", f.cause, f.topic, f.link, latest.Sub(f.deleted))
	}
	if early := f.deleted.Sub(earliest); early > allowed+f.gap {
		t.Errorf("%s of %s (%s): a deadline was %v earlier than the truth, want at most %v", f.cause, f.topic, f.link, early, allowed)
	}
}
