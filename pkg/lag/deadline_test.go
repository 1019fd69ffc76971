package lag

import (
	"math/rand/v2"
	"testing"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/probe"
)

// kept is for a day by age, and a million bytes by size.
func kept() *probe.Settings {
	return &probe.Settings{Deletes: true, Retention: 24 * time.Hour, RetentionBytes: 1_000_000}
}

func TestDeadlines(t *testing.T) {
	now := second(1_000_000).UTC()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	through := ago(2 * time.Hour)
	log := func(change func(*probe.Partition)) *probe.Partition {
		p := &probe.Partition{At: ago(3 * time.Second), Start: 100, End: 200, Sized: ago(4 * time.Second), Size: 500_000, Pace: &probe.Pace{Now: 10, HourMax: 100, P95: 50},
			Heads: []probe.Head{{Offset: 100, Max: ago(20 * time.Hour).UnixMilli()}, {Offset: 150, Max: ago(time.Hour).UnixMilli()}}}
		if change != nil {
			change(p)
		}
		return p
	}
	for _, test := range []struct {
		name        string
		f           facts
		time, bytes bound // of the two retentions
	}{
		{"one waits", facts{next: 150, known: log(nil)}, bound{certain, ago(time.Hour - 24*time.Hour), 24 * time.Hour},
			bound{certain, ago(4 * time.Second).Add(7000 * time.Second), 10_000 * time.Second}}, // half of the log and a fifth are behind it
		{"caught up", facts{next: 200, known: log(nil)}, bound{certain, ago(3*time.Second - 24*time.Hour), 24 * time.Hour},
			bound{certain, ago(4 * time.Second).Add(10_000 * time.Second), 10_000 * time.Second}},
		{"caught up, as the watermark says later", facts{next: 200, through: new(ago(time.Second)), known: log(nil)}, bound{certain, ago(time.Second - 24*time.Hour), 24 * time.Hour},
			bound{certain, ago(4 * time.Second).Add(10_000 * time.Second), 10_000 * time.Second}},
		{"caught up when it was asked last", facts{next: 200, delay: time.Minute, known: log(func(p *probe.Partition) { p.At, p.Sized = ago(time.Hour), ago(time.Hour) })},
			bound{certain, ago(time.Hour + time.Minute - 24*time.Hour), 24 * time.Hour}, bound{certain, ago(time.Hour).Add(10_000 * time.Second), 10_000 * time.Second}},
		{"an earlier one is known", facts{next: 170, through: &through, known: log(nil)}, bound{certain, ago(time.Hour - 24*time.Hour), 24 * time.Hour},
			bound{certain, ago(4 * time.Second).Add(8200 * time.Second), 10_000 * time.Second}},
		{"it is not known how old it is", facts{next: 150, through: &through, delay: time.Minute, known: log(func(p *probe.Partition) { p.Heads = nil })},
			bound{certain, ago(2*time.Hour + time.Minute - 24*time.Hour), 24 * time.Hour}, bound{certain, ago(4 * time.Second).Add(7000 * time.Second), 10_000 * time.Second}},
		{"nor through when all is mirrored", facts{next: 150, known: log(func(p *probe.Partition) { p.Heads, p.Pace = nil, nil })}, bound{}, bound{}},
		{"what is lost counts no more", facts{next: 50, known: log(nil)}, bound{certain, ago(20*time.Hour - 24*time.Hour), 24 * time.Hour},
			bound{certain, ago(4 * time.Second).Add(5000 * time.Second), 10_000 * time.Second}},
		{"a stamp of tomorrow", facts{next: 150, known: log(func(p *probe.Partition) { p.Heads[1].Max = ago(-24 * time.Hour).UnixMilli() })},
			bound{certain, ago(3*time.Second - 24*time.Hour), 24 * time.Hour}, bound{certain, ago(4 * time.Second).Add(7000 * time.Second), 10_000 * time.Second}},
		{"more is behind it than may be", facts{next: 100, known: log(func(p *probe.Partition) { p.Size = 2_000_000 })}, bound{certain, ago(20*time.Hour - 24*time.Hour), 24 * time.Hour},
			bound{certain, ago(4 * time.Second), 10_000 * time.Second}},
		{"nothing comes", facts{next: 150, known: log(func(p *probe.Partition) { p.Pace = &probe.Pace{} })}, bound{certain, ago(time.Hour - 24*time.Hour), 24 * time.Hour}, bound{state: never}},
		{"nothing was asked, but mirrored", facts{next: 150, through: &through}, bound{certain, ago(2*time.Hour - 24*time.Hour), 24 * time.Hour}, bound{}},
		{"nothing is known", facts{next: -1}, bound{}, bound{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.f.now, test.f.source = now, kept()
			if got := test.f.retentionTime(); got.state != test.time.state || !got.at.Equal(test.time.at) || got.budget != test.time.budget {
				t.Errorf("by age: got %+v, want %+v", got, test.time)
			}
			got := test.f.retentionBytes()
			if d := got.at.Sub(test.bytes.at).Abs(); got.state != test.bytes.state || d > time.Millisecond || got.budget != test.bytes.budget {
				t.Errorf("by size: got %+v, want %+v", got, test.bytes)
			}
			test.f.source = &probe.Settings{Compacts: true, Retention: time.Hour, RetentionBytes: 1}
			if test.f.retentionTime().state != never || test.f.retentionBytes().state != never {
				t.Error("what is only compacted is deleted")
			}
			test.f.source = nil
			if test.f.retentionTime().state != unknown || test.f.retentionBytes().state != unknown {
				t.Error("without settings something is certain")
			}
			test.f.target = &probe.Settings{Deletes: true, Retention: time.Hour, AppendTime: true}
			if test.f.targetRetention().state != never {
				t.Error("the destination goes by the time of the append")
			}
			test.f.target.AppendTime = false
			if got := test.f.targetRetention(); got.state != test.time.state || got.state == certain && !got.at.Equal(test.time.at.Add(-23*time.Hour)) {
				t.Errorf("at the destination: got %+v", got)
			}
		})
	}
}

