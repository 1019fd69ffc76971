package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"tributary/e2e/load"
)

// requireHalts waits until every partition that lost something is halted, and proves that the others are not.
func (s *lossScene) requireHalts(t *testing.T) {
	t.Helper()
	for _, tr := range s.trials {
		took := eventually(t, haltWithin-time.Since(tr.faulted), tr.name+" halts "+string(tr.mode), tr.halted)
		t.Logf("%s, %s: halted, looked at %v after the fault (%v)", tr.name, tr.mode, time.Since(tr.faulted).Round(time.Millisecond), took.Round(time.Millisecond))
	}
	before, during := s.siblings[0].before, s.siblings[0].measure(t)
	t.Logf("siblings: %.0f records a second before, %.0f while others are halted", before.destination, during.destination)
	if during.destination < 0.9*min(before.destination, during.source) {
		t.Errorf("siblings slowed down from %.0f records a second to %.0f", before.destination, during.destination)
	}
}

// halted returns an error unless exactly the partitions that lost something are halted.
func (tr *lossTrial) halted(ctx context.Context) error {
	topic, err := tr.host.topic(ctx, tr.topic)
	if err != nil {
		return err
	}
	if len(topic.Partitions) != 2 {
		return fmt.Errorf("%d partitions are known", len(topic.Partitions))
	}
	for _, p := range topic.Partitions {
		want := slices.Contains(tr.want.partitions, p.Partition)
		if got := p.State == "halted"; got != want {
			return fmt.Errorf("partition %d is %s (%s %s), want halted %v", p.Partition, p.State, p.Reason, p.Error, want)
		}
	}
	return nil
}

// requireNamed proves that status, metrics, events and the skip that is not accepted name the same loss.
func (tr *lossTrial) requireNamed(t *testing.T) {
	total := tr.requireReport(t)
	tr.requireMetric(t, total)
	tr.requireEvents(t)
	for _, partition := range tr.want.partitions {
		got, err := tr.host.command(t.Context(), "skip", tr.link(), fmt.Sprintf("%s/%d", tr.topic, partition))
		must(t, err)
		if got.code != 64 || !strings.Contains(got.stderr, "--i-accept-loss") || !strings.Contains(got.stderr, tr.cause) {
			t.Errorf("a skip that is not accepted: exit code %d, want 64 and what would be lost: %s", got.code, got.stderr)
		}
	}
}

func (tr *lossTrial) link() string { return tr.host.settings.Links[0].Name }

// requireMetric proves that the metrics count what the status names, under its cause alone.
func (tr *lossTrial) requireMetric(t *testing.T, lost int64) {
	t.Helper()
	values, err := tr.host.metrics(t.Context())
	must(t, err)
	causes := 0
	for series, got := range values {
		if !strings.HasPrefix(series, "mirror_records_lost_total{") || !strings.Contains(series, `topic="`+tr.topic+`"`) {
			continue
		}
		causes++
		want := int64(0)
		if strings.Contains(series, `cause="`+tr.cause+`"`) {
			want = lost
		}
		if int64(got) != want {
			t.Errorf("%s: got %v, want %d", series, got, want)
		}
	}
	if causes < 11 {
		t.Errorf("mirror_records_lost_total has %d series for %s, want one for each cause", causes, tr.topic)
	}
}

// requireEvents proves that each halt is in the journal with the loss that the status names.
func (tr *lossTrial) requireEvents(t *testing.T) {
	t.Helper()
	events, err := tr.host.events(t.Context())
	must(t, err)
	topic, err := tr.host.topic(t.Context(), tr.topic)
	must(t, err)
	for _, p := range topic.Partitions {
		if !slices.Contains(tr.want.partitions, p.Partition) {
			continue
		}
		at := slices.IndexFunc(events, func(e eventReport) bool {
			return e.Kind == "halted" && e.Topic == tr.topic && e.Partition != nil && *e.Partition == p.Partition
		})
		if at < 0 {
			t.Errorf("no event says that partition %d is halted", p.Partition)
			continue
		}
		if e := events[at]; e.Cause != p.Reason || !reflect.DeepEqual(e.Lost, p.Lost) || !reflect.DeepEqual(e.Surplus, p.Surplus) {
			t.Errorf("partition %d: the event says %s, %+v, the status %s, %+v", p.Partition, e.Cause, e.Lost, p.Reason, p.Lost)
		}
	}
}

