package pool

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// lead is what the leader keeps.
type lead struct {
	due     time.Time
	since   time.Time // when this member began to lead; zero: it does not
	writing bool
	failed  int
	load    map[plan.Unit]float64 // smoothed
	blind   map[sight]time.Time   // since when members do not see what is planned
	sampled time.Time
}

// How long the leader waits for what may come together with what makes a new plan due.
const (
	planEvery      = 10 * time.Second
	planFirst      = time.Second // for other members to show up, where there is no plan at all
	planAfterJoin  = 200 * time.Millisecond
	planAfterWish  = 20 * time.Millisecond
	planAfterDrain = 300 * time.Millisecond
	planAfterTake  = time.Second      // the standbys take over by the former plan
	offerTime      = 30 * time.Second // for the leader to see the source
	loadShare      = 0.15             // of a new measurement, in a smoothed one: a minute's worth
)

const writingPlan = "write the plan"

// planSoon makes a plan due.
func (m *member) planSoon(within time.Duration) {
	if at := time.Now().Add(within); m.life.lead.due.IsZero() || at.Before(m.life.lead.due) {
		m.life.lead.due = at
	}
}

// planAfterDeath makes a plan due: at once if some unit has nobody left who would take it.
func (m *member) planAfterDeath() {
	for _, seat := range m.life.plan.plan.Seats {
		if m.heir(seat) == "" {
			m.planSoon(0)
			return
		}
	}
	m.planSoon(planAfterTake)
}

// offerChanged tells the others and plans again.
func (m *member) offerChanged() {
	m.life.report.due = time.Time{}
	m.planSoon(planAfterJoin)
}

// plan makes the next plan and writes it, if this member leads and it is time.
func (m *member) plan() {
	l := m.life
	if !m.leads() {
		if !l.lead.since.IsZero() {
			maps.DeleteFunc(m.problems, func(what, _ string) bool { return what == writingPlan || strings.Contains(what, m.paths.Reports()) })
		}
		l.lead = lead{}
		return
	}
	if l.lead.since.IsZero() {
		l.lead.since = time.Now()
		l.reports.stale = true
		m.planSoon(planAfterJoin)
		m.log.Info("leading the pool")
	}
	p := &l.plan
	if l.lead.writing || !m.ripe(l.lead.due) || !p.known || p.stale || p.reading || !l.members.complete() || !l.reports.complete() || !l.pins.complete() {
		return
	}
	if p.version < 0 && !m.ripe(l.lead.since.Add(planFirst)) {
		return
	}
	l.lead.due = time.Now().Add(planEvery)
	m.wakeAt(l.lead.due)
	topics := m.offers()
	if errors.Is(p.err, znode.ErrFormat) || topics == nil {
		return // a newer member's, or nobody knows what there is to plan
	}
	members := m.planMembers()
	if len(members) == 0 {
		return
	}
	m.sample()
	m.writePlan(plan.Input{Now: time.Now(), Members: members, Topics: topics, Load: maps.Clone(l.lead.load), Pins: m.pinned(), Current: m.following(topics)})
}

// following returns what the next plan follows from: the newest that could be read, as it is, since it has to be seen in it
// who died; or where there was none, who owns what.
func (m *member) following(topics map[string]int) plan.Plan {
	if p := &m.life.plan; len(p.plan.Seats) > 0 {
		return p.plan
	}
	found := plan.Plan{Seats: map[plan.Unit]plan.Seat{}, Partitions: map[string]int{}, Arrivals: map[string]plan.Arrival{}}
	for name, e := range m.life.members.entries {
		for _, owned := range m.life.owners.entries {
			if e.known && owned.known && owned.node.Owner == e.node.Owner && owned.unit.Of == 1 && topics[owned.unit.Topic] > 0 {
				found.Seats[owned.unit] = plan.Seat{Owner: name}
				found.Partitions[owned.unit.Topic] = topics[owned.unit.Topic]
			}
		}
	}
	return found
}

