package e2e_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/e2e/kafka"
)

// graceOfScans is how long the mirror lets requests on closed connections die where no quota is in the way.
const graceOfScans = 3 * time.Second

// What the mirror does about quotas rests on what brokers do: what lies in a throttled connection is carried out after the pause,
// though the connection was reset long before, and an empty request on another connection of the client tells of the pause.
func TestThrottledConnectionOutlivesItsEnd(t *testing.T) {
	t.Parallel() // its cluster is its own, and idle
	const client, topic = "throttled", "throttled"
	c := kafka.New(t, kafka.Options{})
	must(t, c.CreateTopic(within(t, 30*time.Second), topic, 2, 1, nil))
	must(t, c.SetClientQuota(within(t, 30*time.Second), client, 20_000, 0))
	var conn net.Conn
	var before int64
	eventually(t, 30*time.Second, "an answer is throttled", func(ctx context.Context) error {
		ends, err := c.EndOffsets(ctx, topic)
		if err != nil {
			return err
		}
		before = ends[1]
		conn = dialBroker(t, c.Direct()[0])
		send(t, conn, produceFrame(client, topic, 0, 400_000), produceFrame(client, topic, 1, 100))
		if answer := readProduced(t, conn); answer.ThrottleMillis < 2*int32(graceOfScans.Milliseconds()) {
			return fmt.Errorf("a pause of %d ms", answer.ThrottleMillis)
		}
		return nil
	})
	_ = conn.Close()
	closed := time.Now()
	other := dialBroker(t, c.Direct()[0])
	send(t, other, produceFrame(client, "", 0, 0))
	pause := time.Duration(readProduced(t, other).ThrottleMillis) * time.Millisecond
	eventually(t, time.Minute, "what lay in the connection arrives", func(ctx context.Context) error {
		ends, err := c.EndOffsets(ctx, topic)
		if err == nil && ends[1] == before {
			err = fmt.Errorf("the log still ends at %d", before)
		}
		return err
	})
	took := time.Since(closed)
	t.Logf("it arrived %v after its connection was reset; an empty request told of %v", took, pause)
	if took < graceOfScans || pause < graceOfScans {
		t.Errorf("it arrived after %v, and %v was told; want more than the grace of %v", took, pause, graceOfScans)
	}
}

// dialBroker connects to a broker; closed, the connection is reset, as those of the mirror are.
func dialBroker(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", addr)
	must(t, err)
	must(t, conn.(*net.TCPConn).SetLinger(0))
	must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		_, err := conn.Write(f)
		must(t, err)
	}
}

// produceFrame is a request with one record of so many bytes, or an empty one where there is no topic.
func produceFrame(client, topic string, partition int32, size int) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = -1, 10_000
	if topic != "" {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = partition, oneRecord(size)
		of := kmsg.NewProduceRequestTopic()
		of.Topic, of.Partitions = topic, []kmsg.ProduceRequestTopicPartition{p}
		req.Topics = append(req.Topics, of)
	}
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(client)).AppendRequest(nil, req, 1)
}

// oneRecord is a batch of nobody with one record of so many bytes.
func oneRecord(size int) []byte {
	body := []byte{0, 0, 0, 1} // attributes, deltas, no key
	body = append(binary.AppendVarint(body, int64(size)), make([]byte, size)...)
	body = append(body, 0) // no headers
	b := append(binary.AppendVarint(make([]byte, 61), int64(len(body))), body...)
	be := binary.BigEndian
	be.PutUint32(b[8:], uint32(len(b)-12))
	be.PutUint32(b[12:], 0xffffffff)
	b[16] = 2
	be.PutUint64(b[27:], uint64(time.Now().UnixMilli()))
	be.PutUint64(b[35:], uint64(time.Now().UnixMilli()))
	for i := 43; i < 57; i++ {
		b[i] = 0xff // no producer
	}
	be.PutUint32(b[57:], 1)
	be.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func readProduced(t *testing.T, conn net.Conn) *kmsg.ProduceResponse {
	t.Helper()
	var size [4]byte
	_, err := io.ReadFull(conn, size[:])
	must(t, err)
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err = io.ReadFull(conn, b)
	must(t, err)
	var answer kmsg.ProduceResponse
	answer.SetVersion(9)
	must(t, answer.ReadFrom(b[5:])) // correlation id, no tags
	return &answer
}