// resolve lets the partitions go on as the operator chose.
func resolve(ctx context.Context, tr *lossTrial) error {
	for _, partition := range tr.want.partitions {
		args := append([]string{"skip", tr.link(), fmt.Sprintf("%s/%d", tr.topic, partition), "--i-accept-loss", "-o", "json"}, tr.choice...)
		got, err := tr.host.command(ctx, args...)
		if err != nil {
			return err
		}
		if got.code != 0 {
			return fmt.Errorf("mirror %s: exit code %d: %s", strings.Join(args, " "), got.code, got.stderr)
		}
	}
	return poll(ctx, flowWithin, func(ctx context.Context) error { return tr.host.expectState(ctx, tr.topic, "caught_up") })
}

// requireArrived proves that the destination has every record that was not lost, once and in order, and none else.
func (tr *lossTrial) requireArrived(t *testing.T) {
	must(t, tr.failed)
	must(t, tr.host.expectState(t.Context(), tr.topic, "caught_up"))
	var reports []load.Report
	for _, w := range append(slices.Clone(tr.copied), tr.fresh...) {
		reports = append(reports, w.report)
	}
	audit, err := load.Audit(t.Context(), tr.to.Direct(), tr.topic, append(reports, tr.aliens...)...)
	must(t, err)
	want := map[load.Kind]int64{}
	if tr.want.doubled > 0 {
		want[load.Doubled] = tr.want.doubled
	}
	if !maps.Equal(audit.Counts, want) {
		t.Errorf("got %v, want %v", audit, want)
	}
	tr.requireVerified(t)
}

// requireVerified proves that mirror verify, which knows nothing of the halt, finds the same numbers.
func (tr *lossTrial) requireVerified(t *testing.T) {
	t.Helper()
	if tr.want.unverified {
		return
	}
	got, err := command(t.Context(), "verify", "--source", tr.from.Direct()[0], "--destination", tr.to.Direct()[0], "--topics", tr.topic, "-o", "json")
	must(t, err)
	type findings struct{ Missing, Duplicate, Alien, Altered, Reordered int64 }
	var report struct{ Comparisons []findings }
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || len(report.Comparisons) != 1 {
		t.Fatalf("mirror verify: exit code %d, %v: %s%s", got.code, err, got.stdout, got.stderr)
	}
	want := findings{Missing: tr.want.missing, Duplicate: tr.want.doubled, Alien: tr.want.alien}
	for _, r := range tr.aliens {
		want.Alien += r.Acked()
	}
	if slices.Contains(tr.choice, "beginning") {
		want.Missing = 0
	}
	if report.Comparisons[0] != want {
		t.Errorf("mirror verify: got %+v, want %+v", report.Comparisons[0], want)
	}
}

