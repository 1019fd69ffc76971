package pool

import (
	"context"
	"errors"
	"strings"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// tenure is a unit that this member owns.
type tenure struct {
	mirror.Tenure
	from    uint64 // clock of the claim's answer
	settled bool
	asked   bool // it has been wanted elsewhere once
}

// ownerRead takes the content of an owner's node.
func (m *member) ownerRead(_ string, e *entry) {
	e.content = nil
	if !e.ofUnit() {
		return
	}
	if content, err := znode.DecodeOwner(e.node.Data); err == nil {
		e.content = content
		m.terms[e.unit] = max(m.terms[e.unit], content.Term)
	}
}

// rivals are the owner nodes of a unit and of others that have a partition of it.
func (m *member) rivals(u plan.Unit) map[plan.Unit]*entry {
	all := map[plan.Unit]*entry{}
	whole := plan.Unit{Topic: u.Topic, Of: 1}
	if e := m.life.owners.entries[u.Topic]; e != nil {
		all[whole] = e
	}
	for _, name := range m.life.owners.parts[u.Topic] {
		e := m.life.owners.entries[name]
		if e != nil && e.ofUnit() && e.unit.Overlaps(u) {
			all[e.unit] = e
		}
	}
	return all
}

// partsOf lists names of parts of topics by topic.
func partsOf(names []string) map[string][]string {
	parts := map[string][]string{}
	for _, name := range names {
		if topic, _, ok := strings.Cut(name, "@"); ok {
			parts[topic] = append(parts[topic], name)
		}
	}
	return parts
}

// checkTenures drops what the own nodes do not stand for any more.
func (m *member) checkTenures() {
	l := m.life
	for u, t := range l.tenures {
		e := l.owners.entries[znode.UnitName(u)]
		gone := e == nil && l.owners.issued > t.from
		taken := e != nil && e.known && e.issued > t.from && e.node.Owner != m.session.ID
		if !gone && !taken {
			continue
		}
		m.news.lost = append(m.news.lost, u.String())
		delete(l.tenures, u)
		m.stats.count(ChangeLost, 1)
		m.news.changed = true
	}
}

// heir says who is to have a unit, of those that live: who is planned to, or the standby if that is gone or leaves.
func (m *member) heir(s plan.Seat) string {
	owner, standby := m.alive(s.Owner), m.alive(s.Standby)
	if standby && (!owner || m.drains(s.Owner) && !m.drains(s.Standby)) {
		return s.Standby
	}
	if owner {
		return s.Owner
	}
	return ""
}

// current says whether the plan and what it is applied to are up to date with each other.
func (m *member) current() bool {
	l := m.life
	p := &l.plan
	return p.known && p.version >= 0 && p.err == nil && !p.stale && !p.reading && l.members.complete() &&
		l.members.issued > p.at && l.owners.issued > p.at && l.shapesAt > p.at
}

// markLeaving marks what is wanted elsewhere.
func (m *member) markLeaving() {
	if !m.current() {
		return
	}
	self := m.life.self
	for u, t := range m.life.tenures {
		seat, planned := m.life.plan.plan.Seats[u]
		heir := m.heir(seat)
		leaving := !planned || seat.Owner != self && heir != self && heir != ""
		if leaving != t.Leaving {
			t.Leaving = leaving
			t.asked = t.asked || leaving
			m.news.changed = true
		}
	}
}

// wants says whether this member is to take a unit when nobody has it.
func (m *member) wants(u plan.Unit, s plan.Seat) bool {
	return m.heir(s) == m.life.self && !m.quitting && !m.given[u] && m.sees(u.Topic)
}

// sees says whether the link has said that a topic is to be mirrored: another it could not begin with.
func (m *member) sees(topic string) bool { return m.offered[topic] > 0 }

// dropOrphans removes nodes of the own session that nobody stands behind: created by a request that was given up, or by an
// earlier incarnation.
func (m *member) dropOrphans() {
	l := m.life
	for name, e := range l.members.entries {
		if e.known && e.node.Owner == m.session.ID && name != l.self {
			m.dropMember(name, e)
		}
	}
	if !m.current() {
		return
	}
	for name, e := range l.owners.entries {
		if !l.owners.fresh(name) || e.node.Owner != m.session.ID || !e.ofUnit() {
			continue
		}
		u := e.unit
		if m.busy(u) || l.tenures[u] != nil || !m.ripe(l.retry[u]) {
			continue
		}
		if seat, ok := l.plan.plan.Seats[u]; !ok || !m.wants(u, seat) {
			m.dropOwner(u, e)
		}
	}
}

// busy says whether something of a unit is under way, or not known.
func (m *member) busy(u plan.Unit) bool {
	l := m.life
	if l.claims[u] != nil || l.releases[u] != nil || l.dropping[u] {
		return true
	}
	if since, ok := l.doubts[u]; ok {
		if l.owners.issued <= since {
			return true
		}
		delete(l.doubts, u)
	}
	return false
}

func (m *member) dropMember(name string, e *entry) {
	if !m.ripe(e.due) {
		return
	}
	e.due = time.Now().Add(retryMax)
	guard := m.guard()
	m.do(func(ctx context.Context) func() {
		_, err := m.client.Write(ctx, guard, coord.Op{Kind: coord.OpDelete, Path: m.paths.Member(name), Version: coord.AnyVersion})
		return func() { m.wrote("remove "+m.paths.Member(name), err) }
	})
}

// dropOwner removes an owner node. If it comes from a claim that this incarnation gave up, nothing was ever sent under it.
func (m *member) dropOwner(u plan.Unit, e *entry) {
	l := m.life
	l.dropping[u] = true
	ended := znode.EndedNot
	content, ok := e.content.(znode.Owner)
	if a, given := l.attemptOf(u, content.Term); ok && given && content.Incarnation == l.self {
		ended = endedBy(a.taken.before, false)
	}
	order := ending{unit: u, self: content.Incarnation, session: e.node.Owner, term: content.Term, ended: ended, guard: m.guard()}
	m.do(func(ctx context.Context) func() {
		err := m.end(ctx, order)
		return func() {
			delete(l.dropping, u)
			l.doubts[u] = l.tick()
			l.owners.stale = true
			if m.wrote("remove "+m.paths.Owner(u), err) != done {
				l.retry[u] = time.Now().Add(retryMin)
			}
		}
	})
}

// wrote takes the outcome of a write that began with the own guard.
func (m *member) wrote(what string, err error) outcome {
	o, _ := judge(err)
	if o == nobody {
		m.ownGone()
		return o
	}
	if o == refused && !errors.Is(err, coord.ErrNoAuth) {
		err = nil // something is not as it was read: it is read again
	}
	m.trouble(what, err)
	return o
}
