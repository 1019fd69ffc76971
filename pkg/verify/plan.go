package verify

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
)

// log is one log that is read: a partition at one side.
type log struct {
	site   *site
	tp     topicPartition
	source int // place in Config.Sources, -1 at the destination
	number int // place among the unit's sources or destinations
	level  isolation
	begin  int64 // first offset the log has
	within span  // what is compared of it: sources up to the end noted first, later up to the last
	end    int64 // sources: the end noted first; what is below it must be at the destination

	held     *series             // what was read up to end, or of a destination all
	later    *series             // sources: what was read beyond end
	streams  map[int64]*print128 // last record by stream, to link the next one with
	corrupt  []*corrupt
	overrun  error
	skipped  int64 // records outside of the time asked for
	narrowed bool  // within begins later because only younger records were asked for
}

// unit is what is compared with what: some source partitions with the destination partitions that together hold them.
type unit struct {
	topic        string // at the destination
	sources      []*log
	destinations []*log
	compacted    bool
	byProducer   bool  // several sources share a destination partition: the streams in it are told apart by producer
	since        int64 // records older than that, in milliseconds, are not compared
	notes        []string
}

// plan finds out what is to be compared.
func (v *Verifier) plan(ctx context.Context) ([]*unit, error) {
	for _, s := range v.sites() {
		if err := s.refresh(ctx); err != nil {
			return nil, err
		}
	}
	byTopic := map[string][]*log{}
	spread := map[string]bool{}
	for i, source := range v.cfg.Sources {
		at := v.sourceSites[i]
		for _, topic := range slices.Sorted(maps.Keys(at.topics())) {
			if strings.HasPrefix(topic, "__") || !source.Match(topic) {
				continue
			}
			to, err := source.Rename(topic)
			if err != nil {
				return nil, err
			}
			if err := at.topics()[topic].Err; err != nil {
				return nil, fmt.Errorf("topic %s at %s (needs READ and DESCRIBE): %w", topic, at.cluster.Name(), err)
			}
			spread[to] = spread[to] || source.Spread
			for p := range at.topics()[topic].Partitions {
				byTopic[to] = append(byTopic[to], &log{site: at, tp: topicPartition{topic, int32(p)}, source: i, level: committedOnly})
			}
		}
	}
	if len(byTopic) == 0 {
		return nil, fmt.Errorf("no topic of the source matches; see the topics with: kafka-topics --list")
	}
	var units []*unit
	for _, topic := range slices.Sorted(maps.Keys(byTopic)) {
		for _, u := range v.divide(topic, byTopic[topic], spread[topic]) {
			if v.inSlice(u) {
				units = append(units, u)
			}
		}
	}
	return units, v.readPolicies(ctx, units)
}

// divide makes the units of one destination topic: one for each partition, or a single one where sources are spread.
func (v *Verifier) divide(topic string, sources []*log, spread bool) []*unit {
	there := v.destination.topics()[topic]
	count := int32(len(there.Partitions))
	parts := count
	for _, l := range sources {
		parts = max(parts, l.tp.partition+1)
	}
	if spread {
		parts = 1
	}
	units := make([]*unit, parts)
	for i := range units {
		units[i] = &unit{topic: topic, since: math.MinInt64}
	}
	for _, l := range sources {
		u := units[min(l.tp.partition, parts-1)]
		l.number = len(u.sources)
		u.sources = append(u.sources, l)
	}
	for p := range count {
		u := units[min(p, parts-1)]
		u.destinations = append(u.destinations, &log{site: v.destination, tp: topicPartition{topic, p}, source: -1, number: len(u.destinations), level: everything})
	}
	for _, u := range units {
		u.byProducer = len(u.sources) > 1
		if count == 0 {
			u.notes = append(u.notes, fmt.Sprintf("topic %s does not exist at %s", topic, v.destination.cluster.Name()))
		}
	}
	return units
}

// inSlice says whether a unit is in the slice asked for.
func (v *Verifier) inSlice(u *unit) bool {
	if v.cfg.Slices == 0 {
		return true
	}
	h := fnv.New32a()
	name := topicPartition{u.topic, -1}
	if len(u.destinations) == 1 {
		name.partition = u.destinations[0].tp.partition
	}
	fmt.Fprint(h, name)
	return int(h.Sum32()%uint32(v.cfg.Slices)) == v.cfg.Slice-1
}

// readPolicies finds out which sources are compacted. Without the right to read it they are taken not to be: what differs
// then is found, but older values of keys count as missing.
func (v *Verifier) readPolicies(ctx context.Context, units []*unit) error {
	topics := map[*site][]string{}
	for _, u := range units {
		u.compacted = v.cfg.Compacted
		for _, l := range u.sources {
			if !slices.Contains(topics[l.site], l.tp.topic) {
				topics[l.site] = append(topics[l.site], l.tp.topic)
			}
		}
	}
	if v.cfg.Compacted {
		return nil
	}
	for at, names := range topics {
		settings, err := at.cluster.TopicConfigs(ctx, names)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil {
			v.note(fmt.Sprintf("cleanup.policy of topics at %s could not be read (%v); if they are compacted, say so with --compacted", at.cluster.Name(), err))
		}
		for _, u := range units {
			for _, l := range u.sources {
				u.compacted = u.compacted || l.site == at && strings.Contains(settings[l.tp.topic]["cleanup.policy"], "compact")
			}
		}
	}
	return nil
}
