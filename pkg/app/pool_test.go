package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/pkg/config"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/coord/fake"
)

const (
	pooledTopics     = 6
	pooledPartitions = 2
	pooledSession    = 1500 * time.Millisecond
)

// pooledRig is two simulated clusters and a simulated ensemble, between which members of a pool run.
type pooledRig struct {
	t            *testing.T
	ensemble     *fake.Ensemble
	edge, region *kfake.Cluster
}

func newPooledRig(t *testing.T) *pooledRig {
	t.Helper()
	var seeds []kfake.Opt
	for i := range pooledTopics {
		seeds = append(seeds, kfake.SeedTopics(pooledPartitions, pooledTopic(i)))
	}
	return &pooledRig{t: t, ensemble: fake.New(), edge: startCluster(t, append(seeds, kfake.NumBrokers(1), kfake.ClusterID("edge"))...),
		region: startCluster(t, kfake.NumBrokers(3), kfake.ClusterID("region"))}
}

func pooledTopic(i int) string { return fmt.Sprintf("pooled-%d", i) }

// pooledProcess is one process with a member in it.
type pooledProcess struct {
	cfg    *config.Config
	log    *transcript
	client *fake.Client // of the present run
	hangup chan os.Signal

	mu   sync.Mutex
	next *config.Config // guarded by mu: what the file says
	stop func() error
}

// process configures a member; nothing runs.
func (r *pooledRig) process(instance, zone string) *pooledProcess {
	cfg := oneLink(r.t, r.edge.ListenAddrs(), r.region.ListenAddrs())
	zk := config.DefaultZooKeeper()
	zk.Servers, zk.Root, zk.Peer, zk.SessionTimeout = []string{"zk:2181"}, "/mirror/test", "127.0.0.1:0", pooledSession
	cfg.Instance, cfg.Zone = instance, zone
	cfg.Links[0].Topics.Include, cfg.Links[0].Ownership.ZooKeeper = []string{"pooled-*"}, &zk
	if err := cfg.Validate(Supported); err != nil {
		r.t.Fatal(err)
	}
	return &pooledProcess{cfg: cfg, hangup: make(chan os.Signal, 1)}
}

// start runs the process until its stop.
func (r *pooledRig) start(p *pooledProcess) {
	r.t.Helper()
	p.log, p.client = &transcript{}, r.ensemble.Client(pooledSession)
	connect := func(config.ZooKeeper, *slog.Logger) (coord.Client, error) { return p.client, nil }
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1) // holds run's only answer
	reload := Reload{Load: p.load, Hangup: p.hangup}
	go func() {
		ended <- run(ctx, p.cfg, "test", connect, slog.New(slog.NewJSONHandler(p.log, nil)), WithReload(reload))
	}()
	p.stop = func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			return errors.New("the mirror did not stop")
		}
	}
	r.t.Cleanup(cancel)
	eventually(r.t, p.cfg.Instance+" starts", func() bool { return p.log.logged("mirror started", "listen") != "" })
}

// load reads what the file says.
func (p *pooledProcess) load() (*config.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next, nil
}

// reload lets the running process exclude topics.
func (p *pooledProcess) reload(exclude ...string) {
	p.mu.Lock()
	next := *p.cfg
	next.Links = slices.Clone(next.Links)
	next.Links[0].Topics.Exclude = exclude
	p.next = &next
	p.mu.Unlock()
	p.hangup <- syscall.SIGHUP
}

// has says whether a member's view has a topic with an owner.
func (p *pooledProcess) has(t *testing.T, topic string) bool {
	return slices.ContainsFunc(p.view(t).Units, func(u struct{ Topic, Owner string }) bool { return u.Topic == topic && u.Owner != "" })
}

// pooledView is what the API tells of a pool, as far as the tests need it.
type pooledView struct {
	State, Incarnation string
	Owned              int
	Expired            int `json:"sessions_expired"`
	Members            []struct{ Instance string }
	Units              []struct{ Topic, Owner string }
}

