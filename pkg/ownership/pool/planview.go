package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// planView is the plan's node as it was read.
type planView struct {
	stale   bool
	reading bool
	watched bool
	due     time.Time

	known   bool // it was read
	plan    plan.Plan
	names   map[string]bool // members in it
	version int32           // -1: there is no node
	err     error           // of its content
	at      uint64          // when it was read
}

// refreshPlan reads the plan where it may have changed.
func (m *member) refreshPlan() {
	p := &m.life.plan
	if !p.stale || p.reading || !m.ripe(p.due) {
		return
	}
	p.stale, p.reading = false, true
	watched := !p.watched
	m.do(func(ctx context.Context) func() {
		n, watch, err := m.client.Get(ctx, m.paths.Plan(), watched)
		return func() {
			p.reading = false
			if watch != nil {
				p.watched = true
				m.watch(watch, func() { p.watched, p.stale = false, true })
			}
			m.planRead(n, err)
		}
	})
}

func (m *member) planRead(n coord.Node, err error) {
	p := &m.life.plan
	missing := errors.Is(err, coord.ErrNoNode)
	if err != nil && !missing {
		m.trouble("read the plan", err)
		p.stale, p.due = true, time.Now().Add(retryMin)
		return
	}
	m.trouble("read the plan", nil)
	was := *p
	p.known, p.version, p.err = true, n.Version, nil
	if missing {
		p.version = -1
		m.planSoon(planAfterWish)
	}
	p.at = m.life.tick()
	m.life.members.stale, m.life.owners.stale = true, true
	if missing {
		return // what it said is what the next follows from
	}
	decoded, err := znode.DecodePlan(n.Data)
	if err != nil {
		p.err = err
		m.problems.set("plan", fmt.Sprintf("%s cannot be read, and nothing moves until it is: %v", m.paths.Plan(), err))
	} else {
		m.problems.set("plan", "")
		p.plan, p.names = decoded, namesOf(decoded)
	}
	if err != nil || !was.known {
		m.planSoon(planAfterWish)
	}
}

func namesOf(p plan.Plan) map[string]bool {
	names := map[string]bool{}
	for _, s := range p.Seats {
		names[s.Owner], names[s.Standby] = true, true
	}
	return names
}

// refreshShapes lists the terms once for every plan: units of another shape may have had owners before.
func (m *member) refreshShapes() {
	l := m.life
	if l.shaping || !l.plan.known || l.shapesAt > l.plan.at || !m.ripe(l.shapesDue) {
		return
	}
	l.shaping = true
	asked := l.tick()
	m.do(func(ctx context.Context) func() {
		names, _, err := m.client.Children(ctx, m.paths.Terms(), false)
		return func() {
			l.shaping = false
			m.trouble("list "+m.paths.Terms(), err)
			if err != nil {
				l.shapesDue = time.Now().Add(retryMin)
				m.mend(err)
				return
			}
			l.shapesAt, l.shapes = asked, partsOf(names)
		}
	})
}

// shapesOf lists the other units that have partitions in common with one, of those that have terms.
func (m *member) shapesOf(u plan.Unit) []plan.Unit {
	var all []plan.Unit
	if u.Of > 1 {
		all = append(all, plan.Unit{Topic: u.Topic, Of: 1})
	}
	for _, name := range m.life.shapes[u.Topic] {
		if v, err := znode.ParseUnit(name); err == nil && v != u && v.Overlaps(u) {
			all = append(all, v)
		}
	}
	return all
}
