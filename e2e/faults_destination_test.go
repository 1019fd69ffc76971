package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

func destinationFaults() []trial {
	return []trial{
		{id: "R1", fault: "each broker killed in turn", expected: "idempotent retry", run: rollingKill},
		{id: "R2", fault: "controller killed", expected: "as R1, a pause of 60 s at most", run: controllerKilled},
		{id: "R3", fault: "too few replicas in sync for minutes", expected: "positions stand still, memory is flat, drains afterwards", run: tooFewInSync},
		{id: "R4", fault: "all replicas lost after the acknowledgement", expected: "halts at the next join; the range is named", other: "`TestLosses` (destination_truncated)"},
		{id: "R5", fault: "disk of the destination full", expected: "as R3", run: destinationDiskFull},
		{id: "R6", fault: "rights or password at the destination revoked, and restored", expected: "an alarm within 30 s, goes on within 60 s without a restart", run: rightsRevoked},
		{id: "R7", fault: "destination topic missing, create: false", expected: "that topic alone waits, named within 30 s", fast: true, run: topicMissing},
		{id: "R8", fault: "destination has fewer partitions than the source", expected: "grown, mapped or refused before the first write; never dropped", fast: true, run: fewerPartitions},
		{id: "R9", fault: "destination topic deleted and recreated", expected: "halts within 30 s", other: "`TestLosses`"},
		{id: "R10", fault: "LogAppendTime at the destination", expected: "a warning at the start; all else kept", fast: true, run: appendTime},
		{id: "R11", fault: "appended, and the acknowledgement lost", expected: "0 doubled by the sequence", fast: true, run: acknowledgementsLost},
		{id: "R12", fault: "mirror killed while an early batch is not acknowledged and later ones are", expected: "the position covers the acknowledged prefix alone", run: killedWithGaps},
		{id: "R13", fault: "transaction coordinator moves in mid-commit", expected: "retry, or abort and replay", other: "there is no transactional mode: the mirror uses no transactions"},
		{id: "R14", fault: "mirror killed inside a transaction", expected: "aborted by the next incarnation", other: "as R13"},
		{id: "R15", fault: "a frozen copy of the mirror wakes and goes on sending", expected: "0 records of the zombie doubled", run: zombieWakes},
		{id: "R16", fault: "delayed EndTxn and AddPartitions", expected: "later transactions untouched", other: "as R13"},
		{id: "R17", fault: "destination at 10 KB/s; quota of the broker", expected: "backpressure, memory flat", run: slowDestination},
		{id: "R18", fault: "destination away while the source grows by 1 GB", expected: "memory in its budget, drains faster than 1.5 times the ingest", run: longOutage},
		{id: "R19", fault: "saved positions lost, tampered with, or of an older epoch", expected: "no guess; halts within 30 s", other: "`TestLosses` (position_lost)"},
		{id: "R20", fault: "a stranger writes to the destination topic", expected: "mirror verify names every such record", fast: true, run: stranger},
	}
}

func rollingKill(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-r1", stage.edge.get(t), stage.region.get(t), 4)
	nodes := r.to.Nodes()
	e.endure(t, r, ordinaryTraffic, repeated(whole(2, 6), func(i int) strike {
		return kills("broker killed", 3*time.Second, r.to, func(context.Context) (*kafka.Node, error) { return nodes[i%len(nodes)], nil })
	})...)
}

func controllerKilled(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-r2", stage.edge.get(t), stage.region.get(t), 4)
	e.endure(t, r, ordinaryTraffic, repeated(whole(1, 4), func(int) strike {
		s := kills("controller killed", 3*time.Second, r.to, r.to.Controller)
		s.recovers = time.Minute
		return s
	})...)
}

// tooFewInSync is an outage of TestRegionUnreachable in a length nearer to that of the catalogue.
func tooFewInSync(t *testing.T, e *evidence) {
	hold := whole(20*time.Second, 90*time.Second)
	r := newRoute(t, "fault-r3", stage.edge.get(t), stage.region.get(t), 3, func(s *settings) { s.Memory = "16MiB" })
	r.host.start(t)
	generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 1000, Seed: 3})
	r.awaitMore(t, 1000, time.Minute)
	must(t, stopReplica(t.Context(), r))
	t.Cleanup(func() { must(t, reviveAll(context.Background(), r.to)) })
	begun := time.Now()
	e.noticed = eventually(t, noticeWithin, "status says that not all is well", r.troubled)
	holdOutage(t, r, hold)
	must(t, isBelowMinISR(r))
	e.fired("2 replicas in sync of the 3 asked for, for %v", time.Since(begun).Round(time.Second))
	must(t, revive(within(t, 2*time.Minute), r))
	e.recovered = r.awaitMore(t, 1, noticeWithin)
	report := generator.end(t)
	r.awaitCopied(t, 2*time.Minute)
	r.host.stop(t)
	e.exact(t, r, report)
}

