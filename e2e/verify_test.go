package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// verdict is what `mirror verify -o json` prints of one destination, as far as tests look at it.
type verdict struct {
	Name        string
	Verdict     string
	Records     int64
	Destination int64   `json:"destination_records"`
	Coverage    float64 `json:"coverage_percent"`
	Missing     int64
	Duplicate   int64
	Reordered   int64
	Altered     int64
	Alien       int64
	Pending     int64
	Examples    []verifyFinding
	Reasons     []string
	Notes       []string
	Seconds     float64
	Waited      float64 `json:"waited_seconds"`
	Peak        int64   `json:"peak_memory_bytes"`
}

// verifyFinding is one named record.
type verifyFinding struct {
	Kind        string
	Source      *place
	Destination *place
	Field, Note string
}

type place struct {
	Cluster, Topic string
	Partition      int32
	Offset         int64
}

// String writes a finding as the tables of tests do; "-" stands for no record at that side.
func (f verifyFinding) String() string {
	text := f.Kind
	for _, p := range []*place{f.Source, f.Destination} {
		if p == nil {
			text += " -"
		} else {
			text += fmt.Sprintf(" %s/%d@%d", p.Topic, p.Partition, p.Offset)
		}
	}
	return strings.TrimSuffix(text+" "+f.Field, " ")
}

// verify runs `mirror verify` and returns its exit code and verdicts.
func verify(ctx context.Context, args ...string) (code int, verdicts []verdict, err error) {
	cmd := exec.CommandContext(ctx, stage.binary, append([]string{"verify", "-o", "json"}, args...)...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err = cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return 0, nil, fmt.Errorf("run verify: %w", err)
	}
	var report struct{ Comparisons []verdict }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		return 0, nil, fmt.Errorf("read the report of verify: %w: %s%s", err, out.String(), complaints.String())
	}
	return cmd.ProcessState.ExitCode(), report.Comparisons, nil
}

// requireVerified demands exit code 0 and returns the only verdict.
func requireVerified(t *testing.T, args ...string) verdict {
	t.Helper()
	code, verdicts, err := verify(within(t, 5*time.Minute), args...)
	must(t, err)
	if code != 0 || len(verdicts) != 1 || verdicts[0].Verdict != "equal" || verdicts[0].Coverage != 100 {
		t.Fatalf("verify: got exit code %d and %+v, want 0 and equal", code, verdicts)
	}
	return verdicts[0]
}

// While records of every shape are mirrored, transactions abort and two edges share a topic, `mirror verify` finds nothing
// wrong, run after run, and the traffic does not make it inconclusive.
func TestVerifyUnderTraffic(t *testing.T) {
	edges := []*kafka.Cluster{stage.edge.get(t), stage.second.get(t)}
	home := stage.home.get(t)
	const single, shared, partitions = "verify-live", "verify-live-shared", 3
	must(t, edges[0].CreateTopic(within(t, time.Minute), single, partitions, 1, nil))
	s := between("verify-live", edges[0], home, single)
	s.Clusters["second"] = clusterSettings{Brokers: edges[1].Brokers()}
	for i, from := range []string{fromName, "second"} {
		must(t, edges[i].CreateTopic(within(t, time.Minute), shared, partitions, 1, nil))
		s.Links = append(s.Links, linkSettings{Name: fmt.Sprintf("verify-live-%d", i+1), From: from, To: toName, Partitions: "spread", Topics: topicSettings{Include: []string{shared}}})
	}
	h := newHost(t, s)
	h.start(t)
	var all []*traffic
	for i, edge := range edges {
		r := &route{from: edge, to: home, topic: shared}
		all = append(all, r.startTraffic(t, load.Spec{Partitions: partitions, Rate: 500, Shapes: load.Everything, Producers: 2, Seed: uint64(20 + i)}))
	}
	r := &route{from: edges[0], to: home, topic: single}
	all = append(all, r.startTraffic(t, load.Spec{Partitions: partitions, Rate: 1500, Shapes: load.Everything, Codec: load.LZ4, Producers: 2, Seed: 22}),
		r.startTraffic(t, load.Spec{Partitions: partitions, Rate: 500, Codec: load.Zstd, Producers: 2, Seed: 23, Transactions: &load.Transactions{Records: 50, AbortRatio: 0.3}}))
	r.awaitMore(t, 3000, time.Minute)

	runs := size(5, 50) // of each of the two comparisons
	for range runs {
		before, err := r.from.EndOffsets(t.Context(), single)
		must(t, err)
		alone := requireVerified(t, "-c", h.config, "verify-live")
		after, err := r.from.EndOffsets(t.Context(), single)
		must(t, err)
		if after[0] == before[0] {
			t.Fatal("the source did not grow during verify: nothing proves that traffic does not disturb it")
		}
		both := requireVerified(t, "-c", h.config, "verify-live-1", shared, "--with-link", "verify-live-2")
		if alone.Records == 0 || both.Records == 0 {
			t.Fatalf("compared %d and %d records: too few", alone.Records, both.Records)
		}
		t.Logf("%d records in %.1f s, %.1f s of it waiting; %d of two edges in %.1f s, %.1f s of it waiting",
			alone.Records, alone.Seconds, alone.Waited, both.Records, both.Seconds, both.Waited)
	}
	var aborted int64
	for _, tr := range all {
		aborted += tr.end(t).Aborted()
	}
	if aborted == 0 {
		t.Error("no transaction was aborted: nothing proves that aborted records are passed over")
	}
	last := requireVerified(t, "-c", h.config, "verify-live")
	h.stop(t)
	t.Logf("%d clean runs under traffic; %d records at last, %.1f s", 2*runs, last.Records, last.Seconds)
}