// requireReport proves that the status names what is lost, and returns the number of records.
func (tr *lossTrial) requireReport(t *testing.T) (total int64) {
	t.Helper()
	topic, err := tr.host.topic(t.Context(), tr.topic)
	must(t, err)
	ends, err := tr.to.EndOffsets(t.Context(), tr.topic)
	if !errors.Is(err, kerr.UnknownTopicOrPartition) { // an empty cluster
		must(t, err)
	}
	for _, p := range topic.Partitions {
		if !slices.Contains(tr.want.partitions, p.Partition) {
			continue
		}
		if p.Reason != tr.cause {
			t.Errorf("cause of partition %d: got %s (%s), want %s", p.Partition, p.Reason, p.Error, tr.cause)
		}
		want := tr.want
		if want.from == atDestinationEnd {
			want.from = ends[p.Partition]
			if want.from < oldRecords || want.from >= want.to {
				t.Errorf("the destination has %d records of partition %d when it halts, want at least %d and less than %d: nothing was lost", want.from, p.Partition, oldRecords, want.to)
			}
		}
		if p.Lost != nil && p.Lost.To != nil && *p.Lost.To > want.to && *p.Lost.To <= want.to+want.late {
			tr.want.doubled += *p.Lost.To - want.to
			want.to = *p.Lost.To
		}
		if want.to >= 0 {
			want.records = want.to - want.from
		}
		if err := want.check(p); err != nil {
			t.Errorf("partition %d, halted for %s: %v; it says %s; next step: %s", p.Partition, p.Reason, err, p.Error, p.NextStep)
		}
		if want.span {
			tr.requireSpan(t, p)
		}
		if p.Lost != nil && p.Lost.Records != nil {
			total += *p.Lost.Records
		}
		tr.lose(p.Partition, want)
	}
	return total
}

// lose notes that records of the old log will not be at the destination.
func (tr *lossTrial) lose(partition int32, want wantLoss) {
	if slices.Contains(tr.choice, "beginning") || want.from < 0 || want.to < 0 {
		return
	}
	for i, w := range tr.copied {
		tr.copied[i].report = w.report.Without(partition, load.Range{From: max(0, want.from-w.at), To: max(0, want.to-w.at)})
	}
}

// check returns what of a partition's status is not as wanted.
func (want wantLoss) check(p partitionStatus) error {
	lost := p.Lost
	if lost == nil {
		if want.from == whatever {
			return nil
		}
		return errors.New("it does not say what is lost")
	}
	var errs []error
	compare := func(what string, got *int64, want int64) {
		if want == whatever || got == nil && want == unknown || got != nil && *got == want {
			return
		}
		errs = append(errs, fmt.Errorf("%s: got %s, want %d", what, show(got), want))
	}
	compare("lost from", lost.From, want.from)
	compare("lost to", lost.To, want.to)
	compare("records lost", lost.Records, want.records)
	if want.surplus != nil && (p.Surplus == nil || *p.Surplus != *want.surplus) {
		errs = append(errs, fmt.Errorf("surplus: got %v, want %v", p.Surplus, *want.surplus))
	}
	return errors.Join(errs...)
}

// requireSpan proves that the time span of what is lost lies between the timestamps of its neighbours: the last record
// before it, which the destination has, and the first one behind it, which the source has.
func (tr *lossTrial) requireSpan(t *testing.T, p partitionStatus) {
	t.Helper()
	if p.Lost == nil || p.Lost.From == nil || p.Lost.To == nil {
		return // said elsewhere
	}
	before, err := tr.to.Timestamp(t.Context(), tr.topic, p.Partition, *p.Lost.From-1)
	must(t, err)
	behind, err := tr.from.Timestamp(t.Context(), tr.topic, p.Partition, *p.Lost.To)
	must(t, err)
	// A mirror that has just started does not know what it copied before, and says nothing rather than something wrong.
	if p.Lost.Since == nil && tr.mode == live || p.Lost.Since != nil && !p.Lost.Since.Equal(before) {
		t.Errorf("lost since: got %v, want %v", p.Lost.Since, before)
	}
	// Nor is it known what comes behind a batch that cannot be read.
	if p.Lost.Until == nil && tr.cause == "retention" || p.Lost.Until != nil && !p.Lost.Until.Equal(behind) {
		t.Errorf("lost until: got %v, want %v", p.Lost.Until, behind)
	}
}

// requireSiblings proves that the siblings lost, doubled and reordered nothing.
func (s *lossScene) requireSiblings(t *testing.T) {
	t.Helper()
	for _, sib := range s.siblings {
		report := sib.traffic.end(t)
		group := sib.host.settings.Links[len(sib.host.settings.Links)-1].Name
		must(t, load.AwaitCommitted(within(t, time.Minute), sib.from.Direct(), "mirror."+group, sib.topic))
		sib.requireExact(t, report)
	}
}
