package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestHelpersTakeEffect(t *testing.T) {
	c := start(t, Options{})
	createTopic(t, c, "orders", 1)
	if err := c.CreateTopic(limit(t), "orders", 1, 1, nil); err == nil {
		t.Error("a topic can be created twice")
	}
	produce(t, c, "orders", "one")
	produce(t, c, "orders", "two")

	if err := c.DeleteRecords(limit(t), "orders", 0, 1); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, c, "orders", "two")
	if err := c.AddPartitions(limit(t), "orders", 3); err != nil {
		t.Fatal(err)
	}
	if ends, err := c.EndOffsets(limit(t), "orders"); err != nil || len(ends) != 3 || ends[0] != 2 {
		t.Errorf("end offsets: got %v, %v, want three partitions, two records in the first", ends, err)
	}

	if err := c.SetTopicConfig(limit(t), "orders", map[string]string{"retention.ms": "12345"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the broker tells the new value", func() bool {
		configs, err := c.Admin().DescribeTopicConfigs(limit(t), "orders")
		if err != nil {
			t.Fatal(err)
		}
		for _, config := range configs[0].Configs {
			if config.Key == "retention.ms" {
				return config.MaybeValue() == "12345"
			}
		}
		return false
	})

	if err := c.DeleteTopic(limit(t), "orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.EndOffsets(limit(t), "orders"); err == nil {
		t.Error("a deleted topic has end offsets")
	}
}

// A client over its quota has its connection muted: the second batch waits out what the first one exceeded.
func TestQuotaThrottles(t *testing.T) {
	const client = "limited"
	c := start(t, Options{Properties: map[string]string{"quota.window.num": "2"}})
	createTopic(t, c, "orders", 1)
	send := func() time.Duration {
		t.Helper()
		producer, err := c.Client(kgo.ClientID(client), kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			t.Fatal(err)
		}
		defer producer.Close()
		begin := time.Now()
		for range 3 {
			record := &kgo.Record{Topic: "orders", Value: make([]byte, 100_000)}
			if err := producer.ProduceSync(limit(t), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		return time.Since(begin)
	}
	if err := c.SetClientQuota(limit(t), client, 50_000, 0); err != nil {
		t.Fatal(err)
	}
	if took := send(); took < time.Second {
		t.Errorf("300 kB at 50 kB/s: got %v, want a second at least", took)
	}
	if err := c.SetClientQuota(limit(t), client, 0, 0); err != nil {
		t.Fatal(err)
	}
	until(t, "the quota is lifted", func() bool { return send() < time.Second })
}
