package lag

import (
	"maps"
	"slices"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/probe"
)

// Probes are the newest answers of the probers of a link's clusters; nil functions where there are none.
type Probes struct{ Source, Target func() *probe.Answer }

// answers are what probers said last; nil before they said anything.
type answers struct{ source, target *probe.Answer }

func (p Probes) look() answers {
	var a answers
	if p.Source != nil {
		a.source = p.Source()
	}
	if p.Target != nil {
		a.target = p.Target()
	}
	return a
}

// of writes into a link what its clusters say of themselves.
func (a answers) of(l *Link) {
	l.Probe = Probe{probed(a.source), probed(a.target)}
	if a.source == nil {
		return
	}
	for _, d := range a.source.Disks {
		l.Disks = append(l.Disks, Disk{Broker: d.Broker, Dir: d.Dir, Total: known(d.Total), Usable: known(d.Usable), FullAt: d.FullAt})
	}
}

func probed(a *probe.Answer) Probed {
	if a == nil {
		return Probed{}
	}
	p := Probed{Problem: a.Problem}
	if !a.Success.IsZero() {
		at := a.Success.UTC()
		p.Success = &at
	}
	return p
}

// foresight finds the outlook of one topic.
type foresight struct {
	now            time.Time
	answers        answers
	source, target *probe.Topic
	outlook        Outlook
	unknown        map[Cause]bool // of a partition, so of the topic
	traffic        Traffic
	measured       int // partitions whose traffic is known
	byBytes        *time.Duration
}

func newForesight(now time.Time, a answers, s mirror.TopicStatus) *foresight {
	f := &foresight{now: now, answers: a, source: a.source.Topic(s.Topic), target: a.target.Topic(s.Dest), unknown: map[Cause]bool{}}
	f.outlook.Deadlines = map[Cause]time.Time{}
	if settings := settingsOf(f.source); settings != nil {
		if age, ok := settings.ByAge(); ok {
			f.outlook.SourceRetention = &age
		}
		if bytes, ok := settings.BySize(); ok {
			f.outlook.SourceRetentionBytes = &bytes
		}
	}
	if settings := settingsOf(f.target); settings != nil {
		if age, ok := settings.ByAge(); ok {
			f.outlook.TargetRetention = &age
		}
	}
	return f
}

// settingsOf are the settings of a topic, nil when they are not known.
func settingsOf(t *probe.Topic) *probe.Settings {
	if t == nil {
		return nil
	}
	return t.Settings
}

// partition takes in one partition, and writes its deadline into it. What was certain of it before is kept where it is
// unknown now: a deadline that was told goes on counting.
func (f *foresight) partition(p *Partition, h *partitionHistory, s mirror.PartitionStatus) {
	known := f.source.Partition(p.Partition)
	facts := facts{now: f.now, next: s.Waits(), through: p.ReplicatedThrough, delay: h.delays.largest(), known: known,
		source: settingsOf(f.source), target: settingsOf(f.target)}
	if known != nil {
		f.measure(known)
		if disk := f.answers.source.Disk(known.Disk); disk != nil && disk.Total >= 0 {
			facts.measured, facts.full = true, disk.FullAt
		}
	}
	var own Outlook
	own.Deadlines = map[Cause]time.Time{}
	for cause, b := range facts.bounds() {
		if b.state == unknown {
			b = h.bounds[cause]
		}
		h.keep(cause, b)
		switch b.state {
		case unknown:
			f.unknown[cause] = true
		case certain:
			own.Deadlines[cause] = b.at
			f.use(b)
		}
	}
	own.settle()
	p.LossDeadline = own.LossDeadline
	for cause, at := range own.Deadlines {
		if was, ok := f.outlook.Deadlines[cause]; !ok || at.Before(was) {
			f.outlook.Deadlines[cause] = at
		}
	}
}

func (f *foresight) use(b bound) {
	if share, ok := b.used(f.now); ok && (f.outlook.Used == nil || share > *f.outlook.Used) {
		f.outlook.Used = &share
	}
}

// measure takes in what is known of a partition whatever waits in it.
func (f *foresight) measure(p *probe.Partition) {
	if p.Oldest != nil && (f.outlook.OldestRecord == nil || p.Oldest.Before(*f.outlook.OldestRecord)) {
		f.outlook.OldestRecord = p.Oldest
	}
	if p.Pace == nil {
		return
	}
	f.measured++
	f.traffic.Now += p.Pace.Now
	f.traffic.HourMax += p.Pace.HourMax
	f.traffic.P95 += p.Pace.P95
	if limit := f.outlook.SourceRetentionBytes; limit != nil && p.Pace.P95 > 0 {
		lasts := stretch(float64(*limit), p.Pace.P95)
		f.byBytes = least(f.byBytes, &lasts)
	}
}

// result returns the topic's outlook. A cause that is unknown of one partition is unknown of the topic: another may be the
// worst.
func (f *foresight) result(partitions int) Outlook {
	for cause := range f.unknown {
		delete(f.outlook.Deadlines, cause)
	}
	if partitions > 0 && f.measured == partitions {
		f.outlook.Traffic = &f.traffic
	}
	f.budget(partitions)
	f.outlook.Unknown = slices.Sorted(maps.Keys(f.unknown))
	f.outlook.settle()
	return f.outlook
}

// budget finds how long a cut may last, and whether all that limits it is known.
func (f *foresight) budget(partitions int) {
	source, target := settingsOf(f.source), settingsOf(f.target)
	o := &f.outlook
	o.OutageBudget = least(o.SourceRetention, f.byBytes)
	if target != nil && !target.AppendTime {
		o.OutageBudget = least(o.OutageBudget, o.TargetRetention)
	}
	o.BudgetAtMost = source == nil || target == nil || o.SourceRetentionBytes != nil && f.measured < partitions
}

// keep remembers what is certain of a cause.
func (h *partitionHistory) keep(cause Cause, b bound) {
	if b.state != certain {
		delete(h.bounds, cause)
		return
	}
	if h.bounds == nil {
		h.bounds = map[Cause]bound{}
	}
	h.bounds[cause] = b
}

// sourceEnd is the end of the log where the copy path does not know it: what the prober was told lately. It is at the high
// watermark, and so an upper bound.
func (f *foresight) sourceEnd(s mirror.PartitionStatus) int64 {
	known := f.source.Partition(s.Source.Partition)
	if s.SourceEnd >= 0 || known == nil || f.now.Sub(known.At) > probeStale {
		return s.SourceEnd
	}
	return known.End
}
