package lag

import (
	"time"

	"tributary/pkg/mirror"
)

func newPartition(s mirror.PartitionStatus, through *time.Time) Partition {
	p := Partition{Partition: s.Source.Partition, State: s.State, Cause: s.Cause, Why: s.Why, Blame: s.Blame, Loss: s.Loss, Fresh: s.Fresh,
		Committed: known(s.Committed), SourceEnd: known(s.SourceEnd), HeldBack: known(s.HeldBack), Lag: known(s.Lag()), ReplicatedThrough: through,
		InFlight: s.InFlight, QueuedBytes: s.QueuedBytes}
	if s.Started {
		p.Next = known(s.Next)
	}
	return p
}

// known returns nil for a negative number, which is how mirror writes unknown.
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// add takes a partition into its topic. Sums are left to complete.
func (t *Topic) add(p Partition, s mirror.PartitionStatus) {
	t.Partitions = append(t.Partitions, p)
	t.State = Worse(t.State, p.State)
	if !s.LastAck.IsZero() && (t.LastAck == nil || s.LastAck.After(*t.LastAck)) {
		t.LastAck = &s.LastAck
	}
	t.Counters = t.Counters.Plus(s.Counters)
}

// complete adds up what is known of all partitions. One that is missing or unknown makes the sum unknown.
func (t *Topic) complete() {
	if t.Problem != "" || len(t.Partitions) == 0 {
		return
	}
	zero := int64(0)
	t.LagRecords, t.SourceEnd, t.Acked = &zero, &zero, &zero
	for _, p := range t.Partitions {
		t.LagRecords, t.SourceEnd, t.Acked = addKnown(t.LagRecords, p.Lag), addKnown(t.SourceEnd, p.SourceEnd), addKnown(t.Acked, p.Next)
	}
}

// Sum makes one topic of several, under a name of its own and without their partitions: numbers add up, the watermark is
// the earliest, the last acknowledgement the latest, the state the worst. What is unknown of one is unknown of the sum. It is
// paused while one of them is: that one may be what is behind.
func Sum(name string, topics []Topic) Topic {
	if len(topics) == 0 {
		return Topic{Topic: name}
	}
	sum := topics[0]
	sum.Speed = nil
	sum.Topic, sum.Dest, sum.Problem, sum.Warning, sum.Partitions = name, "", "", "", nil
	sum.Lost, sum.Skipped = map[mirror.Cause]int64{}, map[mirror.SkipReason]int64{}
	addTo(sum.Lost, topics[0].Lost)
	addTo(sum.Skipped, topics[0].Skipped)
	for _, t := range topics[1:] {
		sum.State = Worse(sum.State, t.State)
		sum.LagRecords, sum.SourceEnd, sum.Acked = addKnown(sum.LagRecords, t.LagRecords), addKnown(sum.SourceEnd, t.SourceEnd), addKnown(sum.Acked, t.Acked)
		if sum.ReplicatedThrough != nil && (t.ReplicatedThrough == nil || t.ReplicatedThrough.Before(*sum.ReplicatedThrough)) {
			sum.ReplicatedThrough = t.ReplicatedThrough
		}
		if sum.TombstoneDeadline == nil || t.TombstoneDeadline != nil && t.TombstoneDeadline.Before(*sum.TombstoneDeadline) {
			sum.TombstoneDeadline = t.TombstoneDeadline
		}
		sum.Outlook = sum.worse(t.Outlook)
		if t.LastAck != nil && (sum.LastAck == nil || t.LastAck.After(*sum.LastAck)) {
			sum.LastAck = t.LastAck
		}
		if t.PausedUntil != nil && (sum.PausedUntil == nil || t.PausedUntil.After(*sum.PausedUntil)) {
			sum.PausedUntil = t.PausedUntil
		}
		sum.Counters = sum.Counters.Plus(t.Counters)
		addTo(sum.Lost, t.Lost)
		addTo(sum.Skipped, t.Skipped)
	}
	return sum
}

// addKnown adds two numbers; the sum with an unknown number is unknown.
func addKnown(a, b *int64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	sum := *a + *b
	return &sum
}

func addTo[K comparable](sum, more map[K]int64) {
	for k, n := range more {
		sum[k] += n
	}
}
