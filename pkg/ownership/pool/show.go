package pool

import (
	"fmt"
	"maps"
	"slices"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// View returns what this member knows.
func (p *Pool) View() View {
	session, _ := p.client.Session()
	var streams map[string]Stream
	if p.peers != nil {
		streams = p.peers.Streams()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.member
	v := View{Phase: session.Phase, Since: session.Since, Timeout: session.Timeout, Expired: m.expired, Instance: p.cfg.Instance,
		Draining: m.draining, Pins: map[string]string{}, Changes: maps.Clone(m.stats.changes), Failover: m.stats.failover,
		Evictions: m.stats.evictions, LastEviction: m.stats.lastEviction, Problems: m.problems.list()}
	v.Incarnation, v.Leader, v.Pins = m.life.self, m.leader(), m.pinned()
	v.Members = m.showMembers(streams)
	v.Units = m.showUnits()
	v.Unowned = m.showUnowned()
	return v
}

func (m *member) showMembers(streams map[string]Stream) []Member {
	var all []Member
	for _, name := range slices.Sorted(maps.Keys(m.life.members.entries)) {
		if c, ok := m.memberOf(name); ok {
			all = append(all, Member{Incarnation: name, Instance: c.Instance, Zone: c.Zone, Capacity: c.Capacity, Draining: c.Draining, Peer: streams[name]})
		}
	}
	return all
}

func (m *member) showUnits() []Unit {
	l := m.life
	names := map[int64]string{}
	for name, e := range l.members.entries {
		if e.known {
			names[e.node.Owner] = name
		}
	}
	var all []Unit
	for _, e := range l.owners.entries {
		u := e.unit
		if !e.ofUnit() || !e.known || l.tenures[u] != nil || names[e.node.Owner] == "" || e.node.Owner == m.session.ID {
			continue
		}
		owner, _ := m.memberOf(names[e.node.Owner])
		content, _ := e.content.(znode.Owner)
		all = append(all, Unit{Unit: mirror.Unit(u), Owner: owner.Instance, Zone: owner.Zone, Incarnation: names[e.node.Owner],
			Standby: m.instance(l.plan.plan.Seats[u].Standby), Term: content.Term, Since: e.first})
	}
	for u, t := range l.tenures {
		all = append(all, Unit{Unit: t.Unit, Owner: m.cfg.Instance, Zone: m.cfg.Zone, Incarnation: l.self,
			Standby: m.instance(l.plan.plan.Seats[u].Standby), Term: t.Term, Since: t.Since, Mine: true, Leaving: t.Leaving})
	}
	slices.SortFunc(all, func(a, b Unit) int { return plan.Unit(a.Unit).Compare(plan.Unit(b.Unit)) })
	return all
}

func (m *member) showUnowned() []Unowned {
	var all []Unowned
	for u, since := range m.unowned {
		seat := m.life.plan.plan.Seats[u]
		all = append(all, Unowned{Unit: mirror.Unit(u), Planned: m.instance(seat.Owner), Standby: m.instance(seat.Standby), Since: since, Why: m.why(u, seat)})
	}
	slices.SortFunc(all, func(a, b Unowned) int { return plan.Unit(a.Unit).Compare(plan.Unit(b.Unit)) })
	return all
}

// why says what a unit waits for that nobody has.
func (m *member) why(u plan.Unit, seat plan.Seat) string {
	l := m.life
	switch heir := m.heir(seat); {
	case m.session.Phase != coord.Connected:
		return "the coordination service is not reached"
	case l.self == "":
		return "this member has not joined the pool"
	case l.refused[u] != "":
		return l.refused[u]
	case l.plan.err != nil:
		return "the plan cannot be read"
	case seat == plan.Seat{}:
		return "it is not planned yet"
	case heir == "":
		return "its owner and its standby are gone; the next plan is awaited"
	case heir == l.self && l.failing[u] != nil:
		return fmt.Sprintf("claiming it failed, and is tried again: %v", l.failing[u])
	case heir == l.self:
		return "it is being claimed by this member"
	default:
		return fmt.Sprintf("%s is to claim it", m.instance(heir))
	}
}

// instance returns whose incarnation a name is, also of one that is gone; the name itself if that is not known.
func (m *member) instance(name string) string {
	if c, ok := m.memberOf(name); ok {
		return c.Instance
	}
	if d, ok := m.life.gone[name]; ok && d.instance != "" {
		return d.instance
	}
	if a, ok := m.life.plan.plan.Arrivals[name]; ok {
		return a.Instance
	}
	return name
}
