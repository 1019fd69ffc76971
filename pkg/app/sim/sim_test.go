package sim

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	caughtUp = 30 * time.Second // after the last fault has ended
	saved    = 15 * time.Second // more, until the group says so
)

// result is what a plan came to.
type result struct {
	virtual, outage, slowest time.Duration
	rounds, faults, records  int
	commits                  int
	counts                   map[string]int
}

// simulate carries out the plan of a seed.
func simulate(t *testing.T, seed uint64, long, longest time.Duration) (out result) {
	plan := newPlan(seed, long, longest)
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		w := newWorld(t, seed)
		defer w.keepLog(seed)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var producing sync.WaitGroup
		producing.Go(func() { w.traffic.run(ctx) })
		for i, r := range plan {
			w.log.Info("round begins", "round", i, "faults", r.String())
			if os.Getenv("SEED") != "" {
				t.Logf("seed %d round %d at %v\n%v", seed, i, time.Since(begun), r)
			}
			w.run(r)
			w.traffic.pausing <- struct{}{}
			out.slowest = max(out.slowest, w.settle(caughtUp))
			if i == len(plan)-1 {
				cancel()
				producing.Wait()
			}
			<-w.traffic.pausing
			out.faults += len(r)
			out.outage += r.outage()
		}
		out.records = w.end()
		out.rounds, out.virtual, out.commits, out.counts = len(plan), time.Since(begun), w.commits, maps.Clone(w.net.counts)
	})
	return out
}

// run lets the faults of a round happen, and returns when all have ended.
func (w *world) run(r round) {
	var wg sync.WaitGroup
	for _, f := range r {
		wg.Go(func() {
			time.Sleep(f.at)
			w.log.Info("fault begins", "what", f.what)
			end := f.begin(w)
			time.Sleep(f.lasts)
			end()
			w.log.Info("fault ended", "what", f.what)
		})
	}
	wg.Wait()
}

// keepLog keeps the mirror's log of a plan that failed.
func (w *world) keepLog(seed uint64) {
	if !w.t.Failed() {
		return
	}
	name := filepath.Join(os.TempDir(), "sim-"+strconv.FormatUint(seed, 10)+".log")
	w.t.Logf("the log is in %s: %v", name, os.WriteFile(name, w.tail.text, 0o600))
}

// TestOutages carries out plans drawn from seeds: a few short ones, or those of SIM_HOURS of outages, or the one of SEED.
func TestOutages(t *testing.T) {
	first, seeds, long, longest := uint64(1), uint64(3), 30*time.Minute, 5*time.Minute
	if os.Getenv("SEED") != "" {
		first, seeds, long, longest = fromEnv(t, "SEED"), 1, planned, longestFault
	} else if os.Getenv("SIM_HOURS") != "" {
		first, long, longest = uint64(time.Now().UnixNano()), planned, longestFault
		seeds = fromEnv(t, "SIM_HOURS")*uint64(time.Hour)*21/20/uint64(planned) + 1 // a plan is not all outage
	}
	var (
		mu    sync.Mutex
		total result
	)
	begun := time.Now()
	t.Run("seed", func(t *testing.T) {
		for seed := first; seed < first+seeds; seed++ {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				got := simulate(t, seed, long, longest)
				mu.Lock()
				defer mu.Unlock()
				total.add(got)
				if done := total.outage.Hours(); int(done/50) > int((done-got.outage.Hours())/50) {
					t.Logf("%.0f hours of outages so far", done)
				}
			})
		}
	})
	if total.outage > 20*time.Hour && !t.Failed() {
		for _, what := range faultsSeen() {
			if total.counts[what] == 0 {
				t.Errorf("in %v of outages there were no %s", total.outage, what)
			}
		}
	}
	t.Logf("%v\n%.1f hours per minute of real time", total, total.virtual.Hours()/time.Since(begun).Minutes())
}

// faultsSeen names the counts that a long run cannot leave at zero: each kind of fault shows in one.
func faultsSeen() []string {
	return []string{"connections of a crashed broker", "connections of a killed mirror", "connections reset", "connections timed out",
		"dials refused", "dials without an answer", "fetches throttled", "leaders moved", "mirrors killed", "mirrors stalled", "mirrors stopped",
		"producers forgotten for their age", "producers known by their last batch only", "reads of a machine that stood still",
		"requests answered by hanging up", "requests landed and failed", "requests positions refused", "requests questions refused",
		"requests refused", "segments lost", "spikes of latency"}
}

// The plans of make sim.
const (
	planned      = 2 * time.Hour
	longestFault = 20 * time.Minute
)

func fromEnv(t *testing.T, name string) uint64 {
	n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func (r *result) add(o result) {
	r.virtual += o.virtual
	r.outage += o.outage
	r.slowest = max(r.slowest, o.slowest)
	r.rounds += o.rounds
	r.faults += o.faults
	r.records += o.records
	r.commits += o.commits
	if r.counts == nil {
		r.counts = map[string]int{}
	}
	for what, n := range o.counts {
		r.counts[what] += n
	}
}

// String tells the result for people.
func (r result) String() string {
	text := fmt.Sprintf("%.1f hours simulated, %.1f of them in %d outages of %d faults; %d records, %d positions judged; slowest recovery %v",
		r.virtual.Hours(), r.outage.Hours(), r.rounds, r.faults, r.records, r.commits, r.slowest)
	for _, what := range slices.Sorted(maps.Keys(r.counts)) {
		text += fmt.Sprintf("\n  %7d %s", r.counts[what], what)
	}
	return text
}
