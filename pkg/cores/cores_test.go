package cores

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	cores := func(used ...float64) (list []demand) {
		for _, u := range used {
			list = append(list, demand{used: u})
		}
		return list
	}
	calm := func(used float64) []demand { return slices.Repeat(cores(used), calmLooks) }
	for _, tc := range []struct {
		name string
		from pace
		seen []demand
		want int
	}{
		{"an idle process keeps its one thread", pace{threads: 1, most: 8}, calm(0), 1},
		{"a busy thread becomes two at once", pace{threads: 1, most: 8}, cores(0.9), 2},
		{"and on to what there is", pace{threads: 1, most: 6}, cores(1, 2, 4, 6, 6), 6},
		{"one that others keep from its core becomes two", pace{threads: 1, most: 8}, []demand{{used: 0.3, late: 0.1}}, 2},
		{"a long wait now and then is nothing", pace{threads: 1, most: 8}, []demand{{used: 0.3, late: 0.01}}, 1},
		{"two that are half idle stay", pace{threads: 2, most: 8}, calm(0.7), 2},
		{"two that one could replace half idle become one", pace{threads: 2, most: 8}, calm(0.4), 1},
		{"but not before it lasted", pace{threads: 2, most: 8}, calm(0.4)[1:], 2},
		{"a burst begins the wait anew", pace{threads: 2, most: 8}, slices.Concat(calm(0.4)[1:], cores(0.8), calm(0.4)[1:]), 2},
		{"many are given back by halves", pace{threads: 6, most: 6}, slices.Concat(calm(0.1), calm(0.1)), 1},
		{"one core is one thread", pace{threads: 1, most: 1}, cores(1, 1, 1), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tc.from
			for _, seen := range tc.seen {
				before := p.threads
				if changed := p.next(seen); changed != (p.threads != before) {
					t.Fatalf("next(%v) = %v, threads went from %d to %d", seen, changed, before, p.threads)
				}
			}
			if p.threads != tc.want {
				t.Errorf("%d threads, want %d", p.threads, tc.want)
			}
		})
	}
}

// TestRunFollowsTheWork keeps a real process busy.
func TestRunFollowsTheWork(t *testing.T) {
	if _, set := os.LookupEnv("GOMAXPROCS"); set || runtime.GOMAXPROCS(0) < 2 {
		t.Skip("GOMAXPROCS is set, or there is one core")
	}
	most := runtime.GOMAXPROCS(0)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { Run(ctx, slog.New(slog.DiscardHandler)) })
	waitFor(t, "one thread at the start", func() bool { return runtime.GOMAXPROCS(0) == 1 })
	for range 2 * most {
		running.Go(func() {
			for ctx.Err() == nil { // as busy as can be
			}
		})
	}
	waitFor(t, "more under load", func() bool { return runtime.GOMAXPROCS(0) > 1 })
	cancel()
	running.Wait()
	if got := runtime.GOMAXPROCS(0); got != most {
		t.Errorf("%d threads afterwards, want the %d of before", got, most)
	}
}

func TestRunLeavesTheEnvironmentsChoice(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	before := runtime.GOMAXPROCS(0)
	Run(t.Context(), slog.New(slog.DiscardHandler)) // comes back at once, though the context has not ended
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d threads, want %d", got, before)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}
