// Package cores lets a process run Go code on as few threads as its work needs (GOMAXPROCS). A mirror mostly waits for brokers, and
// with more than one thread an answer that wakes one is often handed over to another: beside an ad server that costs more than it gains.
package cores

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"time"
)

const (
	lookEvery = time.Second
	// full is the share of the threads' time in use over one look from which on there are twice as many.
	full = 0.75
	// spare is the share of half the threads' time below which half of them are given back, after calmLooks in a row.
	spare     = 0.5
	calmLooks = 30
	// late is the share of waits for a thread that may be longer than longWait. It tells that threads are wanted also where others
	// use the cores, so that a thread never gets to be full.
	late = 0.02
)

// Run begins with one thread and adapts their number to the work, within what Go would have chosen for the machine or the container,
// until ctx ends; then it is that again. A GOMAXPROCS in the environment wins: Run does nothing. One at a time in a process.
func Run(ctx context.Context, log *slog.Logger) {
	if _, set := os.LookupEnv("GOMAXPROCS"); set {
		return
	}
	meter, ok := newMeter()
	if !ok {
		return
	}
	defer runtime.SetDefaultGOMAXPROCS()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	now := pace{threads: 1, most: runtime.GOMAXPROCS(0)}
	runtime.GOMAXPROCS(now.threads)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		seen := meter.look()
		if before := now.threads; now.next(seen) {
			runtime.SetDefaultGOMAXPROCS() // a container's limit may have changed
			now.most = runtime.GOMAXPROCS(0)
			now.threads = min(now.threads, now.most)
			runtime.GOMAXPROCS(now.threads)
			log.Debug("number of threads changed", "from", before, "to", now.threads, "cores_used", seen.used, "waited_long", seen.late)
		}
	}
}

// demand is what one look tells.
type demand struct {
	used float64 // cores, on average since the look before
	late float64 // share of the goroutines' waits for a thread that were longer than longWait
}

// pace is how many threads there are, and for how long fewer would have done.
type pace struct {
	threads int
	most    int
	calm    int // looks
}

// next takes what was seen since the last look and says whether the number of threads changed.
func (p *pace) next(d demand) bool {
	before := p.threads
	switch {
	case d.used > full*float64(p.threads) || d.late > late:
		p.threads, p.calm = min(2*p.threads, p.most), 0
	case d.used > spare*float64(p.threads)/2:
		p.calm = 0
	default:
		if p.calm++; p.calm >= calmLooks {
			p.threads, p.calm = max(p.threads/2, 1), 0
		}
	}
	return p.threads != before
}
