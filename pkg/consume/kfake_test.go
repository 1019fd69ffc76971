package consume

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"tributary/pkg/mirror"
)

func TestCopies(t *testing.T) {
	for _, test := range []struct {
		name  string
		codec kgo.CompressionCodec
	}{{"none", kgo.NoCompression()}, {"lz4", kgo.Lz4Compression()}} {
		t.Run(test.name, func(t *testing.T) {
			fake := newFake(t, 3, 4)
			fill(t, fake, 4, 0, 200, kgo.ProducerBatchCompression(test.codec))
			r := start(t, fake, 4)
			r.wantAll(4, 200)
			fill(t, fake, 4, 200, 500, kgo.ProducerBatchCompression(test.codec))
			r.wantAll(4, 500)
			r.eventually("position", func() bool { return r.status(0).Committed == 500 })
			r.stop()
		})
	}
}

func TestAbortedTransactionsStayBehind(t *testing.T) {
	fake := newFake(t, 1, 1)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.TransactionalID("t"), kgo.DefaultProduceTopic(topicName))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	n := 0
	for i := range 6 {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		commit := kgo.TransactionEndTry(i%3 != 1)
		for range 5 {
			text := "aborted"
			if commit {
				text = value(0, n)
				n++
			}
			if err := client.ProduceSync(t.Context(), kgo.StringRecord(text)).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, fake, 1)
	r.wantAll(1, n)
	end := fake.PartitionInfo(topicName, 0).HighWatermark
	r.eventually("end", func() bool { return r.status(0).Next == end })
	if got, want := r.status(0).Counters.Gaps, (mirror.Gaps{Control: end - int64(n)}); got != want {
		t.Errorf("gaps %+v, want %+v", got, want)
	}
}

// TestFollowsItsLeaders moves leaders while records come.
func TestFollowsItsLeaders(t *testing.T) {
	const partitions = 3
	fake := newFake(t, 3, partitions)
	r := start(t, fake, partitions)
	for round := range 6 {
		fill(t, fake, partitions, round*50, round*50+50)
		for p := range partitions {
			if err := fake.MoveTopicPartition(topicName, int32(p), int32((p+round)%3)); err != nil {
				t.Fatal(err)
			}
		}
		fill(t, fake, partitions, round*50+50, round*50+50)
		r.wantAll(partitions, round*50+50)
	}
}

// TestSlowResponseIsHandedOn looks at a response whose end does not come: what has arrived of it must be sent.
func TestSlowResponseIsHandedOn(t *testing.T) {
	slow := &slow{armed: make(chan struct{}), end: make(chan struct{})}
	fake := newFake(t, 1, 1, kfake.ListenFn(slow.listen))
	fill(t, fake, 1, 0, 1)
	r := start(t, fake, 1)
	r.wantAll(1, 1) // the first response of a leader epoch is read twice
	var filling atomic.Bool
	filling.Store(true)
	fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		return req.ResponseKind(), nil, filling.Load()
	})
	fill(t, fake, 1, 1, 12_000, kgo.ProducerBatchCompression(kgo.NoCompression()))
	filling.Store(false)
	slow.kicks = &r.sink.kicks
	r.sink.setMute(true) // it takes what is there by itself, too, and then there is nothing to tell it of
	close(slow.armed)
	end := sync.OnceFunc(func() { close(slow.end) })
	t.Cleanup(end)
	r.eventually("the greater part of a response", slow.begun.Load)
	for until := time.Now().Add(fetchPatience / 2); r.sink.kicks.Load() == slow.before; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the destination was not told of it")
		}
	}
	r.sink.setMute(false)
	r.eventually("its records", func() bool { return len(r.sink.got(mirror.TopicPartition{Topic: topicName})) > 0 })
	end()
	r.wantAll(1, 12_000)
}

func TestSurvivesCutResponses(t *testing.T) {
	const partitions = 3
	cut := &cutter{}
	fake := newFake(t, 2, partitions, kfake.ListenFn(cut.listen))
	fill(t, fake, partitions, 0, 600, kgo.ProducerBatchCompression(kgo.NoCompression()))
	cut.every.Store(60_000)
	r := start(t, fake, partitions)
	r.wantAll(partitions, 600)
	if cut.cuts.Load() == 0 {
		t.Error("no connection was cut")
	}
	cut.every.Store(0)
	r.stop()
}

