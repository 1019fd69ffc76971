package consume

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// newBatch builds an uncompressed batch of n records from offset base; their values are fill bytes long.
func newBatch(base int64, n, fill int) []byte {
	var records []byte
	for i := range n {
		r := kmsg.Record{OffsetDelta: int32(i), Value: make([]byte, fill)}
		for k := range r.Value {
			r.Value[k] = byte(base) + byte(i+k)
		}
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		records = r.AppendTo(records)
	}
	h := kmsg.RecordBatch{FirstOffset: base, PartitionLeaderEpoch: 4, Magic: 2, LastOffsetDelta: int32(n - 1), FirstTimestamp: 5, MaxTimestamp: 5,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(n), Records: records}
	b := h.AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// newMessage builds a message of format v0 with a key of 4 bytes.
func newMessage(offset int64, value string) []byte {
	b := (&kmsg.MessageV0{Offset: offset, Key: []byte("abcd"), Value: []byte(value)}).AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[12:], crc32.ChecksumIEEE(b[16:]))
	return b
}

// frameOf is a response as it comes from the wire, without its size.
func frameOf(r *kmsg.FetchResponse, version int16, correlation int32) []byte {
	r.SetVersion(version)
	b := binary.BigEndian.AppendUint32(nil, uint32(correlation))
	return r.AppendTo(append(b, 0)) // no tags in the header
}

// part is what a test wants a response to say of a partition.
type part struct {
	topic     string
	id        [16]byte
	partition int32
	code      int16
	records   []byte
	aborted   [][2]int64 // producer, first offset
	diverging int64      // 0: none
}

func response(parts ...part) *kmsg.FetchResponse {
	r := kmsg.NewPtrFetchResponse()
	for _, p := range parts {
		if n := len(r.Topics); n == 0 || r.Topics[n-1].Topic != p.topic {
			t := kmsg.NewFetchResponseTopic()
			t.Topic, t.TopicID = p.topic, p.id
			r.Topics = append(r.Topics, t)
		}
		a := kmsg.NewFetchResponseTopicPartition()
		a.Partition, a.ErrorCode, a.HighWatermark, a.LastStableOffset, a.LogStartOffset = p.partition, p.code, 900, 800, 7
		a.RecordBatches = p.records
		for _, x := range p.aborted {
			t := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
			t.ProducerID, t.FirstOffset = x[0], x[1]
			a.AbortedTransactions = append(a.AbortedTransactions, t)
		}
		if p.diverging != 0 {
			a.DivergingEpoch.Epoch, a.DivergingEpoch.EndOffset = 3, p.diverging
		}
		t := &r.Topics[len(r.Topics)-1]
		t.Partitions = append(t.Partitions, a)
	}
	return r
}
