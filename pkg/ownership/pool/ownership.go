package pool

import (
	"maps"
	"slices"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// Offer implements mirror.Ownership. Topics with names that Kafka does not allow are left out.
func (p *Pool) Offer(topics map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.member
	offered := maps.Clone(topics)
	maps.DeleteFunc(offered, func(topic string, partitions int) bool { return !znode.ValidTopic(topic) || partitions < 1 })
	if m.offered != nil && maps.Equal(offered, m.offered) {
		return
	}
	m.offered = offered
	p.mail.post(m.offerChanged)
}

// Tenures implements mirror.Ownership.
func (p *Pool) Tenures(topic string) []mirror.Tenure {
	return slices.Clone(p.held.Load().topics[topic])
}

// Changed implements mirror.Ownership.
func (p *Pool) Changed() <-chan struct{} { return p.held.Load().changed }

// Valid implements mirror.Ownership: the tenure is the unit's newest here, of the session that lives, and the lease of that is
// not over by the clock that goes on evenly nor by the clock on the wall, as a machine that is paused stops the former.
func (p *Pool) Valid(t mirror.Tenure) bool {
	h := p.held.Load()
	if mine, ok := h.tenures[t.Unit]; !ok || mine.Term != t.Term || p.denied.Load() {
		return false
	}
	lease := p.client.Lease() // before the session: what is read of a former one can only be shorter
	if s, _ := p.client.Session(); s.Generation != h.generation || s.Phase != coord.Connected && s.Phase != coord.Suspended {
		return false
	}
	now := time.Now()
	return now.Before(lease) && now.Round(0).Before(lease.Round(0))
}

// Release implements mirror.Ownership.
func (p *Pool) Release(t mirror.Tenure, drained bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.member.giveBack(t, drained)
	p.mail.post(func() {})
}

// Settle implements mirror.Ownership.
func (p *Pool) Settle(t mirror.Tenure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, u := p.member, plan.Unit(t.Unit)
	if mine := m.life.tenures[u]; mine != nil && mine.Term == t.Term && !mine.settled {
		mine.settled = true
		m.life.settles[u] = &settlement{term: t.Term}
		p.mail.post(func() {})
	}
}

// Report implements mirror.Ownership.
func (p *Pool) Report(r mirror.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.member.link = mirror.Report{Loads: slices.Clone(r.Loads), Able: r.Able}
	p.mail.post(func() {})
}

// publish lets everybody see what is held. It is called in the turn that changed it, before anything else is asked for.
func (m *member) publish() {
	m.news.changed = false
	h := &held{generation: m.session.Generation, tenures: make(map[mirror.Unit]mirror.Tenure, len(m.life.tenures)), topics: map[string][]mirror.Tenure{},
		changed: make(chan struct{})}
	for _, u := range slices.SortedFunc(maps.Keys(m.life.tenures), plan.Unit.Compare) {
		t := m.life.tenures[u].Tenure
		h.tenures[t.Unit] = t
		h.topics[t.Topic] = append(h.topics[t.Topic], t)
	}
	was := m.held.Swap(h)
	if was != nil {
		close(was.changed)
	}
}
