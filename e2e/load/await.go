package load

import (
	"context"
	"errors"
	"fmt"
)

// AwaitCommitted waits until the group's positions have reached the end of
// committed data, as noted at the call, in every partition of the topic that
// holds any. The error of an ended ctx names a partition that has not.
func AwaitCommitted(ctx context.Context, seeds []string, group, topic string) error {
	r, err := openReader(ctx, seeds, topic)
	if err != nil {
		return err
	}
	defer func() { r.close() }()
	spans, err := r.spans(ctx, readCommitted)
	if err != nil {
		return err
	}
	for {
		at, err := positions(ctx, r.admin, group, topic)
		if permanent(err) {
			return err
		}
		behind := int32(-1)
		for p, s := range spans {
			if s.to > s.from && at[p].Next < s.to {
				behind = p
			}
		}
		if err == nil && behind < 0 {
			return nil
		}
		if err != nil { // a client may keep to a coordinator that is dead
			if fresh, opened := openReader(ctx, seeds, topic); opened == nil {
				r.close()
				r = fresh
			}
		}
		if ended := pause(ctx, retryPause); ended != nil {
			return fmt.Errorf("wait for %s to commit %s/%d up to %d, now at %d: %w",
				group, topic, behind, spans[behind].to, at[behind].Next, errors.Join(ended, err))
		}
	}
}
