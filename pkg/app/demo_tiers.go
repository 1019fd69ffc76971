package app

import (
	"fmt"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/pkg/config"
)

// The tiers of the demo and what they hold.
const (
	demoTopic  = "events"
	demoRegion = "region"
	demoHome   = "home"

	demoRegionPartitions = 6 // the partitions of all edges are spread over them
)

// demoTiers are the simulated clusters: two edges of one broker each, a region and a home of three.
type demoTiers struct {
	clusters map[string]*kfake.Cluster
	brokers  map[string][]string
	gate     *demoGate // before the region
	edges    []*demoEdge
}

func startTiers(o DemoOptions) (*demoTiers, error) {
	t := &demoTiers{clusters: map[string]*kfake.Cluster{}, brokers: map[string][]string{}, gate: newDemoGate()}
	for _, tier := range []struct {
		name    string
		options []kfake.Opt
	}{
		{"edge-a", []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, demoTopic)}},
		{"edge-b", []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(2, demoTopic)}},
		{demoRegion, []kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(demoRegionPartitions, demoTopic), kfake.ListenFn(t.gate.listen)}},
		{demoHome, []kfake.Opt{kfake.NumBrokers(3)}}, // its topic is made by the mirror
	} {
		cluster, err := kfake.NewCluster(append(tier.options, kfake.ClusterID("demo-"+tier.name))...)
		if err != nil {
			t.close()
			return nil, fmt.Errorf("start simulated cluster %s: %w", tier.name, err)
		}
		t.clusters[tier.name], t.brokers[tier.name] = cluster, cluster.ListenAddrs()
	}
	half := o.Records / 2
	t.edges = []*demoEdge{t.edge("edge-a", 3, o, o.Records-half, sarama.CompressionLZ4), t.edge("edge-b", 2, o, half, sarama.CompressionNone)}
	return t, nil
}

func (t *demoTiers) edge(name string, partitions int32, o DemoOptions, records int, codec sarama.CompressionCodec) *demoEdge {
	e := &demoEdge{name: name, brokers: t.brokers[name], codec: codec, seed: o.Seed, records: records, duration: o.Duration}
	for p := range partitions {
		e.lanes = append(e.lanes, &demoLane{edge: name, partition: p})
	}
	return e
}

// config is what the files of the tiers' mirrors would say, in one process.
func (t *demoTiers) config(stateDir string) *config.Config {
	c := config.Default()
	c.Instance, c.Zone, c.Listen, c.StateDir = "demo", "simulated", "127.0.0.1:0", stateDir
	c.Clusters = map[string]config.Cluster{}
	for name, brokers := range t.brokers {
		c.Clusters[name] = config.Cluster{Brokers: brokers}
	}
	for _, e := range t.edges {
		c.Links = append(c.Links, demoLink(e.name, demoRegion, config.PartitionsSpread))
	}
	c.Links = append(c.Links, demoLink(demoRegion, demoHome, config.PartitionsSame))
	return c
}

func demoLink(from, to string, partitions config.Partitioning) config.Link {
	l := config.DefaultLink()
	l.Name, l.From, l.To, l.Partitions = from+"-"+to, from, to, partitions
	l.Topics.Include = []string{demoTopic}
	return l
}

func (t *demoTiers) lanes() []*demoLane {
	var lanes []*demoLane
	for _, e := range t.edges {
		lanes = append(lanes, e.lanes...)
	}
	return lanes
}

// produced is how many records the edges acknowledged to their producers.
func (t *demoTiers) produced() int64 {
	var n int64
	for _, e := range t.edges {
		n += e.produced.Load()
	}
	return n
}

// records is how many records a tier holds, as its brokers know it: it does not ask the mirror, and the gate is no hindrance.
func (t *demoTiers) records(tier string) int64 {
	var n int64
	for _, p := range t.clusters[tier].PartitionInfos(demoTopic) {
		n += p.HighWatermark
	}
	return n
}

func (t *demoTiers) close() {
	for _, c := range t.clusters {
		c.Close()
	}
}
