package produce

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/mirror"
)

// arrivals are the produce requests that reached a fake cluster, by the topic of their first batch.
type arrivals struct {
	mu    sync.Mutex
	bytes map[string]int // on the wire
	most  int            // of one request
	first time.Time
	last  time.Time
}

func watchArrivals(fake *kfake.Cluster) *arrivals {
	a := &arrivals{bytes: map[string]int{}}
	fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		a.mu.Lock()
		defer a.mu.Unlock()
		size := 4 + len(kmsg.NewRequestFormatter(kmsg.FormatterClientID("mirror")).AppendRequest(nil, req, 0))
		a.bytes[req.(*kmsg.ProduceRequest).Topics[0].Topic] += size
		a.most, a.last = max(a.most, size), time.Now()
		if a.first.IsZero() {
			a.first = a.last
		}
		return nil, nil, false
	})
	return a
}

// TestRate measures what arrives of a link with a rate, over two lanes, and looks at what arrives: all, in order.
func TestRate(t *testing.T) {
	const partitions, records, rate = 4, 900, 96 << 10
	fake := newFake(t, 2, partitions)
	a := watchArrivals(fake)
	r := newRig(t, fake, partitions)
	r.link.SetRate(rate)
	r.source.come.Store(records)
	r.eventually("the rate shows", func() bool { return r.status(0).State == mirror.StateThrottled })
	r.acknowledged(partitions, records)
	limited := r.link.Status().Flow.Limited
	r.stop()
	r.wantSame(partitions, records)
	took, bytes := a.last.Sub(a.first), a.bytes[topicName]
	least := time.Duration(float64(bytes-a.most-rate/10)/rate*float64(time.Second)) - 50*time.Millisecond // what one request is late for another reason
	if took < least {
		t.Errorf("%d bytes came in %v, want %v at least", bytes, took, least)
	}
	if least < 500*time.Millisecond {
		t.Errorf("%d bytes are too few to measure a rate", bytes)
	}
	if most := 3*least + time.Second; took > most {
		t.Errorf("%d bytes came in %v, want %v at most", bytes, took, most)
	}
	if a.most > rate/2 {
		t.Errorf("a request had %d bytes, want them small", a.most)
	}
	if limited < took/2 {
		t.Errorf("%v of %v were counted as limited", limited, took)
	}
}

// TestRateLeavesOtherLinksAlone: a lane that must not send more of one link sends what another has, and a higher rate is
// taken while it waits.
func TestRateLeavesOtherLinksAlone(t *testing.T) {
	const records = 300
	fake := newFake(t, 1, 1)
	r := newRig(t, fake, 1)
	r.source.come.Store(3)
	r.acknowledged(1, 3)
	r.link.SetRate(1) // the next batch costs minutes
	r.source.come.Store(9)
	r.acknowledged(1, 6)
	r.source.come.Store(records)
	r.eventually("the rate shows", func() bool { return r.status(0).State == mirror.StateThrottled })

	other := newMemSource(1)
	link := mirror.NewLink(mirror.LinkConfig{Name: "other", From: "mem", To: "region", Mapping: mirror.Same, Drain: 5 * time.Second, Create: true, Replicas: -1,
		Match: func(string) bool { return true }, Rename: func(string) (string, error) { return "views", nil }},
		other, r.sink, newMemStore(), &mirror.Alone{}, noEvents{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { other.run(ctx) })
	wg.Go(func() { _ = link.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	other.come.Store(records)
	r.eventually("the other link's records", func() bool {
		s := link.Status()
		return len(s.Topics) == 1 && len(s.Topics[0].Partitions) == 1 && s.Topics[0].Partitions[0].Next == records
	})
	if s := r.status(0); s.Next >= records || s.State != mirror.StateThrottled {
		t.Errorf("the limited link stands at %d, %s, want it held back", s.Next, s.State)
	}
	r.link.SetRate(0)
	r.acknowledged(1, records)
	if again := r.link.Status().Flow.Limited; again != r.link.Status().Flow.Limited {
		t.Error("a wait for the rate goes on after its end")
	}
}
