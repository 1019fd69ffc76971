package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// claim is an attempt to become the owner of a unit.
type claim struct {
	unit    plan.Unit
	self    string
	guard   coord.Op
	version int32       // of the plan that names this member
	replace []leftover  // owner nodes that nobody stands behind
	shapes  []plan.Unit // other units with partitions in common, that had owners once
	floor   int64       // greatest term seen
	from    string      // the member whose end it follows from, "" none
	taken   *succession // after the answer
	err     error
}

// leftover is an owner node as it was read. A version does not tell it from one that was made anew, which begins at 0 too.
type leftover struct {
	path    string
	version int32
	created int64
}

// attempt is a claim whose outcome is unknown. Its term tells it from others.
type attempt struct {
	taken succession
	from  string
}

func (l *life) attemptOf(u plan.Unit, term int64) (attempt, bool) {
	for _, a := range l.attempts[u] {
		if a.taken.term == term {
			return a, true
		}
	}
	return attempt{}, false
}

// takeUnits claims what this member is to have and nobody does.
func (m *member) takeUnits() {
	if !m.current() {
		return
	}
	l := m.life
	room := coord.MaxEphemeralBytes - m.ephemeralBytes()
	clear(l.refused)
	m.claimTroubles()
	for u, seat := range l.plan.plan.Seats {
		if seat.Owner != l.self {
			delete(m.given, u)
		}
		if l.tenures[u] != nil || !m.wants(u, seat) || m.busy(u) || !m.ripe(l.retry[u]) {
			m.refuseUnseen(u, seat)
			continue
		}
		replace, free := m.clearance(u)
		if !free || l.tenures[u] != nil {
			continue
		}
		if room -= len(m.paths.Owner(u)); room < 0 {
			l.refused[u] = fmt.Sprintf("the paths of what %s owns have %d KiB together, the most that one session may have; start another member, or shorten the root",
				m.cfg.Instance, coord.MaxEphemeralBytes>>10)
			continue
		}
		c := &claim{unit: u, self: l.self, guard: m.guard(), version: l.plan.version, replace: replace, shapes: m.shapesOf(u), floor: m.terms[u]}
		if seat.Owner != l.self && !m.alive(seat.Owner) {
			c.from = seat.Owner
		}
		m.claim(c)
	}
	m.problems.set("ephemerals", refusal(l.refused))
}

// refuseUnseen says why a unit is not claimed whose topic this member does not see.
func (m *member) refuseUnseen(u plan.Unit, seat plan.Seat) {
	if m.life.tenures[u] == nil && m.heir(seat) == m.life.self && !m.sees(u.Topic) {
		m.life.refused[u] = fmt.Sprintf("%s does not see topic %s at the source, or its configuration does not match it; they go to members that do, if there are any", m.cfg.Instance, u.Topic)
	}
}

// claimTroubles makes one problem of all claims that fail.
func (m *member) claimTroubles() {
	n, example := 0, ""
	for u, err := range m.life.failing {
		if o, _ := judge(err); m.life.tenures[u] != nil || o == refused && !errors.Is(err, coord.ErrNoAuth) {
			delete(m.life.failing, u)
			continue
		}
		if n++; example == "" || u.String() < example {
			example = u.String()
		}
	}
	if n == 0 {
		m.trouble("claim units", nil)
		return
	}
	m.trouble("claim units", fmt.Errorf("%d claims failed, such as that of %s; they are tried again", n, example))
}

func refusal(refused map[plan.Unit]string) string {
	for _, why := range refused {
		return fmt.Sprintf("%d units are not claimed: %s", len(refused), why)
	}
	return ""
}

// clearance says whether nobody stands in the way of owning a unit, and which nodes are to be replaced. Its own node is
// adopted where this incarnation made it.
func (m *member) clearance(u plan.Unit) (replace []leftover, free bool) {
	free = true
	for v, e := range m.rivals(u) {
		if !m.life.owners.fresh(znode.UnitName(v)) {
			return nil, false
		}
		switch m.holderOf(e.node.Owner, e.issued) {
		case holderMember, holderLate, holderMaybe:
			free = false
		case holderMe:
			if m.life.tenures[v] != nil || m.busy(v) {
				free = false
			} else if v == u && m.adopt(u, e) {
				return nil, false
			} else {
				replace = append(replace, m.leftover(v, e))
			}
		case holderNone:
			replace = append(replace, m.leftover(v, e))
		}
	}
	return replace, free
}

func (m *member) leftover(u plan.Unit, e *entry) leftover {
	return leftover{m.paths.Owner(u), e.node.Version, e.node.Created}
}

// adopt takes a unit whose node this incarnation made by a claim that was not answered.
func (m *member) adopt(u plan.Unit, e *entry) bool {
	content, ok := e.content.(znode.Owner)
	if !ok || content.Incarnation != m.life.self {
		return false
	}
	a, ok := m.life.attemptOf(u, content.Term)
	if !ok {
		return false
	}
	m.own(u, a.taken, a.from)
	return true
}

