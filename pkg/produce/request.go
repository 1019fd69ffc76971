package produce

import (
	"cmp"
	"encoding/binary"
	"net"
	"slices"

	"tributary/pkg/kafka"
)

// produceVersion is the newest version that every broker from 2.8 on speaks and that names topics.
const produceVersion = 9

// encoder lays Produce requests out as pieces of a vector: the frames' own bytes lie in heads, the batches stay where
// they are. Reused for every write.
type encoder struct {
	heads       []byte
	pieces      net.Buffers
	correlation int32
}

func (c *encoder) reset() { c.heads, c.pieces = c.heads[:0], c.pieces[:0] }

// vector is what was added, for one write, which may change its elements.
func (c *encoder) vector() net.Buffers { return c.pieces }

// add appends a request with one batch per item and returns its correlation id. Slices of heads stay valid when append
// moves it, as the old array keeps its content. items are sorted by topic, as a request names each topic once.
func (c *encoder) add(items []item) int32 {
	c.correlation++
	if !sorted(items) {
		slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.e.dest.Topic, b.e.dest.Topic) })
	}
	be, b := binary.BigEndian, c.heads
	start, from, size, first := len(b), len(b), 0, len(c.pieces)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, produceVersion)
	b = be.AppendUint32(b, uint32(c.correlation))
	b = be.AppendUint16(b, uint16(len(kafka.ClientID)))
	b = append(b, kafka.ClientID...)
	b = append(b, 0, 0, 0xff, 0xff) // no tags, no transaction, acks from all in-sync replicas
	b = be.AppendUint32(b, uint32(produceTimeout.Milliseconds()))
	b = binary.AppendUvarint(b, uint64(topicsIn(items)+1))
	for i := 0; i < len(items); {
		n := sameTopic(items[i:])
		topic := items[i].e.dest.Topic
		b = append(binary.AppendUvarint(b, uint64(len(topic)+1)), topic...)
		b = binary.AppendUvarint(b, uint64(n+1))
		for _, it := range items[i : i+n] {
			records := it.taken.Bytes
			b = be.AppendUint32(b, uint32(it.e.dest.Partition))
			b = binary.AppendUvarint(b, uint64(len(records)+1))
			c.pieces = append(c.pieces, b[from:len(b):len(b)], records)
			from, size = len(b), size+len(records)
			b = append(b, 0) // tags of the partition
		}
		b = append(b, 0) // tags of the topic
		i += n
	}
	b = append(b, 0) // tags of the request
	c.pieces = append(c.pieces, b[from:len(b):len(b)])
	be.PutUint32(c.pieces[first], uint32(len(b)-start-4+size))
	c.heads = b
	return c.correlation
}

func sorted(items []item) bool {
	return slices.IsSortedFunc(items, func(a, b item) int { return cmp.Compare(a.e.dest.Topic, b.e.dest.Topic) })
}

// sameTopic is how many items at the beginning of items are of one topic.
func sameTopic(items []item) int {
	n := 1
	for n < len(items) && items[n].e.dest.Topic == items[0].e.dest.Topic {
		n++
	}
	return n
}

func topicsIn(items []item) int {
	n := 0
	for i := 0; i < len(items); i += sameTopic(items[i:]) {
		n++
	}
	return n
}
