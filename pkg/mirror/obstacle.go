package mirror

import (
	"context"
	"fmt"

	"tributary/pkg/mirror/protocol"
)

// obstacle is why a partition may not go on as it is: the clusters or topics are not those of its identity, or where it
// stands is not known. The zero value is none.
type obstacle struct {
	cause Cause
	why   string
	dest  bool // the destination is the reason
}

// checker compares what runs with what the clusters have, whenever they tell something new.
func (l *Link) checker(ctx context.Context) {
	for {
		from, fromChanged, _ := l.source.Catalog()
		to, toChanged, _ := l.sink.Catalog()
		if from != nil && to != nil {
			for _, t := range l.all() {
				t.check(from, to)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-fromChanged:
		case <-toChanged:
		}
	}
}

// check stops running partitions whose topic was made anew on either side.
func (t *topic) check(from, to *Catalog) {
	for _, p := range t.pipelines() {
		p.mu.Lock()
		id := p.identity
		p.mu.Unlock()
		p.obstruct(mismatch(id, from, to, t.name), id)
	}
}

// mismatch compares an identity with what the clusters are now. An id that was or is unknown proves nothing.
func mismatch(id protocol.Identity, from, to *Catalog, name string) obstacle {
	dest := destMismatch(id, Whose{to.Cluster, to.Topics[id.DestTopic].ID})
	switch {
	case differ(id.SourceCluster, from.Cluster):
		return obstacle{cause: CauseWrongCluster, why: wrongClusterText("source", id.SourceCluster, from.Cluster)}
	case dest.cause == CauseWrongCluster:
		return dest
	case differ(id.SourceTopicID, from.Topics[name].ID):
		return obstacle{cause: CauseSourceRecreated, why: recreatedText("source", name, id.SourceTopicID, from.Topics[name].ID)}
	}
	return dest
}

// destMismatch compares an identity with what answers at the destination. Every topic of another cluster has another id:
// the cluster is looked at first.
func destMismatch(id protocol.Identity, is Whose) obstacle {
	switch {
	case differ(id.DestCluster, is.Cluster):
		return obstacle{CauseWrongCluster, wrongClusterText("destination", id.DestCluster, is.Cluster), true}
	case differ(id.DestTopicID, is.TopicID):
		return obstacle{CauseDestinationRecreated, recreatedText("destination", id.DestTopic, id.DestTopicID, is.TopicID), true}
	}
	return obstacle{}
}

func differ(was, is string) bool { return was != "" && is != "" && was != is }

// obstruct stops the partition for a reason that was found from outside about its identity id. What is added to an identity
// meanwhile, a floor or a leader epoch, leaves the reason as it is.
func (p *Pipeline) obstruct(o obstacle, id protocol.Identity) {
	p.mu.Lock()
	defer p.unlock()
	switch {
	case o.cause == "" || !p.active() || p.identity.ProducerID != id.ProducerID:
	case o.dest:
		p.end(p.destinationOf(o))
	case id == protocol.Identity{} || o.cause == CauseSequenceHole:
		p.halt(o.cause, o.why, newLoss(notKnown, notKnown))
	case o.cause == CausePositionLost:
		p.end(ending{cause: o.cause, why: o.why, from: notKnown, to: notKnown, cut: notKnown, resume: notKnown})
	default:
		p.suspect(&suspicion{cause: o.cause, why: o.why})
	}
}

// destinationOf is the end of a partition whose destination is another than the one that it wrote to.
func (p *Pipeline) destinationOf(o obstacle) ending {
	return ending{cause: o.cause, why: o.why, dest: true, from: p.identity.Base.Source, to: p.position.Source, cut: notKnown, resume: notKnown}
}

// DestinationIs tells what answers at the destination, and whether the partition may write there. It ends one that may not.
func (p *Pipeline) DestinationIs(is Whose) bool {
	p.mu.Lock()
	defer p.unlock()
	o := destMismatch(p.identity, is)
	if o.cause != "" {
		p.end(p.destinationOf(o))
	}
	return o.cause == ""
}

// DestinationGone tells that acknowledged records are not there any more: the destination's log ends, or went on, at
// offset end. The link finds out whether the log was cut or the topic made anew.
func (p *Pipeline) DestinationGone(end int64) {
	p.mu.Lock()
	defer p.unlock()
	p.destGone(end)
}

func (p *Pipeline) destGone(end int64) {
	if !p.active() || p.ending != nil {
		return
	}
	gone := p.position.Dest - end
	why := fmt.Sprintf("%s lost acknowledged records of %s/%d: they ended at offset %d, its log went only to offset %d", p.link.cfg.To, p.dest.Topic, p.dest.Partition, p.position.Dest, end)
	p.end(ending{cause: CauseDestinationTruncated, why: why, dest: true, from: max(p.identity.Base.Source, p.position.Source-gone), to: p.position.Source, cut: notKnown, resume: notKnown})
	p.suspect(&suspicion{cause: CauseDestinationTruncated, why: why})
}

// destEnding is how a partition ends whose acknowledged records are gone where is answers.
func (p *Pipeline) destEnding(is Whose) *ending {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending == nil {
		return nil
	}
	e := *p.ending
	if o := destMismatch(p.identity, is); o.cause != "" {
		e.cause, e.why, e.from = o.cause, o.why, p.identity.Base.Source
	}
	return &e
}
