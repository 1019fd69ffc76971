package sim

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership"
)

// world is two clusters, a mirror between them, traffic, and a network that joins them.
type world struct {
	t       *testing.T
	net     *network
	edge    *cluster
	region  *cluster
	memory  *ownership.Memory
	traffic *traffic
	log     *slog.Logger
	tail    *tail

	mu      sync.Mutex
	events  []mirror.Event // guarded by mu: halts and skips, of all incarnations
	mirror  *incarnation   // guarded by mu; nil while there is none
	dying   []*incarnation // guarded by mu: killed, not ended yet
	commits int            // guarded by mu: positions that were compared with the destination
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{t: t, net: newNetwork(seed), memory: &ownership.Memory{}, tail: &tail{}}
	w.log = slog.New(slog.NewTextHandler(w.tail, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.edge = newCluster(t, w.net, "edge", seed)
	w.region = newCluster(t, w.net, "region", seed/3)
	for _, topic := range topicNames() {
		if err := w.edge.CreateTopic(topic, partitionsOf, nil); err != nil {
			t.Fatalf("create topic %s: %v", topic, err)
		}
	}
	w.edge.mu.Lock()
	w.edge.onCommit = w.judgeCommit
	w.edge.mu.Unlock()
	w.traffic = newTraffic(t, w, seed)
	w.mirror = startMirror(t, w)
	return w
}

// Record implements mirror.Events.
func (w *world) Record(e mirror.Event) {
	if e.Kind != mirror.EventHalted && e.Kind != mirror.EventSkipped {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// client returns a Kafka client that no fault of a path touches.
func (w *world) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.Dialer(w.net.dialer(&clientHost{})))...)
	if err != nil {
		t.Fatalf("client: %v", err)
	}
	return c
}

// judgeCommit holds every position that the mirror is about to save against the region: what is before it has to be there.
func (w *world) judgeCommit(r *kmsg.OffsetCommitRequest) {
	for _, topic := range r.Topics {
		for _, p := range topic.Partitions {
			info := w.region.PartitionInfo(topic.Topic, p.Partition)
			if info == nil || p.Offset > info.HighWatermark {
				w.t.Errorf("%v: position %d of %s/%d committed, the region has %+v", time.Now(), p.Offset, topic.Topic, p.Partition, info)
			}
			w.mu.Lock()
			w.commits++
			w.mu.Unlock()
		}
	}
}

// behind lists the partitions of which the region does not have all records; committed: nor the group.
func (w *world) behind(committed bool) []string {
	var out []string
	group := w.edge.GroupInfo("mirror." + linkName)
	for _, topic := range topicNames() {
		for _, p := range w.edge.PartitionInfos(topic) {
			got := w.region.PartitionInfo(topic, p.Partition)
			switch {
			case p.HighWatermark == 0:
			case got == nil || got.HighWatermark < p.HighWatermark:
				out = append(out, fmt.Sprintf("%s/%d: %d, region %+v", topic, p.Partition, p.HighWatermark, got))
			case committed && (group == nil || group.Commits[topic][p.Partition].Offset != p.HighWatermark):
				out = append(out, fmt.Sprintf("%s/%d: %d, group %+v", topic, p.Partition, p.HighWatermark, group))
			}
		}
	}
	return out
}

// settle waits until the region has everything, and the group says so; it returns how long the first took.
func (w *world) settle(within time.Duration) time.Duration {
	begun := time.Now()
	for len(w.behind(false)) > 0 {
		if time.Since(begun) > within {
			w.fail(fmt.Sprintf("behind %v after the last fault ended: %v", time.Since(begun), w.behind(false)))
			return time.Since(begun)
		}
		time.Sleep(100 * time.Millisecond)
	}
	took := time.Since(begun)
	for len(w.behind(true)) > 0 {
		if time.Since(begun) > within+saved {
			w.fail(fmt.Sprintf("not all positions are saved %v after the last fault ended: %v", time.Since(begun), w.behind(true)))
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return took
}

func (w *world) fail(what string) {
	var states strings.Builder
	w.mu.Lock()
	if w.mirror != nil {
		status := w.mirror.link.Status()
		fmt.Fprintf(&states, "problem %q, save problem %q\n", status.Problem, status.SaveProblem)
		for _, p := range w.mirror.partitions() {
			fmt.Fprintf(&states, "%+v\n", p)
		}
	}
	w.mu.Unlock()
	w.t.Fatalf("%s\n%s", what, states.String())
}

// read returns all records of a cluster's partition in their order, as another client sees them.
func (w *world) read(c *cluster) map[place][]*kgo.Record {
	offsets := map[string]map[int32]kgo.Offset{}
	missing := int64(0)
	for _, topic := range topicNames() {
		offsets[topic] = map[int32]kgo.Offset{}
		for _, p := range c.PartitionInfos(topic) {
			offsets[topic][p.Partition] = kgo.NewOffset().At(p.LogStartOffset)
			missing += p.HighWatermark - p.LogStartOffset
		}
	}
	client := w.client(w.t, kgo.SeedBrokers(c.hosts[0].addr), kgo.ConsumePartitions(offsets))
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	out := map[place][]*kgo.Record{}
	for missing > 0 && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			at := place{r.Topic, r.Partition}
			out[at] = append(out[at], r)
			missing--
		})
	}
	return out
}

// end stops everything and compares the region with what was produced.
func (w *world) end() (records int) {
	w.mu.Lock()
	last, dying := w.mirror, w.dying
	w.mu.Unlock()
	if err := last.shutDown(); err != nil {
		w.t.Errorf("stop: %v", err)
	}
	if used := last.budget.Used(); used != 0 {
		w.t.Errorf("%d bytes of the budget are still taken", used)
	}
	for _, m := range dying {
		<-m.ended // a crash has no result
	}
	want, got := w.read(w.edge), w.read(w.region)
	for _, topic := range topicNames() {
		for p := range int32(partitionsOf) {
			at := place{topic, p}
			if wrong := compare(got[at], want[at]); wrong != "" {
				w.t.Errorf("%v: %s", at, wrong)
			}
			records += len(got[at])
		}
	}
	w.traffic.client.Close()
	w.edge.Close()
	w.region.Close()
	return records
}

// tail keeps the last of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

const tailBytes = 4 << 20

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if len(l.text) > 2*tailBytes {
		l.text = append(l.text[:0], bytes.Clone(l.text[len(l.text)-tailBytes:])...)
	}
	return len(p), nil
}
