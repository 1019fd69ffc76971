package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// setting is the value that a topic has at a cluster.
func setting(ctx context.Context, c *kafka.Cluster, topic, name string) (string, error) {
	answers, err := c.Admin().DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", err
	}
	for _, answer := range answers {
		for _, config := range answer.Configs {
			if config.Key == name && config.Value != nil {
				return *config.Value, answer.Err
			}
		}
	}
	return "", fmt.Errorf("topic %s has no setting %s", topic, name)
}

// logBytes is how large a topic's log is, each partition counted once.
func logBytes(t *testing.T, c *kafka.Cluster, topic string) (total int64) {
	t.Helper()
	dirs, err := c.Admin().DescribeAllLogDirs(within(t, time.Minute), nil)
	must(t, err)
	largest := map[int32]int64{}
	for _, broker := range dirs {
		for _, dir := range broker {
			for partition, at := range dir.Topics[topic] {
				largest[partition] = max(largest[partition], at.Size)
			}
		}
	}
	for _, size := range largest {
		total += size
	}
	return total
}

// The plan says what will be made and changes nothing; named settings follow the source's topic, and no other setting does; all
// records arrive at no more than the rate.
func TestSettingsAreKeptEqual(t *testing.T) {
	t.Parallel()
	const rate = 512 << 10
	r := newRoute(t, "equal", stage.edge.get(t), stage.home.get(t), 2, func(s *settings) {
		s.link().Topics.ConfigSync = []string{"retention.ms", "segment.ms"}
		s.link().Rate = fmt.Sprintf("%dB", rate)
	})
	set := func(configs map[string]string) {
		must(t, r.from.SetTopicConfig(within(t, time.Minute), r.topic, configs))
	}
	has := func(name, want string) {
		t.Helper()
		eventually(t, time.Minute, name+" is "+want, func(ctx context.Context) error {
			got, err := setting(ctx, r.to, r.topic, name)
			if err == nil && got != want {
				err = fmt.Errorf("it is %s", got)
			}
			return err
		})
	}
	set(map[string]string{"retention.ms": "86400000", "flush.ms": "60000"})
	report := r.startTraffic(t, load.Spec{Partitions: 2, Records: 6000, BatchRecords: []int{20}, Seed: 1}).wait(t)
	plan, err := command(within(t, time.Minute), "plan", "-c", r.host.config)
	must(t, err)
	if got := plan.stdout; plan.code != 0 || !strings.Contains(got, "creates") || !strings.Contains(got, "2 -> 2") || !strings.Contains(got, "waiting: 6000 records") || !strings.Contains(got, "nothing stands against it") {
		t.Errorf("the plan ends with %d and says\n%s%s", plan.code, got, plan.stderr)
	}
	if _, err := setting(within(t, time.Minute), r.to, r.topic, "retention.ms"); err == nil {
		t.Error("the plan has made the topic")
	}
	begun := time.Now()
	r.host.start(t)
	has("retention.ms", "86400000") // as it was made
	r.awaitCopied(t, 2*time.Minute)
	took, bytes := time.Since(begun), logBytes(t, r.to, r.topic)
	if least := time.Duration(float64(bytes)/rate*float64(time.Second)) - time.Second; took < least || least < time.Second {
		t.Errorf("%d bytes were copied in %v, want %v at least, and that more than a second", bytes, took, least)
	}
	set(map[string]string{"retention.ms": "172800000", "segment.ms": "3600000"})
	has("retention.ms", "172800000")
	has("segment.ms", "3600000")
	if got, err := setting(within(t, time.Minute), r.to, r.topic, "flush.ms"); err != nil || got == "60000" {
		t.Errorf("flush.ms is %s, %v: nobody asked for it", got, err)
	}
	r.host.stop(t)
	r.requireExact(t, report)
}
