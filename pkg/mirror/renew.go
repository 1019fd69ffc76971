package mirror

import (
	"context"
	"errors"
	"fmt"

	"tributary/pkg/mirror/protocol"
)

// renew stores a new identity for a halted partition, and returns where it begins.
func (t *topic) renew(ctx context.Context, p *Pipeline, h halted, at place) (beginning, error) {
	l := t.link
	template, err := t.template(ctx, p, at.topicID)
	if err != nil {
		return beginning{}, err
	}
	id, err := t.newIdentity(ctx, template, at)
	if err != nil {
		return beginning{}, err
	}
	if l.cfg.AtLeastOnce {
		return t.savePlain(ctx, p, id)
	}
	var b beginning
	err = l.amend(ctx, t.name, func(ids map[int32]protocol.Identity) error {
		if now, ok := ids[p.source.Partition]; ok && now.ProducerID != h.identity.ProducerID && h.identity != (protocol.Identity{}) {
			return fmt.Errorf("%w: another process let the partition go on", ErrConflict)
		}
		if p.stopped() { // its next owner would not know of the new identity
			return ErrUnknownPartition
		}
		id.Generation = ids[p.source.Partition].Next(h.position)
		id.Base.Generation = id.Generation
		b = t.beginning(&id, protocol.Position{}, false)
		ids[p.source.Partition] = b.id
		return nil
	})
	return b, err
}

// savePlain saves where a partition of an at-least-once link begins.
func (t *topic) savePlain(ctx context.Context, p *Pipeline, id protocol.Identity) (beginning, error) {
	id.Compacted = false
	if p.stopped() {
		return beginning{}, ErrUnknownPartition
	}
	if err := t.link.commit(ctx, map[TopicPartition]protocol.Position{p.source: id.Base}); err != nil {
		return beginning{}, err
	}
	return beginning{id: id, at: id.Base, saved: true}, nil
}

// template is an identity of p without a producer, as the clusters are now. It makes a missing destination topic.
func (t *topic) template(ctx context.Context, p *Pipeline, sourceID string) (protocol.Identity, error) {
	l := t.link
	from, to, err := t.catalogs(ctx, sourceID)
	if err != nil {
		return protocol.Identity{}, err
	}
	source, ok := from.Topics[t.name]
	if !ok || int(p.source.Partition) >= source.Partitions {
		return protocol.Identity{}, fmt.Errorf("%w: %s does not have it any more", ErrUnknownPartition, l.cfg.From)
	}
	dest, err := t.prepare(ctx, source, to)
	if err != nil {
		return protocol.Identity{}, err
	}
	policy, err := t.readPolicy(ctx)
	if err != nil {
		return protocol.Identity{}, err
	}
	all, err := l.readLimits(ctx, []string{t.dest})
	limits, err := limitsIn(all, t.dest, err)
	if err != nil {
		return protocol.Identity{}, err
	}
	p.SetLimits(limits)
	id := protocol.Identity{SourceCluster: from.Cluster, SourceTopicID: source.ID, DestCluster: to.Cluster, DestTopic: t.dest,
		DestTopicID: dest.ID, Compacted: policy.Compacted, DestPartition: p.dest.Partition}
	if int(id.DestPartition) >= dest.Partitions {
		return protocol.Identity{}, fmt.Errorf("topic %s at %s has %d partitions, partition %d goes to %d; add partitions there",
			t.dest, l.cfg.To, dest.Partitions, p.source.Partition, id.DestPartition)
	}
	return id, nil
}

// catalogs waits until the catalogues show the topics as they are at this moment: a halt may be ahead of them.
func (t *topic) catalogs(ctx context.Context, sourceID string) (from, to *Catalog, err error) {
	l := t.link
	ctx, cancel := context.WithTimeout(ctx, startTopicTime)
	defer cancel()
	for {
		from, fromChanged, fromErr := l.source.Catalog()
		to, toChanged, toErr := l.sink.Catalog()
		if err := errors.Join(fromErr, toErr); err != nil {
			return nil, nil, err
		}
		if from != nil && to != nil && from.Topics[t.name].ID == sourceID {
			known := to.Topics[t.dest].ID
			if _, exists := to.Topics[t.dest]; !exists {
				return from, to, nil // it is made
			}
			now, err := l.sink.Whose(ctx, t.dest)
			if err != nil || now.TopicID == known {
				return from, to, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("wait for what %s and %s have now: %w", l.cfg.From, l.cfg.To, context.Cause(ctx))
		case <-fromChanged:
		case <-toChanged:
		}
	}
}

// newIdentity completes a template: a producer of its own that begins at a place of the source and at the destination's end.
func (t *topic) newIdentity(ctx context.Context, id protocol.Identity, at place) (protocol.Identity, error) {
	ends, err := t.link.sink.Ends(ctx, t.dest, []int32{id.DestPartition})
	if err != nil {
		return id, err
	}
	if id.ProducerID, err = t.link.sink.NewProducerID(ctx); err != nil {
		return id, err
	}
	return begun(id, at.offset, at.epoch, ends[0]), nil
}

// begun is an identity that begins at a source offset and a destination's end. The first run takes epoch 0.
func begun(id protocol.Identity, source int64, sourceEpoch int32, end End) protocol.Identity {
	id.Base = protocol.Position{Source: source, SourceEpoch: sourceEpoch, ProducerID: id.ProducerID, Dest: end.Offset, DestEpoch: end.Epoch}
	if id.Compacted {
		id.Epoch, id.Start = -1, source
	}
	return id
}
