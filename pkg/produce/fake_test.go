package produce

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// TestMain fails the package when a goroutine outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	topicName = "clicks"
	perBatch  = 3 // records of a source batch
)

// memSource is a source in memory: the record at offset i of a partition is value(partition, i), as far as has come.
type memSource struct {
	budget *mirror.Budget
	topics *mirror.Catalog
	never  chan struct{}
	age    time.Duration
	come   atomic.Int64 // records of each partition so far
	kicked chan struct{}

	mu    sync.Mutex
	list  map[*mirror.Pipeline]bool
	group map[mirror.TopicPartition]protocol.Position
}

func newMemSource(partitions int) *memSource {
	return &memSource{budget: mirror.NewBudget(8 << 20), topics: &mirror.Catalog{Cluster: "mem", Topics: map[string]mirror.TopicInfo{topicName: {ID: "t", Partitions: partitions}}},
		never: make(chan struct{}), kicked: make(chan struct{}, 1), list: map[*mirror.Pipeline]bool{}, group: map[mirror.TopicPartition]protocol.Position{}}
}

func (s *memSource) Catalog() (*mirror.Catalog, <-chan struct{}, error) {
	return s.topics, s.never, nil
}

func (s *memSource) Attach(p *mirror.Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list[p] = true
}

func (s *memSource) Detach(p *mirror.Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.list, p)
}

func (s *memSource) Wake(*mirror.Pipeline) { signal(s.kicked) }

func (s *memSource) Policies(context.Context, []string) (map[string]mirror.Policy, error) {
	return nil, nil
}

func (s *memSource) OpenTransactions(context.Context, string, []int32) (map[int32]mirror.OpenTransaction, error) {
	return nil, nil
}

func (s *memSource) Offsets(_ context.Context, _ string, partitions []int32, latest bool) ([]int64, error) {
	out := make([]int64, len(partitions))
	for i := range out {
		if latest {
			out[i] = s.come.Load()
		}
	}
	return out, nil
}

func (s *memSource) LoadPositions(context.Context, string, map[string][]int32) (map[mirror.TopicPartition]mirror.Loaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[mirror.TopicPartition]mirror.Loaded{}
	for tp, at := range s.group {
		out[tp] = mirror.Loaded{Position: at}
	}
	return out, nil
}

func (s *memSource) SavePositions(_ context.Context, _ string, positions map[mirror.TopicPartition]protocol.Position, _ map[string]protocol.Place) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.group, positions)
	return nil
}

// forget loses the saved positions.
func (s *memSource) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.group)
}

