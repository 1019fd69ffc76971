package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"tributary/pkg/mirror/protocol"
)

// reconciler keeps what runs in line with the topics that there are, and with what of them this process owns. It waits for
// nothing but changes: what takes time is done by the tenants' workers, so that one unit's start does not delay that another
// is dropped or handed over. work is the context of what goes on until the link has drained.
func (l *Link) reconciler(ctx, work context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	var offered *Catalog
	for {
		from, fromChanged, fromErr := l.source.Catalog()
		to, toChanged, toErr := l.sink.Catalog()
		changed := l.own.Changed() // before it is asked
		err := errors.Join(fromErr, toErr)
		if from != nil && to != nil {
			idle, wrong := l.reconcile(work, from, to, from != offered)
			if wrong == nil {
				offered = from
			}
			err = errors.Join(err, wrong)
			for _, tn := range idle {
				workers.Go(func() { tn.work(ctx) })
			}
		}
		l.noteProblem(ctx, err)
		select {
		case <-ctx.Done():
			return
		case <-fromChanged:
		case <-toChanged:
		case <-changed:
		case <-l.rematched:
			offered = nil
		}
	}
}

// reconcile compares the topics there are, and the tenures, with what runs. It returns the tenants that have something to do
// and no worker.
func (l *Link) reconcile(work context.Context, from, to *Catalog, offer bool) ([]*tenant, error) {
	if from.Cluster != "" && from.Cluster == to.Cluster {
		return nil, fmt.Errorf("%s and %s are the same cluster, with the id %s; a cluster cannot be mirrored into itself: correct the addresses of one of them", l.cfg.From, l.cfg.To, from.Cluster)
	}
	var failed []error
	matching, match := map[string]int{}, *l.match.Load()
	for name, info := range from.Topics {
		if !match(name) {
			continue
		}
		if _, err := l.topic(name); err != nil {
			failed = append(failed, err)
			continue
		}
		matching[name] = info.Partitions
	}
	if offer {
		for _, t := range l.all() {
			if _, shown := matching[t.name]; !shown && match(t.name) {
				matching[t.name] = 0
			}
		}
		l.own.Offer(matching)
	}
	var idle []*tenant
	for _, t := range l.all() {
		idle = append(idle, t.settle(work, matching[t.name])...)
	}
	l.forget(match)
	l.checkGone(from)
	return idle, errors.Join(failed...)
}

// forget lets go of excluded topics of which nothing is left here. Tenants are added by the reconciler alone, which calls it.
func (l *Link) forget(match func(topic string) bool) {
	for _, t := range l.all() {
		if match(t.name) || t.occupied() {
			continue
		}
		l.mu.Lock()
		delete(l.topics, t.name)
		l.mu.Unlock()
	}
}

// checkGone marks the partitions of topics that the source does not have any more.
func (l *Link) checkGone(from *Catalog) {
	for _, t := range l.all() {
		if _, ok := from.Topics[t.name]; !ok {
			for _, p := range t.pipelines() {
				p.SourceTrouble(ErrorTopic, "topic is gone at "+l.cfg.From+", or the right to DESCRIBE it")
			}
		}
	}
}

// wantedPositions are partitions of a topic whose positions are asked for.
type wantedPositions struct {
	topic      string
	partitions []int32
}

// wantedLeads are destination partitions of which it is asked where they lead.
type wantedLeads struct {
	dest       string
	partitions []int32
}

// The calls that starts make together.

func (l *Link) loadAll(ctx context.Context, in []wantedPositions) (map[TopicPartition]Loaded, error) {
	all := map[string][]int32{}
	for _, w := range in {
		all[w.topic] = append(all[w.topic], w.partitions...)
	}
	return l.source.LoadPositions(ctx, l.Group(), all)
}

func (l *Link) commitAll(ctx context.Context, in []map[TopicPartition]protocol.Position) (struct{}, error) {
	all := map[TopicPartition]protocol.Position{}
	for _, positions := range in {
		maps.Copy(all, positions)
	}
	return struct{}{}, l.commit(ctx, all)
}

// createAtOnce is how many partitions one request may create: a controller takes 10,000 records in one, of partitions and
// settings (MAX_RECORDS_PER_USER_OP of Kafka's QuorumController).
const createAtOnce = 2000

func (l *Link) createAll(ctx context.Context, in []NewTopic) (map[string]error, error) {
	refused, asked := map[string]error{}, map[string]bool{}
	var next []NewTopic
	size := 0
	create := func() error {
		some, err := l.sink.CreateTopics(ctx, next)
		maps.Copy(refused, some)
		next, size = nil, 0
		return err
	}
	for _, t := range in {
		if asked[t.Name] { // several sources may go to one
			continue
		}
		asked[t.Name] = true
		partitions := max(t.Partitions, 1)
		if size+partitions > createAtOnce && len(next) > 0 {
			if err := create(); err != nil {
				return nil, err
			}
		}
		next, size = append(next, t), size+partitions
	}
	return refused, create()
}

func (l *Link) lookAll(ctx context.Context, in []wantedLeads) (map[string][]Onward, error) {
	all := map[string][]int32{}
	for _, w := range in {
		all[w.dest] = append(all[w.dest], w.partitions...)
	}
	for dest, list := range all { // several sources may go to one
		slices.Sort(list)
		all[dest] = slices.Compact(list)
	}
	return l.sink.Onward(ctx, all)
}
