package consume

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestRefusedPositionIsNamed has the group take the positions of one partition and refuse those of another.
func TestRefusedPositionIsNamed(t *testing.T) {
	const partitions, records = 2, 100
	fake := newFake(t, 1, partitions)
	var refuse atomic.Bool
	refuse.Store(true)
	fake.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		commit := req.(*kmsg.OffsetCommitRequest)
		resp := commit.ResponseKind().(*kmsg.OffsetCommitResponse)
		refused := false
		for _, topic := range commit.Topics {
			answer := kmsg.NewOffsetCommitResponseTopic()
			answer.Topic = topic.Topic
			for _, p := range topic.Partitions {
				one := kmsg.NewOffsetCommitResponseTopicPartition()
				if one.Partition = p.Partition; refuse.Load() && p.Partition == 1 {
					refused, one.ErrorCode = true, kerr.TopicAuthorizationFailed.Code
				}
				answer.Partitions = append(answer.Partitions, one)
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, refused // the fake does nothing of one that is refused in part: nobody reads the group here
	})
	r := start(t, fake, partitions)
	fill(t, fake, partitions, 0, records)
	r.wantAll(partitions, records)
	r.eventually("the position that is not refused counts as saved", func() bool { return r.status(0).Committed == r.status(0).Next })
	if s := r.status(1); s.Committed == s.Next {
		t.Errorf("a refused position counts as saved: %d", s.Committed)
	}
	refuse.Store(false)
	r.eventually("it is saved once it is not refused any more", func() bool { return r.status(1).Committed == r.status(1).Next })
	r.stop()
}
