package load

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// commit sets the position of partition 0.
func commit(t *testing.T, seeds []string, group string, next int64, metadata string) {
	t.Helper()
	client, err := newClient(seeds)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: testTopic, Partition: 0, At: next, LeaderEpoch: 0, Metadata: metadata})
	answers, err := kadm.NewClient(client).CommitOffsets(testContext(t), group, offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatalf("commit %d: %v", next, err)
	}
}

// awaitSample waits for a sample taken after the call.
func awaitSample(t *testing.T, s *Sampler) {
	t.Helper()
	ctx, after := testContext(t), time.Now()
	for {
		if all := s.Samples(); len(all) > 0 && all[len(all)-1].At.After(after) {
			return
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			t.Fatalf("wait for a sample: %v", err)
		}
	}
}

func TestSamplerFindsEarlyCommits(t *testing.T) {
	const group = "mirror.test"
	tests := []struct {
		name     string
		position int64 // committed when 20 of 40 records are at the destination
		metadata string
		want     string // part of the violation, or none
	}{
		{"exact", 20, `{"v":1}`, ""},
		{"behind", 7, "", ""},
		{"one too many", 21, "", "committed 21: record 20 is at 0@20, watermark 20"},
		{"all too early", 40, "", "committed 40: record 39 is at 0@39, watermark 20"},
		{"bad metadata", 20, `{"v":`, "is not JSON"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			source, destination := startCluster(t, 1), startCluster(t, 1)
			mustProduce(t, source, Spec{Topic: testTopic, Partitions: 1, Records: 40})
			records := readAll(t, source)[0]
			sampler, err := NewSampler(SamplerConfig{Source: Source{source, testTopic}, Destination: Destination{destination, testTopic}, Group: group, Interval: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- sampler.Run(ctx) }()
			awaitSample(t, sampler)
			writeAll(t, destination, [][]*kgo.Record{records[:20]})
			commit(t, source, group, test.position, test.metadata)
			awaitSample(t, sampler)
			awaitSample(t, sampler)
			writeAll(t, destination, [][]*kgo.Record{records[20:]})
			commit(t, source, group, 40, "")
			awaitSample(t, sampler)
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			checkSamples(t, sampler, source, destination, test.want)
		})
	}
}

func checkSamples(t *testing.T, sampler *Sampler, source, destination []string, want string) {
	t.Helper()
	if err := AwaitCommitted(testContext(t), source, "mirror.test", testTopic); err != nil {
		t.Error(err)
	}
	result, err := Compare(testContext(t), []Source{{source, testTopic}}, Destination{destination, testTopic}, Same)
	if err != nil || !result.OK() {
		t.Fatalf("compare: %v, %v", result, err)
	}
	if p, o, ok := result.Landed(0, 0, 33); p != 0 || o != 33 || !ok {
		t.Errorf("landed: got %d@%d %v, want 0@33", p, o, ok)
	}
	got := fmt.Sprint(Violations(sampler.Samples(), result, 0))
	if want == "" && got != "[]" || !strings.Contains(got, want) {
		t.Errorf("got violations %s, want %q", got, want)
	}
	if n, cause := sampler.Missed(); n > 0 {
		t.Errorf("missed %d samples: %v", n, cause)
	}
}

func TestViolationOfLostRecord(t *testing.T) {
	source, destination := startCluster(t, 1), startCluster(t, 1)
	mustProduce(t, source, Spec{Topic: testTopic, Partitions: 1, Records: 10})
	records := readAll(t, source)[0]
	writeAll(t, destination, [][]*kgo.Record{append(records[:4:4], records[5:]...)})
	result, err := Compare(testContext(t), []Source{{source, testTopic}}, Destination{destination, testTopic}, Same)
	if err != nil || result.Counts[Lost] != 1 {
		t.Fatalf("compare: %v, %v", result, err)
	}
	sample := func(next int64) Sample {
		return Sample{At: time.Now(), Committed: map[int32]Committed{0: {Next: next}}, Watermarks: map[int32]int64{0: 9}}
	}
	got := Violations([]Sample{sample(6), sample(4), sample(5)}, result, 0)
	if len(got) != 2 || got[0].Committed != 5 || got[0].SourceOffset != 4 || got[1].Committed != 6 {
		t.Errorf("got %v, want positions 5 and 6 to pass over record 4", got)
	}
}

func TestAwaitCommittedGivesUp(t *testing.T) {
	seeds := startCluster(t, 1)
	mustProduce(t, seeds, Spec{Topic: testTopic, Partitions: 1, Records: 10})
	commit(t, seeds, "g", 9, "")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := AwaitCommitted(ctx, seeds, "g", testTopic); err == nil || !strings.Contains(err.Error(), "up to 10, now at 9") {
		t.Errorf("got %v", err)
	}
}