func topicMissing(t *testing.T, e *evidence) {
	create := false
	r := newRoute(t, "fault-r7", stage.edge.get(t), stage.home.get(t), 2, func(s *settings) {
		s.link().Topics.Create = &create
		s.link().Topics.Include = append(s.link().Topics.Include, "fault-r7-other")
	})
	other := *r
	other.topic = "fault-r7-other"
	must(t, r.from.CreateTopic(within(t, time.Minute), other.topic, 2, 1, nil))
	must(t, r.to.CreateTopic(within(t, time.Minute), other.topic, 2, 1, nil))
	r.host.start(t)
	missing := r.produce(t, load.Spec{Partitions: 2, Records: 2000, Seed: 7})
	there := other.produce(t, load.Spec{Partitions: 2, Records: 2000, Seed: 8})
	e.noticed = eventually(t, noticeWithin, "status names the missing topic", func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err != nil {
			return err
		}
		if !containsFold(topic.Problem, "does not exist") {
			return fmt.Errorf("status of the topic is %s: %s", topic.State, topic.Problem)
		}
		e.fired("status: %s", topic.Problem)
		return nil
	})
	other.awaitCopied(t, 30*time.Second)
	e.exact(t, &other, there)
	must(t, r.to.CreateTopic(within(t, time.Minute), r.topic, 2, 1, nil))
	e.recovered = r.awaitMore(t, 1, noticeWithin)
	r.awaitCopied(t, 30*time.Second)
	r.host.stop(t)
	e.exact(t, r, missing)
}

// fewerPartitions mirrors 12 partitions to a topic of 4: grown, mapped, and refused.
func fewerPartitions(t *testing.T, e *evidence) {
	create := false
	for _, c := range []struct {
		name    string
		change  func(*settings)
		mapping load.Mapping
		refused bool
	}{
		{"grown", func(*settings) {}, load.Same, false},
		{"spread", func(s *settings) { s.link().Partitions = "spread" }, load.Spread, false},
		{"refused", func(s *settings) { s.link().Topics.Create = &create }, load.Same, true},
	} {
		r := newRoute(t, "fault-r8-"+c.name, stage.edge.get(t), stage.home.get(t), 12, c.change)
		must(t, r.to.CreateTopic(within(t, time.Minute), r.topic, 4, 1, nil))
		report := r.produce(t, load.Spec{Partitions: 12, Records: 6000, Seed: 8})
		r.host.start(t)
		if c.refused {
			eventually(t, noticeWithin, "status says what is missing", func(ctx context.Context) error {
				topic, err := r.host.topic(ctx, r.topic)
				if err == nil && !containsFold(topic.Problem, "12 are needed") {
					err = fmt.Errorf("status of the topic is %s: %s", topic.State, topic.Problem)
				}
				return err
			})
			if n, err := r.arrived(t.Context()); err != nil || n != 0 {
				t.Errorf("records at a destination that is too small: got %d (%v), want 0", n, err)
			}
			must(t, r.to.AddPartitions(within(t, time.Minute), r.topic, 12))
		}
		r.awaitCopied(t, time.Minute)
		r.host.stop(t)
		e.equal(t, []load.Source{r.source()}, r.destination(), c.mapping, report)
		e.fired("4 partitions for 12: %s", c.name)
	}
}

func appendTime(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-r10", stage.edge.get(t), stage.home.get(t), 2)
	must(t, r.to.CreateTopic(within(t, time.Minute), r.topic, 2, 1, map[string]string{"message.timestamp.type": "LogAppendTime"}))
	r.host.start(t)
	r.produce(t, load.Spec{Partitions: 2, Records: 2000, Seed: 10, Age: time.Hour, Shapes: load.Everything})
	r.awaitCopied(t, 30*time.Second)
	eventually(t, 10*time.Second, "the log warns that timestamps are not kept", func(context.Context) error {
		if len(r.host.run.logLines("timestamps are not kept")) == 0 {
			return errors.New("no such line")
		}
		return nil
	})
	r.host.stop(t)
	result, err := load.Compare(within(t, time.Minute), []load.Source{r.source()}, r.destination(), load.Same)
	must(t, err)
	e.count(result)
	altered := result.Counts[load.Altered]
	delete(result.Counts, load.Altered)
	delete(result.AlteredFields, "timestamp")
	if !result.OK() || len(result.AlteredFields) > 0 || altered == 0 {
		t.Errorf("more than timestamps differ, or they do not: %v", result)
	}
	e.fired("the timestamps of all %d records are the destination's, all else is equal; the log says so", altered)
}

