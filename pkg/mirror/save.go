package mirror

import (
	"context"
	"fmt"
	"time"

	"tributary/pkg/mirror/protocol"
)

// saver saves the positions that moved, every second.
func (l *Link) saver(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			bounded, cancel := context.WithTimeout(ctx, saveTimeout)
			err := l.save(bounded, saveIdleEvery)
			cancel()
			l.noteSave(ctx, err)
		}
	}
}

func (l *Link) noteSave(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	l.note(&l.saveErr, err, "positions not saved")
	if err == nil {
		l.mu.Lock()
		l.lastSave = time.Now()
		l.mu.Unlock()
	}
}

// save commits the position of every partition that moved since it was saved, or was saved longer than idle ago.
func (l *Link) save(ctx context.Context, idle time.Duration) error {
	now := time.Now()
	moved := map[TopicPartition]protocol.Position{}
	var who []*Pipeline
	for _, t := range l.all() {
		for _, p := range t.pipelines() {
			if at, ok := p.takePosition(now, idle); ok {
				moved[p.source] = at
				who = append(who, p)
			}
		}
	}
	if len(moved) == 0 {
		return nil
	}
	if err := l.commit(ctx, moved); err != nil {
		return fmt.Errorf("save %d positions in group %s: %w", len(moved), l.Group(), err)
	}
	for _, p := range who {
		p.savedPosition(moved[p.source], now)
	}
	return nil
}

// drain stops reading and sending, and waits until every batch in flight is answered.
func (l *Link) drain() error {
	var all []*Pipeline
	for _, t := range l.all() {
		all = append(all, t.pipelines()...)
	}
	for _, p := range all {
		l.source.Detach(p)
		p.close()
	}
	until := time.Now().Add(l.cfg.Drain)
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for time.Now().Before(until) {
		left := 0
		for _, p := range all {
			if !p.drained() {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		<-tick.C
	}
	return fmt.Errorf("drain link %s: records were still un-acknowledged after %v; they are sent again at the next start", l.cfg.Name, l.cfg.Drain)
}

// close lets nothing more be sent.
func (p *Pipeline) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = true
}

// drained says that nothing of p is under way.
func (p *Pipeline) drained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.active() || p.window.sent == 0 && (p.ending == nil || p.window.n == 0)
}

// finish lets go of all partitions and saves their last positions.
func (l *Link) finish() error {
	for _, t := range l.all() {
		for _, p := range t.pipelines() {
			l.sink.Detach(p)
			p.stop()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	return l.save(ctx, saveIdleEvery)
}
