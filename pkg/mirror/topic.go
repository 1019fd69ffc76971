package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// topic is a source topic that a link mirrors.
type topic struct {
	link *Link
	name string // at the source
	dest string // at the destination

	cleaned atomic.Bool // the cleaner was at work: by its policy at a time that this process saw, or by what it left

	mu      sync.Mutex
	tenants []*tenant   // guarded by mu: what of it this process mirrors
	list    []*Pipeline // guarded by mu: of all tenants, in order of the source partition; replaced, never changed
	policy  Policy      // guarded by mu: as read last
	loop    string      // guarded by mu: who mirrors it back, so that nothing is read; "" nobody
	former  former      // guarded by mu
	unequal string      // guarded by mu: why settings that are kept equal are not, "" when they are

	equalled map[string]*equalled // owned by the link's equaliser; by setting
}

// pipelines returns those of the partitions that are mirrored here, in their order.
func (t *topic) pipelines() []*Pipeline {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list
}

// held returns the tenants that were not lost or given back.
func (t *topic) held() []*tenant {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.tenants), func(tn *tenant) bool { return tn.released })
}

// occupied says whether it has tenants, of whatever kind.
func (t *topic) occupied() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.tenants) > 0
}

// problem says why partitions are missing, "" when none are.
func (t *topic) problem() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tn := range t.tenants {
		if tn.problem != "" {
			return tn.problem
		}
	}
	return ""
}

// prepare makes sure that the destination topic exists and is large enough.
func (t *topic) prepare(ctx context.Context, source TopicInfo, to *Catalog) (TopicInfo, error) {
	l, partitions := t.link, source.Partitions
	dest, exists := to.Topics[t.dest]
	short := l.cfg.Mapping == Same && dest.Partitions < partitions
	switch {
	case exists && !short:
		return dest, nil
	case !l.cfg.Create && !exists:
		return dest, fmt.Errorf("topic %s does not exist at %s, and the link has create: false; create it there with at least %d partitions", t.dest, l.cfg.To, partitions)
	case !l.cfg.Create:
		return dest, fmt.Errorf("topic %s at %s has %d partitions, %d are needed, and the link has create: false; add partitions there", t.dest, l.cfg.To, dest.Partitions, partitions)
	}
	if err := t.make(ctx, exists, partitions); err != nil {
		return dest, err
	}
	return t.await(ctx, partitions)
}

// make creates or grows the destination topic. It shows in the catalogue a while later.
func (t *topic) make(ctx context.Context, exists bool, partitions int) error {
	l := t.link
	if exists {
		return within(ctx, l.makes, startTopicTime, func(ctx context.Context) error { return l.sink.GrowTopic(ctx, t.dest, partitions) })
	}
	policy, err := t.readPolicy(ctx)
	if err != nil {
		return err
	}
	settings := map[string]string{}
	if policy.Compacted {
		settings["cleanup.policy"] = "compact"
	}
	if l.cfg.Mapping != Same {
		partitions = -1 // the destination's default: many small sources share the topic
	}
	wanted, err := l.wantedAt(ctx, t.name)
	if err != nil {
		return err
	}
	refused, err := l.creates.do(ctx, NewTopic{Name: t.dest, Partitions: partitions, Replication: l.cfg.Replicas, Settings: settings, Wanted: wanted})
	if err != nil {
		return err
	}
	return refused[t.dest]
}

// await waits until the catalogue shows the destination topic in its new size.
func (t *topic) await(ctx context.Context, partitions int) (TopicInfo, error) {
	for {
		to, changed, _ := t.link.sink.Catalog()
		if to != nil {
			if dest, ok := to.Topics[t.dest]; ok && (dest.Partitions >= partitions || t.link.cfg.Mapping != Same) {
				return dest, nil
			}
		}
		select {
		case <-ctx.Done():
			return TopicInfo{}, fmt.Errorf("wait for topic %s at %s: %w", t.dest, t.link.cfg.To, context.Cause(ctx))
		case <-changed:
		}
	}
}

// run lets the lanes work on p. One that is going to halt joins too, as the destination tells what it has, unless it
// halts at once.
func (t *topic) run(p *Pipeline, b beginning) {
	if !p.begin(b.id, b.at, b.saved) {
		return
	}
	p.obstruct(b.obstacle, b.id)
	t.link.attach(p)
}

// attach gives p to the lanes, unless it was stopped: that takes it from them, before or after.
func (l *Link) attach(p *Pipeline) {
	l.sink.Attach(p)
	l.source.Attach(p)
	if p.stopped() {
		l.sink.Detach(p)
		l.source.Detach(p)
	}
}

// rejoin lets p join a produce lane again, with the same care.
func (l *Link) rejoin(p *Pipeline) {
	l.sink.Attach(p)
	if p.stopped() {
		l.sink.Detach(p)
	}
}

// restart starts one partition anew: a new epoch for a compacted source, the identity as it is now for others.
func (t *topic) restart(ctx context.Context, p *Pipeline) error {
	from, _, _ := t.link.source.Catalog()
	to, _, _ := t.link.sink.Catalog()
	if from == nil || to == nil {
		return errors.New("topics are not known yet")
	}
	p.mu.Lock()
	template := p.identity
	p.mu.Unlock()
	t.mu.Lock()
	template.Compacted = template.Compacted || t.policy.Compacted
	t.mu.Unlock()
	partitions := []int32{p.source.Partition}
	loaded, err := t.link.source.LoadPositions(ctx, t.link.Group(), map[string][]int32{t.name: partitions})
	if err != nil {
		return err
	}
	starts, err := t.identify(ctx, template, partitions, to.Topics[t.dest].Partitions, loaded)
	if err != nil {
		return err
	}
	b := starts[0]
	if b.cause == "" {
		b.obstacle = mismatch(b.id, from, to, t.name)
	}
	if p.begin(b.id, b.at, b.saved) {
		p.obstruct(b.obstacle, b.id)
		t.link.rejoin(p)
	}
	return nil
}
