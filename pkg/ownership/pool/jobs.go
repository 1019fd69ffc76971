package pool

import (
	"context"
	"errors"
	"time"

	"tributary/pkg/ownership/coord"
)

// tick returns a time on the life's own clock.
func (l *life) tick() uint64 {
	l.clock++
	return l.clock
}

// do starts work in a goroutine. What it returns runs in a later turn, if the member has not begun anew by then.
func (m *member) do(work func(ctx context.Context) (answer func())) {
	l, limit := m.life, m.callTime()
	m.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(l.ctx, limit)
		defer cancel()
		answer := work(ctx)
		m.mail.post(func() {
			if m.life == l {
				answer()
			}
		})
	})
}

// watch lets a letter follow when a watch fires.
func (m *member) watch(fired <-chan struct{}, letter func()) {
	l := m.life
	m.jobs.Go(func() {
		select {
		case <-fired:
		case <-l.ctx.Done():
			return
		}
		m.mail.post(func() {
			if m.life == l {
				letter()
			}
		})
	})
}

// maxJobs bounds the reads of nodes and the claims that are under way together.
const maxJobs = 32

// queue holds jobs back, claims first.
type queue struct {
	claims, reads []func(ctx context.Context) (answer func())
	busy          int
}

// pump starts what the queue holds.
func (m *member) pump() {
	q := &m.life.queue
	for q.busy < maxJobs && len(q.claims)+len(q.reads) > 0 {
		from := &q.claims
		if len(q.claims) == 0 {
			from = &q.reads
		}
		work := (*from)[0]
		*from = (*from)[1:]
		q.busy++
		m.do(func(ctx context.Context) func() {
			answer := work(ctx)
			return func() {
				q.busy--
				answer()
			}
		})
	}
}

// outcome is what an error of a write says.
type outcome uint8

const (
	done    outcome = iota
	nobody          // the own member node is gone: nothing was done
	refused         // nothing was done, as something is not as it was read
	unknown
)

// mend makes the nodes again that must be there, after one was found missing: somebody removed it.
func (m *member) mend(err error) {
	if !errors.Is(err, coord.ErrNoNode) || time.Since(m.life.mended) < retryMax {
		return
	}
	m.life.mended = time.Now()
	m.do(func(ctx context.Context) func() {
		err := m.makePaths(ctx)
		return func() { m.trouble("make nodes below "+m.paths.Root(), err) }
	})
}

// judge tells the outcome of a write that began with a check of the own member node.
func judge(err error) (o outcome, op int) {
	var failed *coord.OpError
	switch {
	case err == nil:
		return done, 0
	case errors.Is(err, coord.ErrTooLarge):
		return refused, 0
	case !errors.As(err, &failed):
		return unknown, 0
	case failed.Op == 0 && errors.Is(err, coord.ErrNoNode):
		return nobody, 0
	}
	return refused, failed.Op
}

// guard is what every write of a member begins with.
func (m *member) guard() coord.Op { return check(m.paths.Member(m.life.self)) }

func check(path string) coord.Op {
	return coord.Op{Kind: coord.OpCheck, Path: path, Version: coord.AnyVersion}
}
