package consume

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
)

const (
	fetchKey        = 1
	byNameVersion   = 12 // the newest that names topics; brokers from 2.7 on
	byIDVersion     = 13 // names them by id, so that a topic made anew is noticed (KIP-516); brokers from 3.1 on
	readCommitted   = 1
	consumerReplica = -1
)

// fetchEncoder writes Fetch requests. Its buffers are reused.
type fetchEncoder struct {
	wait           time.Duration
	responseBytes  int
	partitionBytes int

	version     int16 // of the request encoded last
	correlation int32
	rotation    int
	req         *kmsg.FetchRequest // made by kmsg: a zero one has tagged fields that are not at their defaults, and brokers hang up on it
	frame       []byte
}

// request encodes a fetch without a session for all of asked, each time beginning with another one, as the broker fills
// a response in the order asked.
func (c *fetchEncoder) request(asked []asked, newest int16) []byte {
	c.correlation = c.correlation&0x3fffffff + 1
	c.rotation++
	c.version = byIDVersion
	if newest < byIDVersion || anyWithoutID(asked) {
		c.version = byNameVersion
	}
	if c.req == nil {
		c.req = kmsg.NewPtrFetchRequest()
	}
	r := c.req
	r.SetVersion(c.version)
	r.ReplicaID, r.MaxWaitMillis, r.MinBytes, r.MaxBytes = consumerReplica, int32(c.wait.Milliseconds()), 1, int32(c.responseBytes)
	r.IsolationLevel, r.SessionID, r.SessionEpoch = readCommitted, 0, -1
	topics := r.Topics[:0]
	for i := range asked {
		a := &asked[(i+c.rotation)%len(asked)]
		if n := len(topics); n == 0 || topics[n-1].Topic != a.e.tp.Topic {
			topics = appendTopic(topics)
			topics[len(topics)-1].Topic, topics[len(topics)-1].TopicID = a.e.tp.Topic, a.topicID
		}
		t := &topics[len(topics)-1]
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch = a.e.tp.Partition, a.leader.Epoch, a.next, a.epoch
		p.LogStartOffset, p.PartitionMaxBytes = -1, int32(c.partitionBytes)
		if a.portion > 0 {
			p.PartitionMaxBytes = int32(min(c.partitionBytes, a.portion))
		}
		t.Partitions = append(t.Partitions, p)
	}
	r.Topics = topics
	c.frame = kmsg.NewRequestFormatter(kmsg.FormatterClientID(kafka.ClientID)).AppendRequest(c.frame[:0], r, c.correlation)
	return c.frame
}

// appendTopic reuses the partitions' memory of an earlier request.
func appendTopic(topics []kmsg.FetchRequestTopic) []kmsg.FetchRequestTopic {
	if n := len(topics); n < cap(topics) {
		topics = topics[:n+1]
		topics[n].Partitions = topics[n].Partitions[:0]
		return topics
	}
	return append(topics, kmsg.NewFetchRequestTopic())
}

func anyWithoutID(asked []asked) bool {
	for i := range asked {
		if asked[i].topicID == (kafka.TopicID{}) {
			return true
		}
	}
	return false
}