// offers are all topics that somebody says are to be mirrored, by the most partitions that anybody sees; nil when that is not
// known: this member has not seen the source, and has not waited offerTime for it. From then on what others report is added
// to what is planned. Where members see different sources of truth for a while, such as one that is cut off from
// it, too many are planned rather than too few: a topic without a seat is dropped by its owner.
func (m *member) offers() map[string]int {
	l := m.life
	all := maps.Clone(m.offered)
	if all == nil {
		all = maps.Clone(l.plan.plan.Partitions)
		if time.Since(l.lead.since) < offerTime || len(l.reports.entries) == 0 {
			return nil
		}
	}
	if all == nil {
		all = map[string]int{}
	}
	for _, r := range m.reported() {
		for t, n := range r.Topics {
			all[t] = max(all[t], n)
		}
	}
	return all
}

// reported is what members say, by their names. What an earlier incarnation said stays in the tree for as long as its session
// lives, and is not among it.
func (m *member) reported() map[string]znode.Report {
	reports := map[string]znode.Report{}
	for name, e := range m.life.reports.entries {
		if r, ok := e.content.(znode.Report); ok && m.alive(name) {
			reports[name] = r
		}
	}
	return reports
}

// planMembers are those to plan with. One that has nothing yet, and has not seen the source, could not begin.
func (m *member) planMembers() []plan.Member {
	var all []plan.Member
	reports := m.reported()
	for name := range m.life.members.entries {
		r := reports[name]
		sees := m.life.plan.names[name] || name == m.life.self && m.offered != nil || len(r.Topics) > 0
		if content, ok := m.memberOf(name); ok && sees {
			all = append(all, plan.Member{Name: name, Instance: content.Instance, Zone: content.Zone, Capacity: content.Capacity,
				Draining: content.Draining, Stuck: stuckOf(r.Loads), Able: r.Able})
		}
	}
	m.markBlind(all)
	return all
}

func (m *member) pinned() map[string]string {
	pins := map[string]string{}
	for topic, e := range m.life.pins.entries {
		if pin, err := znode.DecodePin(e.node.Data); e.known && err == nil {
			pins[topic] = pin.Instance
		}
	}
	return pins
}

// sample smooths what members report. It does so every planEvery, whatever else makes a plan due in between.
func (m *member) sample() {
	l := &m.life.lead
	if l.load == nil {
		l.load = map[plan.Unit]float64{}
	}
	late := time.Since(l.sampled) >= planEvery*9/10
	if late {
		l.sampled = time.Now()
	}
	for _, r := range m.reported() {
		for u, load := range r.Loads {
			was, ok := l.load[u]
			if !ok {
				l.load[u] = load.BytesPerSecond
			} else if late {
				l.load[u] = was + loadShare*(load.BytesPerSecond-was)
			}
		}
	}
	maps.DeleteFunc(l.load, func(u plan.Unit, _ float64) bool {
		return m.life.plan.plan.Partitions[u.Topic] == 0 && m.offered[u.Topic] == 0
	})
}

// writePlan writes the plan that follows, if it is another.
func (m *member) writePlan(in plan.Input) {
	l := m.life
	l.lead.writing = true
	was, guard := l.plan, m.guard()
	m.do(func(ctx context.Context) func() {
		next := plan.Next(in)
		if was.err == nil && was.version >= 0 && next.Equal(was.plan) {
			return func() { l.lead.writing = false }
		}
		data, err := znode.EncodePlan(next)
		op := coord.Op{Kind: coord.OpSet, Path: m.paths.Plan(), Data: data, Version: was.version}
		if was.version < 0 {
			op.Kind = coord.OpCreate
		}
		if err == nil {
			_, err = m.client.Write(ctx, guard, op)
		}
		return func() {
			l.lead.writing = false
			l.plan.stale = true
			if m.wrote(writingPlan, err) == done {
				l.lead.failed = 0
				m.log.Info("planned", "members", len(in.Members), "topics", len(in.Topics), "seats", len(next.Seats))
				return
			}
			m.planSoon(backoff(l.lead.failed))
			l.lead.failed++
		}
	})
}
