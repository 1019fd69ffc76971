package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tributary/pkg/mirror/protocol"
)

// UnsavedError says which positions the group refused, and why; the others that were asked for with them are saved.
type UnsavedError struct {
	Refused map[TopicPartition]error // not empty
}

// Error names one of them.
func (e *UnsavedError) Error() string {
	first := slices.MinFunc(slices.Collect(maps.Keys(e.Refused)), TopicPartition.compare)
	if more := len(e.Refused) - 1; more > 0 {
		return fmt.Sprintf("%v, and %d more", e.Refused[first], more)
	}
	return e.Refused[first].Error()
}

// Unwrap returns why, in no order.
func (e *UnsavedError) Unwrap() []error { return slices.Collect(maps.Values(e.Refused)) }

// unsaved says whether a position is not, or may not be, saved by a commit of several that ended with err.
func unsaved(err error, tp TopicPartition) bool {
	if e, ok := errors.AsType[*UnsavedError](err); ok {
		return e.Refused[tp] != nil
	}
	return err != nil
}

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
	err := l.commit(ctx, moved)
	for _, p := range who {
		if !unsaved(err, p.source) { // one that is refused for ever must not have all others written again every second
			p.savedPosition(moved[p.source], now)
		}
	}
	if err != nil {
		return fmt.Errorf("save %d positions in group %s: %w", len(moved), l.Group(), err)
	}
	return nil
}