// A mirror that is behind makes verify inconclusive and not wrong; what retention took at either side is told apart from
// what is missing.
func TestVerifyInconclusive(t *testing.T) {
	r := newRoute(t, "verify-behind", stage.edge.get(t), stage.home.get(t), 2)
	r.produce(t, load.Spec{Partitions: 2, Records: 4000, Seed: 30, BatchRecords: []int{20}})
	r.host.start(t)
	r.awaitCopied(t, 30*time.Second)
	r.host.stop(t)
	r.produce(t, load.Spec{Partitions: 2, Records: 500, Seed: 31, BatchRecords: []int{20}})
	args := []string{"-c", r.host.config, r.topic, "--timeout", "1s"}
	code, got, err := verify(within(t, time.Minute), args...)
	must(t, err)
	if code != 2 || got[0].Pending != 500 || got[0].Missing != 0 {
		t.Fatalf("with 500 records not mirrored yet: got exit code %d and %+v, want 2 and 500 pending", code, got)
	}
	r.host.start(t)
	r.awaitCopied(t, 30*time.Second)
	r.host.stop(t)
	requireVerified(t, args...)

	must(t, r.from.DeleteRecords(t.Context(), r.topic, 0, 700))
	if got := requireVerified(t, args...); got.Records != 3800 {
		t.Errorf("with 700 records gone at the source: compared %d, want 3800", got.Records)
	}
	must(t, r.to.DeleteRecords(t.Context(), r.topic, 1, 333))
	code, got, err = verify(within(t, time.Minute), args...)
	must(t, err)
	if code != 2 || got[0].Records != 3800-333 || got[0].Missing+got[0].Alien != 0 {
		t.Fatalf("with 333 records gone at the destination: got exit code %d and %+v, want 2 and 3467 records compared", code, got)
	}
}

// MirrorMaker 2 and Tributary copy the same topic at the same time, and verify has a verdict for each.
func TestVerifyBesideMirrorMaker(t *testing.T) {
	if !full() {
		t.Skip("with " + fullEnv + " only")
	}
	r := newRoute(t, "verify-both", stage.edge.get(t), stage.home.get(t), 2)
	generator := r.startTraffic(t, load.Spec{Partitions: 2, Rate: 1000, Seed: 40, Shapes: load.Headers | load.NullKey})
	r.host.start(t)
	dir := filepath.Join(r.host.dir, "mm2")
	must(t, os.MkdirAll(dir, 0o755))
	mm2, err := kafka.StartMirrorMaker(t.Context(), kafka.MirrorMakerOptions{Dir: dir, HeapMB: 512, Properties: map[string]string{
		"clusters": "mm2,target", "mm2.bootstrap.servers": r.from.Direct()[0], "target.bootstrap.servers": r.to.Direct()[0],
		"mm2->target.enabled": "true", "mm2->target.topics": r.topic, "refresh.topics.interval.seconds": "5",
		"replication.factor": "1", "checkpoints.topic.replication.factor": "1", "heartbeats.topic.replication.factor": "1",
		"offset-syncs.topic.replication.factor": "1", "offset.storage.replication.factor": "1", "status.storage.replication.factor": "1",
		"config.storage.replication.factor": "1"}})
	must(t, err)
	t.Cleanup(func() {
		if err := mm2.Kill(); err != nil {
			t.Error(err)
		}
	})
	theirs := &route{to: r.to, topic: "mm2." + r.topic}
	eventually(t, 3*time.Minute, "MirrorMaker copies", func(ctx context.Context) error {
		n, err := theirs.arrived(ctx)
		if err == nil && n < 5000 {
			err = fmt.Errorf("%d records arrived", n)
		}
		return err
	})
	args := []string{"-c", r.host.config, r.topic, "--also", r.to.Direct()[0] + "=mm2."}
	code, got, err := verify(within(t, 5*time.Minute), args...)
	must(t, err)
	if code != 0 || len(got) != 2 || got[1].Records < 5000 {
		t.Fatalf("under traffic: got exit code %d and %+v, want 0 and two verdicts", code, got)
	}
	generator.end(t)
	must(t, mm2.Kill())
	r.awaitCopied(t, time.Minute)
	r.produce(t, load.Spec{Partitions: 2, Records: 300, Seed: 41})
	r.awaitCopied(t, time.Minute)
	code, got, err = verify(within(t, 5*time.Minute), append(args, "--timeout", "4s")...)
	must(t, err)
	if code != 1 || got[0].Verdict != "equal" || got[1].Verdict != "different" || got[1].Missing < 300 {
		t.Fatalf("with MirrorMaker dead: got exit code %d and %+v, want 1, ours equal and theirs lacking 300 or more", code, got)
	}
}
