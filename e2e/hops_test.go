package e2e_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// Two edges reach home over a region with exactly their committed records, byte by byte and in order.
func TestTwoHops(t *testing.T) {
	edges := []*kafka.Cluster{stage.edge.get(t), stage.second.get(t)}
	region, home := stage.region.get(t), stage.home.get(t)
	const topic, partitions, replicas = "hops", 4, 3
	var hosts []*host
	for i, edge := range edges {
		must(t, edge.CreateTopic(within(t, time.Minute), topic, partitions, 1, nil))
		s := between(fmt.Sprintf("hops-edge-%d", i+1), edge, region, topic)
		s.link().Partitions = "spread"
		s.link().Topics.ReplicationFactor = replicas
		hosts = append(hosts, newHost(t, s))
	}
	up := newHost(t, between("hops-region", region, home, topic))
	for _, h := range append(hosts, up) {
		h.start(t)
	}

	reports, err := everyShape(t, edges, topic, partitions, size[int64](200_000, 1_000_000))
	must(t, err)
	var aborted int64
	for _, r := range reports {
		aborted += r.Aborted()
		t.Log(r)
	}
	if aborted == 0 {
		t.Error("no transaction was aborted: nothing proves that aborted records stay behind")
	}
	var sources []load.Source
	for i, edge := range edges {
		sources = append(sources, load.Source{Seeds: edge.Direct(), Topic: topic})
		must(t, load.AwaitCommitted(within(t, 3*time.Minute), edge.Direct(), hosts[i].settings.group(), topic))
	}
	must(t, load.AwaitCommitted(within(t, 3*time.Minute), region.Direct(), up.settings.group(), topic))
	for _, h := range append(hosts, up) {
		h.stop(t)
	}
	requireExact(t, sources, load.Destination{Seeds: home.Direct(), Topic: topic}, load.Spread, reports...)
}

// everyShape writes records of every shape to each edge at once: with every codec, in small and large batches, with
// timestamps of now and of two days ago, and in transactions of which a third is aborted.
func everyShape(t *testing.T, edges []*kafka.Cluster, topic string, partitions int32, records int64) ([]load.Report, error) {
	var specs []load.Spec
	for _, codec := range load.Codecs() {
		specs = append(specs, load.Spec{Codec: codec, Producers: 2, BatchRecords: []int{0, 20}})
	}
	specs[load.LZ4].Age = 48 * time.Hour
	specs = append(specs, load.Spec{Codec: load.Zstd, Producers: 3, Transactions: &load.Transactions{AbortRatio: 0.33}})
	reports := make([]load.Report, len(edges)*len(specs))
	failures := make([]error, len(reports))
	var wg sync.WaitGroup
	for i, edge := range edges {
		wg.Go(func() {
			for j, spec := range specs {
				k := i*len(specs) + j
				spec.Topic, spec.Partitions, spec.Shapes = topic, partitions, load.Everything
				spec.Records, spec.Seed = records/int64(len(reports)), uint64(k)+1
				reports[k], failures[k] = load.Produce(t.Context(), edge.Direct(), spec)
			}
		})
	}
	wg.Wait()
	return reports, errors.Join(failures...)
}

// Records cross one hop exactly on every supported version of Kafka.
func TestSingleHop(t *testing.T) {
	for _, version := range kafka.Versions() {
		if version == kafka.Kafka43 {
			continue // every other test runs on it
		}
		t.Run(string(version), func(t *testing.T) {
			from := kafka.New(t, kafka.Options{Version: version})
			to := kafka.New(t, kafka.Options{Version: version})
			r := newRoute(t, "hop", from, to, 3)
			r.host.start(t)
			reports, err := everyShape(t, []*kafka.Cluster{from}, r.topic, 3, size[int64](24_000, 200_000))
			must(t, err)
			r.awaitCopied(t, 2*time.Minute)
			r.host.stop(t)
			r.requireExact(t, reports...)
		})
	}
}
