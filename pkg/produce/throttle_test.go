package produce

import (
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/mirror"
)

// TestOldRecordsWaitForAThrottledConnection has a broker that throttles the client: what another process sent on a connection that
// is closed by now lies there until the pause is over.
func TestOldRecordsWaitForAThrottledConnection(t *testing.T) {
	const pause = 2 * time.Second
	fake := newFake(t, 1, 1)
	fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		if len(req.(*kmsg.ProduceRequest).Topics) > 0 {
			return nil, nil, false
		}
		answer := req.ResponseKind().(*kmsg.ProduceResponse)
		answer.ThrottleMillis = int32(pause.Milliseconds())
		return answer, nil, true
	})
	r := &rig{t: t, fake: fake, source: newMemSource(1), store: newMemStore()}
	r.source.age = 30 * 24 * time.Hour
	r.source.come.Store(30)
	begun := time.Now()
	r.start(mirror.Same)
	r.eventually("first records", func() bool { return r.status(0).Next > 0 })
	if took := time.Since(begun); took < pause+grace {
		t.Errorf("old records went after %v, want the pause of %v and a grace of %v before", took, pause, grace)
	}
}

// TestNothingIsSentIntoAPause has a broker that throttles the first answer: it would read what is sent then after the pause, also if
// the connection is gone by that time.
func TestNothingIsSentIntoAPause(t *testing.T) {
	const pause = time.Second
	fake := newFake(t, 1, 1)
	var mu sync.Mutex
	var came []time.Time
	fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if came = append(came, time.Now()); len(came) > 1 {
			return nil, nil, false
		}
		produce := req.(*kmsg.ProduceRequest)
		answer := req.ResponseKind().(*kmsg.ProduceResponse)
		answer.ThrottleMillis = int32(pause.Milliseconds())
		for _, topic := range produce.Topics {
			one := kmsg.NewProduceResponseTopic()
			one.Topic = topic.Topic
			for _, p := range topic.Partitions {
				refused := kmsg.NewProduceResponseTopicPartition()
				refused.Partition, refused.ErrorCode = p.Partition, kerr.NotEnoughReplicas.Code
				one.Partitions = append(one.Partitions, refused)
			}
			answer.Topics = append(answer.Topics, one)
		}
		return answer, nil, true
	})
	r := newRig(t, fake, 1)
	r.source.come.Store(30)
	r.acknowledged(1, 30)
	mu.Lock()
	defer mu.Unlock()
	if len(came) < 2 || came[1].Sub(came[0]) < pause {
		t.Errorf("requests came at %v, want %v between the first two", came, pause)
	}
}

func TestRoomOfAThrottledLane(t *testing.T) {
	now := time.Now()
	l := newLane(&Sink{}, 1)
	for _, step := range []struct {
		name   string
		at     time.Duration
		answer time.Duration
		want   int
	}{
		{"at first", 0, 0, maxInFlight},
		{"throttled for a moment", 0, longPause - time.Millisecond, maxInFlight},
		{"throttled", 0, 3 * time.Second, 0},
		{"in the pause", 2 * time.Second, 0, 0},
		{"after it", 3 * time.Second, 0, 1},
		{"still within memory", throttleMemory - time.Millisecond, 0, 1},
		{"forgotten", throttleMemory, 0, maxInFlight},
		{"for long", throttleMemory, 2 * throttleMemory, 0},
		{"still in that pause", 2 * throttleMemory, 0, 0},
		{"behind it", 3 * throttleMemory, 0, maxInFlight},
	} {
		at := now.Add(step.at)
		l.throttle(step.answer, at)
		if got := l.room(at); got != step.want {
			t.Errorf("%s: got room for %d, want %d", step.name, got, step.want)
		}
	}
}
