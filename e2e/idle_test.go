package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

const (
	idleTopics     = 20
	idlePartitions = 100 // of each topic

	idleWatch    = 20 * time.Second
	idleCPULimit = 0.03      // of a core
	idleRSSLimit = 150 << 20 // bytes
	firstWithin  = time.Second
	growsWithin  = 30 * time.Second
)

// 2,000 idle partitions cost less than 3 % of a core and 150 MiB; the first record is at the destination within a second
// of the start of the process; new topics and partitions are found within 30 s.
func TestIdlePartitions(t *testing.T) {
	from, to := kafka.New(t, kafka.Options{}), kafka.New(t, kafka.Options{}) // thousands of partitions burden their brokers
	r := &route{from: from, to: to, topic: "idle-0", host: newHost(t, between("idle", from, to, "idle-*"))}
	for i := range idleTopics {
		must(t, from.CreateTopic(within(t, time.Minute), fmt.Sprintf("idle-%d", i), idlePartitions, 1, nil))
	}
	r.host.start(t)
	eventually(t, 3*time.Minute, "all partitions are caught up", func(ctx context.Context) error { return allCaughtUp(ctx, r.host) })
	requireIdle(t, r.host)

	requireQuickStart(t, r)

	must(t, from.CreateTopic(within(t, time.Minute), "idle-new", 1, 1, nil))
	must(t, from.AddPartitions(within(t, time.Minute), r.topic, idlePartitions+1))
	begun := time.Now()
	produceOne(t, from, "idle-new", 0)
	produceOne(t, from, r.topic, idlePartitions)
	awaitRecord(t, to, "idle-new", 0, 0)
	awaitRecord(t, to, r.topic, idlePartitions, 0)
	t.Logf("a new topic and a new partition took %v", time.Since(begun).Round(time.Millisecond))
	r.host.stop(t)
}

// allCaughtUp returns an error unless every partition of every topic is there and has nothing to do.
func allCaughtUp(ctx context.Context, h *host) error {
	report, err := h.status(ctx)
	if err != nil {
		return err
	}
	partitions := 0
	for _, topic := range report.Links[0].Topics {
		for _, p := range topic.Partitions {
			if p.State != "caught_up" {
				return fmt.Errorf("%s/%d is %s %s", topic.Topic, p.Partition, p.State, p.Error)
			}
			partitions++
		}
	}
	if partitions != idleTopics*idlePartitions {
		return fmt.Errorf("%d partitions in %d topics, want %d", partitions, len(report.Links[0].Topics), idleTopics*idlePartitions)
	}
	return nil
}

// requireIdle measures what the mirror costs while nothing is to be done.
func requireIdle(t *testing.T, h *host) {
	t.Helper()
	watching, cancel := context.WithTimeout(t.Context(), idleWatch)
	defer cancel()
	samples, err := load.Processes(watching, h.run.pid(), time.Second)
	must(t, err)
	share := samples.CPU().Seconds() / samples[len(samples)-1].At.Sub(samples[0].At).Seconds()
	peak := samples.PeakRSSBytes()
	t.Logf("idle: %.2f %% of a core, %d MiB", share*100, peak>>20)
	if share >= idleCPULimit {
		t.Errorf("CPU of an idle mirror: got %.2f %% of a core, want less than %.0f %%", share*100, idleCPULimit*100)
	}
	if peak >= idleRSSLimit {
		t.Errorf("memory of an idle mirror: got %d MiB, want less than %d MiB", peak>>20, idleRSSLimit>>20)
	}
}

// requireQuickStart measures from the start of a process until a consumer at the destination has a record that waited for
// it. The best of three starts counts, because tests share their machine.
func requireQuickStart(t *testing.T, r *route) {
	t.Helper()
	const attempts = 3
	best := time.Duration(0)
	for i := range attempts {
		r.host.stop(t)
		produceOne(t, r.from, r.topic, 0)
		begun := time.Now()
		must(t, r.host.launch())
		awaitRecord(t, r.to, r.topic, 0, int64(i))
		took := time.Since(begun)
		t.Logf("the first record took %v from the start of the process", took.Round(time.Millisecond))
		if i == 0 || took < best {
			best = took
		}
		must(t, r.host.awaitStarted(t.Context()))
	}
	if best > firstWithin {
		t.Errorf("the first record took at least %v from the start of the process, want at most %v", best, firstWithin)
	}
}

func produceOne(t *testing.T, c *kafka.Cluster, topic string, partition int32) {
	t.Helper()
	client, err := c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(t, err)
	defer client.Close()
	must(t, client.ProduceSync(within(t, 30*time.Second), &kgo.Record{Topic: topic, Partition: partition, Value: []byte("first")}).FirstErr())
}

// awaitRecord waits until a consumer of the destination receives the record at an offset.
func awaitRecord(t *testing.T, c *kafka.Cluster, topic string, partition int32, offset int64) {
	t.Helper()
	client, err := c.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}),
		kgo.MetadataMinAge(50*time.Millisecond), kgo.MetadataMaxAge(time.Second))
	must(t, err)
	defer client.Close()
	ctx := within(t, growsWithin)
	for {
		fetches := client.PollFetches(ctx)
		if fetches.NumRecords() > 0 {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("no record at %s/%d@%d within %v: %v", topic, partition, offset, growsWithin, fetches.Err())
		}
	}
}
