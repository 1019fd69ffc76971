package mirror

import (
	"context"
	"maps"
	"math"
	"time"
)

const (
	watchEvery  = time.Second      // what makes a difference is told within that
	reportEvery = 10 * time.Second // also where nothing changed
	loadMemory  = time.Minute      // over which the bytes per second of a unit are averaged
)

// load follows what a unit costs.
type load struct {
	bytes int64     // acknowledged up to at
	at    time.Time // zero before the first look
	rate  float64   // bytes per second
	known bool      // rate is
}

// see takes in how much is acknowledged by now.
func (a *load) see(bytes int64, now time.Time) {
	elapsed := now.Sub(a.at)
	switch {
	case a.at.IsZero():
	case elapsed < reportEvery:
		return
	default:
		rate := float64(bytes-a.bytes) / elapsed.Seconds()
		if !a.known {
			a.rate, a.known = rate, true
		}
		a.rate += (rate - a.rate) * (1 - math.Exp(-elapsed.Seconds()/loadMemory.Seconds()))
	}
	a.bytes, a.at = bytes, now
}

// perSecond is NaN while it is not known: whoever compares members would take 0 for idle.
func (a *load) perSecond() float64 {
	if !a.known {
		return math.NaN()
	}
	return a.rate
}

// reporter tells the ownership what the units cost, and at once which of them begin or cease to be stuck.
func (l *Link) reporter(ctx context.Context) {
	var (
		due  time.Time
		told Report
		f    fitness
	)
	every(ctx, watchEvery, func(now time.Time) {
		r := l.watch(&f, now)
		if now.Before(due) && r.Able == told.Able && maps.Equal(r.stuck(), told.stuck()) {
			return
		}
		due, told = now.Add(reportEvery), r
		l.own.Report(r)
	})
}

// watch looks at all units.
func (l *Link) watch(f *fitness, now time.Time) Report {
	var r Report
	var newest time.Time // acknowledgement
	var longest time.Duration
	for _, t := range l.all() {
		t.mu.Lock()
		for _, tn := range t.tenants {
			if tn.released {
				continue
			}
			at := tn.pace(now)
			tn.load.see(at.bytes, now)
			tn.progress.see(at, now)
			r.Loads = append(r.Loads, Load{tn.Unit, tn.load.perSecond(), tn.progress.stuck(now)})
			newest, longest = latest(newest, tn.progress.moved), max(longest, tn.progress.stalled(now))
		}
		t.mu.Unlock()
	}
	r.Able = f.see(l.reaches() && (longest < doubtAfter || now.Sub(newest) < doubtAfter), now)
	return r
}

// reaches says whether both clusters answer.
func (l *Link) reaches() bool {
	from, _, fromErr := l.source.Catalog()
	to, _, toErr := l.sink.Catalog()
	return from != nil && to != nil && fromErr == nil && toErr == nil
}

// stuck are the units of a report that are.
func (r Report) stuck() map[Unit]bool {
	stuck := map[Unit]bool{}
	for _, load := range r.Loads {
		if load.Stuck {
			stuck[load.Unit] = true
		}
	}
	return stuck
}
