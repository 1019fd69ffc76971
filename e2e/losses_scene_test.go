package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// lossScene is one group of losses under way: two mirrors on the same clusters, one of which is stopped when the fault
// comes, and a topic for each loss under each of them.
type lossScene struct {
	group    lossGroup
	from, to *kafka.Cluster
	hosts    map[mode]*host
	trials   []*lossTrial
	siblings []*sibling // that of the live mirror first
}

// lossTrial is one loss under one mirror. What the steps of the fault write and expect stands here.
type lossTrial struct {
	loss
	mode     mode
	from, to *kafka.Cluster
	host     *host
	topic    string

	early   kadm.Offset // position of partition 0 when the first part of the old records had been copied
	copied  []written   // of the old log, in order of offset
	fresh   []written   // of the new log, or what the fault did not touch
	aliens  []load.Report
	faulted time.Time // when the fault was complete and the mirror running
	want    wantLoss
	failed  error // of what the mirror was asked to do
}

// written is the records of one generator, which lie dense from an offset on in each partition it wrote to.
type written struct {
	report load.Report
	at     int64
}

// wantLoss is what a partition that halts must report.
type wantLoss struct {
	partitions []int32 // that halt; the others must not
	from       int64   // offset, or atDestinationEnd
	to         int64   // offset, unknown, or whatever
	records    int64   // number, unknown, or whatever
	surplus    *offsetRange
	span       bool  // the records on either side are there, and tell the time span
	late       int64 // records that may count too, as the mirror put them into a new topic before it noticed
	doubled    int64 // records that the operator's choice copies a second time
	missing    int64 // of what the source still has, at the destination, where it is not copied again
	alien      int64 // records that the destination has and the source has no longer
	unverified bool  // a record of the source cannot be read
}

const (
	unknown          = -1
	whatever         = -2
	atDestinationEnd = -3 // what had been read when the mirror froze is copied first
)

// sibling is a topic that the fault does not touch, with steady traffic.
type sibling struct {
	*route
	traffic *traffic
	before  pace
}

const (
	siblingRate   = 300 // records a second
	siblingWindow = 3 * time.Second
	haltWithin    = 30 * time.Second
	flowWithin    = 60 * time.Second
)

// newLossScene makes the topics, lets both mirrors copy what is in them, and stops one.
func newLossScene(t *testing.T, g lossGroup) *lossScene {
	t.Helper()
	s := &lossScene{group: g, from: g.from(t), to: g.to(t), hosts: map[mode]*host{}}
	for _, m := range []mode{live, stopped} {
		s.add(t, m)
	}
	s.each(t, func(ctx context.Context, tr *lossTrial) error { return tr.createSource(ctx) })
	s.each(t, func(ctx context.Context, tr *lossTrial) error { return tr.writeOld(ctx, oldRecords-cutRecords) })
	for _, h := range s.hosts {
		must(t, h.launch())
	}
	for _, h := range s.hosts {
		must(t, h.awaitStarted(within(t, readyTimeout)))
	}
	s.each(t, awaitCopied)
	s.each(t, noteEarly)
	if g.partway != nil {
		must(t, g.partway(within(t, time.Minute), s))
	}
	s.each(t, func(ctx context.Context, tr *lossTrial) error { return tr.writeOld(ctx, cutRecords) })
	s.each(t, awaitCopied)
	for _, sib := range s.siblings {
		sib.traffic = sib.startTraffic(t, load.Spec{Partitions: 2, Rate: siblingRate, Seed: 9})
	}
	s.hosts[stopped].stop(t)
	return s
}

