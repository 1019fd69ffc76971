package produce

import (
	"math"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/mirror"
)

// producers answers DescribeProducers for partition 0 as Kafka does: the fake tells of open transactions alone.
func producers(fake *kfake.Cluster, code int16, active ...kmsg.DescribeProducersResponseTopicPartitionActiveProducer) (asked func() int) {
	count := make(chan int, 1)
	count <- 0
	fake.ControlKey(int16(kmsg.DescribeProducers), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		count <- 1 + <-count
		resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
		topic, p := kmsg.NewDescribeProducersResponseTopic(), kmsg.NewDescribeProducersResponseTopicPartition()
		topic.Topic, p.ErrorCode, p.ActiveProducers = topicName, code, active
		topic.Partitions = append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	return func() int {
		n := <-count
		count <- n
		return n
	}
}

// When retention has removed every batch of ours from a destination partition, the leader's memory of the producer says
// whether anything was sent after the saved position.
func TestAnchor(t *testing.T) {
	for _, test := range []struct {
		name   string
		others int32 // last sequence that the leader remembers of us, less what the position says; MinInt32: nothing
		code   int16
		halts  bool
	}{
		{"nothing was sent since", 0, 0, false},
		{"something was sent since", 30, 0, true},
		{"the producer is forgotten", math.MinInt32, 0, true},
		{"the leader cannot say", 0, 6, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake := newFake(t, 1, 1)
			r := newRig(t, fake, 1)
			r.source.come.Store(30)
			r.acknowledged(1, 30)
			r.stop()
			none := kmsg.RecordBatch{ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}
			produceRaw(t, fake, 0, none, "other", "other")
			produceRaw(t, fake, 0, none, "other")
			deleteRecords(t, fake, 32)
			stranger := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
			stranger.ProducerID, stranger.LastSequence = 1<<40, 29
			active := []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{stranger}
			if test.others != math.MinInt32 {
				ours := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
				ours.ProducerID, ours.LastSequence = r.store.ids[topicName].Partitions[0].ProducerID, 29+test.others
				active = append(active, ours)
			}
			asked := producers(fake, test.code, active...)

			r.source.come.Store(60)
			r.start(mirror.Same)
			switch {
			case test.halts:
				r.eventually("halt", func() bool { return r.status(0).State == mirror.StateHalted })
				if s := r.status(0); s.Cause != mirror.CauseSequenceHole || s.Next != 30 {
					t.Errorf("got %s at %d: %s; want %s at 30", s.Cause, s.Next, s.Why, mirror.CauseSequenceHole)
				}
			case test.code != 0:
				r.eventually("question", func() bool { return asked() > 1 })
				if s := r.status(0); s.State == mirror.StateHalted || s.Next != 30 {
					t.Errorf("got %s at %d: %s; want to wait at 30", s.State, s.Next, s.Why)
				}
			default:
				r.acknowledged(1, 60)
			}
			if asked() == 0 {
				t.Error("the leader was not asked for its producers")
			}
		})
	}
}

func deleteRecords(t *testing.T, fake *kfake.Cluster, before int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topicName, At: before, LeaderEpoch: -1})
	answer, err := kadm.NewClient(client).DeleteRecords(t.Context(), offsets)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}
