package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// route is one topic on its way from cluster to cluster under the same name, by a mirror with one link.
type route struct {
	from, to *kafka.Cluster
	topic    string
	host     *host
}

// newRoute makes the topic at its source and a host whose mirror will copy it; tune changes its settings. The name is
// that of the link, and of the topic. Where the destination has three brokers, so has the topic replicas.
func newRoute(t *testing.T, name string, from, to *kafka.Cluster, partitions int, tune ...func(*settings)) *route {
	t.Helper()
	must(t, from.CreateTopic(within(t, time.Minute), name, partitions, 1, nil))
	s := between(name, from, to, name)
	s.link().Topics.ReplicationFactor = min(len(to.Nodes()), 3)
	for _, change := range tune {
		change(&s)
	}
	return &route{from: from, to: to, topic: name, host: newHost(t, s)}
}

func (r *route) source() load.Source {
	return load.Source{Seeds: r.from.Direct(), Topic: r.topic}
}

func (r *route) destination() load.Destination {
	return load.Destination{Seeds: r.to.Direct(), Topic: r.topic}
}

// arrived returns how many records the destination holds.
func (r *route) arrived(ctx context.Context) (total int64, err error) {
	ends, err := r.to.EndOffsets(ctx, r.topic)
	for _, end := range ends {
		total += end
	}
	return total, err
}

// awaitMore waits until the destination holds at least that many records more than it does now.
func (r *route) awaitMore(t *testing.T, records int64, patience time.Duration) time.Duration {
	t.Helper()
	start := int64(-1)
	return eventually(t, patience, fmt.Sprintf("%d more records of %s arrive", records, r.topic), func(ctx context.Context) error {
		now, err := r.arrived(ctx)
		if err != nil {
			return err
		}
		if start < 0 {
			start = now
		}
		if now < start+records {
			return fmt.Errorf("%d arrived, %d before", now, start)
		}
		return nil
	})
}

// awaitCopied waits until the saved positions have reached the end of what the source holds.
func (r *route) awaitCopied(t *testing.T, patience time.Duration) {
	t.Helper()
	err := load.AwaitCommitted(within(t, patience), r.from.Direct(), r.host.settings.group(), r.topic)
	if err == nil {
		return
	}
	report, statusErr := r.host.status(within(t, patience))
	t.Fatalf("copy %s: not within %v: %v; status: %+v %v", r.topic, patience, err, report, statusErr)
}

// requireExact proves that the destination holds exactly the committed records of the source, each once, byte by byte
// and in order, and that they are those that the generators report.
func (r *route) requireExact(t *testing.T, reports ...load.Report) load.Result {
	t.Helper()
	return requireExact(t, []load.Source{r.source()}, r.destination(), load.Same, reports...)
}

func requireExact(t *testing.T, sources []load.Source, to load.Destination, mapping load.Mapping, reports ...load.Report) load.Result {
	t.Helper()
	result, err := load.Compare(within(t, 5*time.Minute), sources, to, mapping)
	must(t, err)
	requireEqual(t, result, to, reports...)
	return result
}

// requireEqual fails unless a comparison found no difference, and the destination holds what the generators were promised,
// as far as there are reports of that.
func requireEqual(t *testing.T, result load.Result, to load.Destination, reports ...load.Report) {
	t.Helper()
	if err := result.Err(); err != nil {
		t.Fatalf("destination and source differ: %v", err)
	}
	var acked int64
	for _, r := range reports {
		acked += r.Acked()
	}
	if result.Matched < acked || result.Matched == 0 {
		t.Fatalf("compared %d records, of which %d were acknowledged: too few", result.Matched, acked)
	}
	if len(reports) == 0 {
		return // what was promised is not known
	}
	audit, err := load.Audit(within(t, 5*time.Minute), to.Seeds, to.Topic, reports...)
	must(t, err)
	if err := audit.Err(); err != nil {
		t.Fatalf("destination and generators differ: %v", err)
	}
	t.Logf("%s: %d records are equal and in order", to.Topic, result.Matched)
}

// traffic is a generator that runs beside a test.
type traffic struct {
	cancel context.CancelFunc
	done   chan struct{}
	report load.Report // set before done closes, as err
	err    error
}

// startTraffic starts to write to the source. The generator ends with end, or with the test.
func (r *route) startTraffic(t *testing.T, spec load.Spec) *traffic {
	spec.Topic = r.topic
	ctx, cancel := context.WithCancel(t.Context())
	tr := &traffic{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(tr.done)
		tr.report, tr.err = load.Produce(ctx, r.from.Direct(), spec)
	}()
	t.Cleanup(func() {
		cancel()
		<-tr.done
	})
	return tr
}

// end stops the generator and returns what it wrote.
func (tr *traffic) end(t *testing.T) load.Report {
	t.Helper()
	tr.cancel()
	return tr.wait(t)
}

// wait waits until the generator has written all it was asked for.
func (tr *traffic) wait(t *testing.T) load.Report {
	t.Helper()
	select {
	case <-tr.done:
	case <-t.Context().Done():
		t.Fatal("the test ended before its generator")
	}
	must(t, tr.err)
	t.Log(tr.report)
	return tr.report
}

// produce writes records to the source and returns when they are there.
func (r *route) produce(t *testing.T, spec load.Spec) load.Report {
	t.Helper()
	return r.startTraffic(t, spec).wait(t)
}