// add makes one mirror with its topics.
func (s *lossScene) add(t *testing.T, m mode) {
	t.Helper()
	name := fmt.Sprintf("losses-%s-%s", s.group.name, m)
	var topics []string
	var trials []*lossTrial
	for _, l := range s.group.losses {
		if l.only == "" || l.only == m {
			topics = append(topics, name+"-"+l.name)
			trials = append(trials, &lossTrial{loss: l, mode: m, from: s.from, to: s.to, topic: name + "-" + l.name})
		}
	}
	sib := &sibling{route: &route{from: s.from, to: s.to, topic: name + "-sibling"}}
	settings := between(name, s.from, s.to, append(slices.Clone(topics), sib.topic)...)
	if s.group.elsewhere != nil { // nothing between these clusters goes on: the siblings are of another link
		sib.from, sib.to = s.group.elsewhere(t)
		settings.Links[0].Topics.Include = topics
		settings.Clusters["sibling-"+fromName] = clusterSettings{Brokers: sib.from.Brokers()}
		settings.Clusters["sibling-"+toName] = clusterSettings{Brokers: sib.to.Brokers()}
		settings.Links = append(settings.Links, linkSettings{Name: sib.topic, From: "sibling-" + fromName, To: "sibling-" + toName,
			Topics: topicSettings{Include: []string{sib.topic}}})
	}
	must(t, sib.from.CreateTopic(within(t, time.Minute), sib.topic, 2, min(len(sib.from.Nodes()), 3), nil))
	h := newHost(t, settings)
	sib.host, s.hosts[m] = h, h
	for _, tr := range trials {
		tr.host = h
	}
	s.trials, s.siblings = append(s.trials, trials...), append(s.siblings, sib)
}

// each does the same for every trial, at the same moment.
func (s *lossScene) each(t *testing.T, do func(ctx context.Context, tr *lossTrial) error) {
	t.Helper()
	must(t, s.eachOf(within(t, 2*time.Minute), s.trials, do))
}

