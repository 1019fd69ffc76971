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
	every(ctx, lookEvery, func(time.Time) {
		for _, t := range l.all() {
			l.look(ctx, t)
			l.askHeld(ctx, t)
		}
	})
}

// those returns the pipelines of the topic that want says yes to, and their partitions at the source.
func (t *topic) those(want func(*Pipeline) bool) (list []*Pipeline, partitions []int32) {
	for _, p := range t.pipelines() {
		if want(p) {
			list, partitions = append(list, p), append(partitions, p.source.Partition)
		}
	}
	return list, partitions
}

func (l *Link) look(ctx context.Context, t *topic) {
	now := time.Now()
	list, unseen := t.those(func(p *Pipeline) bool { return p.unseen(now) })
	if len(list) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	asked := time.Now()
	ends, err := l.source.Offsets(bounded, t.name, unseen, true)
	for i, p := range list {
		if err != nil {
			p.SourceTrouble(ErrorOther, err.Error())
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
