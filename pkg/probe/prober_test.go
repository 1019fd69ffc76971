package probe

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"tributary/pkg/kafka"
)

// TestMain fails the package when a goroutine outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a fake cluster with topic clicks of two partitions, and a prober of it.
type bed struct {
	fake   *kfake.Cluster
	prober *Prober
	path   string
	lines  *lines
	next   int64 // what waits in both partitions
}

// lines is a log that a test reads while others write it.
type lines struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newBed(t *testing.T, opts ...kfake.Opt) *bed {
	t.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.ClusterID("edge"), kfake.SeedTopics(2, "clicks"), kfake.SeedTopics(1, "copy")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	b := &bed{fake: fake, path: filepath.Join(t.TempDir(), "traffic"), lines: &lines{}}
	b.again(t)
	return b
}

// again makes another prober, as after a restart.
func (b *bed) again(t *testing.T) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(b.lines, nil))
	c, err := kafka.New("edge", kafka.Config{Brokers: b.fake.ListenAddrs()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	wants := func() Wants {
		return Wants{Sources: map[string][]Offset{"clicks": {{0, b.next}, {1, b.next}}}, Settings: []string{"copy", "unborn"}}
	}
	b.prober = New(Config{Wants: wants, Path: b.path}, c, log)
}

// save has the prober write what it remembers, and returns when it is written.
func (b *bed) save() {
	disk := b.prober.newSaver()
	b.prober.end(disk)
}

func (b *bed) write(t *testing.T, partition int32, at time.Time, n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range n {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "clicks", Partition: partition, Value: make([]byte, 100), Timestamp: at}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
	}
}

func TestRound(t *testing.T) {
	b := newBed(t)
	at := time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli())
	b.write(t, 0, at, 5)
	b.next = 3
	fetches := new(atomic.Int64)
	b.fake.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		fetches.Add(1)
		return nil, nil, false
	})
	b.prober.round(t.Context())
	got := b.prober.Answer()
	if got.Success.IsZero() || got.Problem != "" {
		t.Fatalf("got %+v", got)
	}
	p := got.Topic("clicks").Partition(0)
	if p == nil || p.Start != 0 || p.End != 5 || p.Oldest == nil || !p.Oldest.Equal(at) {
		t.Fatalf("got %+v", p)
	}
	if first, ok := p.First(3); !ok || !first.Equal(at.Add(3*time.Second)) {
		t.Errorf("the record that waits: got %v, %v", first, ok)
	}
	if bytes, ok := p.After(3); !ok || bytes <= 0 || bytes > p.Size {
		t.Errorf("behind it: got %d of %d, %v", bytes, p.Size, ok)
	}
	if empty := got.Topic("clicks").Partition(1); empty == nil || empty.End != 0 || empty.Oldest != nil {
		t.Errorf("the empty one: got %+v", empty)
	}
	if age, ok := got.Topic("clicks").Settings.ByAge(); !ok || age != 7*24*time.Hour {
		t.Errorf("settings: got %v, %v", age, ok)
	}
	if got.Topic("copy") == nil || got.Topic("copy").Settings == nil || got.Topic("unborn") != nil {
		t.Errorf("topics of the destination: got %+v", got.Topics)
	}
	read := fetches.Load()
	if b.prober.round(t.Context()); fetches.Load() != read {
		t.Errorf("what is known was read again: %d fetches, then %d", read, fetches.Load())
	}
}

func TestWhatWasSaidStands(t *testing.T) {
	b := newBed(t)
	b.write(t, 0, time.Now(), 2)
	b.prober.round(t.Context())
	before := b.prober.Answer()
	b.fake.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		return resp, context.DeadlineExceeded, true
	})
	b.prober.round(t.Context())
	after := b.prober.Answer()
	if after.Problem == "" || !after.Success.Equal(before.Success) {
		t.Errorf("got problem %q, success %v, want that of before", after.Problem, after.Success)
	}
	was, is := before.Topic("clicks").Partition(0), after.Topic("clicks").Partition(0)
	if is == nil || !is.At.Equal(was.At) || is.End != was.End || after.Topic("clicks").Settings == nil {
		t.Errorf("got %+v, want %+v", is, was)
	}
	b.fake.Close()
	b.prober.round(t.Context())
	if is := b.prober.Answer().Topic("clicks").Partition(0); is == nil || !is.At.Equal(was.At) {
		t.Errorf("without a cluster: got %+v", is)
	}
	if got := strings.Count(b.lines.String(), "level=WARN"); got != 1 {
		t.Errorf("%d warnings, want 1:\n%s", got, b.lines)
	}
}

