package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// oldTopic is a topic whose source keeps messages in formats of before Kafka 0.11.
type oldTopic struct {
	name    string
	configs map[string]string
	raise   []string // the format is raised to these between the rounds
	magics  []int8   // the formats that its log must hold in the end
}

var oldTopics = []oldTopic{
	{"formats-v0", map[string]string{"message.format.version": "0.9.0"}, nil, []int8{0}},
	{"formats-v1", map[string]string{"message.format.version": "0.10.2"}, nil, []int8{1}},
	{"formats-v1-append", map[string]string{"message.format.version": "0.10.2", "message.timestamp.type": "LogAppendTime"}, nil, []int8{1}},
	{"formats-raised", map[string]string{"message.format.version": "0.9.0"}, []string{"0.10.2", "2.8"}, []int8{0, 1, 2}},
}

// Records that an old cluster keeps in formats v0 and v1, compressed or not, arrive as v2 exactly once, with key, value and
// timestamp, over kill -9 and while the format is being raised.
func TestOldFormats(t *testing.T) {
	from, to := kafka.New(t, kafka.Options{Version: kafka.Kafka28, Properties: map[string]string{"log.retention.ms": "-1"}}), stage.home.get(t)
	for _, topic := range oldTopics {
		must(t, from.CreateTopic(within(t, time.Minute), topic.name, 1, 1, topic.configs))
	}
	h := newHost(t, between("formats", from, to, "formats-*"))
	const rounds, perRound = 3, 600
	counted := 0
	for round := range rounds {
		h.start(t)
		for _, topic := range oldTopics {
			if round > 0 && round <= len(topic.raise) {
				must(t, from.SetTopicConfig(within(t, time.Minute), topic.name, map[string]string{"message.format.version": topic.raise[round-1]}))
			}
			produceOld(t, from, topic.name, round*perRound, perRound)
		}
		for _, topic := range oldTopics {
			awaitEnd(t, to, topic.name, int64((round+1)*perRound-perRound/2))
		}
		must(t, h.run.kill())
		for _, topic := range oldTopics {
			counted += beyondPosition(t, from, to, h.settings.group(), topic.name)
		}
	}
	if counted == 0 {
		t.Error("no mirror was killed before its position was saved: nothing was counted at the restarts")
	}
	h.start(t)
	for _, topic := range oldTopics {
		must(t, load.AwaitCommitted(within(t, time.Minute), from.Direct(), h.settings.group(), topic.name))
	}
	h.stop(t)
	for _, topic := range oldTopics {
		requireSameRecords(t, from, to, topic, rounds*perRound)
	}
}

// produceOld writes n records in batches of every codec that the old formats have, and some alone. The last is short: less
// than the header of a v2 batch.
func produceOld(t *testing.T, c *kafka.Cluster, topic string, first, n int) {
	t.Helper()
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression()}
	for i, codec := range codecs {
		client, err := c.Client(kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(2*time.Millisecond))
		must(t, err)
		share := n / len(codecs)
		for k := range share {
			client.Produce(t.Context(), oldRecord(first+i*share+k), nil)
			if k%50 == 49 {
				must(t, client.Flush(within(t, time.Minute)))
			}
		}
		must(t, client.Flush(within(t, time.Minute)))
		client.Close()
	}
	client, err := c.Client(kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DefaultProduceTopic(topic))
	must(t, err)
	defer client.Close()
	for k := n - n%len(codecs); k < n; k++ {
		must(t, client.ProduceSync(within(t, time.Minute), oldRecord(first+k)).FirstErr())
	}
}

func oldRecord(i int) *kgo.Record {
	r := &kgo.Record{Key: fmt.Append(nil, i), Value: bytes.Repeat([]byte{byte(i)}, i%200), Timestamp: time.UnixMilli(1_600_000_000_000 + int64(i))}
	switch i % 7 {
	case 1:
		r.Key = nil
	case 2:
		r.Value = nil
	case 3:
		r.Key, r.Value = []byte{}, []byte{}
	}
	return r
}

// awaitEnd waits until the first partition of a topic ends at an offset or behind it.
func awaitEnd(t *testing.T, c *kafka.Cluster, topic string, end int64) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("%s reaches offset %d", topic, end), func(ctx context.Context) error {
		ends, err := c.EndOffsets(ctx, topic)
		if err == nil && ends[0] < end {
			err = fmt.Errorf("it ends at %d", ends[0])
		}
		return err
	})
}

// beyondPosition returns how many records the destination holds beyond the saved position of the first partition.
func beyondPosition(t *testing.T, from, to *kafka.Cluster, group, topic string) int {
	t.Helper()
	ends, err := to.EndOffsets(within(t, time.Minute), topic)
	must(t, err)
	saved, err := from.Admin().FetchOffsets(within(t, time.Minute), group)
	must(t, err)
	at, _ := saved.Lookup(topic, 0)
	return int(ends[0] - at.At)
}

