package produce

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

func TestOnward(t *testing.T) {
	fake := newFake(t, 3, 2)
	cluster, err := kafka.New("region", kafka.Config{Brokers: fake.ListenAddrs()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Close() })
	home, edge := protocol.Place{Cluster: "home", Topic: "clicks"}, protocol.Place{Cluster: "edge", Topic: "clicks"}
	for group, metadata := range map[string][]string{
		"mirror.home":   {protocol.Position{}.Metadata(home), protocol.Position{}.Metadata(home)},
		"mirror.back":   {protocol.Position{}.Metadata(protocol.Place{}), protocol.Position{}.Metadata(edge)},
		"mirror.before": {protocol.Position{}.Metadata(protocol.Place{})},
		"mirror.tool":   {"a note"},
		"another":       {protocol.Position{}.Metadata(edge)},
	} {
		var offsets []kafka.GroupOffset
		for partition, text := range metadata {
			offsets = append(offsets, kafka.GroupOffset{Topic: topicName, Partition: int32(partition), Metadata: text})
		}
		if err := cluster.CommitOffsets(t.Context(), group, offsets); err != nil {
			t.Fatal(err)
		}
	}
	a := admin{cluster: cluster}
	want := map[string][]mirror.Onward{topicName: {{Group: "mirror.back", To: edge}, {Group: "mirror.home", To: home}}}
	topics := map[string][]int32{topicName: {0, 1}}
	if got, err := a.Onward(t.Context(), topics); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := a.Onward(t.Context(), map[string][]int32{topicName: {0}}); err != nil || len(got[topicName]) != 1 {
		t.Errorf("of partition 0 alone: got %v, %v, want mirror.home", got, err)
	}
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Err: kerr.GroupAuthorizationFailed, Count: 1})
	if got, err := a.Onward(t.Context(), topics); err == nil || !strings.Contains(err.Error(), "DESCRIBE on the groups mirror.*") || !reflect.DeepEqual(got, want) {
		t.Errorf("without the right: got %v, %v, want %v and an error that names the right", got, err, want)
	}
}