// run is the fetch lane.
func (s *memSource) run(ctx context.Context) {
	intake := mirror.NewIntake(s.budget)
	for {
		s.mu.Lock()
		for p := range s.list {
			s.feed(intake, p)
		}
		s.mu.Unlock()
		intake.Kick()
		intake.Done()
		select {
		case <-ctx.Done():
			return
		case <-s.kicked:
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (s *memSource) feed(intake *mirror.Intake, p *mirror.Pipeline) {
	from, _, generation, appetite := p.FetchFrom()
	end := s.come.Load()
	if appetite != mirror.Hungry || from >= end {
		return
	}
	var raw [][]byte
	size := 0
	for base := from / perBatch * perBatch; base < end && len(raw) < 20; base += perBatch {
		raw = append(raw, s.batch(int(p.Source().Partition), base))
		size += len(raw[len(raw)-1])
	}
	buf := s.budget.TryTake(int64(size), nil)
	if buf == nil {
		return
	}
	defer buf.Release()
	buf.Grow(size)
	if !intake.Begin(p, generation, mirror.Fetched{Stable: end}) {
		return
	}
	at := 0
	for _, b := range raw {
		copy(buf.Bytes[at:], b)
		intake.Batch(buf.Bytes[at:at+len(b):at+len(b)], buf)
		at += len(b)
	}
	intake.End()
}

func (s *memSource) batch(partition int, base int64) []byte {
	var values []string
	for i := range int64(perBatch) {
		values = append(values, value(partition, int(base+i)))
	}
	return newBatch(base, time.Now().Add(-s.age), values)
}

func value(partition, i int) string { return fmt.Sprintf("%d/%d/%0*d", partition, i, i%100, 7) }

// newBatch builds a batch as a broker keeps it.
func newBatch(base int64, at time.Time, values []string) []byte {
	var records []byte
	for i, v := range values {
		r := kmsg.Record{OffsetDelta: int32(i), Value: []byte(v)}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // the zero length takes one byte
		records = r.AppendTo(records)
	}
	h := kmsg.RecordBatch{FirstOffset: base, Magic: 2, LastOffsetDelta: int32(len(values) - 1), FirstTimestamp: at.UnixMilli(), MaxTimestamp: at.UnixMilli(),
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(len(values)), Records: records}
	return sealed(h)
}

func sealed(h kmsg.RecordBatch) []byte {
	b := h.AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// memStore keeps identities; it outlives a link.
type memStore struct {
	mu  sync.Mutex
	ids map[string]mirror.Identities
}

func newMemStore() *memStore { return &memStore{ids: map[string]mirror.Identities{}} }

func (m *memStore) Read(_ context.Context, _, topic string) (mirror.Identities, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := m.ids[topic]
	ids.Partitions = maps.Clone(ids.Partitions)
	if ids.Partitions == nil {
		ids.Partitions = map[int32]protocol.Identity{}
	}
	return ids, nil
}

func (m *memStore) Update(_ context.Context, _, topic string, ids mirror.Identities) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids.Version++
	m.ids[topic] = ids
	return nil
}

// rig is a link from memory to a fake cluster.
type rig struct {
	t      *testing.T
	fake   *kfake.Cluster
	source *memSource
	store  *memStore
	own    mirror.Ownership      // nil: of everything
	catch  chan *mirror.Pipeline // nil: none; else what is attached goes there, and not to the sink
	sink   *Sink
	link   *mirror.Link
	stop   func()

	answers atomic.Int64 // that were measured
}

// newFake starts a fake cluster with topic clicks.
func newFake(t *testing.T, brokers, partitions int, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	fake, err := kfake.NewCluster(append(opts, kfake.NumBrokers(brokers), kfake.SeedTopics(int32(partitions), topicName))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake
}

// newRig starts a link from a new source.
func newRig(t *testing.T, fake *kfake.Cluster, partitions int) *rig {
	t.Helper()
	r := &rig{t: t, fake: fake, source: newMemSource(partitions), store: newMemStore()}
	r.start(mirror.Same)
	return r
}

// start runs a link until stop or the test's end.
func (r *rig) start(mapping mirror.Mapping) {
	r.t.Helper()
	log := slog.New(slog.DiscardHandler)
	cluster, err := kafka.New("region", kafka.Config{Brokers: r.fake.ListenAddrs()}, log)
	if err != nil {
		r.t.Fatal(err)
	}
	watcher := catalog.NewWatcher(cluster, log)
	r.sink = NewSink(cluster, watcher, log)
	own := r.own
	if own == nil {
		own = &mirror.Alone{}
	}
	var to mirror.Sink = r.sink
	if r.catch != nil {
		to = catcher{r.sink, r.catch}
	}
	r.link = mirror.NewLink(mirror.LinkConfig{Name: "link", From: "mem", To: "region", Mapping: mapping, Drain: 5 * time.Second, Create: true, Answered: func(time.Duration) { r.answers.Add(1) }, Replicas: -1,
		Match: func(topic string) bool { return topic == topicName }, Rename: func(topic string) (string, error) { return topic, nil }}, r.source, to, r.store, own, noEvents{}, log)
	linked, endLink := context.WithCancel(context.Background())
	rest, endRest := context.WithCancel(context.Background())
	var link, others sync.WaitGroup
	others.Go(func() { _ = watcher.Run(rest) })
	others.Go(func() { _ = r.sink.Run(rest) })
	others.Go(func() { r.source.run(rest) })
	link.Go(func() {
		if err := r.link.Run(linked); err != nil {
			r.t.Errorf("link ended: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		endLink()
		link.Wait()
		endRest()
		others.Wait()
		if err := cluster.Close(); err != nil {
			r.t.Errorf("close: %v", err)
		}
		if used := r.source.budget.Used(); used != 0 {
			r.t.Errorf("%d bytes of the budget are still used", used)
		}
	})
	r.t.Cleanup(r.stop)
}

// catcher is a sink that is given no pipelines.
type catcher struct {
	*Sink
	caught chan<- *mirror.Pipeline
}

func (c catcher) Attach(p *mirror.Pipeline) { c.caught <- p }

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for until := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(until) {
			r.t.Fatalf("%s: does not come; link says %+v", what, r.link.Status())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (r *rig) status(partition int) mirror.PartitionStatus {
	for _, t := range r.link.Status().Topics {
		if partition < len(t.Partitions) {
			return t.Partitions[partition]
		}
	}
	return mirror.PartitionStatus{}
}

// acknowledged waits until n records of each partition are acknowledged.
func (r *rig) acknowledged(partitions int, n int64) {
	r.t.Helper()
	for p := range partitions {
		r.eventually(fmt.Sprintf("record %d of partition %d", n, p), func() bool { return r.status(p).Next >= n })
	}
}

// wantSame holds every destination partition against its source partition. Other writers' records begin with "other".
func (r *rig) wantSame(partitions int, n int64) {
	r.t.Helper()
	got := readAll(r.t, r.fake, topicName, partitions)
	for p := range partitions {
		if len(got[p]) != int(n) {
			r.t.Errorf("partition %d has %d records, want %d", p, len(got[p]), n)
		}
		for i := range min(len(got[p]), int(n)) {
			if want := value(p, i); got[p][i] != want {
				r.t.Fatalf("partition %d: record %d is %.30q, want %.30q", p, i, got[p][i], want)
			}
		}
	}
}

// readAll returns the values of each partition, but for other writers'.
func readAll(t *testing.T, fake *kfake.Cluster, topic string, partitions int) [][]string {
	t.Helper()
	from, left := map[int32]kgo.Offset{}, int64(0)
	for p := range int32(partitions) {
		info := fake.PartitionInfo(topic, p)
		from[p] = kgo.NewOffset().At(info.LogStartOffset)
		left += info.HighWatermark - info.LogStartOffset
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	out := make([][]string, partitions)
	for left > 0 && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			left--
			if !bytes.HasPrefix(r.Value, []byte("other")) {
				out[r.Partition] = append(out[r.Partition], string(r.Value))
			}
		})
	}
	if left > 0 {
		t.Errorf("%d records could not be read", left)
	}
	return out
}

// produceRaw appends a batch with any producer and sequence to a partition.
func produceRaw(t *testing.T, fake *kfake.Cluster, partition int32, h kmsg.RecordBatch, values ...string) {
	t.Helper()
	b := newBatch(0, time.Now(), values)
	var full kmsg.RecordBatch
	if err := full.ReadFrom(b); err != nil {
		t.Fatal(err)
	}
	full.ProducerID, full.ProducerEpoch, full.FirstSequence = h.ProducerID, h.ProducerEpoch, h.FirstSequence
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.MaxVersions(kversion.V2_8_0())) // which names topics
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = -1, 1000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = topicName
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = partition, sealed(full)
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := client.Broker(int(fake.LeaderFor(topicName, partition))).Request(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if code := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode; code != 0 {
		t.Fatalf("produce: code %d", code)
	}
}

// cutter makes listeners whose connections break at random, in the middle of what a broker answers: what was asked for
// has happened by then.
type cutter struct {
	mu   sync.Mutex
	rnd  *rand.Rand
	odds int // one write in so many is cut; 0: none
	cuts int
}

func (c *cutter) cut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cut := c.odds > 0 && c.rnd.IntN(c.odds) == 0
	if cut {
		c.cuts++
	}
	return cut
}

func (c *cutter) set(odds int) (cuts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.odds = odds
	return c.cuts
}

func (c *cutter) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &cutListener{l, c}, nil
}

type cutListener struct {
	net.Listener
	cutter *cutter
}

func (l *cutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &cutConn{conn, l.cutter}, nil
}

type cutConn struct {
	net.Conn
	cutter *cutter
}

var errCut = errors.New("cut by the test")

func (c *cutConn) Write(p []byte) (int, error) {
	if !c.cutter.cut() {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:len(p)/2])
	if err == nil {
		err = errCut
	}
	_ = c.Close() // the error tells it
	return n, err
}

type noEvents struct{}

func (noEvents) Record(mirror.Event) {}

func (s *memSource) Log(context.Context, mirror.TopicPartition, int32) (mirror.Log, error) {
	return mirror.Log{}, nil
}

func (s *memSource) TimeFrom(context.Context, mirror.TopicPartition, int64) (time.Time, error) {
	return time.Time{}, nil
}
