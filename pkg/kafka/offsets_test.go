package kafka

import (
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const group = "mirror.edge-region"

// TestLargeCommits looks at positions that no coordinator would take at once.
func TestLargeCommits(t *testing.T) {
	const partitions = 600
	fake, c := start(t, kfake.SeedTopics(partitions, "clicks"))
	var requests, largest atomic.Int64
	var refuse atomic.Int32 // partition that is refused, -1 none
	refuse.Store(-1)
	fake.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		commit := req.(*kmsg.OffsetCommitRequest)
		requests.Add(1)
		largest.Store(max(largest.Load(), int64(len(commit.AppendTo(nil)))))
		resp := commit.ResponseKind().(*kmsg.OffsetCommitResponse)
		refused := false
		for _, topic := range commit.Topics {
			answer := kmsg.NewOffsetCommitResponseTopic()
			answer.Topic = topic.Topic
			for _, p := range topic.Partitions {
				one := kmsg.NewOffsetCommitResponseTopicPartition()
				if one.Partition = p.Partition; p.Partition == refuse.Load() {
					refused, one.ErrorCode = true, kerr.OffsetMetadataTooLarge.Code
				}
				answer.Partitions = append(answer.Partitions, one)
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, refused
	})
	var commits []GroupOffset
	for i := range int32(partitions) {
		commits = append(commits, GroupOffset{Topic: "clicks", Partition: i, Next: int64(i), LeaderEpoch: -1, Metadata: strings.Repeat("x", 4096)})
	}
	if err := c.CommitOffsets(t.Context(), group, commits); err != nil {
		t.Fatalf("CommitOffsets: %v", err)
	}
	if got := largest.Load(); got > maxCommitBytes+5000 {
		t.Errorf("largest request has %d bytes, want %d at most", got, maxCommitBytes)
	}
	found, err := c.FetchOffsets(t.Context(), group, map[string][]int32{"clicks": {0, 299, 599}})
	if err != nil || len(found["clicks"]) != 3 || found["clicks"][599] != commits[599] {
		t.Errorf("got %d positions, %v", len(found["clicks"]), err)
	}
	all := requests.Swap(0)
	refuse.Store(3)
	err = c.CommitOffsets(t.Context(), group, commits)
	if one, ok := errors.AsType[*PartitionError](err); !ok || one.Partition != 3 {
		t.Errorf("got %v, want partition 3 refused", err)
	}
	if refused, ok := Refusals(err); !ok || len(refused) != 1 || refused[0].Partition != 3 {
		t.Errorf("got refusals %v, %v, want partition 3 alone", refused, ok)
	}
	if got := requests.Load(); got != all {
		t.Errorf("%d requests although a partition was refused, want %d", got, all)
	}
}

func TestOffsetsComeBack(t *testing.T) {
	_, c := start(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "clicks", "views"))
	ctx := t.Context()
	all := map[string][]int32{"clicks": {0, 1, 2}, "views": {0}}
	found, err := c.FetchOffsets(ctx, group, all)
	if err != nil || len(found) != 0 {
		t.Fatalf("unknown group: got %v, %v, want nothing", found, err)
	}
	long := strings.Repeat("x", 4096)
	commits := []GroupOffset{
		{Topic: "clicks", Partition: 0, Next: 10, LeaderEpoch: 3, Metadata: `{"v":1}`},
		{Topic: "views", Partition: 0, Next: 0, LeaderEpoch: -1},
		{Topic: "clicks", Partition: 2, Next: 1 << 40, LeaderEpoch: 0, Metadata: long},
	}
	if err := c.CommitOffsets(ctx, group, commits); err != nil {
		t.Fatalf("CommitOffsets: %v", err)
	}
	found, err = c.FetchOffsets(ctx, group, all)
	if err != nil {
		t.Fatalf("FetchOffsets: %v", err)
	}
	want := map[string]map[int32]GroupOffset{
		"clicks": {0: commits[0], 2: commits[2]}, // 1 was never committed
		"views":  {0: commits[1]},
	}
	if !maps.EqualFunc(found, want, maps.Equal) {
		t.Errorf("got %v, want %v", found, want)
	}
	found, err = c.FetchOffsets(ctx, group, nil)
	if err != nil || len(found) != 0 {
		t.Errorf("no topics: got %v, %v, want nothing", found, err)
	}
	if err := c.CommitOffsets(ctx, group, nil); err != nil {
		t.Errorf("no offsets: %v", err)
	}
}