func acknowledgementsLost(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-r11", stage.edge.get(t), stage.region.get(t), 4)
	e.endure(t, r, ordinaryTraffic, repeated(whole(2, 4), func(int) strike {
		return atProxies("acknowledgements lost", whole(3*time.Second, 20*time.Second), r.to, (*kafka.Proxy).DropReplies, repliesLost, "bytes of answers lost")
	})...)
}

func killedWithGaps(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-r12", stage.edge.get(t), stage.region.get(t), 4)
	var silent *kafka.Proxy
	e.endure(t, r, ordinaryTraffic, repeated(whole(2, 6), func(i int) strike {
		s := atProxies("killed while one broker's answers are lost", 2*time.Second, r.to, func(p *kafka.Proxy) {
			if p == r.to.Nodes()[i%3].Proxy() { // the others go on acknowledging
				silent = p
				silent.DropReplies()
			}
		}, repliesLost, "bytes of answers lost")
		heal := s.end
		s.end = func(ctx context.Context) error {
			if err := r.host.run.kill(); err != nil {
				return err
			}
			if !r.host.run.killed() {
				return errors.New("the mirror ended by itself")
			}
			return errors.Join(heal(ctx), r.host.launch(), r.host.awaitStarted(ctx))
		}
		return s
	})...)
}

// zombieWakes freezes a mirror whose state directory was copied for a good while, and lets it go on.
func zombieWakes(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-r15", stage.edge.get(t), stage.home.get(t), 3)
	generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 3000, BatchRecords: []int{0, 10}, Producers: 2, Seed: 15})
	r.host.start(t)
	r.awaitMore(t, 1000, 30*time.Second)
	successor := newHost(t, r.host.settings)
	r.host.copyTo(t, successor)
	for range whole(1, 3) {
		must(t, r.host.run.freeze(t.Context()))
		must(t, successor.launch())
		must(t, successor.awaitStarted(t.Context()))
		r.awaitMore(t, 3000, time.Minute)
		must(t, pause(t.Context(), whole(2*time.Second, 15*time.Second)))
		if !isStopped(r.host.run.pid()) {
			t.Fatal("the zombie ran while it was frozen")
		}
		must(t, r.host.run.thaw())
		r.awaitMore(t, 3000, time.Minute)
		successor.stop(t)
		e.fired("frozen under load, its successor went on, thawed")
	}
	report := generator.end(t)
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	e.exact(t, r, report)
}

// slowDestination lets 10 KB/s through to each broker, and then a quota of the brokers themselves.
func slowDestination(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-r17", stage.edge.get(t), stage.region.get(t), 3, func(s *settings) { s.Memory = "16MiB" })
	hold := whole(20*time.Second, time.Minute)
	r.host.start(t)
	generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 500, Codec: load.None, Seed: 17})
	r.awaitMore(t, 500, time.Minute)

	for _, node := range r.to.Nodes() {
		node.Proxy().Throttle(10_000)
	}
	slope, peak := e.memoryFor(t, r, hold)
	e.fired("10 KB/s: %s behind after %v, memory %d MiB at most, growing by %.0f KiB/s", show(readProgress(t, r).lag), hold, peak>>20, slope/1024)
	if ended := r.host.run.logLines("produce connection ended"); len(ended) > 0 {
		t.Errorf("a slow line was taken for a dead one %d times: %v", len(ended), ended[0])
	}
	must(t, healProxies(t.Context(), r))
	e.recovered = r.awaitMore(t, 2000, noticeWithin)

	must(t, r.to.SetClientQuota(within(t, 30*time.Second), "mirror", 10_000, 0))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := r.to.SetClientQuota(ctx, "mirror", 0, 0); err != nil {
			t.Error(err)
		}
	})
	slope, peak = e.memoryFor(t, r, hold)
	e.fired("quota of 10 KB/s: %s behind after %v, memory %d MiB at most, growing by %.0f KiB/s", show(readProgress(t, r).lag), hold, peak>>20, slope/1024)
	must(t, r.to.SetClientQuota(within(t, 30*time.Second), "mirror", 0, 0))
	report := generator.end(t)
	r.awaitCopied(t, 3*time.Minute)
	r.host.stop(t)
	e.exact(t, r, report)
}