// ask answers a path of the process: its code and its body.
func (p *pooledProcess) ask(t *testing.T, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.log.logged("mirror started", "listen")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

func (p *pooledProcess) view(t *testing.T) pooledView {
	t.Helper()
	_, body := p.ask(t, "/api/v1/pool")
	var report struct{ Pools []pooledView }
	if err := json.Unmarshal([]byte(body), &report); err != nil || len(report.Pools) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	return report.Pools[0]
}

// traffic is a producer that goes on until its stop, with numbers from 0 on in each partition.
type traffic struct {
	mu   sync.Mutex
	sent [pooledTopics][pooledPartitions]int // guarded by mu: acknowledged
	stop func() error
}

func startTraffic(t *testing.T, brokers []string) *traffic {
	t.Helper()
	c := demoClient()
	c.Producer.Return.Successes, c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = true, sarama.WaitForAll, true, 1
	c.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	w := &traffic{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(w.run(ctx, producer), producer.Close()) }()
	w.stop = func() error { cancel(); return <-ended }
	t.Cleanup(cancel)
	return w
}

// run sends a record to every partition about each 5 ms.
func (w *traffic) run(ctx context.Context, producer sarama.SyncProducer) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var batch []*sarama.ProducerMessage
		for topic := range pooledTopics {
			for partition := range pooledPartitions {
				value := sarama.StringEncoder(fmt.Sprint(w.sent[topic][partition]))
				batch = append(batch, &sarama.ProducerMessage{Topic: pooledTopic(topic), Partition: int32(partition), Value: value, Timestamp: time.Now()})
			}
		}
		if err := producer.SendMessages(batch); err != nil {
			return err
		}
		w.mu.Lock()
		for topic := range pooledTopics {
			for partition := range pooledPartitions {
				w.sent[topic][partition]++
			}
		}
		w.mu.Unlock()
	}
}

// total is how many records were acknowledged.
func (w *traffic) total() (n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, partitions := range w.sent {
		for _, sent := range partitions {
			n += int64(sent)
		}
	}
	return n
}

// arrived is how many offsets a topic has at the region, or all topics with -1.
func (r *pooledRig) arrived(topic int) (n int64) {
	for i := range pooledTopics {
		if topic < 0 || topic == i {
			for _, p := range r.region.PartitionInfos(pooledTopic(i)) {
				n += p.HighWatermark
			}
		}
	}
	return n
}

// flows waits until every topic has new records at the region.
func (r *pooledRig) flows(when string) {
	r.t.Helper()
	var before [pooledTopics]int64
	for i := range before {
		before[i] = r.arrived(i)
	}
	for i := range before {
		eventually(r.t, fmt.Sprintf("%s: topic %d goes on", when, i), func() bool { return r.arrived(i) > before[i] })
	}
}

// exact compares every record at the region with what was sent: all of it, once, in order.
func (r *pooledRig) exact(w *traffic) {
	r.t.Helper()
	c := demoClient()
	c.Consumer.MaxWaitTime = demoReadWait
	consumer, err := sarama.NewConsumer(r.region.ListenAddrs(), c)
	if err != nil {
		r.t.Fatal(err)
	}
	defer consumer.Close()
	for topic := range pooledTopics {
		for _, info := range r.region.PartitionInfos(pooledTopic(topic)) {
			want := w.sent[topic][info.Partition]
			if info.HighWatermark != int64(want) {
				r.t.Errorf("%s/%d has %d records, %d were sent", pooledTopic(topic), info.Partition, info.HighWatermark, want)
			}
			reader, err := consumer.ConsumePartition(pooledTopic(topic), info.Partition, 0)
			if err != nil {
				r.t.Fatal(err)
			}
			for n := range int(info.HighWatermark) {
				if m := <-reader.Messages(); string(m.Value) != fmt.Sprint(n) {
					r.t.Errorf("%s/%d has record %s at offset %d", m.Topic, m.Partition, m.Value, n)
					break
				}
			}
			reader.Close()
		}
	}
}