func TestBrokerGoesAndComes(t *testing.T) {
	fake := newFake(t, 3, 3)
	r := start(t, fake, 3)
	fill(t, fake, 3, 0, 50)
	r.wantAll(3, 50)
	if err := fake.RemoveNode(1); err != nil {
		t.Fatal(err)
	}
	fill(t, fake, 3, 50, 100)
	r.wantAll(3, 100)
	if _, _, err := fake.AddNode(1, 0); err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) {
		if err := fake.MoveTopicPartition(topicName, p, 1); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, fake, 3, 100, 150)
	r.wantAll(3, 150)
}

func TestOvertakenByRetention(t *testing.T) {
	fake := newFake(t, 1, 2)
	r := start(t, fake, 2)
	fill(t, fake, 2, 0, 20)
	r.wantAll(2, 20)
	r.sink.setMute(true) // nothing is acknowledged any more, so the position stays at 20
	r.eventually("commit", func() bool { return r.status(0).Committed == 20 })
	r.stop()
	fill(t, fake, 2, 20, 60)
	if err := fake.DeleteRecords(topicName, 0, 45); err != nil {
		t.Fatal(err)
	}
	again := start(t, fake, 2)
	again.eventually("halt", func() bool { return again.status(0).State == mirror.StateHalted })
	s := again.status(0)
	if s.Cause != mirror.CauseRetention || s.Loss == nil || s.Loss.From != 20 || s.Loss.To != 45 {
		// The store is new, so the identity was rebuilt from the position.
		t.Errorf("got cause %q, lost %v, why %q; want retention, 20 to 45", s.Cause, s.Loss, s.Why)
	}
	again.eventually("sibling", func() bool { return again.status(1).Next == 60 })
}

// TestSourceMadeAnew pins that not one record of the new topic is read at an offset of the old one, also where brokers do not
// know topic ids in fetches.
func TestSourceMadeAnew(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []kfake.Opt
	}{
		{"by id", nil},
		{"by name", []kfake.Opt{kfake.MaxVersions(kversion.V2_8_0())}},
	} {
		t.Run(test.name, func(t *testing.T) { sourceMadeAnew(t, test.options) })
	}
}

func sourceMadeAnew(t *testing.T, options []kfake.Opt) {
	fake := newFake(t, 1, 1, options...)
	r := start(t, fake, 1)
	fill(t, fake, 1, 0, 30)
	r.wantAll(1, 30)
	if err := fake.DeleteTopic(topicName); err != nil {
		t.Fatal(err)
	}
	if options == nil { // where ids are known it may take its time
		r.eventually("trouble", func() bool { return r.status(0).State == mirror.StateWaiting })
		if s := r.status(0); !strings.Contains(s.Why, topicName) && !strings.Contains(s.Why, "gone") {
			t.Errorf("says %q", s.Why)
		}
	}
	if err := fake.CreateTopic(topicName, 1, nil); err != nil {
		t.Fatal(err)
	}
	fill(t, fake, 1, 0, 50)
	r.eventually("halt", func() bool { return r.status(0).State == mirror.StateHalted })
	s := r.status(0)
	if s.Cause != mirror.CauseSourceRecreated || s.Loss == nil || s.Loss.From != 30 {
		t.Errorf("got cause %q, loss %+v, why %q", s.Cause, s.Loss, s.Why)
	}
	if got := len(r.sink.got(mirror.TopicPartition{Topic: topicName})); got != 30 {
		t.Errorf("got %d records, want the 30 of the topic as it was", got)
	}
	done, err := r.link.Skip(t.Context(), mirror.TopicPartition{Topic: topicName}, mirror.Choice{})
	if err != nil || done.ResumesAt != 0 {
		t.Fatalf("skip: %+v, %v", done, err)
	}
	r.eventually("the new topic", func() bool { return r.status(0).Next == 50 })
	if got := len(r.sink.got(mirror.TopicPartition{Topic: topicName})); got != 80 {
		t.Errorf("got %d records, want 30 of the old topic and 50 of the new one", got)
	}
}

