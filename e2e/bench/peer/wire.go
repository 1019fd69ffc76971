package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"net"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Places in a record batch of format v2.
const (
	headBytes   = 61
	atLength    = 8 // counts what follows byte 12
	atEpoch     = 12
	atCRC       = 17
	atAttribute = 21 // the CRC covers all from here on
	atLastDelta = 23
	atProducer  = 43
)

// fetcher reads one topic of one broker with Fetch requests, past a buffer of relayBytes.
type fetcher struct {
	conn      net.Conn
	in        *bufio.Reader
	topic     string
	next      []int64 // by partition
	formatter *kmsg.RequestFormatter
	request   []byte
	left      int // bytes of the current answer not yet read
}

func newFetcher(conn net.Conn, topic string, partitions int) *fetcher {
	return &fetcher{conn: conn, in: bufio.NewReaderSize(conn, relayBytes), topic: topic, next: make([]int64, partitions),
		formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID("floor"))}
}

// batchFunc consumes the size bytes of a complete batch, which come next in the fetcher's reader.
type batchFunc func(partition int32, size int) error

// fetch sends one request and hands over each complete batch of the answer.
func (f *fetcher) fetch(each batchFunc) error {
	if err := f.send(); err != nil {
		return err
	}
	// Answer of version 11: size 4, correlation id 4, throttle 4, error 2, session 4, number of topics 4.
	const code, topics = 12, 18
	head, err := f.in.Peek(topics + 4)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if e := binary.BigEndian.Uint16(head[code:]); e != 0 {
		return fmt.Errorf("fetch: error code %d", e)
	}
	if n := binary.BigEndian.Uint32(head[topics:]); n != 1 {
		return fmt.Errorf("fetch: %d topics in the answer", n)
	}
	f.left = int(binary.BigEndian.Uint32(head)) + 4
	if err := f.drop(topics + 4 + 2 + len(f.topic)); err != nil {
		return err
	}
	head, err = f.in.Peek(4)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	partitions := binary.BigEndian.Uint32(head)
	if err := f.drop(4); err != nil {
		return err
	}
	for range partitions {
		if err := f.partition(each); err != nil {
			return err
		}
	}
	return f.drop(f.left)
}

func (f *fetcher) send() error {
	request := kmsg.NewPtrFetchRequest()
	request.SetVersion(11)
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = 500, 1, 8<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = f.topic
	for p, next := range f.next {
		one := kmsg.NewFetchRequestTopicPartition()
		one.Partition, one.FetchOffset, one.PartitionMaxBytes = int32(p), next, 1<<20
		topic.Partitions = append(topic.Partitions, one)
	}
	// Brokers fill the answer in the order asked for: rotate, or the last partitions starve.
	first := int(sum(f.next) % int64(len(f.next)))
	topic.Partitions = append(topic.Partitions[first:], topic.Partitions[:first]...)
	request.Topics = append(request.Topics, topic)
	f.request = f.formatter.AppendRequest(f.request[:0], request, 1)
	if _, err := f.conn.Write(f.request); err != nil {
		return fmt.Errorf("send fetch: %w", err)
	}
	return nil
}

func sum(numbers []int64) (total int64) {
	for _, n := range numbers {
		total += n
	}
	return total
}

// partition reads one partition of an answer: id 4, error 2, three offsets of 8, number of aborted transactions 4 and 16
// for each, preferred replica 4, size of the records 4, the records.
func (f *fetcher) partition(each batchFunc) error {
	const code, aborted, fixed = 4, 30, 34
	head, err := f.in.Peek(fixed)
	if err != nil {
		return fmt.Errorf("read partition: %w", err)
	}
	p := int32(binary.BigEndian.Uint32(head))
	if e := binary.BigEndian.Uint16(head[code:]); e != 0 {
		return fmt.Errorf("fetch partition %d: error code %d", p, e)
	}
	skip := fixed + 16*max(0, int(int32(binary.BigEndian.Uint32(head[aborted:])))) + 4
	if err := f.drop(skip); err != nil {
		return err
	}
	if head, err = f.in.Peek(4); err != nil {
		return fmt.Errorf("read partition %d: %w", p, err)
	}
	size := max(0, int(int32(binary.BigEndian.Uint32(head))))
	if err := f.drop(4); err != nil {
		return err
	}
	return f.records(p, size, each)
}

