package app

import (
	"time"

	"tributary/pkg/config"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/probe"
)

// topic plans one topic, and notes what is to be known of it.
func (p *planner) topic(name string) PlanTopic {
	dest := p.renamed[name]
	t := PlanTopic{Topic: name, Destination: dest, Partitions: []PlanPartition{}}
	places := p.action(&t)
	p.rights(t)
	there, beyond := p.there.Topic(name), p.beyond.Topic(dest)
	for id := range int32(len(p.source.Topics[name].Partitions)) {
		p.partition(&t, id, places, there.Partition(id))
	}
	if there != nil {
		t.SourceRetentionSeconds = ageOf(there.Settings)
		if there.Settings != nil && there.Settings.Compacts {
			p.warn(name, "it is compacted: a crash may repeat some records, and tombstones must be mirrored before delete.retention.ms is over")
		}
	}
	if beyond != nil {
		t.TargetRetentionSeconds = ageOf(beyond.Settings)
	}
	p.retention(t)
	p.regime(&t)
	return t
}

// action says what becomes of the destination topic, and how many partitions it has then; 0: the destination's default.
func (p *planner) action(t *PlanTopic) (places int) {
	dest, exists := p.dest.Topics[t.Destination]
	exists = exists && dest.Err == nil
	need, have := len(p.source.Topics[t.Topic].Partitions), len(dest.Partitions)
	same := p.link.Partitions == config.PartitionsSame
	switch {
	case exists && (!same || have >= need):
		t.Action, places = PlanUses, have
	case !p.link.Topics.Create && exists:
		p.stop(t.Topic, "%s at %s has %d partitions, %d are needed, and the link has create: false; add partitions there", t.Destination, p.link.To, have, need)
		t.Action, places = PlanStops, need
	case !p.link.Topics.Create:
		p.stop(t.Topic, "%s does not exist at %s, and the link has create: false; create it there with at least %d partitions", t.Destination, p.link.To, need)
		t.Action, places = PlanStops, need
	case exists:
		t.Action, places = PlanGrows, need
	case same:
		t.Action, places = PlanCreates, need
	default:
		t.Action = PlanCreates
	}
	if factor := p.link.Topics.ReplicationFactor; t.Action == PlanCreates && factor > len(p.dest.Brokers) {
		p.stop(t.Topic, "it is to be created with %d replicas, and %s has %d brokers; correct topics.replication_factor", factor, p.link.To, len(p.dest.Brokers))
	}
	if places > 0 {
		t.DestinationPartitions = &places
	}
	return places
}

// rights notes those that are missing. What a broker does not tell is not known, and no finding.
func (p *planner) rights(t PlanTopic) {
	if may, told := p.fromMay[t.Topic]; told {
		for _, right := range []kafka.Right{kafka.RightRead, kafka.RightDescribeConfigs} {
			if may.Lacks(right) {
				p.stop(t.Topic, "the right to %s on topic %s at %s is missing; grant it to the mirror's user", right, t.Topic, p.link.From)
			}
		}
	}
	may, told := p.toMay[t.Destination]
	if !told {
		return
	}
	needed := []kafka.Right{kafka.RightWrite, kafka.RightDescribeConfigs}
	if p.link.Guarantee == config.ExactlyOnce {
		needed = append(needed, kafka.RightRead)
	}
	if t.Action == PlanGrows {
		needed = append(needed, kafka.RightAlter)
	}
	for _, right := range needed {
		if may.Lacks(right) {
			p.stop(t.Topic, "the right to %s on topic %s at %s is missing; grant it to the mirror's user", right, t.Destination, p.link.To)
		}
	}
	if len(p.link.Topics.ConfigSync) > 0 && may.Lacks(kafka.RightAlterConfigs) {
		p.warn(t.Topic, "the right to ALTER_CONFIGS on topic %s at %s is missing, so that config_sync has no effect", t.Destination, p.link.To)
	}
}

// partition plans where one goes on, and what waits of it.
func (p *planner) partition(t *PlanTopic, id int32, places int, at *probe.Partition) {
	out := PlanPartition{Partition: id}
	loaded, saved := p.loaded[mirror.TopicPartition{Topic: t.Topic, Partition: id}]
	switch {
	case p.link.Partitions == config.PartitionsSame:
		out.Destination = new(id)
	case places > 0:
		out.Destination = new(mirror.SpreadPartition(p.source.ClusterID, p.link.Name, t.Topic, id, places))
	}
	if saved && loaded.Err != nil {
		p.stop(t.Topic, "%v; the partition would halt", loaded.Err)
	}
	if err := p.source.Topics[t.Topic].Partitions[id].Err; err != nil {
		p.warn(t.Topic, "partition %d at %s: %v", id, p.link.From, err)
	}
	out.Saved = saved && loaded.Err == nil
	if at != nil {
		p.waiting(t, &out, loaded.Position.Source, at)
	} else if out.Saved {
		out.Next = new(loaded.Position.Source)
	}
	t.Partitions = append(t.Partitions, out)
}