// TestPoolGoesOnWhenAMemberFallsSilentAndWhenOneLeaves pins that topics are taken over from a member whose session ends while
// it goes on writing, and handed over by one that is told to end, with every record once and in order.
func TestPoolGoesOnWhenAMemberFallsSilentAndWhenOneLeaves(t *testing.T) {
	r := newPooledRig(t)
	a, b := r.process("a", "z1"), r.process("b", "z2")
	w := startTraffic(t, r.edge.ListenAddrs())
	r.start(a)
	r.start(b)
	eventually(t, "both have topics", func() bool {
		va, vb := a.view(t), b.view(t)
		return va.Owned > 0 && vb.Owned > 0 && va.Owned+vb.Owned == pooledTopics
	})
	r.flows("shared by two")

	a.client.Freeze()
	eventually(t, "b has all that a still believes to have", func() bool { return b.view(t).Owned == pooledTopics })
	r.flows("while a is cut off")
	a.client.Restore()
	eventually(t, "a notices and joins again", func() bool {
		v := a.view(t)
		return v.Expired == 1 && v.State == "connected" && v.Incarnation != "" && len(v.Members) == 2
	})
	silent := regexp.MustCompile(`mirror_assignment_changes_total\{link="edge-region",reason="silent"\} [1-9]`)
	eventually(t, "b counts what it took", func() bool { _, metrics := b.ask(t, "/metrics"); return silent.MatchString(metrics) })

	if err := b.stop(); err != nil {
		t.Errorf("b, told to end: %v", err)
	}
	eventually(t, "a has all", func() bool { return a.view(t).Owned == pooledTopics })
	eventually(t, "a sees that b is no member any more", func() bool { return len(a.view(t).Members) == 1 })
	r.flows("after b left")

	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything is at the region", func() bool { return r.arrived(-1) >= w.total() })
	if err := a.stop(); err != nil {
		t.Errorf("a, told to end: %v", err)
	}
	r.exact(w)
	if names := r.ensemble.Names("/mirror/test/members"); len(names) > 0 {
		t.Errorf("members are left behind: %v", names)
	}
}

// TestReloadInAPool pins that a topic goes on while one member still includes it, stops when none does, with its records saved,
// and goes on exactly there when it is included again.
func TestReloadInAPool(t *testing.T) {
	r := newPooledRig(t)
	a, b := r.process("a", "z1"), r.process("b", "z2")
	w := startTraffic(t, r.edge.ListenAddrs())
	r.start(a)
	r.start(b)
	eventually(t, "all topics have owners", func() bool { return a.view(t).Owned+b.view(t).Owned == pooledTopics })
	r.flows("shared by two")
	a.reload(pooledTopic(0))
	r.flows("excluded at one member")
	b.reload(pooledTopic(0))
	eventually(t, "nobody has the topic", func() bool { return !a.has(t, pooledTopic(0)) && !b.has(t, pooledTopic(0)) })
	stopped := r.arrived(0)
	for i := 1; i < pooledTopics; i++ {
		before := r.arrived(i)
		eventually(t, "the others go on", func() bool { return r.arrived(i) > before })
	}
	if now := r.arrived(0); now != stopped {
		t.Errorf("%d records of an excluded topic arrived", now-stopped)
	}
	a.reload()
	b.reload()
	eventually(t, "the topic has an owner again", func() bool { return a.has(t, pooledTopic(0)) })
	r.flows("included again")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything is at the region", func() bool { return r.arrived(-1) >= w.total() })
	if err := errors.Join(a.stop(), b.stop()); err != nil {
		t.Error(err)
	}
	r.exact(w)
}

// TestPoolStartsWithoutItsEnsemble pins that a process runs, and says what it waits for, while ZooKeeper cannot be reached.
func TestPoolStartsWithoutItsEnsemble(t *testing.T) {
	r := newPooledRig(t)
	r.ensemble.Down()
	a := r.process("a", "z1")
	w := startTraffic(t, r.edge.ListenAddrs())
	r.start(a)
	eventually(t, "it says that it has no session", func() bool {
		code, body := a.ask(t, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "[-] pool of link edge-region: no session with ZooKeeper since")
	})
	if code, body := a.ask(t, "/livez"); code != http.StatusOK {
		t.Errorf("/livez: %d, %s", code, body)
	}
	if _, body := a.ask(t, "/api/v1/status"); !strings.Contains(body, `"state":"waiting"`) || !strings.Contains(body, "no session with ZooKeeper") {
		t.Errorf("status: %s", body)
	}
	if n := r.arrived(-1); n > 0 {
		t.Errorf("%d records were mirrored by no member", n)
	}
	r.ensemble.Up()
	eventually(t, "it is ready", func() bool { code, _ := a.ask(t, "/readyz"); return code == http.StatusOK })
	r.flows("after ZooKeeper came")
	if err := errors.Join(w.stop(), a.stop()); err != nil {
		t.Error(err)
	}
}

// TestPoolEndsWithoutItsEnsemble pins that a process that is told to end while ZooKeeper is away does so in good order.
func TestPoolEndsWithoutItsEnsemble(t *testing.T) {
	r := newPooledRig(t)
	r.ensemble.Down()
	a := r.process("a", "z1")
	r.start(a)
	if err := a.stop(); err != nil {
		t.Errorf("never joined: %v", err)
	}
}
