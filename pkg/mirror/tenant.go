package mirror

import (
	"context"
	"slices"
)

// tenant is a unit that this process mirrors under one tenure, with its pipelines. A later tenure of the same unit is
// another tenant with other pipelines: nothing of it is taken over but what stands in the store and in the group.
type tenant struct {
	Tenure
	topic *topic
	// life ends with the tenure, so that whatever works for it does; stay already when the unit is wanted elsewhere, so that
	// nothing more of it is started. Neither ends with the link's context: a link that stops still drains.
	life, stay  context.Context
	end, depart context.CancelFunc

	// Guarded by topic.mu.
	list     map[int32]*Pipeline // by source partition
	busy     bool                // a worker is at it
	leaving  bool
	problem  string // why partitions are missing, "" when none are
	lost     bool
	released bool
	settled  bool
	load     load
	progress progress
}

func newTenant(ctx context.Context, t *topic, tenure Tenure) *tenant {
	tn := &tenant{Tenure: tenure, topic: t, list: map[int32]*Pipeline{}, settled: tenure.Before == PredecessorNone}
	tn.life, tn.end = context.WithCancel(ctx)
	tn.stay, tn.depart = context.WithCancel(tn.life)
	return tn
}

// valid asks for a proof of ownership at this very moment.
func (tn *tenant) valid() bool { return tn.topic.link.own.Valid(tn.Tenure) }

// during returns a context that ends with ctx or with other, whichever is first.
func during(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(other, cancel)
	return ctx, func() { stop(); cancel() }
}

// wanted is how many partitions of a topic of so many belong to the unit.
func (u Unit) wanted(partitions int) int { return max(0, (partitions-u.Part+u.Of-1)/u.Of) }

// missing returns the partitions that the unit has of so many and that do not run.
func (tn *tenant) missing(partitions int) []int32 {
	tn.topic.mu.Lock()
	defer tn.topic.mu.Unlock()
	var list []int32
	for p := range int32(partitions) {
		if tn.Has(p) && tn.list[p] == nil {
			list = append(list, p)
		}
	}
	return list
}

// pipelines returns what runs.
func (tn *tenant) pipelines() []*Pipeline {
	tn.topic.mu.Lock()
	defer tn.topic.mu.Unlock()
	return tn.running()
}

// running is pipelines under topic.mu, in no order.
func (tn *tenant) running() []*Pipeline {
	list := make([]*Pipeline, 0, len(tn.list))
	for _, p := range tn.list {
		list = append(list, p)
	}
	return list
}

// fail keeps why partitions are missing, nil when none are, and logs a new reason once.
func (tn *tenant) fail(err error) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	tn.topic.mu.Lock()
	changed := tn.problem != now
	tn.problem = now
	tn.topic.mu.Unlock()
	if changed && now != "" {
		tn.topic.link.log.Warn("topic not started", "unit", tn.String(), "err", now)
	}
}

// settle brings the tenants in line with the tenures that the topic has now, and returns those that have something to do and
// no worker at it yet. What is lost is stopped before it returns. ctx is of all that they do.
func (t *topic) settle(ctx context.Context, partitions int) (idle []*tenant) {
	tenures := t.link.own.Tenures(t.name)
	t.mu.Lock()
	var lost []*tenant
	t.tenants = slices.DeleteFunc(t.tenants, func(tn *tenant) bool {
		i := slices.IndexFunc(tenures, func(now Tenure) bool { return now.Unit == tn.Unit && now.Term == tn.Term })
		if i < 0 {
			tn.lost = true
			lost = append(lost, tn)
			return true
		}
		tn.leaving = tn.leaving || tenures[i].Leaving
		return false
	})
	for _, now := range tenures {
		if !slices.ContainsFunc(t.tenants, func(tn *tenant) bool { return now.Unit == tn.Unit }) {
			tn := newTenant(ctx, t, now)
			tn.leaving = now.Leaving
			t.tenants = append(t.tenants, tn)
		}
	}
	for _, tn := range slices.Concat(lost, t.tenants) {
		if tn.leaving {
			tn.depart()
		}
		if due := tn.lost || tn.leaving || len(tn.list) < tn.wanted(partitions); due && !tn.busy && !tn.released {
			tn.busy = true
			idle = append(idle, tn)
		}
	}
	for _, tn := range lost {
		t.remember(tn.running())
	}
	t.relist()
	t.mu.Unlock()
	for _, tn := range lost {
		tn.drop()
	}
	return idle
}

// drop stops all of a tenant that is lost, so that nothing more of it is sent. It waits for nothing.
func (tn *tenant) drop() {
	tn.end()
	for _, p := range tn.pipelines() {
		p.stop()
	}
}

// detach takes the pipelines, which are stopped, from their lanes. A lane may be reading from a slow source into one.
func (tn *tenant) detach() {
	for _, p := range tn.pipelines() {
		tn.topic.link.sink.Detach(p)
		tn.topic.link.source.Detach(p)
	}
}

// relist makes the list of all pipelines anew. It is called under mu, and those who got the former list keep it.
func (t *topic) relist() {
	var list []*Pipeline
	for _, tn := range t.tenants {
		list = append(list, tn.running()...)
	}
	slices.SortFunc(list, func(a, b *Pipeline) int { return int(a.source.Partition - b.source.Partition) })
	t.list = list
	if len(t.tenants) == 0 {
		t.loop = "" // who mirrors it next looks before it reads
		t.former = former{}
	}
}