// own begins a tenure.
func (m *member) own(u plan.Unit, s succession, from string) {
	l := m.life
	now := time.Now()
	t := &tenure{Tenure: mirror.Tenure{Unit: mirror.Unit(u), Term: s.term, Since: now, Before: s.before}, from: l.tick(), settled: s.before == mirror.PredecessorNone}
	if s.before != mirror.PredecessorNone {
		t.Wait = max(m.session.Timeout, m.longest) // a peer's proof of a death may be wrong; the other's session has ended by then
	}
	l.tenures[u] = t
	delete(l.attempts, u)
	delete(l.doubts, u)
	delete(l.retry, u)
	delete(l.failing, u)
	m.terms[u] = max(m.terms[u], s.term)
	m.stats.count(s.reason, 1)
	if d, ok := l.gone[from]; ok {
		m.stats.failedOver(from, d, now)
	}
	m.news.taken = append(m.news.taken, u.String())
	m.news.changed = true
}

// ephemeralBytes is how long the paths of this session's nodes are together.
func (m *member) ephemeralBytes() int {
	l := m.life
	n := len(m.paths.Member(l.self)) + len(m.paths.Report(l.self))
	for name, e := range l.owners.entries {
		if e.known && e.node.Owner == m.session.ID && l.tenures[e.unit] == nil && l.claims[e.unit] == nil {
			n += len(l.owners.path) + 1 + len(name)
		}
	}
	for u := range l.tenures {
		n += len(m.paths.Owner(u))
	}
	for u := range l.claims {
		n += len(m.paths.Owner(u))
	}
	return n
}

// claim asks for a unit.
func (m *member) claim(c *claim) {
	l := m.life
	l.claims[c.unit] = c
	l.queue.claims = append(l.queue.claims, func(ctx context.Context) func() {
		c.taken, c.err = m.tryClaim(ctx, c)
		return func() { m.claimed(c) }
	})
}

// tryClaim reads what the unit's predecessors left, and writes the owner node and the term together. taken is nil when
// nothing was asked for.
func (m *member) tryClaim(ctx context.Context, c *claim) (taken *succession, err error) {
	records, floor, err := m.readTerms(ctx, c.unit, c.shapes)
	if err != nil {
		return nil, err
	}
	s := succeed(c.unit, records, max(c.floor, floor))
	owner, err := znode.Owner{Incarnation: c.self, Term: s.term}.Encode()
	if err != nil {
		return nil, err
	}
	term, err := m.writeTerm(records[0], znode.Term{Term: s.term, Owner: c.self, Wait: s.wait})
	if err != nil {
		return nil, err
	}
	ops, err := m.clear(ctx, []coord.Op{c.guard, {Kind: coord.OpCheck, Path: m.paths.Plan(), Version: c.version}}, c.replace)
	if err != nil {
		return &s, err
	}
	ops = append(ops, coord.Op{Kind: coord.OpCreate, Path: m.paths.Owner(c.unit), Data: owner, Ephemeral: true}, term)
	_, err = m.client.Write(ctx, ops...)
	return &s, err
}

// clear appends the ops that remove leftovers, if they are still what they were. They are looked at after the term was read:
// whoever makes one anew later writes the term too, and the claim is refused.
func (m *member) clear(ctx context.Context, ops []coord.Op, left []leftover) ([]coord.Op, error) {
	for _, o := range left {
		n, _, err := m.client.Get(ctx, o.path, false)
		switch {
		case errors.Is(err, coord.ErrNoNode), err == nil && n.Created != o.created:
			return nil, &coord.OpError{Op: len(ops), Err: coord.ErrVersion}
		case err != nil:
			return nil, err
		}
		ops = append(ops, coord.Op{Kind: coord.OpDelete, Path: o.path, Version: o.version})
	}
	return ops, nil
}

// claimed takes the answer.
func (m *member) claimed(c *claim) {
	l := m.life
	delete(l.claims, c.unit)
	if c.taken == nil {
		l.failing[c.unit] = c.err
		l.retry[c.unit] = time.Now().Add(retryMin)
		return
	}
	o, _ := judge(c.err)
	l.failing[c.unit] = c.err
	switch o {
	case done:
		m.own(c.unit, *c.taken, c.from)
	case unknown:
		l.attempts[c.unit] = append(l.attempts[c.unit], attempt{*c.taken, c.from})
		fallthrough
	case refused:
		l.retry[c.unit] = time.Now().Add(listEvery)
		if errors.Is(c.err, coord.ErrNoAuth) {
			l.retry[c.unit] = time.Now().Add(retryMax)
		}
		l.doubts[c.unit] = l.tick()
		l.owners.stale = true
		l.plan.stale = l.plan.stale || errors.Is(c.err, coord.ErrVersion)
		if e := l.owners.entries[znode.UnitName(c.unit)]; e != nil {
			e.changed = true
		}
		m.mend(c.err)
	case nobody:
		m.ownGone()
	}
}
