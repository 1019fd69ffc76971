package mirror

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

// foretold says whether the records of b may be sent, or passed over as sent. A source leader epoch is foretold: the
// identity says that records of it may be at the destination, before any is (rule S1; the explorer's source is never cut,
// so tests here stand for it). So when the destination holds records beyond the position and the source shows a newer epoch
// in their place, they are not the same records: the source was cut after they were read, as a host's power cut does that
// takes the saved position along.
func (in *Intake) foretold(b batch.Batch) bool {
	p, epoch := in.p, b.LeaderEpoch()
	switch {
	case p.uncounted || p.identity.Foretold(epoch):
		return true
	case p.skip > 0 && p.identity.Cut(epoch):
		p.generation++ // the rest of the response is of the new log too
		p.stable = notKnown
		p.end(ending{cause: CauseTruncated, cut: b.BaseOffset(), to: notKnown, from: notKnown, resume: b.BaseOffset(),
			why: fmt.Sprintf("the source's log was cut at offset %d and written anew under leader epoch %d, while the destination holds the records of %d offsets from there on that the source no longer has", b.BaseOffset(), epoch, p.next+p.skip-b.BaseOffset())})
		return false
	case p.skip > 0: // a rebuilt identity does not know
		return true
	}
	if in.flush() {
		p.foretell = epoch
		p.generation++ // the rest of the response comes again
		p.link.foretells <- p
	}
	return false
}

// foretelling says that reading waits until the identity is stored.
func (p *Pipeline) foretelling() bool {
	return p.foretell >= 0 && !p.identity.Foretold(p.foretell)
}

// foretellAtOnce is of how many topics epochs are stored at a time.
const foretellAtOnce = 8

// foreteller stores the source leader epochs that pipelines have met, those of a topic together.
func (l *Link) foreteller(ctx context.Context) {
	var g sync.WaitGroup
	defer g.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-l.foretells:
			met := map[string][]*Pipeline{p.source.Topic: {p}}
			for range len(l.foretells) {
				p := <-l.foretells
				met[p.source.Topic] = append(met[p.source.Topic], p)
			}
			for topic, list := range met {
				g.Go(func() { l.foretellAll(ctx, topic, list) })
			}
		}
	}
}

// foretellAll stores the epochs that the partitions of one topic wait for, and lets them read on. Those that are stopped
// meanwhile wait for nothing.
func (l *Link) foretellAll(ctx context.Context, topic string, list []*Pipeline) {
	for wait := startRetryMin; ; wait = min(2*wait, startRetryMax) {
		if list = slices.DeleteFunc(list, (*Pipeline).stopped); len(list) == 0 {
			return
		}
		err := within(ctx, l.foretelling, saveTimeout, func(ctx context.Context) error { return l.storeEpochs(ctx, topic, list) })
		if err == nil {
			break
		}
		l.log.Warn("source leader epochs not stored", "topic", topic, "err", err)
		for _, p := range list {
			p.SourceTrouble(ErrorOther, fmt.Sprintf("a new leader epoch of the source is not stored: %v", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
	for _, p := range list {
		l.source.Wake(p)
	}
}

func (l *Link) storeEpochs(ctx context.Context, topic string, list []*Pipeline) error {
	stored := make([]protocol.Identity, len(list))
	err := l.amend(ctx, topic, func(ids map[int32]protocol.Identity) error {
		for i, p := range list {
			epoch, producer := p.toForetell()
			id, ok := ids[p.source.Partition]
			if !ok || id.ProducerID != producer {
				return fmt.Errorf("identity of %s/%d is not in the store any more", topic, p.source.Partition)
			}
			id = id.Foretell(epoch)
			ids[p.source.Partition], stored[i] = id, id
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, p := range list {
		p.toldEpochs(stored[i])
	}
	return nil
}

// toForetell returns the epoch to be stored, and the producer id of the identity to store it in.
func (p *Pipeline) toForetell() (epoch int32, producer int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.foretell, p.identity.ProducerID
}

// toldEpochs takes over what was stored.
func (p *Pipeline) toldEpochs(id protocol.Identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.identity.ProducerID == id.ProducerID {
		p.identity.SourceEpochs = max(p.identity.SourceEpochs, id.SourceEpochs)
		p.sourceTrouble = ""
	}
}
