package consume

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// TestMain fails the package when a goroutine outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memSink is a destination in memory. It acknowledges everything at once and keeps the records' values.
type memSink struct {
	mu      sync.Mutex
	list    []*mirror.Pipeline
	values  map[mirror.TopicPartition][]string
	ends    map[mirror.TopicPartition]int64
	next    int64 // producer id
	topics  *mirror.Catalog
	changed chan struct{}
	kicked  chan struct{}
	kicks   atomic.Int64
	mute    bool
	fault   error
}

func newMemSink(topics map[string]int) *memSink {
	s := &memSink{values: map[mirror.TopicPartition][]string{}, ends: map[mirror.TopicPartition]int64{}, topics: &mirror.Catalog{Cluster: "mem", Topics: map[string]mirror.TopicInfo{}},
		changed: make(chan struct{}), kicked: make(chan struct{}, 1)}
	for name, n := range topics {
		s.topics.Topics[name] = mirror.TopicInfo{Partitions: n}
	}
	return s
}

func (s *memSink) Onward(context.Context, map[string][]int32) (map[string][]mirror.Onward, error) {
	return nil, nil
}

func (s *memSink) Catalog() (*mirror.Catalog, <-chan struct{}, error) {
	return s.topics, s.changed, nil
}

func (s *memSink) Attach(p *mirror.Pipeline) {
	s.mu.Lock()
	s.list = append(s.list, p)
	s.mu.Unlock()
	s.Kick()
}

func (s *memSink) Detach(*mirror.Pipeline) {}

func (s *memSink) Ready(*mirror.Pipeline) {}

func (s *memSink) Kick() {
	s.kicks.Add(1)
	signal(s.kicked)
}

func (s *memSink) Limits(_ context.Context, topics []string) (map[string]mirror.Limits, error) {
	found := map[string]mirror.Limits{}
	for _, topic := range topics {
		found[topic] = mirror.Limits{MaxBatchBytes: 1 << 20}
	}
	return found, nil
}

func (s *memSink) Ends(_ context.Context, _ string, partitions []int32) ([]mirror.End, error) {
	return make([]mirror.End, len(partitions)), nil
}

func (s *memSink) CreateTopics(context.Context, []mirror.NewTopic) (map[string]error, error) {
	return nil, nil
}

func (s *memSink) GrowTopic(context.Context, string, int) error { return nil }

func (s *memSink) NewProducerID(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return s.next, nil
}

func (s *memSink) CodeName(code int16) string { return fmt.Sprint(code) }

// setMute lets the destination take nothing more, or go on.
func (s *memSink) setMute(mute bool) {
	s.mu.Lock()
	s.mute = mute
	s.mu.Unlock()
}

// run is the produce lane.
func (s *memSink) run(ctx context.Context) {
	for {
		s.mu.Lock()
		for _, p := range s.list {
			if !s.mute {
				s.work(p)
			}
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-s.kicked:
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *memSink) work(p *mirror.Pipeline) {
	if plan, ok := p.Plan(); ok {
		var tail *protocol.Tail
		if plan.Count && plan.Need != protocol.Resend {
			tail = protocol.NewTail(plan.Position, 0)
		}
		s.ends[p.Dest()] = max(s.ends[p.Dest()], plan.Position.Dest)
		p.Joined(plan, tail, 0)
	}
	for {
		taken, step := p.Take(time.Now())
		if step != protocol.Send {
			return
		}
		got, err := valuesOf(taken.Bytes)
		if err != nil && s.fault == nil {
			s.fault = err
		}
		taken.Hold().Release()
		s.values[p.Dest()] = append(s.values[p.Dest()], got...)
		p.Answer(taken.Flight, 0, s.ends[p.Dest()], time.Now())
		s.ends[p.Dest()] += int64(len(got))
	}
}

func (s *memSink) got(tp mirror.TopicPartition) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.values[tp])
}

// valuesOf reads a sealed batch.
func valuesOf(b []byte) ([]string, error) {
	var h kmsg.RecordBatch
	if err := h.ReadFrom(b); err != nil {
		return nil, err
	}
	records, err := kgo.DefaultDecompressor().Decompress(h.Records, kgo.CompressionCodecType(h.Attributes&7))
	if err != nil {
		return nil, err
	}
	var out []string
	for range h.NumRecords {
		r := kmsg.NewRecord()
		if err := r.ReadFrom(records); err != nil {
			return nil, err
		}
		out = append(out, string(r.Value))
		records = records[len(r.AppendTo(nil)):]
	}
	return out, nil
}

// memStore keeps identities in memory.
type memStore struct {
	mu  sync.Mutex
	ids map[string]mirror.Identities
}

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
	if m.ids[topic].Version != ids.Version {
		return mirror.ErrConflict
	}
	m.ids[topic] = mirror.Identities{Version: ids.Version + 1, Partitions: maps.Clone(ids.Partitions)}
	return nil
}

// rig is a link from a fake cluster to memory.
type rig struct {
	t      *testing.T
	fake   *kfake.Cluster
	source *Source
	sink   *memSink
	budget *mirror.Budget
	link   *mirror.Link
	stop   func()
}

const topicName = "clicks"

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

