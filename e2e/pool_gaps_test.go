package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

const (
	calmFor     = 2 * time.Second
	calmSilence = 250 * time.Millisecond
	mostNoise   = time.Second // that is allowed for
)

// gaps are how long topics stood still.
type gaps []time.Duration

func (g gaps) String() string {
	if len(g) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(g))
	at := func(share float64) time.Duration {
		return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))].Round(time.Millisecond)
	}
	return fmt.Sprintf("%d topics: p50 %v, p99 %v, max %v", len(sorted), at(0.5), at(0.99), at(1))
}

// requireGaps fails the test when a topic stood still for longer than the limit. On a machine with other work records are
// late though nothing is wrong; but in a full run, what that came to before the fault is allowed for.
func (p *pool) requireGaps(t *testing.T, what string, g gaps, limit time.Duration) {
	t.Helper()
	t.Logf("%s: %v; without a fault %v at most", what, g, p.noise.Round(time.Millisecond))
	allowed := limit + size(2*p.noise, 0)
	if len(g) == 0 {
		t.Errorf("%s: no topic was concerned", what)
	} else if longest := slices.Max(g); longest > allowed {
		t.Errorf("%s: a topic stood still for %v, want at most %v", what, longest.Round(time.Millisecond), allowed.Round(time.Millisecond))
	}
}

// calm waits until what was before does not show any more in how records arrive, or for some time where it does not end, and
// notes for how long a topic is silent, or late, when nothing is wrong.
func (p *pool) calm(t *testing.T) {
	t.Helper()
	for range size(10, 60) {
		at := time.Now()
		must(t, pause(t.Context(), calmFor))
		noise := slices.Max(p.silences(p.topicsOf, at))
		for _, topic := range p.topicsOf {
			noise = max(noise, p.watch.Delay(topic, at))
		}
		if p.noise = min(noise, mostNoise); noise < calmSilence {
			return
		}
	}
}

// awaitAfter waits until every one of the topics has a record that was produced after a moment, and returns how long that
// took for each.
func (p *pool) awaitAfter(t *testing.T, topics []string, at time.Time, patience time.Duration) gaps {
	t.Helper()
	var all gaps
	eventually(t, patience, "records that are produced now arrive", func(context.Context) error {
		all = all[:0]
		for _, topic := range topics {
			took, err := p.watch.FirstAfter(topic, at)
			if err != nil {
				return err
			}
			all = append(all, took)
		}
		return nil
	})
	return all
}

// silences returns for how long at most nothing came of each topic between a moment and now.
func (p *pool) silences(topics []string, from time.Time) gaps {
	var all gaps
	for _, topic := range topics {
		all = append(all, p.watch.Silence(topic, from, time.Now()))
	}
	return all
}