func (s *lossScene) eachOf(ctx context.Context, trials []*lossTrial, do func(ctx context.Context, tr *lossTrial) error) error {
	failures := make([]error, len(trials))
	var wg sync.WaitGroup
	for i, tr := range trials {
		wg.Go(func() {
			if err := do(ctx, tr); err != nil {
				failures[i] = fmt.Errorf("%s, %s: %w", tr.name, tr.mode, err)
			}
		})
	}
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// fault makes the losses happen.
func (s *lossScene) fault(t *testing.T) {
	t.Helper()
	s.siblings[0].before = s.siblings[0].measure(t)
	if s.group.frozen {
		must(t, s.hosts[live].run.freeze(t.Context()))
	}
	s.each(t, func(ctx context.Context, tr *lossTrial) error { return step(ctx, tr, tr.before) })
	if s.group.outage != nil {
		must(t, s.group.outage(within(t, 2*time.Minute), s))
	}
	s.each(t, func(ctx context.Context, tr *lossTrial) error { return step(ctx, tr, tr.after) })
	if s.group.frozen {
		must(t, s.hosts[live].run.thaw())
	}
	s.hosts[stopped].start(t)
	for _, tr := range s.trials {
		tr.faulted = time.Now()
	}
}

// resolve does what the operator chose for every trial, kills both mirrors, and lets their next lives copy some more.
func (s *lossScene) resolve(t *testing.T) {
	t.Helper()
	s.attempt(t, resolve)
	for _, h := range s.hosts {
		must(t, h.run.kill())
		must(t, h.launch())
	}
	s.attempt(t, writeFresh(freshShorter))
	for _, h := range s.hosts {
		must(t, h.awaitStarted(within(t, readyTimeout)))
	}
	s.attempt(t, awaitCopied)
}

// attempt does the same for every trial at the same moment; one that fails is left alone from then on.
func (s *lossScene) attempt(t *testing.T, do func(ctx context.Context, tr *lossTrial) error) {
	ctx := within(t, flowWithin)
	var wg sync.WaitGroup
	for _, tr := range s.trials {
		if tr.failed == nil {
			wg.Go(func() { tr.failed = do(ctx, tr) })
		}
	}
	wg.Wait()
}

func step(ctx context.Context, tr *lossTrial, do func(context.Context, *lossTrial) error) error {
	if do == nil {
		return nil
	}
	return do(ctx, tr)
}

// surgery calls the down steps. What they work on is down.
func (s *lossScene) surgery() error {
	for _, tr := range s.trials {
		if tr.down != nil {
			if err := tr.down(tr); err != nil {
				return fmt.Errorf("%s, %s: %w", tr.name, tr.mode, err)
			}
		}
	}
	return nil
}

// createSource makes the topic of two partitions. On three brokers its replicas are on 2 and 3, either of which is enough.
func (tr *lossTrial) createSource(ctx context.Context) error {
	if len(tr.from.Nodes()) == 3 {
		return tr.from.CreateTopicOn(ctx, tr.topic, 2, []int32{2, 3}, map[string]string{"min.insync.replicas": "1"})
	}
	return tr.from.CreateTopic(ctx, tr.topic, 2, 1, tr.configs)
}

// writeOld writes records to both partitions, to be copied before the fault.
func (tr *lossTrial) writeOld(ctx context.Context, each int64) error {
	report, err := tr.write(ctx, tr.from, 2, each, tr.oldAge)
	tr.copied = append(tr.copied, written{report, tr.written()})
	return err
}

// written returns how many records of each partition tr.copied has.
func (tr *lossTrial) written() (total int64) {
	for _, w := range tr.copied {
		total += w.report.Acked() / int64(len(w.report.Producers[0].Partitions))
	}
	return total
}

// write writes records to each of the first partitions, in exact batches.
func (tr *lossTrial) write(ctx context.Context, to *kafka.Cluster, partitions int32, each int64, age time.Duration) (load.Report, error) {
	seed := uint64(len(tr.copied) + len(tr.fresh)*16 + len(tr.aliens)*256)
	report, err := load.Produce(ctx, to.Direct(), load.Spec{Topic: tr.topic, Partitions: partitions, Records: each * int64(partitions),
		BatchRecords: []int{batchRecords}, Seed: seed, Age: age})
	if err == nil && report.Acked() != each*int64(partitions) {
		err = fmt.Errorf("only %s", report)
	}
	return report, err
}

func awaitCopied(ctx context.Context, tr *lossTrial) error {
	return load.AwaitCommitted(ctx, tr.from.Direct(), tr.host.settings.group(), tr.topic)
}

// noteEarly keeps the position for a fault that takes it back.
func noteEarly(ctx context.Context, tr *lossTrial) error {
	at, err := tr.position(ctx)
	if err == nil && at.At != oldRecords-cutRecords {
		err = fmt.Errorf("position of partition 0: got %d, want %d", at.At, oldRecords-cutRecords)
	}
	tr.early = at
	return err
}

// pace is how fast a sibling goes, in records a second.
type pace struct{ source, destination float64 }

// measure returns the pace over a window in which the destination follows the source; one that never does fails.
func (sib *sibling) measure(t *testing.T) pace {
	t.Helper()
	var p pace
	eventually(t, 8*siblingWindow, "siblings keep their rate", func(ctx context.Context) error {
		var err error
		if p, err = sib.window(ctx); err != nil {
			return err
		}
		if p.source < siblingRate/2 || p.destination < 0.9*p.source {
			return fmt.Errorf("%.0f records a second of %.0f", p.destination, p.source)
		}
		return nil
	})
	return p
}

func (sib *sibling) window(ctx context.Context) (pace, error) {
	before, err := sib.counts(ctx)
	if err != nil {
		return pace{}, err
	}
	begun := time.Now()
	if err := pause(ctx, siblingWindow); err != nil {
		return pace{}, err
	}
	after, err := sib.counts(ctx)
	seconds := time.Since(begun).Seconds()
	return pace{(after.source - before.source) / seconds, (after.destination - before.destination) / seconds}, err
}

func (sib *sibling) counts(ctx context.Context) (pace, error) {
	ends, err := sib.from.EndOffsets(ctx, sib.topic)
	if err != nil {
		return pace{}, err
	}
	var source int64
	for _, end := range ends {
		source += end
	}
	arrived, err := sib.arrived(ctx)
	return pace{float64(source), float64(arrived)}, err
}
