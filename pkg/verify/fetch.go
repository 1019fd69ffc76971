package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
)

const (
	fetchBytes     = 2 << 20 // asked for at once
	fetchWait      = 500 * time.Millisecond
	fetchPatience  = 20 * time.Second
	maxFrameBytes  = 1 << 30
	newestByName   = 12 // of Fetch: later versions name topics by id
	codeOutOfRange = 1
)

// fetched is what one response says of the one log it was asked for.
type fetched struct {
	frame    []byte // reused
	entries  []byte // part of frame
	aborted  []kmsg.FetchResponseTopicPartitionAbortedTransaction
	code     int16
	logStart int64
	throttle time.Duration
	// next is the offset after the last whole batch; that asked for when there is none.
	next int64
}

// fetchConn is a connection on which one fetch at a time is under way, while the response before it is worked on.
type fetchConn struct {
	conn        *kafka.Conn
	correlation int32
	version     int16
	request     []byte
	asked       int64 // offset of the fetch under way
	muted       time.Time
}

// send asks for a log from an offset on.
func (f *fetchConn) send(tp topicPartition, offset int64, level isolation) error {
	if err := f.conn.Reauthenticate(); err != nil {
		return err
	}
	f.correlation++
	f.asked = offset
	f.version = min(f.conn.MaxVersion(int16(kmsg.Fetch)), newestByName)
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(f.version)
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = -1, int32(fetchWait.Milliseconds()), 1, fetchBytes
	req.IsolationLevel, req.SessionID, req.SessionEpoch = int8(level), 0, -1
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch = tp.partition, -1, offset, -1
	p.LogStartOffset, p.PartitionMaxBytes = -1, fetchBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.Partitions = tp.topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	f.request = kmsg.NewRequestFormatter(kmsg.FormatterClientID(kafka.ClientID)).AppendRequest(f.request[:0], req, f.correlation)
	return f.conn.WriteVec([][]byte{f.request}, fetchPatience)
}

// receive reads the response to the last send.
func (f *fetchConn) receive(into *fetched) error {
	deadline := time.Now().Add(fetchWait + fetchPatience + max(0, time.Until(f.muted)))
	if err := f.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	f.conn.WakeAt(1)
	var head [4]byte
	if _, err := io.ReadFull(f.conn, head[:]); err != nil {
		return err
	}
	n := int(int32(binary.BigEndian.Uint32(head[:])))
	if n < 4 || n > maxFrameBytes {
		return fmt.Errorf("response of %d bytes", n)
	}
	into.frame = slices.Grow(into.frame[:0], n)[:n]
	for have := 0; have < n; {
		f.conn.WakeAt(min(n-have, fetchBytes/4))
		k, err := f.conn.Read(into.frame[have:])
		if err != nil {
			return err
		}
		have += k
		// A slow line is not a dead one.
		if err := f.conn.SetReadDeadline(time.Now().Add(fetchPatience)); err != nil {
			return err
		}
	}
	if got := int32(binary.BigEndian.Uint32(into.frame)); got != f.correlation {
		return fmt.Errorf("answer to request %d, not %d", got, f.correlation)
	}
	err := f.parse(into)
	f.muted = time.Now().Add(into.throttle)
	return err
}

var errResponse = errors.New("fetch response is malformed")

// parse reads the one partition that was asked for. A throttled response has none, and says nothing about the log.
func (f *fetchConn) parse(into *fetched) error {
	body := into.frame[4:]
	if f.version >= newestByName { // a flexible header: tagged fields, none of which we know
		if len(body) < 1 || body[0] != 0 {
			return errResponse
		}
		body = body[1:]
	}
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(f.version)
	if err := resp.ReadFrom(body); err != nil {
		return fmt.Errorf("%w: %w", errResponse, err)
	}
	into.throttle = time.Duration(resp.ThrottleMillis) * time.Millisecond
	into.entries, into.aborted, into.next, into.code, into.logStart = nil, nil, f.asked, resp.ErrorCode, -1
	if len(resp.Topics) == 0 {
		return nil
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errResponse
	}
	p := &resp.Topics[0].Partitions[0]
	into.entries, into.aborted, into.logStart = p.RecordBatches, p.AbortedTransactions, p.LogStartOffset
	if into.code == 0 {
		into.code = p.ErrorCode
	}
	into.measure()
	return nil
}

// measure finds the end of the last whole batch.
func (f *fetched) measure() {
	for rest := f.entries; ; {
		e, ok := cutEntry(rest)
		if !ok {
			f.entries = f.entries[:len(f.entries)-len(rest)]
			return
		}
		rest = rest[len(e):]
		f.next = max(f.next, e.last()+1)
	}
}
