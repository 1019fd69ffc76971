package kafka

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestBoundsAskOncePerBroker(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(1), kfake.SeedTopics(3, "clicks"), kfake.SeedTopics(1, "views"))
	addr := fake.ListenAddrs()[0]
	asked := 0
	fake.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		asked++
		return nil, nil, false
	})
	want := map[string][]int32{"clicks": {0, 1, 2}, "views": {0}, "gone": {0}}
	for _, bound := range []Bound{LogEnd, LogStart} {
		got, err := c.Bounds(t.Context(), addr, want, bound)
		if refused, ok := errors.AsType[*PartitionError](err); !ok || refused.Topic != "gone" {
			t.Errorf("got error %v, want one for gone/0", err)
		}
		if len(got["clicks"]) != 3 || len(got["views"]) != 1 || len(got["gone"]) != 0 || got["clicks"][2] != 0 {
			t.Errorf("got %v", got)
		}
	}
	if asked != 2 {
		t.Errorf("%d requests, want 2", asked)
	}
	if _, err := c.Bounds(t.Context(), "127.0.0.1:1", want, LogEnd); err == nil {
		t.Error("a broker that is not there answered")
	}
}

func TestLogDirs(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "clicks"))
	addr := fake.ListenAddrs()[0]
	answer := func(code int16, dirs ...kmsg.DescribeLogDirsResponseDir) {
		fake.ControlKey(int16(kmsg.DescribeLogDirs), func(req kmsg.Request) (kmsg.Response, error, bool) {
			if asked := req.(*kmsg.DescribeLogDirsRequest); len(asked.Topics) != 1 || asked.Topics[0].Topic != "clicks" || len(asked.Topics[0].Partitions) != 2 {
				t.Errorf("asked for %+v", asked.Topics)
			}
			resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
			resp.ErrorCode, resp.Dirs = code, dirs
			return resp, nil, true
		})
	}
	part := func(id int32, size int64, future bool) kmsg.DescribeLogDirsResponseDirTopicPartition {
		return kmsg.DescribeLogDirsResponseDirTopicPartition{Partition: id, Size: size, IsFuture: future}
	}
	dir := kmsg.DescribeLogDirsResponseDir{Dir: "/kafka", TotalBytes: 1000, UsableBytes: 400, Topics: []kmsg.DescribeLogDirsResponseDirTopic{{Topic: "clicks",
		Partitions: []kmsg.DescribeLogDirsResponseDirTopicPartition{part(0, 7, false), part(1, 9, true)}}}}
	broken := kmsg.DescribeLogDirsResponseDir{Dir: "/gone", ErrorCode: 56}

	answer(0, dir, broken)
	got, err := c.LogDirs(t.Context(), addr, map[string][]int32{"clicks": {0, 1}})
	if err != nil || len(got) != 1 || got[0].Path != "/kafka" || got[0].Total != 1000 || got[0].Usable != 400 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if sizes := got[0].Sizes["clicks"]; len(sizes) != 1 || sizes[0] != 7 {
		t.Errorf("sizes: got %v", sizes)
	}
	untold := dir
	untold.TotalBytes, untold.UsableBytes = -1, -1
	answer(0, untold)
	if got, err = c.LogDirs(t.Context(), addr, map[string][]int32{"clicks": {0, 1}}); err != nil || got[0].Total != -1 || got[0].Usable != -1 {
		t.Errorf("untold: %+v, %v", got, err)
	}
	for _, code := range []int16{31, 0} { // an old broker answers with nothing
		answer(code)
		if _, err = c.LogDirs(t.Context(), addr, map[string][]int32{"clicks": {0, 1}}); !errors.Is(err, Error{31}) {
			t.Errorf("without the right: %v", err)
		}
	}
}
