package mirror

import (
	"context"
	"math"
	"time"
)

const (
	reportEvery = 10 * time.Second
	loadMemory  = time.Minute // over which the bytes per second of a unit are averaged
	stuckAfter  = time.Minute
)

// load follows what a unit costs.
type load struct {
	bytes int64     // acknowledged up to at
	at    time.Time // zero before the first look
	rate  float64   // bytes per second
	known bool      // rate is
	moved int64     // records acknowledged when that was seen to change last, or while there was nothing to do
	since time.Time // of moved
}

// reporter tells the ownership what the units cost.
func (l *Link) reporter(ctx context.Context) {
	every(ctx, reportEvery, func(now time.Time) {
		var loads []Load
		for _, t := range l.all() {
			loads = append(loads, t.loads(now)...)
		}
		l.own.Report(loads)
	})
}

func (t *topic) loads(now time.Time) []Load {
	t.mu.Lock()
	defer t.mu.Unlock()
	var loads []Load
	for _, tn := range t.tenants {
		if tn.released {
			continue
		}
		var bytes, records int64
		waits := tn.problem != "" // it cannot be started, which another may be able to
		for _, p := range tn.list {
			b, r, w := p.progress(now)
			bytes, records, waits = bytes+b, records+r, waits || w
		}
		tn.load.see(bytes, records, waits, now)
		loads = append(loads, Load{tn.Unit, tn.load.rate, now.Sub(tn.load.since) >= stuckAfter})
	}
	return loads
}

// see takes in how much is acknowledged by now, and whether more waits.
func (a *load) see(bytes, records int64, waits bool, now time.Time) {
	if elapsed := now.Sub(a.at).Seconds(); !a.at.IsZero() && elapsed > 0 {
		rate := float64(bytes-a.bytes) / elapsed
		if !a.known {
			a.rate, a.known = rate, true
		}
		a.rate += (rate - a.rate) * (1 - math.Exp(-elapsed/loadMemory.Seconds()))
	}
	a.bytes, a.at = bytes, now
	if records != a.moved || !waits || a.since.IsZero() {
		a.moved, a.since = records, now
	}
}

// progress returns what was acknowledged, and whether there is something to be done that another owner might be able to do.
// What is halted or looped waits for an operator, and what waits for a former owner's end would only wait again. A source that
// is not seen for long may have anything.
func (p *Pipeline) progress(now time.Time) (bytes, records int64, waits bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	unseen := p.sourceTrouble != "" && now.Sub(p.sourceSeen) > stuckAfter
	waits = p.active() && p.loop == "" && !p.waitsForQuiet(now) && (unseen || p.position.Source < p.sourceEnd)
	return p.counters.BytesAcked, p.counters.RecordsAcked, waits
}
