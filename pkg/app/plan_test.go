package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/config"
	"tributary/pkg/kafka"
)

// twoTiers are an edge with topics clicks (2 partitions, 30 records) and views (1 partition), and a region.
func twoTiers(t *testing.T) (edge, region *kfake.Cluster, cfg *config.Config) {
	t.Helper()
	edge = startCluster(t, kfake.NumBrokers(1), kfake.ClusterID("edge"), kfake.SeedTopics(2, "clicks"), kfake.SeedTopics(1, "views"))
	region = startCluster(t, kfake.NumBrokers(2), kfake.ClusterID("region"))
	client, err := kgo.NewClient(kgo.SeedBrokers(edge.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range 30 {
		r := &kgo.Record{Topic: "clicks", Partition: int32(i % 2), Value: []byte(fmt.Sprint(i)), Timestamp: time.Now().Add(-100 * time.Hour)} // of which a broker may have forgotten the producer
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	cfg = oneLink(t, edge.ListenAddrs(), region.ListenAddrs())
	cfg.Links[0].Topics = config.Topics{Include: []string{"clicks", "views"}, Rename: "{topic}", Create: true}
	return edge, region, cfg
}

func planOf(t *testing.T, cfg *config.Config, o PlanOptions) *Plan {
	t.Helper()
	plan, err := MakePlan(t.Context(), cfg, o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// has says whether a plan has a finding with these words.
func (p *Plan) has(stops bool, words string) bool {
	return slices.ContainsFunc(p.Links[0].Findings, func(f Finding) bool { return f.Stops == stops && strings.Contains(f.Topic+": "+f.Text, words) })
}

// changes are the requests that change something at a cluster.
func changes(fake *kfake.Cluster) *[]string {
	var seen []string
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.CreateTopics, kmsg.CreatePartitions, kmsg.IncrementalAlterConfigs, kmsg.AlterConfigs, kmsg.OffsetCommit, kmsg.InitProducerID, kmsg.JoinGroup, kmsg.DeleteRecords} {
		fake.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			fake.KeepControl()
			seen = append(seen, kmsg.NameForKey(req.Key()))
			return nil, nil, false
		})
	}
	return &seen
}

// TestPlanSaysWhatWillBe plans before the first start, and holds the plan against what a mirror then does.
func TestPlanSaysWhatWillBe(t *testing.T) {
	edge, region, cfg := twoTiers(t)
	to := administer(t, region)
	if err := to.CreateTopic(t.Context(), kafka.NewTopic{Name: "clicks", Partitions: 1, Replication: 1, Configs: map[string]string{"retention.ms": "36000000"}}); err != nil {
		t.Fatal(err)
	}
	seen, more := changes(edge), changes(region)
	plan := planOf(t, cfg, PlanOptions{Speed: 100})
	if len(*seen)+len(*more) > 0 {
		t.Errorf("the plan changed something: %v, %v", *seen, *more)
	}
	if !plan.OK {
		t.Errorf("something stands against it: %+v", plan.Links[0].Findings)
	}
	l := plan.Links[0]
	if len(l.Topics) != 2 || l.WaitingRecords == nil || *l.WaitingRecords != 30 {
		t.Fatalf("got %+v", l)
	}
	clicks, views := l.Topics[0], l.Topics[1]
	if clicks.Action != PlanGrows || *clicks.DestinationPartitions != 2 || *clicks.WaitingRecords != 30 || clicks.Regime != "careful" || clicks.OldestWaiting == nil {
		t.Errorf("clicks: got %+v", clicks)
	}
	if views.Action != PlanCreates || *views.DestinationPartitions != 1 || *views.WaitingRecords != 0 {
		t.Errorf("views: got %+v", views)
	}
	for id, p := range clicks.Partitions {
		if *p.Destination != int32(id) || *p.Next != 0 || p.Saved || *p.End != 15 {
			t.Errorf("clicks/%d: got %+v", id, p)
		}
	}
	if !plan.has(false, "clicks: records wait that are older than retention.ms of clicks at region (10h0m0s)") {
		t.Errorf("the age of the backlog is not compared with the retention: %+v", l.Findings)
	}
	cfg.Listen = "127.0.0.1:0"
	_, stop := start(t, cfg)
	eventually(t, "the records arrive", func() bool {
		a, b := region.PartitionInfo("clicks", 0), region.PartitionInfo("clicks", 1)
		return a != nil && b != nil && a.HighWatermark == 15 && b.HighWatermark == 15
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	again := planOf(t, cfg, PlanOptions{})
	if p := again.Links[0].Topics[0].Partitions[1]; !p.Saved || *p.Next != 15 || again.Links[0].Topics[0].Action != PlanUses || *again.Links[0].WaitingRecords != 0 {
		t.Errorf("after a run the plan says %+v", again.Links[0].Topics[0])
	}
}

// TestPlanFindsWhatStandsAgainstIt pins what ends a plan with findings.
func TestPlanFindsWhatStandsAgainstIt(t *testing.T) {
	edge, _, sound := twoTiers(t)
	for _, test := range []struct {
		name   string
		change func(c *config.Config)
		want   string
	}{
		{"no creation", func(c *config.Config) { c.Links[0].Topics.Create = false }, "clicks: clicks does not exist at region, and the link has create: false"},
		{"too few brokers", func(c *config.Config) { c.Links[0].Topics.ReplicationFactor = 3 }, "clicks: it is to be created with 3 replicas, and region has 2 brokers"},
		{"one cluster twice", func(c *config.Config) {
			c.Clusters = map[string]config.Cluster{"edge": {Brokers: edge.ListenAddrs()}, "region": {Brokers: edge.ListenAddrs()}}
		}, "edge and region are the same cluster"},
		{"nobody there", func(c *config.Config) {
			c.Clusters = map[string]config.Cluster{"edge": {Brokers: edge.ListenAddrs()}, "region": {Brokers: []string{closedAddress(t)}}}
		}, "see to clusters.region"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := *sound
			cfg.Links = slices.Clone(sound.Links)
			test.change(&cfg)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			plan, err := MakePlan(ctx, &cfg, PlanOptions{}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if plan.OK || !plan.has(true, test.want) {
				t.Errorf("ok %v, findings %+v, want %q", plan.OK, plan.Links[0].Findings, test.want)
			}
		})
	}
	if _, err := MakePlan(t.Context(), sound, PlanOptions{Links: []string{"other"}}, slog.New(slog.DiscardHandler)); !IsUsage(err) {
		t.Errorf("a link that is not there: got %v", err)
	}
}

// TestPlanPlacesSpreadPartitions: where a partition will go is told before the first start.
func TestPlanPlacesSpreadPartitions(t *testing.T) {
	_, region, cfg := twoTiers(t)
	cfg.Links[0].Partitions = config.PartitionsSpread
	if err := administer(t, region).CreateTopic(t.Context(), kafka.NewTopic{Name: "clicks", Partitions: 7, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	plan := planOf(t, cfg, PlanOptions{})
	want := map[int32]bool{}
	for _, p := range plan.Links[0].Topics[0].Partitions {
		want[*p.Destination] = true
	}
	if views := plan.Links[0].Topics[1]; views.Partitions[0].Destination != nil || views.DestinationPartitions != nil {
		t.Errorf("of a topic that is made with the destination's default: %+v", views)
	}
	_, stop := start(t, cfg)
	eventually(t, "the records arrive", func() bool {
		for place := range want {
			if i := region.PartitionInfo("clicks", place); i == nil || i.HighWatermark != 15 {
				return false
			}
		}
		return true
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestPlanNamesMissingRights has a cluster tell that the user may read and not write.
func TestPlanNamesMissingRights(t *testing.T) {
	_, region, cfg := twoTiers(t)
	if err := administer(t, region).CreateTopic(t.Context(), kafka.NewTopic{Name: "views", Partitions: 1, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	region.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		region.KeepControl()
		asked := req.(*kmsg.MetadataRequest)
		if !asked.IncludeTopicAuthorizedOperations {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.AuthorizedOperations = new("views"), 1<<kafka.RightDescribe|1<<kafka.RightDescribeConfigs|1<<kafka.RightRead
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	plan := planOf(t, cfg, PlanOptions{})
	if plan.OK || !plan.has(true, "views: the right to WRITE on topic views at region is missing") {
		t.Errorf("ok %v, findings %+v", plan.OK, plan.Links[0].Findings)
	}
	if plan.has(true, "READ on topic") || plan.has(true, "ALTER") {
		t.Errorf("rights that are there or not needed are missed: %+v", plan.Links[0].Findings)
	}
}