// start runs a link for the topic clicks until stop or the test's end.
func start(t *testing.T, fake *kfake.Cluster, partitions int) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cluster, err := kafka.New("edge", kafka.Config{Brokers: fake.ListenAddrs()}, log)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, fake: fake, budget: mirror.NewBudget(16 << 20), sink: newMemSink(map[string]int{topicName: partitions})}
	watcher := catalog.NewWatcher(cluster, log)
	r.source = NewSource(cluster, watcher, r.budget, log)
	r.link = r.newLink("link", r.sink)
	linked, endLink := context.WithCancel(context.Background())
	rest, endRest := context.WithCancel(context.Background())
	var link, others sync.WaitGroup
	others.Go(func() { _ = watcher.Run(rest) })
	others.Go(func() { _ = r.source.Run(rest) })
	others.Go(func() { r.sink.run(rest) })
	link.Go(func() {
		if err := r.link.Run(linked); err != nil {
			t.Errorf("link ended: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		endLink()
		link.Wait()
		endRest()
		others.Wait()
		if err := cluster.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if used := r.budget.Used(); used != 0 {
			t.Errorf("%d bytes of the budget are still used", used)
		}
		if r.sink.fault != nil {
			t.Errorf("a batch cannot be read: %v", r.sink.fault)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *rig) newLink(name string, sink *memSink) *mirror.Link {
	store := &memStore{ids: map[string]mirror.Identities{}}
	return mirror.NewLink(mirror.LinkConfig{Name: name, From: "edge", To: "mem", Mapping: mirror.Same, Drain: 2 * time.Second,
		Match: func(topic string) bool { return topic == topicName }, Rename: func(topic string) (string, error) { return topic, nil }},
		r.source, sink, store, &mirror.Alone{}, noEvents{}, slog.New(slog.DiscardHandler))
}

// eventually polls until ok, and fails after ten seconds with what the link says.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for until := time.Now().Add(15 * time.Second); !ok(); {
		if time.Now().After(until) {
			r.t.Fatalf("%s: does not come; link says %+v", what, r.link.Status())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// wantAll waits until every partition has the values from 0 to n, and nothing else.
func (r *rig) wantAll(partitions, n int) {
	r.t.Helper()
	for p := range partitions {
		tp := mirror.TopicPartition{Topic: topicName, Partition: int32(p)}
		r.eventually(fmt.Sprintf("record %d of partition %d", n, p), func() bool { return len(r.sink.got(tp)) >= n })
		for i, got := range r.sink.got(tp) {
			if want := value(p, i); got != want {
				r.t.Fatalf("partition %d: record %d is %.40q, want %.40q", p, i, got, want)
			}
		}
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

func value(partition, i int) string { return fmt.Sprintf("%d/%d/%0*d", partition, i, i%300, 7) }

// fill writes the values from begin to end to every partition.
func fill(t *testing.T, fake *kfake.Cluster, partitions, begin, end int, opts ...kgo.Opt) {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(4000))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := begin; i < end; i++ {
		for p := range partitions {
			client.Produce(t.Context(), &kgo.Record{Topic: topicName, Partition: int32(p), Value: []byte(value(p, i))}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("fill: %v", err)
				}
			})
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// cutter makes listeners whose connections break in the middle of what a broker writes.
type cutter struct {
	every atomic.Int64 // bytes after which a connection breaks; 0 never
	cuts  atomic.Int64
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
	return &cutConn{Conn: conn, cutter: l.cutter}, nil
}

type cutConn struct {
	net.Conn
	cutter  *cutter
	written int64
}

// Write writes as much as is left until the cut.
func (c *cutConn) Write(p []byte) (int, error) {
	every := c.cutter.every.Load()
	if every == 0 || c.written+int64(len(p)) <= every {
		c.written += int64(len(p))
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:max(0, min(int64(len(p)), every-c.written))])
	c.cutter.cuts.Add(1)
	if err == nil {
		err = net.ErrClosed
	}
	_ = c.Close() // the error tells it
	return n, err
}

// slow makes listeners whose connections write the greater part of a large response, and the end of it when told to.
type slow struct {
	kicks  *atomic.Int64 // of the sink, set before armed is closed
	armed  chan struct{}
	begun  atomic.Bool   // of one response the greater part is written
	before int64         // kicks before that, set before begun
	end    chan struct{} // closed: it may end, and all others go at once
}

func (s *slow) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &slowListener{l, s}, nil
}

type slowListener struct {
	net.Listener
	slow *slow
}

func (l *slowListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{conn, l.slow}, nil
}

type slowConn struct {
	net.Conn
	slow *slow
}

func (c *slowConn) Write(p []byte) (int, error) {
	if len(p) < readStep*7/4 || c.slow.begun.Load() {
		return c.Conn.Write(p)
	}
	<-c.slow.armed
	c.slow.before = c.slow.kicks.Load()
	first, err := c.Conn.Write(p[:readStep+readStep/2])
	if err != nil {
		return first, err
	}
	c.slow.begun.Store(true)
	<-c.slow.end
	rest, err := c.Conn.Write(p[first:])
	return first + rest, err
}

type noEvents struct{}

func (noEvents) Record(mirror.Event) {}

func (s *memSink) Whose(context.Context, string) (mirror.Whose, error) { return mirror.Whose{}, nil }

func (s *memSink) TimeBefore(context.Context, mirror.TopicPartition, int64) (time.Time, error) {
	return time.Time{}, nil
}
