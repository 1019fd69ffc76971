package app

import (
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/config"
	"tributary/pkg/kafka"
)

// administer opens a cluster for the test's own questions.
func administer(t *testing.T, fake *kfake.Cluster) *kafka.Cluster {
	t.Helper()
	c, err := kafka.New("test", kafka.Config{Brokers: fake.ListenAddrs()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestSettingsAreKeptEqual runs a mirror with config_sync between two clusters: a topic is made with the source's settings, another
// gets them, and nothing else is changed.
func TestSettingsAreKeptEqual(t *testing.T) {
	edge, region := startCluster(t, kfake.ClusterID("edge")), startCluster(t, kfake.ClusterID("region"))
	from, to := administer(t, edge), administer(t, region)
	value := func(topic, name string) string {
		settings, err := to.TopicConfigs(t.Context(), []string{topic}, name)
		if err != nil {
			return err.Error()
		}
		return settings[topic][name]
	}
	topics := []string{"made", "there"}
	for _, topic := range topics {
		if err := from.CreateTopic(t.Context(), kafka.NewTopic{Name: topic, Partitions: 1, Replication: 1, Configs: map[string]string{"retention.ms": "7200000", "segment.ms": "60000"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.CreateTopic(t.Context(), kafka.NewTopic{Name: "there", Partitions: 1, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	var altered atomic.Int32
	region.ControlKey(int16(kmsg.IncrementalAlterConfigs), func(kmsg.Request) (kmsg.Response, error, bool) {
		region.KeepControl()
		altered.Add(1)
		return nil, nil, false
	})
	cfg := oneLink(t, edge.ListenAddrs(), region.ListenAddrs())
	cfg.Links[0].Topics = config.Topics{Include: topics, Rename: "{topic}", Create: true, ConfigSync: []string{"retention.ms"}}
	_, stop := start(t, cfg)
	for _, topic := range topics {
		eventually(t, "the settings of topic "+topic, func() bool { return value(topic, "retention.ms") == "7200000" })
		if got := value(topic, "segment.ms"); got == "60000" {
			t.Errorf("segment.ms of %s was copied, which nobody asked for", topic)
		}
	}
	if got := altered.Load(); got != 1 {
		t.Errorf("%d changes were made, want the one of the topic that was there", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
