package mirror

import (
	"context"
	"fmt"
	"time"

	"tributary/pkg/mirror/protocol"
)

// Times and bounds of starting.
const (
	startRetryMin  = 200 * time.Millisecond
	startRetryMax  = 5 * time.Second
	startTopicTime = 20 * time.Second
	startAtOnce    = 256 // units that are started at a time; what they ask the clusters goes together
	makeAtOnce     = 8   // of those, the ones that grow topics or make identities
)

// task is what a tenant's worker does next.
type task uint8

const (
	taskNone   task = iota
	taskStart       // partitions are missing
	taskLeave       // it is wanted elsewhere
	taskDetach      // it is lost
)

// next returns what there is to do. With taskNone the worker is done: from then on settle starts another.
func (tn *tenant) next() task {
	t := tn.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	from, _, _ := t.link.source.Catalog() // under mu: what settle saw of it while the worker was busy is not missed
	switch {
	case tn.lost:
		return taskDetach
	case tn.leaving:
		return taskLeave
	case len(tn.list) < tn.wanted(from.Topics[t.name].Partitions):
		return taskStart
	}
	tn.busy = false
	return taskNone
}

// work does what there is to do for the tenant, until that is done or ctx ends.
func (tn *tenant) work(ctx context.Context) {
	l := tn.topic.link
	for wait := startRetryMin; ; wait = min(2*wait, startRetryMax) {
		from, fromChanged, _ := l.source.Catalog()
		to, toChanged, _ := l.sink.Catalog()
		switch tn.next() {
		case taskDetach:
			tn.detach()
			return
		case taskLeave:
			tn.leave(ctx)
			return
		case taskNone:
			return
		}
		err := tn.attempt(ctx, from, to)
		if tn.stay.Err() != nil {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		tn.fail(err)
		if err == nil {
			continue // there may be more partitions by now
		}
		select {
		case <-ctx.Done():
			return
		case <-tn.stay.Done():
		case <-fromChanged:
		case <-toChanged:
		case <-time.After(wait):
		}
	}
}

// attempt is one try to start what is missing.
func (tn *tenant) attempt(ctx context.Context, from, to *Catalog) error {
	ctx, cancel := during(ctx, tn.stay)
	defer cancel()
	if err := enter(ctx, tn.topic.link.starts); err != nil {
		return err
	}
	defer exit(tn.topic.link.starts)
	bounded, cancel := context.WithTimeout(ctx, startTopicTime)
	defer cancel()
	return tn.start(bounded, from, to)
}

// enter takes one of the places that slots has.
func enter(ctx context.Context, slots chan struct{}) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case slots <- struct{}{}:
		return nil
	}
}

// exit gives the place back.
func exit(slots chan struct{}) { <-slots }

// within makes one attempt, in one of the places that slots has and within a time. Who tries again waits without a place: what
// does not work must not keep others from trying.
func within(ctx context.Context, slots chan struct{}, limit time.Duration, attempt func(context.Context) error) error {
	if err := enter(ctx, slots); err != nil {
		return err
	}
	defer exit(slots)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return attempt(bounded)
}

// start starts the partitions that are not running yet: destination, identities, positions, pipelines.
func (tn *tenant) start(ctx context.Context, from, to *Catalog) error {
	t, l := tn.topic, tn.topic.link
	source, ok := from.Topics[t.name]
	if !ok {
		return fmt.Errorf("topic is gone at %s, or the right to DESCRIBE it", l.cfg.From)
	}
	dest, err := t.prepare(ctx, source, to)
	if err != nil {
		return err
	}
	limits, err := l.limitsOf(ctx, t.dest, dest.ID)
	if err != nil {
		return err
	}
	if limits.LogAppendTime {
		l.log.Warn("timestamps are not kept", "topic", t.name, "dest", t.dest, "why", "the destination topic has message.timestamp.type=LogAppendTime and stamps records itself")
	}
	policy, err := l.policyOf(ctx, t.name, source.ID)
	if err != nil {
		return err
	}
	t.notePolicy(policy)
	template := protocol.Identity{SourceCluster: from.Cluster, SourceTopicID: source.ID, DestCluster: to.Cluster,
		DestTopic: t.dest, DestTopicID: dest.ID, Compacted: policy.Compacted}
	missing := tn.missing(source.Partitions)
	loaded, err := l.loads.do(ctx, wantedPositions{t.name, missing})
	if err != nil {
		return err
	}
	starts, err := t.identify(ctx, template, missing, dest.Partitions, loaded)
	if err != nil {
		return err
	}
	t.claim(ctx, from, missing, starts)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i, p := range missing {
		tn.launch(p, starts[i], limits)
	}
	l.equalSoon()
	return nil
}

// launch makes the pipeline and gives it to the lanes, or halts it at once. What is lost by now starts nothing.
func (tn *tenant) launch(partition int32, b beginning, limits Limits) {
	t := tn.topic
	p := &Pipeline{source: TopicPartition{t.name, partition}, dest: TopicPartition{t.dest, b.id.DestPartition}, link: t.link, tenant: tn, before: tn.Before, limits: limits, window: window{all: &t.link.queued}}
	if tn.forgotten(b.id, p.idleClose()) {
		p.before = PredecessorUnknown
	}
	t.mu.Lock()
	if tn.lost {
		t.mu.Unlock()
		return
	}
	tn.list[partition] = p
	p.loop = t.loop
	t.relist()
	t.mu.Unlock()
	from, _, _ := t.link.source.Catalog() // newer ones are compared with what is in the list
	to, _, _ := t.link.sink.Catalog()
	if b.cause == "" {
		b.obstacle = mismatch(b.id, from, to, t.name)
	}
	t.run(p, b)
}
