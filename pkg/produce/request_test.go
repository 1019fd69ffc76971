package produce

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// TestEncoderIsReadBack lays random requests out and reads them with franz-go's decoder.
func TestEncoderIsReadBack(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		var c encoder
		for range 3 { // the encoder is reused
			c.reset()
			var rows [][]item
			var ids []int32
			for range 1 + rnd.IntN(4) {
				rows = append(rows, randomItems(rnd))
				ids = append(ids, c.add(rows[len(rows)-1]))
			}
			var wire []byte
			for _, piece := range c.vector() {
				wire = append(wire, piece...)
			}
			for i, items := range rows {
				rest, err := checkRequest(wire, ids[i], items)
				if err != nil {
					t.Fatalf("seed %d, request %d: %v", seed, i, err)
				}
				wire = rest
			}
			if len(wire) != 0 {
				t.Fatalf("seed %d: %d bytes after the last request", seed, len(wire))
			}
		}
	}
}

// randomItems are batches of many topics, each partition once, in any order.
func randomItems(rnd *rand.Rand) []item {
	var items []item
	for topic := range 1 + rnd.IntN(6) {
		for partition := range 1 + rnd.IntN(4) {
			e := &entry{dest: mirror.TopicPartition{Topic: fmt.Sprintf("t%0*d", 1+topic*50, topic), Partition: int32(partition * 1000)}}
			records := bytes.Repeat([]byte{byte(topic), byte(partition)}, rnd.IntN(20000))
			items = append(items, item{e, mirror.Taken{Sealed: mirror.Sealed{Bytes: records}}})
		}
	}
	rnd.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return items
}

func checkRequest(wire []byte, correlation int32, items []item) (rest []byte, err error) {
	size := int(binary.BigEndian.Uint32(wire))
	frame, rest := wire[4:4+size], wire[4+size:]
	key, version := binary.BigEndian.Uint16(frame), binary.BigEndian.Uint16(frame[2:])
	if key != 0 || version != produceVersion || int32(binary.BigEndian.Uint32(frame[4:])) != correlation {
		return nil, fmt.Errorf("header %x", frame[:8])
	}
	n := int(binary.BigEndian.Uint16(frame[8:]))
	if got := string(frame[10 : 10+n]); got != kafka.ClientID {
		return nil, fmt.Errorf("client id %q", got)
	}
	if frame[10+n] != 0 {
		return nil, fmt.Errorf("header has tags")
	}
	var req kmsg.ProduceRequest
	req.SetVersion(produceVersion)
	if err := req.ReadFrom(frame[11+n:]); err != nil {
		return nil, err
	}
	if req.Acks != -1 || req.TransactionID != nil || req.TimeoutMillis != int32(produceTimeout.Milliseconds()) {
		return nil, fmt.Errorf("acks %d, transaction %v, timeout %d", req.Acks, req.TransactionID, req.TimeoutMillis)
	}
	want := map[mirror.TopicPartition][]byte{}
	for _, it := range items {
		want[it.e.dest] = it.taken.Bytes
	}
	topics := map[string]bool{}
	for _, topic := range req.Topics {
		if topics[topic.Topic] {
			return nil, fmt.Errorf("topic %s stands there twice", topic.Topic)
		}
		topics[topic.Topic] = true
		for _, p := range topic.Partitions {
			tp := mirror.TopicPartition{Topic: topic.Topic, Partition: p.Partition}
			records, ok := want[tp]
			if !ok || !bytes.Equal(records, p.Records) {
				return nil, fmt.Errorf("%v has %d bytes, want %d (%v)", tp, len(p.Records), len(records), ok)
			}
			delete(want, tp)
		}
	}
	if len(want) > 0 {
		return nil, fmt.Errorf("%d batches are missing", len(want))
	}
	return rest, nil
}