// waiting takes in what the source has of a partition that is saved up to an offset.
func (p *planner) waiting(t *PlanTopic, out *PlanPartition, position int64, at *probe.Partition) {
	next := at.Start
	switch {
	case out.Saved:
		next = position
	case p.link.Start == config.StartLatest:
		next = at.End
	}
	out.Next, out.End = new(next), new(at.End)
	switch {
	case next < at.Start:
		p.stop(t.Topic, "partition %d would halt: its position is %d, and %s has nothing before %d any more; after the start: mirror skip %s %s/%d", out.Partition, next, p.link.From, at.Start, p.link.Name, t.Topic, out.Partition)
	case next > at.End:
		p.stop(t.Topic, "partition %d would halt: its position is %d, and %s ends at %d; after the start: mirror skip %s %s/%d", out.Partition, next, p.link.From, at.End, p.link.Name, t.Topic, out.Partition)
	}
	next = max(next, at.Start)
	waits := max(0, at.End-next)
	t.WaitingRecords = new(value(t.WaitingRecords) + waits)
	if bytes, known := at.After(next); known {
		t.WaitingBytes = new(value(t.WaitingBytes) + bytes)
	}
	if waits == 0 {
		return
	}
	oldest := at.Oldest
	if first, known := at.First(next); known && next > at.Start {
		oldest = &first
	}
	if oldest != nil && (t.OldestWaiting == nil || oldest.Before(*t.OldestWaiting)) {
		t.OldestWaiting = new(oldest.UTC())
	}
}

// retention compares how long each end keeps records, and with how old those are that wait.
func (p *planner) retention(t PlanTopic) {
	source, target := t.SourceRetentionSeconds, t.TargetRetentionSeconds
	if target == nil {
		return
	}
	if t.OldestWaiting != nil && time.Since(*t.OldestWaiting).Seconds() > *target {
		p.warn(t.Topic, "records wait that are older than retention.ms of %s at %s (%v): they would be deleted as soon as they arrive; raise it first", t.Destination, p.link.To, seconds(*target))
	}
	if source == nil || *source > *target {
		p.warn(t.Topic, "%s keeps it longer than %s (%v): what is mirrored after a long outage may be deleted before anybody reads it; raise retention.ms of %s there", p.link.From, p.link.To, seconds(*target), t.Destination)
	}
}

// regime says by which rules the backlog would be sent.
func (p *planner) regime(t *PlanTopic) {
	limits, known := p.limits[t.Destination]
	if !known {
		return
	}
	t.Regime = "fresh"
	if limits.LogAppendTime {
		p.warn(t.Topic, "timestamps are not kept: %s at %s has message.timestamp.type=LogAppendTime and stamps records itself", t.Destination, p.link.To)
		return
	}
	if t.OldestWaiting != nil && limits.OldAge > 0 && time.Since(*t.OldestWaiting) > limits.OldAge {
		t.Regime = "careful"
		p.warn(t.Topic, "records wait that are older than %v: they go one batch at a time; raise producer.id.expiration.ms at %s for a faster catch-up", limits.OldAge, p.link.To)
	}
}

// sum adds up the topics, and reckons how long the backlog takes.
func (p *planner) sum(speed config.Bytes) {
	records, bytes, all := int64(0), int64(0), true
	for _, t := range p.out.Topics {
		records += value(t.WaitingRecords)
		bytes += value(t.WaitingBytes)
		all = all && t.WaitingBytes != nil
		if t.WaitingRecords == nil {
			return
		}
	}
	p.out.WaitingRecords = &records
	if !all {
		return
	}
	p.out.WaitingBytes = &bytes
	if speed > 0 {
		p.out.SpeedBytes, p.out.Seconds = new(int64(speed)), new(float64(bytes)/float64(speed))
	}
}

// ageOf is after how many seconds a topic deletes records; nil where it does not by age, or where that is not known.
func ageOf(s *probe.Settings) *float64 {
	age, ok := s.ByAge()
	if !ok {
		return nil
	}
	return new(age.Seconds())
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
