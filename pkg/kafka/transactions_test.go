package kafka

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// begin opens a transaction that writes one record to a partition of the topic, and leaves it open.
func begin(t *testing.T, fake *kfake.Cluster, id, topic string, partition int32) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(within(t, 10*time.Second), &kgo.Record{Topic: topic, Partition: partition, Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return client
}

func TestOpenTransactions(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "clicks"))
	before := time.Now().Add(-time.Second)
	first := begin(t, fake, "one", "clicks", 0)
	begin(t, fake, "two", "clicks", 0)
	begin(t, fake, "three", "clicks", 2)

	got, err := c.OpenTransactions(within(t, 10*time.Second), "clicks", []int32{0, 1, 2})
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v; want the oldest of partitions 0 and 2", got, err)
	}
	for partition, id := range map[int32]string{0: "one", 2: "three"} {
		o := got[partition]
		if o.TransactionalID != id || o.ProducerID < 0 || o.FirstOffset != 0 || o.Began.Before(before) || o.Began.After(time.Now().Add(time.Second)) {
			t.Errorf("partition %d: got %+v, want %s from offset 0 on, begun just now", partition, o, id)
		}
	}
	if err := first.EndTransaction(within(t, 10*time.Second), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	got, err = c.OpenTransactions(within(t, 10*time.Second), "clicks", []int32{0})
	if err != nil || got[0].TransactionalID != "two" || got[0].FirstOffset != 1 {
		t.Errorf("got %+v, %v; want two from offset 1 on", got, err)
	}
}

// A broker that tells nothing of transactions still names the producer.
func TestOpenTransactionsUnnamed(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "clicks"))
	begin(t, fake, "one", "clicks", 0)
	fake.ControlKey(int16(kmsg.ListTransactions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.ListTransactionsResponse)
		resp.ErrorCode = 31
		return resp, nil, true
	})
	got, err := c.OpenTransactions(within(t, 10*time.Second), "clicks", []int32{0})
	if o := got[0]; err != nil || o.TransactionalID != "" || !o.Began.IsZero() || o.ProducerID < 0 {
		t.Errorf("got %+v, %v; want a producer id alone", got, err)
	}
}

func TestOpenTransactionsRefused(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "clicks"))
	fake.ControlKey(int16(kmsg.DescribeProducers), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
		topic, p := kmsg.NewDescribeProducersResponseTopic(), kmsg.NewDescribeProducersResponseTopicPartition()
		topic.Topic, p.ErrorCode = "clicks", 29
		topic.Partitions = append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	_, err := c.OpenTransactions(within(t, 10*time.Second), "clicks", []int32{0})
	if code, ok := Code(err); !ok || code != 29 {
		t.Errorf("got %v, want code 29", err)
	}
	if _, err := c.OpenTransactions(within(t, 10*time.Second), "clicks", []int32{7}); err == nil {
		t.Error("a partition that does not exist was answered for")
	}
}

func TestOldestOpen(t *testing.T) {
	producer := func(id, start int64) kmsg.DescribeProducersResponseTopicPartitionActiveProducer {
		return kmsg.DescribeProducersResponseTopicPartitionActiveProducer{ProducerID: id, CurrentTxnStartOffset: start}
	}
	list := []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{producer(1, -1), producer(2, 50), producer(3, 40), producer(4, 60)}
	if got, ok := oldestOpen(list); !ok || got.ProducerID != 3 || got.FirstOffset != 40 {
		t.Errorf("got %+v, %v; want producer 3 from 40 on", got, ok)
	}
	if got, ok := oldestOpen(slices.Delete(list, 1, 4)); ok {
		t.Errorf("got %+v, want none", got)
	}
}
