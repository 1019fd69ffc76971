package mirror

import (
	"context"
	"time"
)

const (
	lookEvery   = 5 * time.Second
	lookOlder   = 10 * time.Second // a cold fetch answers in that time
	lookTimeout = 5 * time.Second
)

// looker asks for the source's ends where no fetch tells them: a partition that cannot send is not fetched, and its lag
// must grow all the same. And it asks whose open transactions hold partitions back.
func (l *Link) looker(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, t := range l.all() {
				l.look(ctx, t)
				l.askHeld(ctx, t)
			}
		}
	}
}

func (l *Link) look(ctx context.Context, t *topic) {
	var unseen []int32
	var list []*Pipeline
	for _, p := range t.pipelines() {
		if p.unseen(time.Now()) {
			unseen, list = append(unseen, p.source.Partition), append(list, p)
		}
	}
	if len(unseen) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	asked := time.Now()
	ends, err := l.source.Offsets(bounded, t.name, unseen, true)
	for i, p := range list {
		if err != nil {
			p.SourceTrouble(err.Error())
			continue
		}
		p.seen(ends[i], asked)
	}
}

func (p *Pipeline) unseen(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Sub(p.sourceSeen) > lookOlder
}

func (p *Pipeline) seen(end int64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sourceEnd, p.sourceSeen, p.sourceTrouble = end, at, ""
}
