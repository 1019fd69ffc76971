package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/pkg/config"
	"tributary/pkg/ownership"
)

// oneLink is a configuration of one link from edge to region for the topic of the demo.
func oneLink(t *testing.T, edge, region []string) *config.Config {
	t.Helper()
	c := config.Default()
	c.Instance, c.Listen, c.StateDir = "test", "127.0.0.1:0", t.TempDir()
	c.Clusters = map[string]config.Cluster{"edge": {Brokers: edge}, "region": {Brokers: region}}
	c.Links = []config.Link{demoLink("edge", "region", config.PartitionsSame)}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs the configuration until stop, which returns what Run returned.
func start(t *testing.T, cfg *config.Config) (log *transcript, stop func() error) {
	t.Helper()
	log = &transcript{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1) // holds Run's only answer
	go func() { ended <- Run(ctx, cfg, "test", slog.New(slog.NewJSONHandler(log, nil))) }()
	stop = func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			return errors.New("the mirror did not stop")
		}
	}
	t.Cleanup(cancel)
	return log, stop
}

func TestSupportedRefusesWhatIsNotAvailable(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*config.Link)
		want   string // "" for none
	}{
		{"what is available", func(*config.Link) {}, ""},
		{"spread", func(l *config.Link) { l.Partitions = config.PartitionsSpread }, ""},
		{"key", func(l *config.Link) { l.Partitions = config.PartitionsKey }, "links[0].partitions"},
		{"rate", func(l *config.Link) { l.Rate = config.MiB }, ""},
		{"config_sync", func(l *config.Link) { l.Topics.ConfigSync = []string{"retention.ms"} }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := oneLink(t, []string{closedAddress(t)}, []string{closedAddress(t)})
			test.change(&cfg.Links[0])
			err := cfg.Validate(Supported)
			if test.want == "" {
				if err != nil {
					t.Errorf("Validate(Supported) = %v, want nil", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Validate(Supported) = %v, want %q", err, test.want)
			}
			if err := Run(t.Context(), cfg, "test", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run() = %v, want %q", err, test.want)
			}
		})
	}
}

func TestRunStaysUpWithoutClusters(t *testing.T) {
	log, stop := start(t, oneLink(t, []string{closedAddress(t)}, []string{closedAddress(t)}))
	eventually(t, "the mirror starts", func() bool { return log.logged("mirror started", "listen") != "" })
	address := log.logged("mirror started", "listen")
	eventually(t, "both clusters were asked in vain", func() bool { return strings.Count(log.String(), "cluster cannot be asked") == 2 })
	if got := get(t, address, "/livez"); got != 200 {
		t.Errorf("/livez answers %d, want 200", got)
	}
	if err := stop(); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	if got := get(t, address, "/livez"); got != 0 {
		t.Errorf("/livez answers %d after the end", got)
	}
}

func TestRunRefusesAStateDirectoryInUse(t *testing.T) {
	cfg := oneLink(t, []string{closedAddress(t)}, []string{closedAddress(t)})
	log, stop := start(t, cfg)
	eventually(t, "the first mirror starts", func() bool { return log.logged("mirror started", "listen") != "" })
	if err := Run(t.Context(), cfg, "test", slog.New(slog.DiscardHandler)); !errors.Is(err, ownership.ErrLocked) {
		t.Errorf("second Run() = %v, want %v", err, ownership.ErrLocked)
	}
	if err := stop(); err != nil {
		t.Errorf("first Run() = %v, want nil", err)
	}
	_, stop = start(t, cfg)
	if err := stop(); err != nil {
		t.Errorf("Run() after the first ended = %v, want nil", err)
	}
}

func TestRunFreesWhatItTookWhenItCannotStart(t *testing.T) {
	cfg := oneLink(t, []string{closedAddress(t)}, []string{closedAddress(t)})
	blocker := startCluster(t, kfake.NumBrokers(1))
	cfg.Listen = blocker.ListenAddrs()[0]
	if err := Run(t.Context(), cfg, "test", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), cfg.Listen) {
		t.Fatalf("Run() = %v, want the address %s", err, cfg.Listen)
	}
	state, err := ownership.OpenStatic(cfg.StateDir)
	if err != nil {
		t.Fatalf("the state directory is still taken: %v", err)
	}
	state.Close()
}

// TestRunContinues copies in three runs on the same state directory: what comes between and during them is copied once.
func TestRunContinues(t *testing.T) {
	const partitions, runs, perRun = 3, 3, 900
	edge := startCluster(t, kfake.NumBrokers(1), kfake.ClusterID("edge"), kfake.SeedTopics(partitions, demoTopic))
	region := startCluster(t, kfake.NumBrokers(3), kfake.ClusterID("region"))
	tiers := &demoTiers{clusters: map[string]*kfake.Cluster{"region": region}, brokers: map[string][]string{"edge": edge.ListenAddrs()}}
	cfg := oneLink(t, edge.ListenAddrs(), region.ListenAddrs())
	var lanes []*demoLane
	for run := range runs {
		// Each run has producers of its own: some records are there before it, the others come while it runs.
		early, late := newProducer(tiers, "early", run, perRun/2), newProducer(tiers, "late", run, perRun/2)
		lanes = append(append(lanes, early.lanes...), late.lanes...)
		if err := early.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, stop := start(t, cfg)
		if err := late.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "everything is at the region", func() bool { return tiers.records("region") >= int64(perRun*(run+1)) })
		if err := stop(); err != nil {
			t.Fatalf("run %d: Run() = %v, want nil", run, err)
		}
		checkPositions(t, edge)
	}
	check := newDemoCheck(1, lanes)
	if err := readAll(t.Context(), region.ListenAddrs(), check.take); err != nil {
		t.Fatal(err)
	}
	if got := check.finish(); !got.clean() || got.Records != runs*perRun {
		t.Errorf("got %+v, want %d records and nothing wrong", got, runs*perRun)
	}
}

// newProducer produces to the edge under a name of its own, so that its records can be told from all others.
func newProducer(tiers *demoTiers, name string, run, records int) *demoEdge {
	o := DemoOptions{Seed: 1, Duration: 200 * time.Millisecond}
	tiers.brokers[name] = tiers.brokers["edge"]
	e := tiers.edge(name, 3, o, records, sarama.CompressionSnappy)
	for _, lane := range e.lanes {
		lane.edge = strings.Repeat("x", run) + name
	}
	return e
}

// checkPositions compares the group's positions at the edge with the ends of its partitions.
func checkPositions(t *testing.T, edge *kfake.Cluster) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(edge.ListenAddrs(), demoClient())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	offsets, err := admin.ListConsumerGroupOffsets("mirror.edge-region", map[string][]int32{demoTopic: {0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range edge.PartitionInfos(demoTopic) {
		block := offsets.GetBlock(demoTopic, p.Partition)
		if block == nil || block.Offset != p.HighWatermark {
			t.Errorf("position of partition %d is %+v, want offset %d", p.Partition, block, p.HighWatermark)
		}
	}
}
