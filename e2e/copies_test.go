package e2e_test

import (
	"strings"
	"testing"
	"time"

	"tributary/e2e/load"
)

// A second mirror with the same state directory is refused at once and says why; the first goes on.
func TestSameStateDirRefused(t *testing.T) {
	r := newRoute(t, "same-state", stage.edge.get(t), stage.home.get(t), 1)
	r.host.start(t)
	r.produce(t, load.Spec{Partitions: 1, Records: 1000, Seed: 1})
	r.awaitCopied(t, 30*time.Second)

	second := *r.host // the same configuration and directories
	must(t, second.launch())
	code, err := second.run.exitCode(10 * time.Second)
	must(t, err)
	if code == 0 {
		t.Error("exit code of a second mirror with the same state directory: got 0, want another")
	}
	if text := second.logTail(5); !strings.Contains(text, "in use by another mirror") {
		t.Errorf("the second mirror does not say why it is refused: %s", text)
	}
	if r.host.run.ended() {
		t.Fatalf("the first mirror ended: %v", r.host.run.exit)
	}
	report := r.produce(t, load.Spec{Partitions: 1, Records: 1000, Seed: 2})
	r.awaitCopied(t, 30*time.Second)
	r.host.stop(t)
	if got, err := r.arrived(t.Context()); err != nil || got != 1000+report.Acked() {
		t.Errorf("records at the destination: got %d (%v), want %d", got, err, 1000+report.Acked())
	}
}

// Two mirrors with copies of one state directory, as cloned hosts have them, double and reorder nothing, although each
// is frozen in turn under load and wakes when the other has gone on.
func TestCopiedHost(t *testing.T) {
	r := newRoute(t, "copied", stage.edge.get(t), stage.home.get(t), 3)
	generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 3000, BatchRecords: []int{0, 10}, Producers: 2, Seed: 3})
	r.host.start(t)
	r.awaitMore(t, 1000, 30*time.Second)
	clone := newHost(t, r.host.settings)
	r.host.copyTo(t, clone)
	clone.start(t)
	hosts := []*host{r.host, clone}
	for round := range size(6, 40) {
		sleeper := hosts[round%2]
		must(t, sleeper.run.freeze(t.Context()))
		r.awaitMore(t, 3000, time.Minute) // the other alone
		if !isStopped(sleeper.run.pid()) {
			t.Fatalf("round %d: the frozen mirror ran", round)
		}
		must(t, sleeper.run.thaw())
		r.awaitMore(t, 1000, time.Minute) // both
	}
	for _, h := range hosts {
		if h.run.ended() {
			t.Fatalf("a mirror ended: %v; %s", h.run.exit, h.logTail(5))
		}
	}
	clone.stop(t)
	report := generator.end(t)
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	r.requireExact(t, report)
}