// A disk that is not measured may be full at any time; one that is, and does not grow, never is.
func TestDiskFullIsUnknownUntilMeasured(t *testing.T) {
	full := second(600)
	for _, test := range []struct {
		name string
		f    facts
		want bound
	}{
		{"not measured", facts{}, bound{}},
		{"does not grow", facts{measured: true}, bound{state: never}},
		{"grows", facts{measured: true, full: &full}, bound{state: certain, at: full}},
	} {
		if got := test.f.diskFull(); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

// What was told of a disk stands while a prober cannot ask for it.
func TestADiskIsNotForgottenByOneFailedRound(t *testing.T) {
	full := second(600)
	disk := probe.DiskID{Broker: 1, Dir: "/kafka"}
	answer := &probe.Answer{Disks: []probe.Disk{{DiskID: disk, Total: 100, Usable: 10, FullAt: &full}},
		Topics: map[string]*probe.Topic{"clicks": {Settings: kept(), Partitions: []*probe.Partition{{At: second(0), End: 10, Disk: disk}}}}}
	h := &holder{}
	o, _ := newObserver(t, h)
	o.cfg.Probes = map[string]Probes{"up": {Source: func() *probe.Answer { return answer }}}
	h.set(link(topic("clicks", partition(0, mirror.StateCaughtUp, 10, 10))))
	for i, next := range []*probe.Answer{answer, {Topics: answer.Topics}, nil} {
		answer = next
		o.observe(second(i))
		if got := o.Snapshot().Links[0].Topics[0]; got.LossDeadline == nil || !got.LossDeadline.Equal(full) || got.LossCause != CauseDiskFull {
			t.Errorf("look %d: got %v (%s), want %v (disk_full)", i, got.LossDeadline, got.LossCause, full)
		}
	}
}

// broker keeps one partition as Kafka does, by the rules of UnifiedLog: whole segments, the oldest first, by the largest
// timestamp of each.
type broker struct {
	retention time.Duration
	segments  []brokerSegment
	next      int64
	max       map[int64]int64 // by offset of a batch of one record: its timestamp
}

type brokerSegment struct {
	base, largest int64
	records       int
}

func (b *broker) write(stamp int64, roll int) {
	if n := len(b.segments); n == 0 || b.segments[n-1].records >= roll {
		b.segments = append(b.segments, brokerSegment{base: b.next, largest: -1})
	}
	s := &b.segments[len(b.segments)-1]
	s.records++
	s.largest = max(s.largest, stamp)
	b.max[b.next] = stamp
	b.next++
}

func (b *broker) check(now time.Time) {
	for len(b.segments) > 0 && now.UnixMilli()-b.segments[0].largest > b.retention.Milliseconds() {
		b.segments = b.segments[1:]
	}
}

func (b *broker) start() int64 {
	if len(b.segments) == 0 {
		return b.next
	}
	return b.segments[0].base
}

// Whatever comes with whatever timestamps, and however much of it is known: while a record waits, its deadline is never
// later than its deletion.
func TestADeadlineIsNeverLaterThanTheTruth(t *testing.T) {
	told := 0
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		b := &broker{retention: 10 * time.Minute, max: map[int64]int64{}}
		skew := time.Duration(rnd.Int64N(int64(5 * time.Minute)))
		settings := &probe.Settings{Deletes: true, Retention: b.retention, RetentionBytes: -1}
		start := second(0)
		var waits int64 = -1 // the first record that is not mirrored, once the link is cut
		var through time.Time
		cutAt := 60 + rnd.IntN(200)
		var known probe.Partition
		var latest time.Time // the latest deadline that was told while the record waited
		for s := range 3600 {
			now := start.Add(time.Duration(s) * time.Second)
			if rnd.IntN(3) > 0 {
				stamp := now.Add(-time.Duration(rnd.Int64N(int64(skew) + 1)))
				if waits < 0 && s >= cutAt {
					waits, through = b.next, now.Add(-time.Second)
				}
				b.write(stamp.UnixMilli(), 1+rnd.IntN(100))
			}
			if s%7 == 0 {
				b.check(now)
			}
			if waits >= 0 && b.start() > waits {
				if latest.After(now) {
					t.Fatalf("seed %d: deleted at %v, and its deadline was %v", seed, now, latest)
				}
				break
			}
			if s%10 == 0 && rnd.IntN(4) > 0 { // a round that succeeds
				known = probe.Partition{At: now, Start: b.start(), End: b.next, Heads: known.Heads}
				if waits >= 0 && rnd.IntN(2) == 0 {
					known.Heads = []probe.Head{{Offset: waits, Max: b.max[waits]}}
				}
			}
			if waits < 0 {
				continue
			}
			f := facts{now: now, next: waits, through: &through, delay: skew, source: settings}
			if !known.At.IsZero() {
				f.known = &known
			}
			got := f.retentionTime()
			if f.known != nil && known.End <= waits { // it was not seen yet: this is about one that comes when the log was asked
				if limit := time.UnixMilli(b.max[waits]).Add(b.retention + skew); got.state != certain || got.at.After(limit) {
					t.Fatalf("seed %d: got %+v, want at most %v", seed, got, limit)
				}
				continue
			}
			if got.state != certain {
				t.Fatalf("seed %d: nothing is known: %+v", seed, f)
			}
			if got.at.After(latest) {
				latest = got.at
			}
			told++
		}
	}
	if told < 10_000 {
		t.Errorf("only %d deadlines were told", told)
	}
}

// A topic is as near to loss as its worst partition, and while one is unknown that was never known nothing is said.
func TestOutlookOfATopic(t *testing.T) {
	h := &holder{}
	o, lines := newObserver(t, h)
	answer := &probe.Answer{Topics: map[string]*probe.Topic{"clicks": {Settings: kept()}}}
	o.cfg.Probes = map[string]Probes{"up": {Source: func() *probe.Answer { return answer }}}
	o.SetRetention(map[string]Retention{"up": {Warn: 0.5, Critical: 0.25}})
	events := &recorder{}
	o.cfg.Events = events
	at := func(age time.Duration, asked time.Time) *probe.Partition {
		return &probe.Partition{At: asked, End: 10, Heads: []probe.Head{{Offset: 0, Max: asked.Add(-age).UnixMilli()}}}
	}
	put := func(partitions ...*probe.Partition) {
		answer = &probe.Answer{Topics: map[string]*probe.Topic{"clicks": {Settings: answer.Topics["clicks"].Settings, Partitions: partitions}}}
	}
	waiting := func(p int32) mirror.PartitionStatus { return partition(p, mirror.StateCopying, 0, 10) }
	h.set(link(topic("clicks", waiting(0), waiting(1))))
	look := func(s int) Topic {
		o.observe(second(s))
		return o.Snapshot().Links[0].Topics[0]
	}

	put(at(time.Hour, second(0)), nil)
	if got := look(0); got.LossDeadline != nil || got.Partitions[0].LossDeadline == nil {
		t.Errorf("with an unknown partition: %v", got.LossDeadline)
	}
	put(at(time.Hour, second(1)), at(6*time.Hour, second(1)))
	got := look(1)
	if want := second(1).Add(18 * time.Hour); got.LossDeadline == nil || !got.LossDeadline.Equal(want) || got.LossCause != CauseRetentionTime || got.Warning != "" {
		t.Fatalf("got %+v, want %v", got.Outlook, want)
	}
	if *got.Used < 0.24 || *got.Used > 0.26 || *got.SourceRetention != 24*time.Hour || *got.OutageBudget != 24*time.Hour {
		t.Errorf("got %+v", got.Outlook)
	}
	put(nil, nil)
	if got := look(3600); got.LossDeadline == nil || !got.LossDeadline.Equal(second(1).Add(18*time.Hour)) {
		t.Errorf("what was told does not stand: %+v", got.Outlook)
	}
	lines.take()
	if got := look(7 * 3600); got.Warning == "" || events.take() != "headroom_low clicks" {
		t.Errorf("after 7 hours: %q", got.Warning)
	}
	if got := look(14 * 3600); got.Warning == "" || events.take() != "headroom_critical clicks" {
		t.Errorf("after 14 hours: %q", got.Warning)
	}
	if look(20 * 3600); events.take() != "" {
		t.Error("said twice")
	}
	put(at(11*time.Hour+30*time.Minute, second(20*3600)), at(0, second(20*3600)))
	if got := look(20 * 3600); got.Warning == "" || events.take() != "headroom_low clicks" {
		t.Errorf("hardly better: %q", got.Warning)
	}
	answer.Topics["clicks"].Settings = &probe.Settings{Deletes: true, Retention: 48 * time.Hour, RetentionBytes: 1_000_000}
	if got := look(20*3600 + 1); got.Warning != "" || events.take() != "settings_changed clicks, headroom_recovered clicks" {
		t.Errorf("kept for longer: %q", got.Warning)
	}
}

// What an outage may last is an upper bound while a retention is not known, or not the traffic that one by size is measured with.
func TestABudgetIsAnUpperBoundWhileSomethingIsNotKnown(t *testing.T) {
	paced := &probe.Partition{Pace: &probe.Pace{Now: 1, P95: 100}}
	bySize := &probe.Settings{Deletes: true, Retention: 24 * time.Hour, RetentionBytes: 100 * 3600}
	byAge := &probe.Settings{Deletes: true, Retention: 24 * time.Hour, RetentionBytes: -1}
	for _, test := range []struct {
		name           string
		source, target *probe.Settings
		partitions     []*probe.Partition
		want           time.Duration
		atMost         bool
	}{
		{"all is known", bySize, byAge, []*probe.Partition{paced, paced}, time.Hour, false},
		{"without a retention by size sizes do not matter", byAge, byAge, []*probe.Partition{nil, nil}, 24 * time.Hour, false},
		{"of one partition no size", bySize, byAge, []*probe.Partition{paced, {}}, time.Hour, true},
		{"no sizes", bySize, byAge, []*probe.Partition{{}, {}}, 24 * time.Hour, true},
		{"no settings at the source", nil, byAge, []*probe.Partition{paced, paced}, 24 * time.Hour, true},
		{"no settings at the destination", bySize, nil, []*probe.Partition{paced, paced}, time.Hour, true},
		{"no settings at all", nil, nil, []*probe.Partition{paced, paced}, 0, true},
	} {
		answer := func(s *probe.Settings, partitions []*probe.Partition) *probe.Answer {
			return &probe.Answer{Topics: map[string]*probe.Topic{"clicks": {Settings: s, Partitions: partitions}}}
		}
		status := topic("clicks", partition(0, mirror.StateCopying, 0, 10), partition(1, mirror.StateCopying, 0, 10))
		f := newForesight(second(0), answers{answer(test.source, test.partitions), answer(test.target, nil)}, status)
		for _, s := range status.Partitions {
			f.partition(&Partition{Partition: s.Source.Partition}, &partitionHistory{}, s)
		}
		got := f.result(len(status.Partitions))
		if got.BudgetAtMost != test.atMost || (got.OutageBudget == nil) != (test.want == 0) || got.OutageBudget != nil && *got.OutageBudget != test.want {
			t.Errorf("%s: got %v, at most %v, want %v, %v", test.name, got.OutageBudget, got.BudgetAtMost, test.want, test.atMost)
		}
	}
}

func TestLevelsDoNotFlap(t *testing.T) {
	r := Retention{Warn: 0.5, Critical: 0.25}
	was := ample
	for i, step := range []struct {
		left float64
		want level
	}{{0.6, ample}, {0.49, low}, {0.51, low}, {0.49, low}, {0.54, low}, {0.56, ample}, {0.2, critical}, {0.26, critical}, {0.31, low}, {0.24, critical}, {0.9, ample}, {0, critical}} {
		if was = was.judge(step.left, r); was != step.want {
			t.Errorf("step %d: %v left: got %v, want %v", i, step.left, was, step.want)
		}
	}
	if got := low.judge(1, Retention{Warn: 1}); got != low.judge(0.999, Retention{Warn: 1}) && got != ample {
		t.Errorf("with all left: got %v", got)
	}
	if ample.judge(0, Retention{}) != ample {
		t.Error("without thresholds there is a warning")
	}
}

// The prober's end stands in for that of the copy path in the lag, and nowhere else.
func TestLagGoesByTheProberWhereTheCopyPathKnowsNothing(t *testing.T) {
	h := &holder{}
	o, _ := newObserver(t, h)
	asked := second(0)
	o.cfg.Probes = map[string]Probes{"up": {Source: func() *probe.Answer {
		return &probe.Answer{Topics: map[string]*probe.Topic{"clicks": {Partitions: []*probe.Partition{{At: asked, End: 70}}}}}
	}}}
	h.set(link(topic("clicks", partition(0, mirror.StateWaiting, 20, -1))))
	o.observe(second(10))
	got := o.Snapshot().Links[0].Topics[0]
	if got.LagRecords == nil || *got.LagRecords != 50 || got.ReplicatedThrough != nil || got.State != mirror.StateWaiting {
		t.Errorf("got lag %v, through %v", got.LagRecords, got.ReplicatedThrough)
	}
	o.observe(second(31))
	if got := o.Snapshot().Links[0].Topics[0]; got.LagRecords != nil {
		t.Errorf("got lag %d of an answer that is old", *got.LagRecords)
	}
}
