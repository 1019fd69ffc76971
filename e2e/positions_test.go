package e2e_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"tributary/e2e/load"
)

// A saved position never covers a record that the destination's in-sync replicas do not all have, whoever dies when.
func TestPositionsNeverAhead(t *testing.T) {
	r := newRoute(t, "ahead", stage.edge.get(t), stage.region.get(t), 3)
	generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 2000, Producers: 2, BatchRecords: []int{0, 10}, Seed: 5})
	r.host.start(t)
	r.awaitMore(t, 1, 30*time.Second)

	sampler, err := load.NewSampler(load.SamplerConfig{Source: r.source(), Destination: r.destination(), Group: r.host.settings.group(), Interval: 50 * time.Millisecond})
	must(t, err)
	watching, stop := context.WithCancel(t.Context())
	sampled := make(chan error, 1)
	go func() { sampled <- sampler.Run(watching) }()

	random := rand.New(rand.NewPCG(5, 5))
	for i, node := range r.to.Nodes() {
		must(t, pause(t.Context(), time.Duration(random.Float64()*float64(3*time.Second))))
		if i%2 == 0 {
			r.host.restart(t)
		}
		must(t, killBroker(within(t, 2*time.Minute), r, node, random))
	}
	report := generator.end(t)
	r.awaitCopied(t, 2*time.Minute)
	stop()
	must(t, <-sampled)
	r.host.stop(t)
	result := r.requireExact(t, report)

	samples := sampler.Samples()
	missed, _ := sampler.Missed() // those that fell into the absence of a broker
	different := map[int64]bool{}
	for _, s := range samples {
		different[s.Committed[0].Next] = true
	}
	t.Logf("%d samples, %d missed, %d different positions of one partition", len(samples), missed, len(different))
	if len(different) < 10 {
		t.Errorf("saw only %d different positions of one partition, want at least 10", len(different))
	}
	for _, v := range load.Violations(samples, result, 0) {
		t.Error(v)
	}
}

// SIGTERM ends a mirror with exit code 0 and nothing left over: every record it sent is below its saved position, so the
// next start sends none again.
func TestGracefulStopLeavesNothing(t *testing.T) {
	r := newRoute(t, "graceful", stage.edge.get(t), stage.home.get(t), 3)
	generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 3000, Seed: 6})
	for range size(5, 100) {
		r.host.start(t)
		r.awaitMore(t, 500, 30*time.Second)
		r.host.stop(t)
		requirePositionsAtEnd(t, r)
	}
	report := generator.end(t)
	r.host.start(t)
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	before, err := r.to.EndOffsets(t.Context(), r.topic)
	must(t, err)

	r.host.start(t)
	eventually(t, 30*time.Second, "the mirror is caught up", func(ctx context.Context) error {
		return r.host.expectState(ctx, r.topic, "caught_up")
	})
	r.host.stop(t)
	after, err := r.to.EndOffsets(t.Context(), r.topic)
	must(t, err)
	if !maps.Equal(before, after) {
		t.Errorf("a start with nothing to do moved the destination's ends from %v to %v", before, after)
	}
	r.requireExact(t, report)
}

// requirePositionsAtEnd proves that the saved positions cover exactly what the destination holds. Source and destination
// offsets are the same here: both topics were empty, and no transaction leaves a gap.
func requirePositionsAtEnd(t *testing.T, r *route) {
	t.Helper()
	saved, err := r.from.Admin().FetchOffsets(t.Context(), r.host.settings.group())
	must(t, err)
	ends, err := r.to.EndOffsets(t.Context(), r.topic)
	must(t, err)
	for p, end := range ends {
		if got, ok := saved.Lookup(r.topic, p); !ok || got.At != end {
			t.Errorf("position of partition %d after SIGTERM: got %d, want %d, the destination's end", p, got.At, end)
		}
	}
}