// TestTwoLinksReadOneTopic has a second link begin at the first record while the first stands at the end. A real broker
// answers one place of a partition that a fetch names twice, and the records would be taken for the other link's.
func TestTwoLinksReadOneTopic(t *testing.T) {
	fake := newFake(t, 1, 3)
	var together, twice atomic.Bool
	fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		asked := map[int32]int{}
		for _, topic := range req.(*kmsg.FetchRequest).Topics {
			for _, p := range topic.Partitions {
				asked[p.Partition]++
				twice.CompareAndSwap(false, asked[p.Partition] > 1)
			}
		}
		together.CompareAndSwap(false, len(asked) > 1)
		return nil, nil, false
	})
	r := start(t, fake, 3)
	fill(t, fake, 3, 0, 2000)
	r.wantAll(3, 2000)
	late := &rig{t: t, source: r.source, sink: newMemSink(map[string]int{topicName: 3})}
	late.link = late.newLink("late", late.sink)
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { late.sink.run(ctx) })
	running.Go(func() { _ = late.link.Run(ctx) })
	defer running.Wait()
	defer end()
	for n := 2000; n < 2400; n += 100 {
		fill(t, fake, 3, n, n+100)
		r.wantAll(3, n+100)
	}
	late.wantAll(3, 2400)
	if twice.Load() || !together.Load() {
		t.Errorf("a fetch named a partition twice: %v; several partitions: %v", twice.Load(), together.Load())
	}
}

// TestReadersOfOnePartitionTakeTurns also looks at how long such a fetch may wait.
func TestReadersOfOnePartitionTakeTurns(t *testing.T) {
	tp := mirror.TopicPartition{Topic: topicName}
	other := &entry{tp: mirror.TopicPartition{Topic: topicName, Partition: 1}}
	ahead, behind := &entry{tp: tp}, &entry{tp: tp}
	l := newLane(&Source{budget: mirror.NewBudget(1)}, 1)
	var got []string
	for range 4 {
		list, wait := l.oneEachLocked([]asked{{e: ahead, next: 80}, {e: other, next: 7}, {e: behind, next: 3}}, hotWait)
		if len(list) != 2 {
			t.Fatalf("asks for %d, want 2", len(list))
		}
		for _, a := range list {
			if a.e.tp == tp {
				got = append(got, fmt.Sprintf("%d waits %v", a.next, wait))
			}
		}
	}
	if want := []string{"80 waits 10ms", "3 waits 500ms", "80 waits 10ms", "3 waits 500ms"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHotAndCold(t *testing.T) {
	fake := newFake(t, 1, 2)
	r := start(t, fake, 2)
	fill(t, fake, 2, 0, 5)
	r.wantAll(2, 5)
	r.source.mu.RLock()
	var quiet *entry
	for _, e := range r.source.entries {
		if e.tp.Partition == 1 {
			quiet = e
		}
	}
	r.source.mu.RUnlock()
	l := quiet.lane.Load()
	cold := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return quiet.cold
	}
	l.mu.Lock()
	quiet.lastData = time.Now().Add(-2 * coldAfter)
	l.mu.Unlock()
	signal(l.cold.wake)
	r.eventually("cold", cold)
	hot, _ := l.collect(nil, false, time.Now())
	if len(hot) != 1 || hot[0].e == quiet {
		t.Errorf("hot fetch asks for %d partitions", len(hot))
	}
	fill(t, fake, 2, 5, 9)
	r.wantAll(2, 9)
	r.eventually("hot again", func() bool { return !cold() })
	hot, _ = l.collect(nil, false, time.Now())
	if len(hot) != 2 {
		t.Errorf("hot fetch asks for %d partitions, want 2", len(hot))
	}
}

// TestIdlePartitionsHoldUpNoNewOnes looks at how long fetches of idle partitions may wait: hardly, while others may be about
// to be ready, as in a takeover of many.
func TestIdlePartitionsHoldUpNoNewOnes(t *testing.T) {
	fake := newFake(t, 1, 2)
	var mu sync.Mutex
	var waits []time.Duration
	fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if wait := time.Duration(req.(*kmsg.FetchRequest).MaxWaitMillis) * time.Millisecond; wait < coldWait {
			waits = append(waits, wait)
		}
		return nil, nil, false
	})
	r := start(t, fake, 2)
	r.eventually("a fetch waits for long", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(waits) > 0 && waits[len(waits)-1] == hotWait
	})
	if waits[0] != grownWait {
		t.Errorf("the first fetches wait for %v, want %v", waits[:min(3, len(waits))], grownWait)
	}
}
