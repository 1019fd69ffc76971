package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

const (
	noticeWithin = 30 * time.Second // from a fault to the status that says so, and from its end to new records
	settle       = 5 * time.Second  // from then until positions stand still: what was acknowledged before is saved meanwhile
	filled       = 5 * time.Second  // the budget is full when no more of it was taken for this long
	// flatBytes is by how much memory may grow in a second; a mirror that kept what it reads would grow by 1 MB and more.
	flatBytes = 256 << 10
	// peakBytes is what a mirror may take at most with its budget of 16 MiB.
	peakBytes = (16 + 48) << 20
)

// outage is a way to lose the destination.
type outage struct {
	name  string
	codec load.Codec // of the records meanwhile
	// begin starts it.
	begin func(ctx context.Context, r *route) error
	// fired returns an error unless it did what its name says.
	fired func(r *route) error
	// end heals it, and returns when the destination could take records again.
	end func(ctx context.Context, r *route) error
}

// While the region cannot be reached, status says waiting, the position stands still, lag grows and memory does not;
// when it can, mirroring goes on by itself within 30 s, with nothing lost and nothing doubled.
func TestRegionUnreachable(t *testing.T) {
	t.Parallel() // it is waiting for the most part, and nothing beside it needs the region
	for _, o := range outages() {
		t.Run(o.name, func(t *testing.T) {
			r := newRoute(t, "unreachable-"+o.name, stage.edge.get(t), stage.region.get(t), 3, func(s *settings) { s.Memory = "16MiB" })
			// Garbage grows to the heap's limit between two collections, which may be further apart than an outage is long.
			// Collected this often, what grows is what is kept.
			r.host.wrap = []string{"env", "GOGC=20"}
			r.host.start(t)
			generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 4000, Producers: 2, Codec: o.codec, Seed: 7})
			r.awaitMore(t, 2000, time.Minute)
			eventually(t, 30*time.Second, "status says that all is well", r.flows)

			must(t, o.begin(t.Context(), r))
			healed := false
			heal := func(ctx context.Context) error { healed = true; return o.end(ctx, r) }
			t.Cleanup(func() {
				if !healed {
					if err := heal(context.Background()); err != nil {
						t.Errorf("heal: %v", err)
					}
				}
			})
			holdOutage(t, r, size(20*time.Second, 5*time.Minute))
			must(t, o.fired(r))
			must(t, heal(within(t, 2*time.Minute)))
			took := r.awaitMore(t, 1, noticeWithin)
			t.Logf("first record %v after the end of the outage", took.Round(time.Millisecond))

			report := generator.end(t)
			r.awaitCopied(t, 2*time.Minute)
			eventually(t, noticeWithin, "status says caught up", func(ctx context.Context) error {
				return r.host.expectState(ctx, r.topic, "caught_up")
			})
			r.host.stop(t)
			r.requireExact(t, report)
		})
	}
}

// holdOutage watches a mirror whose destination has just gone away, for a while after its buffers are full.
func holdOutage(t *testing.T, r *route, hold time.Duration) {
	t.Helper()
	begun := time.Now()
	watching, cancel := context.WithCancel(t.Context())
	defer cancel()
	var samples load.ProcessSamples
	var sampled error
	var wg sync.WaitGroup
	wg.Go(func() { samples, sampled = load.Processes(watching, r.host.run.pid(), 250*time.Millisecond) })

	noticed := eventually(t, noticeWithin, "status says waiting", func(ctx context.Context) error {
		return r.host.expectState(ctx, r.topic, "waiting")
	})
	t.Logf("waiting after %v", noticed.Round(time.Millisecond))
	must(t, pause(watching, settle))
	first := readProgress(t, r)
	full := awaitFull(t, r)
	t.Logf("%d KiB are kept for the destination %v into the outage", full.bytes>>10, full.at.Sub(begun).Round(time.Millisecond))
	var last progress
	for end := time.Now().Add(hold); time.Now().Before(end); must(t, pause(watching, time.Second)) {
		if err := r.host.expectState(t.Context(), r.topic, "waiting"); err != nil {
			t.Errorf("%v into the outage: %v", time.Since(begun).Round(time.Second), err)
		}
		last = readProgress(t, r)
		if last.next != first.next || last.saved != first.saved {
			t.Fatalf("%v into the outage: positions moved from %+v to %+v", time.Since(begun).Round(time.Second), first, last)
		}
	}
	cancel()
	wg.Wait()
	must(t, sampled)
	if first.lag == nil || last.lag == nil || *last.lag <= *first.lag {
		t.Errorf("lag did not grow during the outage: from %s to %s", show(first.lag), show(last.lag))
	}
	peak := samples.PeakRSSBytes()
	slope := samples.After(full.at.Sub(begun)).Slope(func(s load.ProcessSample) float64 { return float64(s.RSSBytes) })
	t.Logf("lag from %s to %s; memory %d MiB at most, growing by %.0f KiB/s", show(first.lag), show(last.lag), peak>>20, slope/1024)
	if peak > peakBytes {
		t.Errorf("memory during an outage: got %d MiB, want at most %d MiB", peak>>20, peakBytes>>20)
	}
	// In a short outage a few MiB of garbage look like growth.
	if flat := size(2*flatBytes, flatBytes); slope > float64(flat) {
		t.Errorf("memory grows by %.0f bytes a second during an outage, want at most %d", slope, flat)
	}
}

// fullness is how much a mirror keeps for a destination that is away, and since when.
type fullness struct {
	bytes int64
	at    time.Time
}