// records hands over the complete batches of one partition and drops the cut one at their end.
func (f *fetcher) records(p int32, size int, each batchFunc) error {
	for size >= headBytes {
		head, err := f.in.Peek(headBytes)
		if err != nil {
			return fmt.Errorf("read batch: %w", err)
		}
		n := int(binary.BigEndian.Uint32(head[atLength:])) + 12
		if n < headBytes {
			return fmt.Errorf("batch of partition %d has %d bytes", p, n)
		}
		if n > size {
			break
		}
		f.next[p] = int64(binary.BigEndian.Uint64(head)) + int64(binary.BigEndian.Uint32(head[atLastDelta:])) + 1
		if err := each(p, n); err != nil {
			return err
		}
		f.left -= n
		size -= n
	}
	return f.drop(size)
}

// drop skips n bytes of the answer.
func (f *fetcher) drop(n int) error {
	f.left -= n
	return f.skip(n)
}

// skip skips n bytes that someone else counts.
func (f *fetcher) skip(n int) error {
	if _, err := f.in.Discard(n); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// anonymous makes a batch one that brokers append as often as it comes: one of no producer.
func anonymous(b []byte) []byte {
	binary.BigEndian.PutUint64(b, 0)
	binary.BigEndian.PutUint32(b[atEpoch:], 1<<32-1)
	for i := atProducer; i < atProducer+14; i++ { // id 8, epoch 2, sequence 4: all -1
		b[i] = 0xff
	}
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttribute:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// produceVersion is the one whose answer readProduceAnswer knows.
const produceVersion = 9

// produceRequest returns a request with all batches, and how many bytes of batches it has.
func produceRequest(topicName string, batches map[int32][]byte) (request []byte, payload int64) {
	r := kmsg.NewPtrProduceRequest()
	r.SetVersion(produceVersion)
	r.Acks, r.TimeoutMillis = -1, 30_000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = topicName
	for _, p := range slices.Sorted(maps.Keys(batches)) {
		one := kmsg.NewProduceRequestTopicPartition()
		one.Partition, one.Records = p, batches[p]
		topic.Partitions = append(topic.Partitions, one)
		payload += int64(len(batches[p]))
	}
	r.Topics = append(r.Topics, topic)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("floor")).AppendRequest(nil, r, 1), payload
}

// readProduceAnswer reads one answer and looks at each partition's error code. Without errors all lengths are known:
// id 4, code 2, three offsets of 8, no record errors 1, no message 1, no tags 1.
func readProduceAnswer(in *bufio.Reader, topic string, partitions int) error {
	const code, each, afterSize = 4, 33, 4
	head, err := in.Peek(4)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	size := int(binary.BigEndian.Uint32(head)) + afterSize
	if size > in.Size() {
		return fmt.Errorf("answer of %d bytes", size)
	}
	b, err := in.Peek(size)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	// size 4, correlation id 4, tags 1, number of topics 1, name, number of partitions.
	at := 4 + 4 + 1 + 1 + len(binary.AppendUvarint(nil, uint64(len(topic)+1))) + len(topic) + len(binary.AppendUvarint(nil, uint64(partitions+1)))
	for range partitions {
		if len(b) < at+each {
			return errors.New("answer is too short")
		}
		if e := binary.BigEndian.Uint16(b[at+code:]); e != 0 {
			return fmt.Errorf("produce partition %d: error code %d", binary.BigEndian.Uint32(b[at:]), e)
		}
		at += each
	}
	if _, err := in.Discard(size); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
