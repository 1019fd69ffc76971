package main

import (
	"context"
	"maps"
	"path/filepath"

	"tributary/e2e/kafka"
)

// mirrorMakerTopic is where MirrorMaker writes: behind the source's alias, which is new for each run, so that its
// positions and its internal topics are new too.
func mirrorMakerTopic(j job) string { return j.name + "." + j.source }

// startMirrorMaker starts MirrorMaker 2 in dedicated mode, with everything at its default or tuned for throughput.
func startMirrorMaker(tuned bool) func(context.Context, *bed, job) (process, error) {
	return func(ctx context.Context, b *bed, j job) (process, error) {
		properties := mirrorMakerProperties(j, b.source.Direct()[0], b.destination.Direct()[0])
		if tuned {
			maps.Copy(properties, mirrorMakerTuning(j))
		}
		p, err := kafka.StartMirrorMaker(ctx, kafka.MirrorMakerOptions{Properties: properties, Dir: filepath.Join(b.dir, j.name+"-mm2")})
		if err != nil {
			return nil, err // a nil *kafka.Process in a process would not be nil
		}
		return p, nil
	}
}

// mirrorMakerProperties are what a user must say: the clusters, the flow, and that there is one broker.
func mirrorMakerProperties(j job, source, target string) map[string]string {
	return map[string]string{
		"clusters":                              j.name + ",target",
		j.name + ".bootstrap.servers":           source,
		"target.bootstrap.servers":              target,
		j.name + "->target.enabled":             "true",
		j.name + "->target.topics":              j.source,
		"refresh.topics.interval.seconds":       "10",
		"replication.factor":                    "1",
		"checkpoints.topic.replication.factor":  "1",
		"heartbeats.topic.replication.factor":   "1",
		"offset-syncs.topic.replication.factor": "1",
		"offset.storage.replication.factor":     "1",
		"status.storage.replication.factor":     "1",
		"config.storage.replication.factor":     "1",
	}
}

// mirrorMakerTuning is what guides on throughput advise, and the source's codec, which MirrorMaker does not keep by itself.
func mirrorMakerTuning(j job) map[string]string {
	flow := j.name + "->target."
	return map[string]string{
		"tasks.max":                                 "2",
		flow + "producer.override.batch.size":       "524288",
		flow + "producer.override.linger.ms":        "50",
		flow + "producer.override.compression.type": j.codec,
		flow + "producer.override.max.request.size": "2097152",
		flow + "producer.override.buffer.memory":    "134217728",
		flow + "consumer.max.poll.records":          "5000",
		flow + "consumer.fetch.min.bytes":           "65536",
		flow + "consumer.fetch.max.wait.ms":         "100",
		flow + "consumer.max.partition.fetch.bytes": "4194304",
	}
}