// awaitFull waits until a mirror whose destination is away takes in no more. It keeps nothing where it cannot connect.
func awaitFull(t *testing.T, r *route) fullness {
	t.Helper()
	most := fullness{at: time.Now()}
	for time.Since(most.at) < filled {
		values, err := r.host.metrics(t.Context())
		must(t, err)
		if held := int64(values["mirror_inflight_bytes"]); held > most.bytes {
			most = fullness{held, time.Now()}
		}
		must(t, pause(t.Context(), 250*time.Millisecond))
	}
	return fullness{most.bytes, time.Now()}
}

// flows returns an error unless every partition is copying or has nothing to copy.
func (r *route) flows(ctx context.Context) error {
	topic, err := r.host.topic(ctx, r.topic)
	if err != nil {
		return err
	}
	for _, p := range topic.Partitions {
		if p.State != "copying" && p.State != "caught_up" {
			return fmt.Errorf("partition %d is %s: %s", p.Partition, p.State, p.Error)
		}
	}
	if len(topic.Partitions) == 0 {
		return errors.New("no partition is known")
	}
	return nil
}

// progress is how far a mirror is, as its status and its group say.
type progress struct {
	next  int64  // sum over partitions
	saved int64  // the same, of the positions in the group
	lag   *int64 // nil: unknown
}

func readProgress(t *testing.T, r *route) progress {
	t.Helper()
	topic, err := r.host.topic(t.Context(), r.topic)
	must(t, err)
	now := progress{lag: topic.LagRecords}
	for _, p := range topic.Partitions {
		if p.NextOffset == nil {
			t.Fatalf("next offset of partition %d is unknown", p.Partition)
		}
		now.next += *p.NextOffset
	}
	saved, err := r.from.Admin().FetchOffsets(t.Context(), r.host.settings.group())
	must(t, err)
	for _, offset := range saved[r.topic] {
		now.saved += offset.At
	}
	return now
}

func show(n *int64) string {
	if n == nil {
		return "unknown"
	}
	return fmt.Sprint(*n)
}

func outages() []outage {
	return []outage{
		{"cut", load.None, func(_ context.Context, r *route) error { return eachProxy(r, (*kafka.Proxy).Cut) }, wasCut, healProxies},
		{"black-hole", load.Zstd, func(_ context.Context, r *route) error { return eachProxy(r, (*kafka.Proxy).BlackHole) }, wasSwallowed, healProxies},
		{"frozen", load.None, func(_ context.Context, r *route) error { return eachNode(r, (*kafka.Node).Freeze) }, areFrozen, thaw},
		{"majority-killed", load.Snappy, killMajority, majorityIsDead, revive},
		{"too-few-in-sync", load.LZ4, stopReplica, isBelowMinISR, revive},
	}
}

func eachProxy(r *route, do func(*kafka.Proxy)) error {
	return eachNode(r, func(n *kafka.Node) error { do(n.Proxy()); return nil })
}

func eachNode(r *route, do func(*kafka.Node) error) error {
	var errs []error
	for _, n := range r.to.Nodes() {
		errs = append(errs, do(n))
	}
	return errors.Join(errs...)
}

func wasCut(r *route) error {
	return eachNode(r, func(n *kafka.Node) error {
		if s := n.Proxy().Stats(); s.Cut == 0 || s.Open > 0 {
			return fmt.Errorf("proxy of broker %d has cut %d connections and has %d", n.ID(), s.Cut, s.Open)
		}
		return nil
	})
}

func wasSwallowed(r *route) error {
	var total int64
	for _, n := range r.to.Nodes() {
		total += n.Proxy().Stats().SwallowedUp
	}
	if total == 0 {
		return errors.New("the proxies swallowed nothing")
	}
	return nil
}

func healProxies(_ context.Context, r *route) error {
	return eachNode(r, func(n *kafka.Node) error { return n.Proxy().Heal() })
}

func areFrozen(r *route) error {
	return eachNode(r, func(n *kafka.Node) error {
		if !isStopped(n.PID()) {
			return fmt.Errorf("broker %d runs", n.ID())
		}
		return nil
	})
}

func thaw(ctx context.Context, r *route) error {
	if err := eachNode(r, (*kafka.Node).Thaw); err != nil {
		return err
	}
	return r.to.WaitInSync(ctx, r.topic)
}

// killMajority leaves one broker alone, which cannot replicate to anybody.
func killMajority(_ context.Context, r *route) error {
	return errors.Join(r.to.Node(2).Kill(), r.to.Node(3).Kill())
}

func majorityIsDead(r *route) error {
	if r.to.Node(2).Alive() || r.to.Node(3).Alive() || !r.to.Node(1).Alive() {
		return errors.New("not exactly brokers 2 and 3 are dead")
	}
	return nil
}

// stopReplica leaves the topic with one replica in sync less than it asks for.
func stopReplica(ctx context.Context, r *route) error {
	if err := r.to.SetTopicConfig(ctx, r.topic, map[string]string{"min.insync.replicas": "3"}); err != nil {
		return err
	}
	return r.to.Node(3).Stop()
}

func isBelowMinISR(r *route) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	topics, err := r.to.Admin().ListTopics(ctx, r.topic)
	if err != nil {
		return err
	}
	for _, p := range topics[r.topic].Partitions {
		if len(p.ISR) != 2 {
			return fmt.Errorf("partition %d has %d replicas in sync, want 2 of the 3 it asks for", p.Partition, len(p.ISR))
		}
	}
	return nil
}

func revive(ctx context.Context, r *route) error {
	if err := reviveAll(ctx, r.to); err != nil {
		return err
	}
	return r.to.WaitInSync(ctx, r.topic)
}
