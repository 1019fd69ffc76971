package produce

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/mirror"
)

// taken is the ownership of everything, taken over from somebody who died at a moment.
type taken struct {
	mirror.Alone
	since time.Time
	wait  time.Duration
}

func (o *taken) Tenures(topic string) []mirror.Tenure {
	return []mirror.Tenure{{Unit: mirror.Unit{Topic: topic, Of: 1}, Term: 2, Since: o.since, Before: mirror.PredecessorDead, Wait: o.wait}}
}

// TestOldRecordsWaitForAFormerOwner has old records to send while something of a former owner may still arrive.
func TestOldRecordsWaitForAFormerOwner(t *testing.T) {
	r := &rig{t: t, fake: newFake(t, 1, 2), source: newMemSource(2), store: newMemStore()}
	r.source.age = 30 * 24 * time.Hour
	own := &taken{since: time.Now(), wait: 2 * time.Second}
	r.own = own
	r.source.come.Store(30)
	r.start(mirror.Same)
	r.eventually("the wait is told", func() bool {
		topics := r.link.Status().Topics
		if len(topics) == 0 || len(topics[0].Partitions) != 2 {
			return false
		}
		p := topics[0].Partitions[0]
		return p.State == mirror.StateWaiting && p.Why != "" && p.Next == 0
	})
	r.eventually("old records arrive", func() bool { return r.fake.PartitionInfo(topicName, 0).HighWatermark == 30 })
	if waited := time.Since(own.since); waited < own.wait+grace {
		t.Errorf("the first arrived after %v, want the wait of %v and the grace of %v before it", waited, own.wait, grace)
	}
}

// TestManyTailsAreFetchedTogether starts a link whose positions are lost: all that it sent lies beyond its bases. What is
// asked of the broker grows with the bytes, not with the partitions.
func TestManyTailsAreFetchedTogether(t *testing.T) {
	const partitions = 100
	fake := newFake(t, 1, partitions)
	r := newRig(t, fake, partitions)
	r.source.come.Store(9)
	all := func() bool {
		for p := range int32(partitions) {
			if fake.PartitionInfo(topicName, p).HighWatermark < r.source.come.Load() {
				return false
			}
		}
		return true
	}
	r.eventually("all records arrive", all)
	r.stop()
	r.source.forget()
	var fetches, starts atomic.Int64
	fake.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		fetches.Add(1)
		return nil, nil, false
	})
	fake.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		starts.Add(1)
		return nil, nil, false
	})
	r.source.come.Store(12)
	r.start(mirror.Same)
	r.eventually("all records arrive", all)
	if f, s := fetches.Load(), starts.Load(); f == 0 || f > partitions/4 || s > partitions/4 {
		t.Errorf("the tails of %d partitions took %d fetches and %d ListOffsets", partitions, f, s)
	}
	for p, got := range readAll(t, fake, topicName, partitions) {
		if len(got) != 12 {
			t.Errorf("partition %d has %d records, want 12", p, len(got))
		}
	}
}