// memoryFor watches the mirror's memory, which must be flat and in its bounds after the first seconds, in which buffers
// fill up. It fails the test unless the lag grows meanwhile.
func (e *evidence) memoryFor(t *testing.T, r *route, hold time.Duration) (slope float64, peak int64) {
	t.Helper()
	eventually(t, noticeWithin, "the lag is known", func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err == nil && topic.LagRecords == nil {
			err = errors.New("it is unknown")
		}
		return err
	})
	before := readProgress(t, r)
	watching, cancel := context.WithTimeout(t.Context(), hold)
	defer cancel()
	var samples load.ProcessSamples
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() { samples, failed = load.Processes(watching, r.host.run.pid(), 250*time.Millisecond) })
	wg.Wait()
	must(t, failed)
	after := readProgress(t, r)
	if before.lag == nil || after.lag == nil || *after.lag <= *before.lag {
		t.Errorf("lag did not grow: from %s to %s: the destination was not slow", show(before.lag), show(after.lag))
	}
	slope = samples.After(hold / 2).Slope(func(s load.ProcessSample) float64 { return float64(s.RSSBytes) })
	peak = samples.PeakRSSBytes()
	if peak > peakBytes {
		t.Errorf("memory: got %d MiB, want at most %d MiB", peak>>20, peakBytes>>20)
	}
	if slope > flatBytes {
		t.Errorf("memory grows by %.0f bytes a second, want at most %d", slope, flatBytes)
	}
	return slope, peak
}

func longOutage(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-r18", stage.edge.get(t), stage.region.get(t), 3, func(s *settings) { s.Memory = "16MiB" })
	r.host.start(t)
	first := load.FillSpec{Topic: r.topic, Partitions: 3, Records: 10_000, ValueBytes: 1024, Seed: 1}
	_, err := load.Fill(within(t, time.Minute), r.from.Direct(), first)
	must(t, err)
	r.awaitCopied(t, time.Minute)

	must(t, eachProxy(r, (*kafka.Proxy).Cut))
	t.Cleanup(func() { must(t, healProxies(context.Background(), r)) })
	begun := time.Now()
	backlog := load.FillSpec{Topic: r.topic, Partitions: 3, Records: int64(whole(100_000, 1_000_000)), ValueBytes: 1024, Seed: 2}
	filled, err := load.Fill(within(t, 10*time.Minute), r.from.Direct(), backlog)
	must(t, err)
	e.noticed = eventually(t, noticeWithin, "status says that not all is well", r.troubled)
	watching, cancel := context.WithTimeout(t.Context(), whole(5*time.Second, time.Minute))
	defer cancel()
	samples, err := load.Processes(watching, r.host.run.pid(), 250*time.Millisecond)
	must(t, err)
	e.fired("destination cut for %v, source grew by %d MB, memory %d MiB at most", time.Since(begun).Round(time.Second), filled.ValueBytes/1e6, samples.PeakRSSBytes()>>20)
	if samples.PeakRSSBytes() > peakBytes {
		t.Errorf("memory: got %d MiB, want at most %d MiB", samples.PeakRSSBytes()>>20, peakBytes>>20)
	}
	must(t, wasCut(r))
	must(t, healProxies(t.Context(), r))
	e.recovered = r.awaitMore(t, 1, noticeWithin)
	draining := time.Now()
	r.awaitCopied(t, 10*time.Minute)
	rate := float64(filled.ValueBytes) / time.Since(draining).Seconds()
	e.note("drained at %.1f MB/s", rate/1e6)
	if rate < 1.5*5e6 {
		t.Errorf("drained at %.1f MB/s, want 1.5 times an ingest of 5 MB/s", rate/1e6)
	}
	r.host.stop(t)
	e.exact(t, r)
}

// stranger writes into the mirrored topic at the destination, which the checker must name, record by record.
func stranger(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-r20", stage.edge.get(t), stage.home.get(t), 2)
	r.host.start(t)
	r.produce(t, load.Spec{Partitions: 2, Records: 5000, Seed: 20})
	r.awaitCopied(t, 30*time.Second)
	if report := r.verify(t); report.aliens() != 0 || report.Verdict != "equal" {
		t.Fatalf("before the stranger: got %+v", report)
	}
	client, err := r.to.Client(kgo.DefaultProduceTopic(r.topic))
	must(t, err)
	defer client.Close()
	for i := range 7 {
		must(t, client.ProduceSync(within(t, 30*time.Second), kgo.StringRecord(fmt.Sprintf("stranger %d", i))).FirstErr())
	}
	report := r.verify(t)
	if report.aliens() != 7 || report.Verdict != "different" {
		t.Errorf("after 7 records of a stranger: got %+v", report)
	}
	e.fired("7 records of a stranger, %d named by mirror verify", report.aliens())
	r.host.stop(t)
}
