package probe

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tributary/pkg/kafka"
)

// arrange prepares for the topics that are wanted and exist, and returns what is wrong with the partitions that cannot be
// asked about. What is remembered of other topics is kept while they exist: they may be wanted later.
func (p *Prober) arrange(md *kafka.Metadata, wants Wants) error {
	p.asked = map[string]bool{}
	for name, t := range p.topics {
		found, ok := md.Topics[name]
		if _, wanted := wants.Sources[name]; ok && found.Err == nil && found.ID != t.id || !ok && !wanted {
			delete(p.topics, name)
		}
	}
	var leaderless []string
	for name := range wants.Sources {
		found, ok := md.Topics[name]
		if !ok || found.Err != nil {
			continue // gone for a moment or for good: what was said of it stands
		}
		t := p.topic(name, found)
		for len(t.partitions) < len(found.Partitions) {
			t.partitions = append(t.partitions, &partition{})
		}
		for id, part := range found.Partitions {
			if _, alive := md.Brokers[part.Leader]; !alive {
				leaderless = append(leaderless, fmt.Sprintf("%s/%d", name, id))
			}
		}
	}
	for _, name := range wants.Settings {
		if found, ok := md.Topics[name]; ok && found.Err == nil {
			p.topic(name, found)
		}
	}
	if len(leaderless) == 0 {
		return nil
	}
	slices.Sort(leaderless)
	return fmt.Errorf("no leader: %s", shorten(leaderless))
}

// topic returns what is remembered of a topic that is asked about in this round.
func (p *Prober) topic(name string, found kafka.Topic) *topic {
	p.asked[name] = true
	if p.topics[name] == nil {
		p.topics[name] = &topic{id: found.ID}
	}
	return p.topics[name]
}

// shorten lists a few names.
func shorten(names []string) string {
	const few = 5
	if more := len(names) - few; more > 0 {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// publish makes the answer that readers get from now on.
func (p *Prober) publish() {
	a := &Answer{Success: p.success, Topics: make(map[string]*Topic, len(p.topics))}
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(p.troubles)) {
		words = append(words, p.troubles[kind])
	}
	a.Problem = strings.Join(words, "; ")
	for name, t := range p.topics {
		out := &Topic{ID: t.id, Settings: t.settings, Partitions: make([]*Partition, len(t.partitions))}
		for i, part := range t.partitions {
			if !part.answer.At.IsZero() {
				said := part.answer
				out.Partitions[i] = &said
			}
		}
		a.Topics[name] = out
	}
	for _, d := range p.volumes {
		a.Disks = append(a.Disks, d)
	}
	slices.SortFunc(a.Disks, func(x, y Disk) int { return cmp.Or(cmp.Compare(x.Broker, y.Broker), strings.Compare(x.Dir, y.Dir)) })
	p.latest.Store(a)
}
