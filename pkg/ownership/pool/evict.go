package pool

import (
	"context"
	"errors"
	"sync"
	"time"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// death is a member whose process is proven dead, until its node is gone.
type death struct {
	at     time.Time
	life   *life // in which the eviction is under way
	barred bool  // for the limit
	over   bool  // the node is removed
	failed int
	due    time.Time
}

const (
	// evictEvery is how often members of one instance are evicted at most. A listener that died alone costs one failover a
	// minute that way.
	evictEvery = time.Minute
	// evictBytes is when one write of an eviction is full.
	evictBytes = coord.MaxWriteBytes / 2
	// evictReads is how many terms are read together.
	evictReads = 32
)

// proven takes the news that a member's process is dead.
func (m *member) proven(name string) {
	if _, gone := m.life.gone[name]; gone || name == m.life.self || m.dead[name] != nil && !m.dead[name].barred {
		return
	}
	m.dead[name] = &death{at: time.Now()}
}

// doEvictions removes members whose processes are dead, with what they own.
func (m *member) doEvictions() {
	for name, d := range m.dead {
		victim := m.life.members.entries[name]
		if victim == nil && time.Since(d.at) > forgetAfter {
			delete(m.dead, name)
		}
		if !m.cfg.Evict || d.barred || d.over || d.life == m.life || victim == nil || !victim.known || !m.ripe(d.due) {
			continue
		}
		content, _ := m.memberOf(name)
		if d.failed == 0 {
			if last, ok := m.evictions[content.Instance]; ok && time.Since(last) < evictEvery {
				d.barred = true
				m.log.Warn("member is dead, and not evicted, as its instance was within the last minute; its session ends by itself", "incarnation", name, "instance", content.Instance)
				continue
			}
			m.evictions[content.Instance] = time.Now()
		}
		m.evict(name, d, Eviction{Instance: content.Instance, Incarnation: name})
	}
}

func (m *member) evict(name string, d *death, e Eviction) {
	v := eviction{guard: m.guard(), name: name}
	for _, e := range m.life.owners.entries {
		if e.ofUnit() && e.known && e.node.Owner == m.life.members.entries[name].node.Owner {
			v.units = append(v.units, e.unit)
		}
	}
	d.life = m.life
	m.do(func(ctx context.Context) func() {
		first, err := m.writeEviction(ctx, v)
		return func() {
			d.life = nil
			if first {
				e.At = time.Now()
				m.stats.evicted(e)
				m.log.Warn("evicted a member whose process is dead", "incarnation", name, "instance", e.Instance, "units", len(v.units))
			}
			d.over = m.wrote("evict "+name, err) == done
			if !d.over {
				d.failed++
				d.due = time.Now().Add(listEvery * time.Duration(d.failed))
			}
			m.life.members.stale = true
		}
	})
}

// eviction is the removal of a member and of its owner nodes.
type eviction struct {
	guard coord.Op
	name  string
	units []plan.Unit
}

// writeEviction removes the member's node with the first of its owner nodes, and the others after it in as few writes as they
// fit into. first says that it was this call which removed the member.
func (m *member) writeEviction(ctx context.Context, v eviction) (first bool, err error) {
	records := make([]record, len(v.units))
	errs := make([]error, len(v.units))
	var readers sync.WaitGroup
	turn := make(chan struct{}, evictReads) // as many as may read
	for i, u := range v.units {
		turn <- struct{}{}
		readers.Go(func() {
			records[i], errs[i] = m.readTerm(ctx, u)
			<-turn
		})
	}
	readers.Wait()
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	ops := []coord.Op{v.guard, {Kind: coord.OpDelete, Path: m.paths.Member(v.name), Version: coord.AnyVersion}}
	bytes := 0
	for i, r := range records {
		more, err := m.endDead(v.name, r)
		if err != nil {
			return first, err
		}
		ops = append(ops, more...)
		for _, op := range more {
			bytes += len(op.Path) + len(op.Data) + opBytes
		}
		if bytes < evictBytes && i < len(records)-1 {
			continue
		}
		if _, err := m.client.Write(ctx, ops...); err != nil {
			return first, err
		}
		first, bytes, ops = true, 0, []coord.Op{v.guard}
	}
	if len(records) > 0 {
		return first, nil
	}
	_, err = m.client.Write(ctx, ops...)
	return err == nil, err
}

// opBytes is about what an op takes beside its path and data.
const opBytes = 128

// endDead removes the owner node of a dead member, and says so in the term. Where that is not its term, it is no term to
// build on: whoever is to have the unit replaces the node.
func (m *member) endDead(name string, r record) ([]coord.Op, error) {
	if !r.found || r.garbage || r.term.Owner != name {
		return nil, nil
	}
	r.term.Ended = znode.EndedDead
	op, err := m.writeTerm(r, r.term)
	return []coord.Op{{Kind: coord.OpDelete, Path: m.paths.Owner(r.unit), Version: coord.AnyVersion}, op}, err
}
