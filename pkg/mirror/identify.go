package mirror

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"tributary/pkg/mirror/protocol"
)

// beginning is where a partition starts.
type beginning struct {
	id    protocol.Identity
	at    protocol.Position
	saved bool // at stands in the group as it is
	obstacle
}

// identify returns where each partition begins, creating the identities that are missing before anything is produced. loaded
// are the positions in the group.
func (t *topic) identify(ctx context.Context, template protocol.Identity, partitions []int32, destPartitions int, loaded map[TopicPartition]Loaded) ([]beginning, error) {
	l := t.link
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

// amend changes identities of a topic in the store: change gets those that are there, on top of what another member may
// have written meanwhile, so that it may be called several times. An error of change leaves the store as it was.
func (l *Link) amend(ctx context.Context, topic string, change func(map[int32]protocol.Identity) error) error {
	for {
		ids, err := l.store.Read(ctx, l.cfg.Name, topic)
		if err != nil {
			return err
		}
		if err := change(ids.Partitions); err != nil {
			return err
		}
		if err = l.store.Update(ctx, l.cfg.Name, topic, ids); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// plan fills the missing identities into ids and decides where each partition begins.
func (t *topic) plan(ctx context.Context, ids Identities, template protocol.Identity, partitions []int32, destPartitions int, loaded map[TopicPartition]Loaded) ([]beginning, bool, error) {
	changed := false
	starts := make([]beginning, len(partitions))
	var created []int32
	for i, p := range partitions {
		have, found := loaded[TopicPartition{t.name, p}]
		id, known := ids.Partitions[p]
		if found && have.Err != nil {
			if known {
				starts[i] = t.beginning(&id, protocol.Position{}, false)
				ids.Partitions[p], changed = starts[i].id, changed || id.Compacted
			}
			starts[i].obstacle = obstacle{cause: CausePositionLost, why: have.Err.Error()}
			continue
		}
		outdated := known && found && id.OutdatedBy(have.Position)
		switch {
		case outdated && (id.Compacted || template.Compacted): // a place to go on at, and not a word on what may be sent from there
			starts[i] = beginning{id: id, at: have.Position, obstacle: obstacle{cause: CausePositionLost, why: outdatedText}}
			continue
		case known && !outdated && template.Compacted && !id.Compacted: // since it began: what was sent cannot be counted any more
			id.Compacted = true
		case known && !outdated:
		case found && template.Compacted: // a position does not prove which epoch was the newest
			starts[i].obstacle = obstacle{cause: CausePositionLost, why: "the identity of this partition of a compacted topic is lost, and the saved position does not prove it; delete the group's offset for it to copy the topic again"}
			continue
		case found: // the store was lost, or put back to an earlier state: the position proves the identity
			to := id.DestPartition
			if !known {
				to = t.destPartition(template, p, destPartitions)
			}
			id = template
			id.DestPartition = to
			id = have.Position.Rebuild(id)
			id.Rebuilt, changed = time.Now().UnixMilli(), true
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

const outdatedText = "the stored identity of this partition of a compacted topic is older than the saved position: the store was put back to an earlier state, and the producer epochs that were used since are not known; go on with a new producer by mirror skip"

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
			starts[i] = beginning{obstacle: obstacle{cause: CausePositionLost, why: have.Err.Error()}}
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
	if err := enter(ctx, l.makes); err != nil {
		return err
	}
	defer exit(l.makes)
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
		ids.Partitions[p] = begun(id, sources[i], -1, ends[i])
	}
	return nil
}

// destPartition maps a source partition. The answer is kept in the identity and does not move when the destination grows.
func (t *topic) destPartition(template protocol.Identity, p int32, n int) int32 {
	if t.link.cfg.Mapping == Same {
		return p
	}
	return SpreadPartition(template.SourceCluster, t.link.cfg.Name, t.name, p, n)
}

// SpreadPartition is where a partition of a source topic goes among n of the destination's, with Spread.
func SpreadPartition(sourceCluster, link, topic string, partition int32, n int) int32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s\x00%s\x00%s", sourceCluster, link, topic)
	return int32((uint64(h.Sum32()) + uint64(partition)) % uint64(n))
}