func TestCommitNamesRefusedPartitions(t *testing.T) {
	fake, c := start(t, kfake.SeedTopics(2, "clicks"))
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "clicks", Partitions: []int32{1}, Err: kerr.OffsetMetadataTooLarge})
	err := c.CommitOffsets(t.Context(), group, []GroupOffset{{Topic: "clicks", Partition: 0, Next: 4}, {Topic: "clicks", Partition: 1, Next: 5}})
	refused, ok := errors.AsType[*PartitionError](err)
	if !ok || *refused != (PartitionError{"clicks", 1, 12}) {
		t.Fatalf("got %v, want clicks/1 with code 12", err)
	}
	if !strings.HasPrefix(err.Error(), "region: commit offsets of group "+group+": clicks/1: ") {
		t.Errorf("got %q, want it to say what was done", err)
	}
	found, err := c.FetchOffsets(t.Context(), group, map[string][]int32{"clicks": {0, 1}})
	if err != nil || found["clicks"][0].Next != 4 || len(found["clicks"]) != 1 {
		t.Errorf("got %v, %v, want only partition 0, at 4", found, err)
	}
}

func TestFetchErrorIsNotAbsence(t *testing.T) {
	tests := []struct {
		name  string
		fault kfake.Fault
		code  int16
	}{
		{"one partition", kfake.Fault{Topic: "clicks", Partitions: []int32{1}, Err: kerr.TopicAuthorizationFailed}, 29},
		{"the group", kfake.Fault{TopLevel: true, Err: kerr.GroupAuthorizationFailed}, 30},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fake, c := start(t, kfake.SeedTopics(2, "clicks"))
			if err := c.CommitOffsets(t.Context(), group, []GroupOffset{{Topic: "clicks", Partition: 0, Next: 4}}); err != nil {
				t.Fatalf("CommitOffsets: %v", err)
			}
			tt.fault.Keys = []kmsg.Key{kmsg.OffsetFetch}
			fake.Fault(tt.fault)
			if found, err := c.FetchOffsets(t.Context(), group, map[string][]int32{"clicks": {0, 1}}); !errors.Is(err, Error{tt.code}) {
				t.Errorf("got %v, %v, want code %d", found, err, tt.code)
			}
		})
	}
}

func TestUnansweredPartitionIsAnError(t *testing.T) {
	fake, c := start(t, kfake.SeedTopics(2, "clicks"))
	fake.ControlKey(int16(kmsg.OffsetFetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind()
		resp.SetVersion(req.GetVersion())
		return resp, nil, true
	})
	if found, err := c.FetchOffsets(t.Context(), group, map[string][]int32{"clicks": {0}}); !errors.Is(err, errNoAnswer) {
		t.Errorf("FetchOffsets: got %v, %v, want an error", found, err)
	}
	fake.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind()
		resp.SetVersion(req.GetVersion())
		return resp, nil, true
	})
	if err := c.CommitOffsets(t.Context(), group, []GroupOffset{{Topic: "clicks", Next: 1}}); !errors.Is(err, errNoAnswer) {
		t.Errorf("CommitOffsets: got %v, want an error", err)
	}
}

// TestCoordinatorMoves has the coordinator change under a cluster that remembers the old one.
func TestCoordinatorMoves(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "clicks"))
	ctx := within(t, 20*time.Second)
	for i := range 10 {
		offset := GroupOffset{Topic: "clicks", Next: int64(i), LeaderEpoch: -1}
		if err := c.CommitOffsets(ctx, group, []GroupOffset{offset}); err != nil {
			t.Fatalf("commit %d: %v", i, err)
		}
		fake.RehashCoordinators()
	}
	for _, code := range []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable} {
		fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch, kmsg.OffsetCommit, kmsg.FindCoordinator}, Err: code, Count: 2})
		if err := c.CommitOffsets(ctx, group, []GroupOffset{{Topic: "clicks", Next: 99, LeaderEpoch: -1}}); err != nil {
			t.Errorf("%s: commit: %v", code.Message, err)
		}
		if _, err := c.FetchOffsets(ctx, group, map[string][]int32{"clicks": {0}}); err != nil {
			t.Errorf("%s: fetch: %v", code.Message, err)
		}
	}
	// The cut connections cost one look for the coordinator each, no failure.
	for _, key := range []kmsg.Key{kmsg.OffsetCommit, kmsg.OffsetFetch} {
		hangUp(fake, key, 2)
	}
	if err := c.CommitOffsets(ctx, group, []GroupOffset{{Topic: "clicks", Next: 100, LeaderEpoch: -1}}); err != nil {
		t.Errorf("cut: commit: %v", err)
	}
	found, err := c.FetchOffsets(ctx, group, map[string][]int32{"clicks": {0}})
	if err != nil || found["clicks"][0].Next != 100 {
		t.Errorf("cut: got %v, %v, want 100", found, err)
	}
}
