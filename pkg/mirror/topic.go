package mirror

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
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

// check halts running partitions whose topic was made anew on either side.
func (t *topic) check(from, to *Catalog) {
	for _, p := range t.pipelines() {
		if cause, why := p.recreated(from, to); cause != "" {
			p.Halt(cause, why, nil)
		}
	}
}

func (p *Pipeline) recreated(from, to *Catalog) (Cause, string) {
	p.mu.Lock()
	id := p.identity
	p.mu.Unlock()
	return mismatch(id, from, to, p.source.Topic)
}

// mismatch compares an identity with what the clusters are now. An id that was or is unknown proves nothing.
func mismatch(id protocol.Identity, from, to *Catalog, name string) (Cause, string) {
	differ := func(was, is string) bool { return was != "" && is != "" && was != is }
	switch {
	case differ(id.SourceCluster, from.Cluster):
		return CauseWrongCluster, fmt.Sprintf("source cluster id is %s, the identity of this partition was made with %s", from.Cluster, id.SourceCluster)
	case differ(id.DestCluster, to.Cluster):
		return CauseWrongCluster, fmt.Sprintf("destination cluster id is %s, the identity of this partition was made with %s", to.Cluster, id.DestCluster)
	case differ(id.SourceTopicID, from.Topics[name].ID):
		return CauseSourceRecreated, fmt.Sprintf("source topic %s was deleted and made anew: its id was %s, is %s", name, id.SourceTopicID, from.Topics[name].ID)
	case differ(id.DestTopicID, to.Topics[id.DestTopic].ID):
		return CauseDestinationRecreated, fmt.Sprintf("destination topic %s was deleted and made anew: its id was %s, is %s", id.DestTopic, id.DestTopicID, to.Topics[id.DestTopic].ID)
	}
	return "", ""
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
	compacted, err := l.source.Compacted(ctx, []string{t.name})
	if err != nil {
		return err
	}
	template := protocol.Identity{SourceCluster: from.Cluster, SourceTopicID: source.ID, DestCluster: to.Cluster,
		DestTopic: t.dest, DestTopicID: dest.ID, Compacted: compacted[t.name]}
	var missing []int32
	for p := t.running(); p < source.Partitions; p++ {
		missing = append(missing, int32(p))
	}
	starts, err := t.identify(ctx, template, missing, dest.Partitions)
	if err != nil {
		return err
	}
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
		compacted, err := l.source.Compacted(ctx, []string{t.name})
		if err != nil {
			return dest, err
		}
		settings := map[string]string{}
		if compacted[t.name] {
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

// beginning is where a partition starts.
type beginning struct {
	id    protocol.Identity
	at    protocol.Position
	saved bool // at stands in the group as it is
	cause Cause
	why   string
}

// identify returns where each partition begins, creating the identities that are missing before anything is produced.
func (t *topic) identify(ctx context.Context, template protocol.Identity, partitions []int32, destPartitions int) ([]beginning, error) {
	l := t.link
	loaded, err := l.source.LoadPositions(ctx, l.Group(), map[string][]int32{t.name: partitions})
	if err != nil {
		return nil, err
	}
	if l.cfg.AtLeastOnce {
		return t.planPlain(ctx, template, partitions, destPartitions, loaded)
	}
	for {
		ids, err := l.store.Read(ctx, l.cfg.Name, t.name)
		if err != nil {
			return nil, err
		}
		starts, changed, err := t.plan(ctx, ids, template, partitions, destPartitions, loaded)
		if err != nil {
			return nil, err
		}
		if changed {
			err = l.store.Update(ctx, l.cfg.Name, t.name, ids)
		}
		if errors.Is(err, ErrConflict) {
			continue // another member was first: what it wrote is the truth
		}
		return starts, err
	}
}

// plan fills the missing identities into ids and decides where each partition begins.
func (t *topic) plan(ctx context.Context, ids Identities, template protocol.Identity, partitions []int32, destPartitions int, loaded map[TopicPartition]Loaded) ([]beginning, bool, error) {
	changed := false
	starts := make([]beginning, len(partitions))
	var created []int32
	for i, p := range partitions {
		have, found := loaded[TopicPartition{t.name, p}]
		if found && have.Err != nil {
			starts[i] = beginning{cause: CauseBadPosition, why: have.Err.Error()}
			continue
		}
		id, known := ids.Partitions[p]
		switch {
		case known && template.Compacted && !id.Compacted: // since it began: what was sent cannot be counted any more
			id.Compacted = true
		case known:
		case found && template.Compacted: // a position does not prove which epoch was the newest
			starts[i] = beginning{cause: CauseBadPosition, why: "the identity of this partition of a compacted topic is lost, and the saved position does not prove it; delete the group's offset for it to copy the topic again"}
			continue
		case found: // the store was lost: the position proves the identity
			id = template
			id.DestPartition = t.destPartition(template, p, destPartitions)
			id = have.Position.Rebuild(id)
			changed = true
		default:
			created = append(created, p)
			continue
		}
		ids.Partitions[p] = id
		starts[i] = t.beginning(&id, have.Position, found)
		if starts[i].id.Compacted {
			ids.Partitions[p], changed = starts[i].id, true
		}
	}
	if len(created) == 0 {
		return starts, changed, nil
	}
	if err := t.create(ctx, ids, template, created, destPartitions); err != nil {
		return nil, false, err
	}
	for i, p := range partitions {
		if starts[i].cause == "" && starts[i].id == (protocol.Identity{}) {
			id := ids.Partitions[p]
			starts[i] = t.beginning(&id, protocol.Position{}, false)
			ids.Partitions[p] = starts[i].id
		}
	}
	return starts, true, nil
}

// planPlain is plan for an at-least-once link: every run is a new producer that begins at the saved position, and what the
// run before had sent beyond it is sent again.
func (t *topic) planPlain(ctx context.Context, template protocol.Identity, partitions []int32, destPartitions int, loaded map[TopicPartition]Loaded) ([]beginning, error) {
	template.Compacted = false
	ids := Identities{Partitions: map[int32]protocol.Identity{}}
	if err := t.create(ctx, ids, template, partitions, destPartitions); err != nil {
		return nil, err
	}
	starts := make([]beginning, len(partitions))
	for i, p := range partitions {
		id := ids.Partitions[p]
		starts[i] = beginning{id: id, at: id.Base}
		switch have, found := loaded[TopicPartition{t.name, p}]; {
		case found && have.Err != nil:
			starts[i] = beginning{id: id, cause: CauseBadPosition, why: have.Err.Error()}
		case found:
			starts[i].at.Source, starts[i].at.SourceEpoch = have.Position.Source, have.Position.SourceEpoch
		}
	}
	return starts, nil
}

func (t *topic) beginning(id *protocol.Identity, saved protocol.Position, found bool) beginning {
	b := beginning{id: *id, at: id.Begin(saved, found)}
	b.saved = found && b.at == saved
	switch {
	case !id.Compacted:
	case id.Exhausted():
		b.cause, b.why = CauseSequenceHole, "the producer epochs of this partition are used up, one per start of a compacted source"
	default:
		b.id, b.at = id.NextEpoch(b.at)
	}
	return b
}

// create gives each of the partitions an identity, with base offsets as the clusters are now.
func (t *topic) create(ctx context.Context, ids Identities, template protocol.Identity, partitions []int32, destPartitions int) error {
	l := t.link
	sources, err := l.source.Offsets(ctx, t.name, partitions, l.cfg.Latest)
	if err != nil {
		return err
	}
	dests := make([]int32, len(partitions))
	for i, p := range partitions {
		dests[i] = t.destPartition(template, p, destPartitions)
	}
	ends, err := l.sink.Ends(ctx, t.dest, dests)
	if err != nil {
		return err
	}
	for i, p := range partitions {
		id := template
		id.DestPartition = dests[i]
		if id.ProducerID, err = l.sink.NewProducerID(ctx); err != nil {
			return err
		}
		id.Base = protocol.Position{Source: sources[i], SourceEpoch: -1, ProducerID: id.ProducerID, Dest: ends[i].Offset, DestEpoch: ends[i].Epoch}
		id.Epoch, id.Start = -1, id.Base.Source // the first run takes epoch 0
		if !id.Compacted {
			id.Epoch, id.Start = 0, 0
		}
		ids.Partitions[p] = id
	}
	return nil
}

// destPartition maps a source partition. The answer is kept in the identity and does not move when the destination grows.
func (t *topic) destPartition(template protocol.Identity, p int32, n int) int32 {
	if t.link.cfg.Mapping == Same {
		return p
	}
	h := fnv.New32a()
	fmt.Fprintf(h, "%s\x00%s\x00%s", template.SourceCluster, t.link.cfg.Name, t.name)
	return int32((uint64(h.Sum32()) + uint64(p)) % uint64(n))
}

// launch makes the pipeline and gives it to the lanes, or halts it at once.
func (t *topic) launch(partition int32, b beginning, limits Limits, from, to *Catalog) {
	l := t.link
	p := &Pipeline{source: TopicPartition{t.name, partition}, dest: TopicPartition{t.dest, b.id.DestPartition}, link: l, lease: l.lease, limits: limits}
	t.mu.Lock()
	t.list = append(t.list, p)
	t.mu.Unlock()
	if b.cause == "" {
		b.cause, b.why = mismatch(b.id, from, to, t.name)
	}
	t.run(p, b)
}

func (t *topic) run(p *Pipeline, b beginning) {
	p.begin(b.id, b.at, b.saved)
	if b.cause != "" {
		p.Halt(b.cause, b.why, nil)
		return
	}
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
	starts, err := t.identify(ctx, template, []int32{p.source.Partition}, to.Topics[t.dest].Partitions)
	if err != nil {
		return err
	}
	b := starts[0]
	if b.cause == "" {
		b.cause, b.why = mismatch(b.id, from, to, t.name)
	}
	p.begin(b.id, b.at, b.saved)
	if b.cause != "" {
		p.Halt(b.cause, b.why, nil)
		return nil
	}
	t.link.sink.Attach(p)
	return nil
}