func TestMissingRightsAreSaidOnce(t *testing.T) {
	b := newBed(t)
	b.fake.ControlKey(int16(kmsg.DescribeLogDirs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
		resp.ErrorCode = codeClusterAuthorization
		return resp, nil, true
	})
	for range 3 {
		b.prober.round(t.Context())
	}
	got := b.prober.Answer()
	if got.Success.IsZero() || !strings.Contains(got.Problem, "grant the mirror's user DESCRIBE on the cluster") {
		t.Errorf("got success %v, problem %q", got.Success, got.Problem)
	}
	if p := got.Topic("clicks").Partition(0); p == nil || !p.Sized.IsZero() {
		t.Errorf("got a size without the right: %+v", p)
	}
	if n := strings.Count(b.lines.String(), "DESCRIBE on the cluster"); n != 1 {
		t.Errorf("%d lines, want 1:\n%s", n, b.lines)
	}
}

func TestAWeekOfTrafficOutlivesARestart(t *testing.T) {
	b := newBed(t)
	b.write(t, 0, time.Now(), 4)
	b.prober.round(t.Context())
	clicks := b.prober.topics["clicks"].partitions[0]
	hour := time.Now().Unix() / 3600
	clicks.speed.hours = []peak{{hour - 30, 1000}, {hour - 29, 1000}, {hour, -1}}
	b.write(t, 0, time.Now(), 4)
	b.prober.round(t.Context())
	before, marks := clicks.volume.appended, len(clicks.volume.marks)
	b.save()

	b.again(t)
	b.prober.load()
	b.prober.cfg.Wants = func() Wants { return Wants{} } // links do not know their topics yet
	b.prober.round(t.Context())
	b.again(t)
	b.prober.load()
	b.prober.round(t.Context())
	got := b.prober.topics["clicks"].partitions[0]
	if got.volume.appended != before || len(got.volume.marks) != marks || before == 0 {
		t.Errorf("got %+v, want %d bytes and %d marks", got.volume, before, marks)
	}
	if p := got.answer.Pace; p == nil || p.P95 != 1000 {
		t.Errorf("pace: got %+v, want the 1000 of the week", p)
	}

	for name, spoil := range map[string]func([]byte) []byte{
		"damaged":  func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut":      func(b []byte) []byte { return b[:len(b)/2] },
		"empty":    func([]byte) []byte { return nil },
		"not ours": func([]byte) []byte { return []byte("{}") },
	} {
		text, err := os.ReadFile(b.path)
		if err != nil {
			t.Fatal(err)
		}
		spoiled := filepath.Join(t.TempDir(), "traffic")
		if err := os.WriteFile(spoiled, spoil(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b.lines = &lines{}
		b.again(t)
		b.prober.cfg.Path = spoiled
		b.prober.load()
		if b.prober.round(t.Context()); b.prober.Answer().Success.IsZero() || !strings.Contains(b.lines.String(), "learned anew") {
			t.Errorf("%s: got %+v, %s", name, b.prober.Answer(), b.lines)
		}
		if p := b.prober.Answer().Topic("clicks").Partition(0).Pace; p != nil {
			t.Errorf("%s: a pace of one measurement: %+v", name, p)
		}
	}
}

// The memory of another cluster, or of another topic of the same name, is of no use.
func TestMemoryOfAnotherClusterIsForgotten(t *testing.T) {
	b := newBed(t)
	b.write(t, 0, time.Now(), 4)
	b.prober.round(t.Context())
	b.prober.topics["clicks"].partitions[0].speed.hours = []peak{{time.Now().Unix()/3600 - 5, 7}}
	b.save()
	other := newBed(t, kfake.ClusterID("another"))
	other.prober.cfg.Path = b.path
	other.prober.load()
	other.prober.round(t.Context())
	if p := other.prober.Answer().Topic("clicks").Partition(0); p == nil || p.Pace != nil {
		t.Errorf("got %+v", p)
	}
}

func TestRunAsksAtOnceAndSavesAtTheEnd(t *testing.T) {
	b := newBed(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.prober.Run(ctx) }()
	deadline := time.Now().Add(10 * time.Second)
	for b.prober.Answer() == nil && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil || b.prober.Answer() == nil {
		t.Errorf("got %v, answer %v", err, b.prober.Answer())
	}
	if _, err := os.Stat(b.path); err != nil {
		t.Error(err)
	}
}
