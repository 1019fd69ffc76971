package mirror

import (
	"context"
	"fmt"
	"time"

	"tributary/pkg/mirror/protocol"
)

// saver saves the positions that moved, every second.
func (l *Link) saver(ctx context.Context) {
	every(ctx, saveEvery, func(time.Time) {
		bounded, cancel := context.WithTimeout(ctx, saveTimeout)
		defer cancel()
		l.noteSave(ctx, l.save(bounded, saveIdleEvery))
	})
}

func (l *Link) noteSave(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if l.note(&l.saveErr, err) {
		l.log.Warn("positions not saved", "err", err)
	}
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
