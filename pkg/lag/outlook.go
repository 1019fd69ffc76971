package lag

import (
	"maps"
	"time"
)

// Cause is a way in which something that is not mirrored gets lost.
type Cause string

// Causes of a deadline.
const (
	CauseRetentionTime   Cause = "retention_time"   // the source deletes what is older than retention.ms
	CauseRetentionBytes  Cause = "retention_bytes"  // the source deletes what is beyond retention.bytes
	CauseDiskFull        Cause = "disk_full"        // a disk of the source has no room for what comes next
	CauseTargetRetention Cause = "target_retention" // what arrives later than that is deleted by the destination at once
	CauseCompaction      Cause = "compaction"       // the source removes tombstones: divergence, not loss
)

// Causes returns all causes of a deadline.
func Causes() []Cause {
	return []Cause{CauseRetentionTime, CauseRetentionBytes, CauseDiskFull, CauseTargetRetention, CauseCompaction}
}

// Outlook is what is known of the time until something of a topic is lost. Nil is unknown, or does not apply.
type Outlook struct {
	// Deadlines are the earliest times at which the cause may take something that is not mirrored; of a topic that is
	// caught up, a record that arrives now. They are times, so that whoever shows them counts down also when nothing
	// more is known. A cause that is unknown or does not apply is absent.
	Deadlines    map[Cause]time.Time
	LossDeadline *time.Time // the earliest of Deadlines without compaction
	LossCause    Cause      // its cause, "" without one
	Unknown      []Cause    // of which it is not known whether and when, in order: one of them may be the earliest

	SourceRetention      *time.Duration // retention.ms of the source topic; nil where it deletes nothing by age
	SourceRetentionBytes *int64         // retention.bytes of each of its partitions; nil where it deletes nothing by size
	TargetRetention      *time.Duration // retention.ms of the destination topic, likewise
	OldestRecord         *time.Time     // the timestamp of the oldest record that the source still has
	Traffic              *Traffic

	// OutageBudget is how long a cut may last that begins while all is mirrored: the least of the retentions, that by
	// size at the traffic that 95 % of the last seven days stayed below.
	OutageBudget *time.Duration
	// BudgetAtMost says that not all that limits it is known, a retention or the traffic that a retention by size is to be
	// measured with: the outage budget is an upper bound then, and unknown where it is nil.
	BudgetAtMost bool
	// Used is the share of the retention that is used up, from 0 to 1: 1 is at the deadline. Of all causes that are
	// retentions it is the largest.
	Used *float64
}

// Traffic is how many bytes a second a source topic grows by, as compressed there. It is the sum of its partitions.
type Traffic struct {
	Now     float64 // over the last five minutes
	HourMax float64 // the largest of that in the last hour
	P95     float64 // 95 % of the last seven days stayed below
}

// Probe says how both clusters of a link answer beside the copy path.
type Probe struct{ Source, Target Probed }

// Probed is how one cluster answers. The zero value is that of one that was not asked yet.
type Probed struct {
	Success *time.Time // when a round of questions was asked last that all brokers answered
	Problem string     // why the last round failed, or what is not allowed; "" when all is well
}

// Away says whether the cluster does not answer. That something may not be asked, which is a Problem too, is not that.
func (p Probed) Away(now time.Time) bool {
	return p.Problem != "" && (p.Success == nil || now.Sub(*p.Success) > probeStale)
}

// Disk is a log directory of a broker of the source.
type Disk struct {
	Broker int32
	Dir    string
	Total  *int64     // bytes of its volume; nil where the broker does not tell
	Usable *int64     // bytes that are free
	FullAt *time.Time // when it is full at the present growth; nil when unknown, or when it does not grow
}

// Retention are thresholds of the headroom: the share of the retention, from 0 to 1, that is left before something is
// lost. 0 is none.
type Retention struct{ Warn, Critical float64 }

// settle finds the earliest of the deadlines.
func (l *Outlook) settle() {
	l.LossDeadline, l.LossCause = nil, ""
	for _, cause := range Causes() {
		at, ok := l.Deadlines[cause]
		if !ok || cause == CauseCompaction || l.LossDeadline != nil && !at.Before(*l.LossDeadline) {
			continue
		}
		l.LossDeadline, l.LossCause = &at, cause
	}
}

// worse returns the worst of both: earliest deadlines, shortest retentions, most used, and the sum of the traffic.
func (l Outlook) worse(o Outlook) Outlook {
	all := Outlook{SourceRetention: least(l.SourceRetention, o.SourceRetention), SourceRetentionBytes: least(l.SourceRetentionBytes, o.SourceRetentionBytes),
		TargetRetention: least(l.TargetRetention, o.TargetRetention), OutageBudget: least(l.OutageBudget, o.OutageBudget), BudgetAtMost: l.BudgetAtMost || o.BudgetAtMost, OldestRecord: l.OldestRecord, Used: l.Used}
	if o.OldestRecord != nil && (all.OldestRecord == nil || o.OldestRecord.Before(*all.OldestRecord)) {
		all.OldestRecord = o.OldestRecord
	}
	if o.Used != nil && (all.Used == nil || *o.Used > *all.Used) {
		all.Used = o.Used
	}
	if l.Traffic != nil && o.Traffic != nil {
		all.Traffic = &Traffic{l.Traffic.Now + o.Traffic.Now, l.Traffic.HourMax + o.Traffic.HourMax, l.Traffic.P95 + o.Traffic.P95}
	}
	if l.Deadlines != nil || o.Deadlines != nil {
		all.Deadlines = make(map[Cause]time.Time, len(l.Deadlines))
		maps.Copy(all.Deadlines, l.Deadlines)
	}
	for cause, at := range o.Deadlines {
		if was, ok := all.Deadlines[cause]; !ok || at.Before(was) {
			all.Deadlines[cause] = at
		}
	}
	all.settle()
	return all
}

// least returns the smaller of two numbers; nil is none.
func least[T int64 | time.Duration](a, b *T) *T {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}
