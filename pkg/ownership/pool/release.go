package pool

import (
	"context"
	"errors"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// release is a unit that was given back, until its term says so.
type release struct {
	ending
	writing bool
	due     time.Time
	failed  int
}

// settlement is a tenure whose predecessors are proven silent, until its term says so.
type settlement struct {
	term    int64
	writing bool
	due     time.Time
	failed  int
}

// giveBack ends a tenure. The unit is free for others when the release is written.
func (m *member) giveBack(t mirror.Tenure, drained bool) {
	l := m.life
	u := plan.Unit(t.Unit)
	mine := l.tenures[u]
	if mine == nil || mine.Term != t.Term {
		return // lost already
	}
	delete(l.tenures, u)
	delete(l.settles, u)
	ended := znode.EndedNot
	if drained {
		ended = endedBy(mine.Before, mine.settled)
	}
	l.releases[u] = &release{ending: ending{unit: u, self: l.self, session: m.session.ID, term: t.Term, ended: ended, guard: m.guard()}}
	if !mine.asked { // the process ends
		m.given[u], m.quitting = true, true
	}
	m.stats.count(ChangeReleased, 1)
	m.news.released = append(m.news.released, u.String())
	m.news.changed = true
}

// doReleases writes what was given back.
func (m *member) doReleases() {
	for u, r := range m.life.releases {
		if r.writing || !m.ripe(r.due) {
			continue
		}
		r.writing = true
		m.life.queue.claims = append(m.life.queue.claims, func(ctx context.Context) func() {
			err := m.end(ctx, r.ending)
			return func() { m.releaseWritten(u, r, err) }
		})
	}
}

func (m *member) releaseWritten(u plan.Unit, r *release, err error) {
	r.writing = false
	switch o := m.wrote("release unit "+u.String(), err); {
	case o == nobody:
	case o == done, o == refused && errors.Is(err, coord.ErrNoNode): // the owner node is gone already
		delete(m.life.releases, u)
		m.life.doubts[u] = m.life.tick()
		m.life.owners.stale = true
	default:
		r.due = time.Now().Add(backoff(r.failed))
		r.failed++
	}
}

// farewell says whether a member that is about to go has something to write yet.
func (m *member) farewell() bool {
	return len(m.life.releases) > 0 && m.session.Phase == coord.Connected
}

// doSettles writes that predecessors are silent.
func (m *member) doSettles() {
	for u, s := range m.life.settles {
		t := m.life.tenures[u]
		if t == nil || t.Term != s.term {
			delete(m.life.settles, u)
			continue
		}
		if s.writing || !m.ripe(s.due) {
			continue
		}
		s.writing = true
		guard, self := m.guard(), m.life.self
		m.life.queue.claims = append(m.life.queue.claims, func(ctx context.Context) func() {
			err := m.settleTerm(ctx, guard, record{unit: u, term: znode.Term{Term: s.term, Owner: self}})
			return func() { m.settled(u, s, err) }
		})
	}
}

// settleTerm clears the wait of a term, if it is the one that is meant.
func (m *member) settleTerm(ctx context.Context, guard coord.Op, meant record) error {
	r, err := m.readTerm(ctx, meant.unit)
	if err != nil {
		return err
	}
	if r.garbage || !r.found || r.term.Term != meant.term.Term || r.term.Owner != meant.term.Owner || !r.term.Wait {
		return nil // another's, or said already
	}
	r.term.Wait = false
	op, err := m.writeTerm(r, r.term)
	if err != nil {
		return err
	}
	_, err = m.client.Write(ctx, guard, check(m.paths.Owner(meant.unit)), op)
	return err
}

func (m *member) settled(u plan.Unit, s *settlement, err error) {
	s.writing = false
	switch m.wrote("settle unit "+u.String(), err) {
	case nobody:
	case done:
		delete(m.life.settles, u)
	default:
		s.due = time.Now().Add(backoff(s.failed))
		s.failed++
	}
}
