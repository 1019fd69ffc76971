package produce

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// newAdmin asks a fake cluster.
func newAdmin(t *testing.T, fake *kfake.Cluster) admin {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cluster, err := kafka.New("region", kafka.Config{Brokers: fake.ListenAddrs()}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Close() })
	return admin{cluster, catalog.NewWatcher(cluster, log)}
}

func TestSettingsAreSetAndReset(t *testing.T) {
	a := newAdmin(t, newFake(t, 2, 1))
	look := func() mirror.Setting {
		t.Helper()
		got, err := a.Settings(t.Context(), []string{topicName}, []string{"retention.ms"})
		if err != nil {
			t.Fatal(err)
		}
		return got[topicName]["retention.ms"]
	}
	before := look()
	if before.Own {
		t.Fatalf("a new topic has %+v", before)
	}
	for _, step := range []struct {
		value *string
		want  mirror.Setting
	}{{new("1234"), mirror.Setting{Value: "1234", Own: true}}, {new("99"), mirror.Setting{Value: "99", Own: true}}, {nil, before}} {
		if err := a.ChangeSetting(t.Context(), topicName, "retention.ms", step.value); err != nil {
			t.Fatal(err)
		}
		if got := look(); got != step.want {
			t.Errorf("got %+v, want %+v", got, step.want)
		}
	}
}

func TestMissingRightToAlterIsNamed(t *testing.T) {
	fake := newFake(t, 1, 1)
	fake.ControlKey(int16(kmsg.IncrementalAlterConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
		r := kmsg.NewIncrementalAlterConfigsResponseResource()
		r.ErrorCode, r.ResourceType, r.ResourceName = kerr.TopicAuthorizationFailed.Code, kmsg.ConfigResourceTypeTopic, topicName
		resp.Resources = append(resp.Resources, r)
		return resp, nil, true
	})
	err := newAdmin(t, fake).ChangeSetting(t.Context(), topicName, "retention.ms", new("1"))
	if err == nil || !strings.Contains(err.Error(), "the right to ALTER_CONFIGS on topic clicks at region is missing") {
		t.Errorf("got %v", err)
	}
}

// TestTopicIsMadeWithoutWhatIsRefused: a destination that does not take a setting that a topic can do without gets the topic.
func TestTopicIsMadeWithoutWhatIsRefused(t *testing.T) {
	fake := newFake(t, 1, 1)
	var tried []int // settings of each topic that was asked for
	fake.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		asked := req.(*kmsg.CreateTopicsRequest).Topics[0]
		tried = append(tried, len(asked.Configs))
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		r := kmsg.NewCreateTopicsResponseTopic()
		if r.Topic = asked.Topic; len(asked.Configs) > 1 {
			r.ErrorCode = kerr.InvalidConfig.Code
		}
		resp.Topics = append(resp.Topics, r)
		return resp, nil, true
	})
	a := newAdmin(t, fake)
	topic := mirror.NewTopic{Name: "views", Partitions: 1, Replication: 1, Settings: map[string]string{"cleanup.policy": "compact"}, Wanted: map[string]string{"segment.bytes": "1"}}
	refused, err := a.CreateTopics(context.Background(), []mirror.NewTopic{topic})
	if err != nil || len(refused) > 0 {
		t.Errorf("got %v, %v; want it made", refused, err)
	}
	if len(tried) != 2 || tried[0] != 2 || tried[1] != 1 {
		t.Errorf("settings asked for were %v, want two and then the one that it needs", tried)
	}
}
