package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tributary/pkg/mirror/protocol"
)

// topic is a source topic that a link mirrors.
type topic struct {
	link *Link
	name string // at the source
	dest string // at the destination

	mu      sync.Mutex
	list    []*Pipeline // guarded by mu; index is the source partition
	problem string      // guarded by mu: why partitions are missing from list
	policy  Policy      // guarded by mu: as read last
	loop    string      // guarded by mu: who mirrors it back, so that nothing is read; "" nobody
}

func (t *topic) running() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.list)
}

func (t *topic) pipelines() []*Pipeline {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*Pipeline(nil), t.list...)
}

func (t *topic) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problem = ""
	if err != nil {
		t.problem = err.Error()
	}
}

// start starts the partitions that are not running yet: destination, identities, positions, pipelines.
func (t *topic) start(ctx context.Context, from, to *Catalog) error {
	l := t.link
	source := from.Topics[t.name]
	dest, err := t.prepare(ctx, source.Partitions, to)
	if err != nil {
		return err
	}
	limits, err := l.sink.Limits(ctx, t.dest)
	if err != nil {
		return err
	}
	if limits.LogAppendTime {
		l.log.Warn("timestamps are not kept", "topic", t.name, "dest", t.dest, "why", "the destination topic has message.timestamp.type=LogAppendTime and stamps records itself")
	}
	policy, err := t.readPolicy(ctx)
	if err != nil {
		return err
	}
	template := protocol.Identity{SourceCluster: from.Cluster, SourceTopicID: source.ID, DestCluster: to.Cluster,
		DestTopic: t.dest, DestTopicID: dest.ID, Compacted: policy.Compacted}
	var missing []int32
	for p := t.running(); p < source.Partitions; p++ {
		missing = append(missing, int32(p))
	}
	starts, err := t.identify(ctx, template, missing, dest.Partitions)
	if err != nil {
		return err
	}
	t.claim(ctx, from, to, missing, starts)
	for i, p := range missing {
		t.launch(p, starts[i], limits, from, to)
	}
	return nil
}

// prepare makes sure that the destination topic exists and is large enough.
func (t *topic) prepare(ctx context.Context, partitions int, to *Catalog) (TopicInfo, error) {
	l := t.link
	dest, exists := to.Topics[t.dest]
	short := l.cfg.Mapping == Same && dest.Partitions < partitions
	switch {
	case exists && !short:
		return dest, nil
	case !l.cfg.Create && !exists:
		return dest, fmt.Errorf("topic %s does not exist at %s, and the link has create: false; create it there with at least %d partitions", t.dest, l.cfg.To, partitions)
	case !l.cfg.Create:
		return dest, fmt.Errorf("topic %s at %s has %d partitions, %d are needed, and the link has create: false; add partitions there", t.dest, l.cfg.To, dest.Partitions, partitions)
	case exists:
		if err := l.sink.GrowTopic(ctx, t.dest, partitions); err != nil {
			return dest, err
		}
	default:
		policy, err := t.readPolicy(ctx)
		if err != nil {
			return dest, err
		}
		settings := map[string]string{}
		if policy.Compacted {
			settings["cleanup.policy"] = "compact"
		}
		if l.cfg.Mapping != Same {
			partitions = -1 // the destination's default: many small sources share the topic
		}
		if err := l.sink.CreateTopic(ctx, t.dest, partitions, l.cfg.Replicas, settings); err != nil {
			return dest, err
		}
	}
	return t.await(ctx, partitions)
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

// launch makes the pipeline and gives it to the lanes, or halts it at once.
func (t *topic) launch(partition int32, b beginning, limits Limits, from, to *Catalog) {
	l := t.link
	p := &Pipeline{source: TopicPartition{t.name, partition}, dest: TopicPartition{t.dest, b.id.DestPartition}, link: l, lease: l.lease, limits: limits}
	t.mu.Lock()
	t.list = append(t.list, p)
	p.loop = t.loop
	t.mu.Unlock()
	if b.cause == "" {
		b.obstacle = mismatch(b.id, from, to, t.name)
	}
	t.run(p, b)
}

// run lets the lanes work on p. One that is going to halt joins too, as the destination tells what it has, unless it
// halts at once.
func (t *topic) run(p *Pipeline, b beginning) {
	p.begin(b.id, b.at, b.saved)
	p.obstruct(b.obstacle, b.id)
	t.link.sink.Attach(p)
	t.link.source.Attach(p)
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
	starts, err := t.identify(ctx, template, []int32{p.source.Partition}, to.Topics[t.dest].Partitions)
	if err != nil {
		return err
	}
	b := starts[0]
	if b.cause == "" {
		b.obstacle = mismatch(b.id, from, to, t.name)
	}
	p.begin(b.id, b.at, b.saved)
	p.obstruct(b.obstacle, b.id)
	t.link.sink.Attach(p)
	return nil
}