// requireSameRecords holds the destination against what was written, offsets included: nothing was ever deleted.
func requireSameRecords(t *testing.T, from, to *kafka.Cluster, topic oldTopic, n int) {
	t.Helper()
	source := readEntries(t, from, topic.name)
	got, _ := readAll(t, to, topic.name, 0)
	if len(source) != n || len(got) != n {
		t.Fatalf("%s: the source holds %d records, the destination %d; want %d", topic.name, len(source), len(got), n)
	}
	held := map[int8]int{}
	for i, w := range source {
		held[w.magic]++
		want := oldRecord(i)
		switch {
		case w.magic == 0:
			want.Timestamp = time.UnixMilli(-1)
		case w.appendTime != 0:
			want.Timestamp = time.UnixMilli(w.appendTime)
		}
		if g := got[i]; g.Offset != int64(i) || !same(g.Key, want.Key) || !same(g.Value, want.Value) || !g.Timestamp.Equal(want.Timestamp) {
			t.Fatalf("%s: record %d, v%d at the source, is %q=%q at %v, offset %d; want %q=%q at %v", topic.name, i, w.magic,
				g.Key, g.Value, g.Timestamp, g.Offset, want.Key, want.Value, want.Timestamp)
		}
	}
	for _, magic := range topic.magics {
		if held[magic] == 0 {
			t.Errorf("%s: the source holds %v records by format, want some of v%d", topic.name, held, magic)
		}
	}
	if _, appended := topic.configs["message.timestamp.type"]; appended && source[0].appendTime == 0 {
		t.Errorf("%s: the source did not stamp its records", topic.name)
	}
	for _, e := range readEntries(t, to, topic.name) {
		if e.magic != 2 {
			t.Fatalf("%s: the destination holds a record in format v%d", topic.name, e.magic)
		}
	}
	t.Logf("%s: %d records are equal, at the source by format: %v", topic.name, n, held)
}

// same tells null from empty.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// oldEntry is what the log says of a record outside of what may be compressed.
type oldEntry struct {
	magic      int8
	appendTime int64 // of formats before v2; 0 where the producer's times hold
}

// readEntries returns the batches and messages of the first partition of a topic, one entry for each offset. The client
// library cannot read all of what old brokers wrote.
func readEntries(t *testing.T, c *kafka.Cluster, topic string) (entries []oldEntry) {
	t.Helper()
	walkLog(t, c, topic, 0, func(p *kmsg.FetchResponseTopicPartition) int64 {
		for raw := p.RecordBatches; len(raw) > 16; {
			size := 12 + int(binary.BigEndian.Uint32(raw[8:]))
			if size > len(raw) {
				break
			}
			e, next := oldEntry{magic: int8(raw[16])}, int64(binary.BigEndian.Uint64(raw))+1
			switch {
			case e.magic == 2:
				next += int64(binary.BigEndian.Uint32(raw[23:]))
			case e.magic == 1 && raw[17]&8 != 0:
				e.appendTime = int64(binary.BigEndian.Uint64(raw[18:]))
			}
			for int64(len(entries)) < next {
				entries = append(entries, e)
			}
			raw = raw[size:]
		}
		return int64(len(entries))
	})
	return entries
}

// readAll returns the records of a partition, and its end offset.
func readAll(t *testing.T, c *kafka.Cluster, topic string, partition int32) (records []*kgo.Record, end int64) {
	t.Helper()
	decoding := kgo.ProcessFetchPartitionOpts{Topic: topic, Partition: partition, KeepControlRecords: true}
	end = walkLog(t, c, topic, partition, func(p *kmsg.FetchResponseTopicPartition) int64 {
		fetched, next := kgo.ProcessFetchPartition(decoding, p, kgo.DefaultDecompressor(), nil)
		must(t, fetched.Err)
		records, decoding.Offset = append(records, fetched.Records...), next
		return next
	})
	return records, end
}

// walkLog fetches a partition from its beginning to its end, which it returns; take returns the offset to go on at.
func walkLog(t *testing.T, c *kafka.Cluster, topic string, partition int32, take func(*kmsg.FetchResponseTopicPartition) int64) int64 {
	t.Helper()
	client, err := c.Client()
	must(t, err)
	defer client.Close()
	ends, err := c.EndOffsets(within(t, time.Minute), topic)
	must(t, err)
	metadata, err := c.Admin().Metadata(within(t, time.Minute), topic)
	must(t, err)
	for at := int64(0); at < ends[partition]; {
		next := take(fetchRaw(t, client, metadata.Topics[topic].ID, topic, partition, at))
		if next <= at {
			t.Fatalf("read %s: nothing at offset %d of %d", topic, at, ends[partition])
		}
		at = next
	}
	return ends[partition]
}

func fetchRaw(t *testing.T, client *kgo.Client, id [16]byte, topic string, partition int32, offset int64) *kmsg.FetchResponseTopicPartition {
	t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 500, 1, 8<<20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = topic, id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = partition, offset, 8<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	answer, err := client.Broker(1).Request(within(t, time.Minute), req)
	must(t, err)
	return &answer.(*kmsg.FetchResponse).Topics[0].Partitions[0]
}
