package pool

import (
	"context"
	"errors"
	"maps"
	"math"
	"time"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// reporter writes what this member tells the leader.
type reporter struct {
	made    bool
	writing bool
	due     time.Time
	written time.Time
	stuck   map[plan.Unit]bool // as written
	able    bool               // as written
}

const (
	reportEvery = 10 * time.Second
	changeEvery = time.Second // where something began or ceased to be stuck, or the member is able or not any more
)

// reportRead takes the content of a member's report.
func (m *member) reportRead(name string, e *entry) {
	was, _ := e.content.(znode.Report)
	e.content = nil
	r, err := znode.DecodeReport(e.node.Data)
	if err != nil {
		m.trouble("read "+m.paths.Report(name), err)
		return
	}
	m.trouble("read "+m.paths.Report(name), nil)
	e.content = r
	if !maps.Equal(was.Topics, r.Topics) {
		m.planSoon(planAfterJoin)
	}
	if !maps.Equal(stuckOf(was.Loads), stuckOf(r.Loads)) {
		m.planSoon(planAfterWish)
	}
}

// writeReport tells the leader what there is, and what it costs.
func (m *member) writeReport() {
	r := &m.life.report
	if r.writing || m.offered == nil {
		return
	}
	loads := m.ownLoads()
	stuck, able := stuckOf(loads), m.link.Able
	if changed := able != r.able || !maps.Equal(stuck, r.stuck); changed && r.written.Add(changeEvery).Before(r.due) {
		r.due = r.written.Add(changeEvery)
	}
	if !m.ripe(r.due) {
		return
	}
	r.writing, r.stuck, r.able, r.written = true, stuck, able, time.Now()
	r.due = r.written.Add(reportEvery)
	m.wakeAt(r.due)
	report := znode.Report{Topics: maps.Clone(m.offered), Loads: loads, Able: able}
	op := coord.Op{Kind: coord.OpSet, Path: m.paths.Report(m.life.self), Version: coord.AnyVersion}
	if !r.made {
		op.Kind, op.Ephemeral = coord.OpCreate, true
	}
	guard := m.guard()
	m.do(func(ctx context.Context) func() {
		data, err := report.Encode()
		if err == nil {
			op.Data = data
			_, err = m.client.Write(ctx, guard, op)
		}
		return func() {
			r.writing = false
			exists, missing := errors.Is(err, coord.ErrNodeExists), errors.Is(err, coord.ErrNoNode)
			if m.wrote("report", err) == done {
				r.made = true
				return
			}
			r.made = exists || r.made && !missing
			m.mend(err)
			r.due = time.Now().Add(retryMax)
		}
	})
}

func stuckOf(loads map[plan.Unit]znode.Load) map[plan.Unit]bool {
	stuck := map[plan.Unit]bool{}
	for u, l := range loads {
		if l.Stuck {
			stuck[u] = true
		}
	}
	return stuck
}

// ownLoads are those of units that this member owns. What is not known yet, or measured wrongly, is left out: it counts as the median.
func (m *member) ownLoads() map[plan.Unit]znode.Load {
	loads := map[plan.Unit]znode.Load{}
	for _, l := range m.link.Loads {
		if u := plan.Unit(l.Unit); m.life.tenures[u] != nil && !math.IsNaN(l.BytesPerSecond) && l.BytesPerSecond >= 0 {
			loads[u] = znode.Load{BytesPerSecond: min(l.BytesPerSecond, 1e15), Stuck: l.Stuck}
		}
	}
	return loads
}
