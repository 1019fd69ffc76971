package catalog

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// TestMain fails the package when a goroutine outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topicName = "clicks"

// watch runs a watcher of a fake cluster until the test's end.
func watch(t *testing.T, partitions int) (*kfake.Cluster, *Watcher) {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(int32(partitions), topicName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	cluster, err := kafka.New("region", kafka.Config{Brokers: fake.ListenAddrs()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := NewWatcher(cluster, slog.New(slog.DiscardHandler))
	run(t, func(ctx context.Context) { _ = w.Run(ctx) })
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return fake, w
}

// run runs f until the test's end.
func run(t *testing.T, f func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { f(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s: does not come", what)
		}
	}
}

func TestWatcherKnowsTopicsAndLeaders(t *testing.T) {
	fake, w := watch(t, 2)
	eventually(t, "catalogue", func() bool { c, _, _ := w.Catalog(); return c != nil })
	before, changed, err := w.Catalog()
	if err != nil || before.Topics[topicName].Partitions != 2 || before.Topics[topicName].ID == "" || before.Cluster == "" {
		t.Fatalf("got %+v, %v", before, err)
	}
	if w.Answered().IsZero() {
		t.Error("has no time of its last answer")
	}
	if err := fake.MoveTopicPartition(topicName, 1, (fake.LeaderFor(topicName, 1)+1)%3); err != nil {
		t.Fatal(err)
	}
	w.Refresh()
	<-changed
	leader, id, ok := w.Leader(topicName, 1)
	if !ok || leader.Broker != fake.LeaderFor(topicName, 1) || leader.Epoch != 1 || !slices.Contains(fake.ListenAddrs(), leader.Address) || id == (kafka.TopicID{}) {
		t.Errorf("got leader %+v, id %x, %v", leader, id, ok)
	}
	for _, tp := range []mirror.TopicPartition{{Topic: topicName, Partition: 2}, {Topic: "none"}} {
		if _, _, ok := w.Leader(tp.Topic, tp.Partition); ok {
			t.Errorf("%v has a leader", tp)
		}
	}
	_, changed, _ = w.Catalog()
	if err := fake.CreateTopic("views", 1, nil); err != nil {
		t.Fatal(err)
	}
	w.Refresh()
	<-changed
	if c, _, _ := w.Catalog(); c.Topics["views"].Partitions != 1 {
		t.Errorf("got %+v", c)
	}
}

func TestWatcherKeepsWhatItKnewAndSaysThatItIsOld(t *testing.T) {
	fake, w := watch(t, 1)
	eventually(t, "catalogue", func() bool { c, _, _ := w.Catalog(); return c != nil })
	var down atomic.Bool
	down.Store(true)
	fake.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		if !down.Load() {
			return nil, nil, false
		}
		fake.KeepControl()
		return nil, net.ErrClosed, true
	})
	w.Refresh()
	eventually(t, "error", func() bool { w.Refresh(); _, _, err := w.Catalog(); return err != nil })
	if c, _, _ := w.Catalog(); c == nil || c.Topics[topicName].Partitions != 1 {
		t.Errorf("forgot what it knew: %+v", c)
	}
	down.Store(false)
	eventually(t, "recovery", func() bool { w.Refresh(); _, _, err := w.Catalog(); return err == nil })
}

// memLane is a lane that only knows who is in it.
type memLane struct {
	broker int32
	mu     sync.Mutex
	has    []int32
	adds   int
	runs   atomic.Int32
}

func (l *memLane) Add(p int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adds++
	if !slices.Contains(l.has, p) {
		l.has = append(l.has, p)
	}
}

func (l *memLane) Remove(p int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.has = slices.DeleteFunc(l.has, func(q int32) bool { return q == p })
}

func (l *memLane) Run(ctx context.Context) {
	l.runs.Add(1)
	<-ctx.Done()
}

func (l *memLane) list() []int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.has))
}

// lanes are all that a router made.
type lanes struct {
	mu  sync.Mutex
	all map[int32]*memLane
}

func (ls *lanes) make(broker int32) Lane[int32] {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := &memLane{broker: broker}
	ls.all[broker] = l
	return l
}

// whoHas returns the brokers whose lanes have p.
func (ls *lanes) whoHas(p int32) []int32 {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var out []int32
	for broker, l := range ls.all {
		if slices.Contains(l.list(), p) {
			out = append(out, broker)
		}
	}
	return out
}

func newTestRouter(t *testing.T, w *Watcher) (*Router[int32], *lanes) {
	ls := &lanes{all: map[int32]*memLane{}}
	r := NewRouter(w, ls.make, func(p int32) mirror.TopicPartition { return mirror.TopicPartition{Topic: topicName, Partition: p} })
	run(t, r.Run)
	return r, ls
}

func TestRouterPlacesAndFollows(t *testing.T) {
	fake, w := watch(t, 6)
	r, ls := newTestRouter(t, w)
	for p := range int32(7) { // before anything is known; the seventh does not exist
		r.Place(p)
	}
	for p := range int32(6) {
		eventually(t, "place", func() bool { return slices.Equal(ls.whoHas(p), []int32{fake.LeaderFor(topicName, p)}) })
	}
	if got := ls.whoHas(6); len(got) != 0 {
		t.Errorf("a partition that does not exist is at %v", got)
	}
	for _, l := range ls.all {
		eventually(t, "lane's run", func() bool { return l.runs.Load() == 1 })
	}
	was := fake.LeaderFor(topicName, 0)
	if r.Follow(0) {
		t.Error("moved though its leader is the same")
	}
	_, changed, _ := w.Catalog()
	if err := fake.MoveTopicPartition(topicName, 0, (was+1)%3); err != nil {
		t.Fatal(err)
	}
	w.Refresh()
	<-changed
	if !r.Follow(0) {
		t.Error("did not follow its leader")
	}
	if got := ls.whoHas(0); !slices.Equal(got, []int32{(was + 1) % 3}) {
		t.Errorf("is at %v after the move", got)
	}
	adds := ls.all[(was+1)%3].adds
	r.Place(0)
	if got := ls.all[(was+1)%3].adds; got != adds+1 {
		t.Errorf("placed again: added %d times, want once more", got-adds)
	}
	r.Remove(0)
	if got := ls.whoHas(0); len(got) != 0 {
		t.Errorf("is at %v after it was removed", got)
	}
	if r.Follow(0) {
		t.Error("a removed partition moved")
	}
}

func TestRouterPauseFollows(t *testing.T) {
	fake, w := watch(t, 1)
	r, ls := newTestRouter(t, w)
	r.Place(0)
	eventually(t, "place", func() bool { return len(ls.whoHas(0)) == 1 })
	was := fake.LeaderFor(topicName, 0)
	if err := fake.MoveTopicPartition(topicName, 0, (was+1)%3); err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- r.Pause(ctx, time.Hour, func() []int32 { return []int32{0} }) }()
	w.Refresh()
	eventually(t, "move during the pause", func() bool { return slices.Equal(ls.whoHas(0), []int32{(was + 1) % 3}) })
	cancel()
	if <-ended {
		t.Error("an ended context is a pause that ended")
	}
	if !r.Pause(t.Context(), time.Millisecond, func() []int32 { return nil }) {
		t.Error("the pause did not end by itself")
	}
}
