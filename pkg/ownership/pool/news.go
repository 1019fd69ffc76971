package pool

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
)

// stats counts since the member started.
type stats struct {
	changes      map[Change]int
	failover     Failover
	failoverOf   string // incarnation
	evictions    int
	lastEviction Eviction
}

func newStats() stats { return stats{changes: map[Change]int{}} }

func (s *stats) count(c Change, n int) {
	if n > 0 {
		s.changes[c] += n
	}
}

// failedOver adds a unit that was taken over from a member that is gone.
func (s *stats) failedOver(name string, d departure, now time.Time) {
	if s.failoverOf != name {
		s.failoverOf, s.failover = name, Failover{From: d.instance}
	}
	s.failover.At, s.failover.Duration = now, now.Sub(d.at)
	s.failover.Units++
}

func (s *stats) evicted(e Eviction) {
	s.evictions++
	s.lastEviction = e
}

// news is what happened since it was last told.
type news struct {
	changed               bool // tenures
	taken, released, lost []string
	told                  time.Time
}

const (
	newsEvery  = time.Second
	newsNames  = 10
	countEvery = 50 * time.Millisecond
)

// announce publishes and logs what a turn changed; a storm of claims is a few lines.
func (m *member) announce() {
	if m.news.changed {
		m.publish()
	}
	m.countUnowned()
	n := &m.news
	if len(n.taken)+len(n.released)+len(n.lost) == 0 {
		return
	}
	if busy := len(m.life.claims)+len(m.life.releases)+len(n.lost) > 0; busy && !m.ripe(n.told.Add(newsEvery)) {
		return
	}
	if len(n.taken) > 0 {
		m.log.Info("took units", "count", len(n.taken), "units", some(n.taken))
	}
	if len(n.released) > 0 {
		m.log.Info("released units", "count", len(n.released), "units", some(n.released))
	}
	if len(n.lost) > 0 {
		m.log.Warn("owner nodes are gone; units dropped", "count", len(n.lost), "units", some(n.lost))
	}
	n.taken, n.released, n.lost, n.told = nil, nil, nil, time.Now()
}

func some(names []string) string {
	slices.Sort(names)
	if len(names) > newsNames {
		return strings.Join(names[:newsNames], " ") + " ..."
	}
	return strings.Join(names, " ")
}

// problems are what keeps the pool from working, by what was tried.
type problems map[string]string

func (p problems) set(what, problem string) {
	if problem == "" {
		delete(p, what)
		return
	}
	p[what] = problem
}

func (p problems) list() []string {
	all := slices.Collect(maps.Values(p))
	slices.Sort(all)
	return slices.Compact(all)
}

// trouble takes note of an error, or that there is none any more.
func (m *member) trouble(what string, err error) {
	if err == nil || m.life.ctx.Err() != nil || m.session.Phase != coord.Connected {
		m.problems.set(what, "")
		return
	}
	problem := fmt.Sprintf("%s: %v", what, err)
	if m.problems[what] == "" {
		m.log.Warn("pool is in trouble", "problem", problem)
	}
	m.problems.set(what, problem)
}

func (m *member) phaseProblem() string {
	switch m.session.Phase {
	case coord.Suspended:
		return "the coordination service is not reached: what this member has goes on, nothing moves, and old records wait; check the servers and the network"
	case coord.Connecting:
		return "there is no session with the coordination service yet: nothing is owned; check the servers, the network and the credentials"
	}
	return ""
}

// countUnowned takes note of units that nobody has, and since when. Before anything was listed nobody is known to have any;
// while this member rejoins what it knew last stands.
func (m *member) countUnowned() {
	if m.life.owners.issued == 0 && m.listed || !m.ripe(m.life.counted.Add(countEvery)) {
		return
	}
	m.life.counted = time.Now()
	m.listed = m.listed || m.life.owners.issued > 0
	now, owned, wanted := time.Now(), m.ownedUnits(), m.wantedUnits()
	for u := range wanted {
		if _, ok := m.unowned[u]; !ok && !owned[u] {
			m.unowned[u] = now
		}
	}
	maps.DeleteFunc(m.unowned, func(u plan.Unit, _ time.Time) bool { return owned[u] || !wanted[u] })
}

// wantedUnits are all that somebody is to have.
func (m *member) wantedUnits() map[plan.Unit]bool {
	p := m.life.plan.plan
	wanted := make(map[plan.Unit]bool, len(p.Seats))
	for u := range p.Seats {
		wanted[u] = true
	}
	for t := range m.offered {
		if p.Partitions[t] == 0 {
			wanted[plan.Unit{Topic: t, Of: 1}] = true
		}
	}
	return wanted
}

// ownedUnits are those whose owner lives, as far as is known.
func (m *member) ownedUnits() map[plan.Unit]bool {
	owned := make(map[plan.Unit]bool, len(m.life.owners.entries))
	for _, e := range m.life.owners.entries {
		u := e.unit
		if !e.known {
			owned[u] = true // it is new, and will be read in a moment
			continue
		}
		switch m.holderOf(e.node.Owner, e.issued) {
		case holderMe:
			owned[u] = m.life.tenures[u] != nil
		case holderMember, holderMaybe:
			owned[u] = true
		}
	}
	for u := range m.life.tenures {
		owned[u] = true
	}
	maps.DeleteFunc(owned, func(_ plan.Unit, yes bool) bool { return !yes })
	return owned
}
