package kafka

import (
	"testing"
	"time"
)

func TestMirrorMakerMirrors(t *testing.T) {
	source, target := start(t, Options{}), start(t, Options{})
	createTopic(t, source, "orders", 1)
	produce(t, source, "orders", "one")

	begin := time.Now()
	mm, err := StartMirrorMaker(t.Context(), MirrorMakerOptions{
		Dir:     t.TempDir(),
		HeapMB:  512,
		JVMArgs: quickStart(), // the test wants one record soon, not many fast
		Properties: map[string]string{
			"clusters":                              "source,target",
			"source.bootstrap.servers":              source.Bootstrap(),
			"target.bootstrap.servers":              target.Bootstrap(),
			"source->target.enabled":                "true",
			"source->target.topics":                 "orders",
			"source->target.emit.heartbeats":        "false",
			"replication.policy.class":              "org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
			"replication.factor":                    "1",
			"checkpoints.topic.replication.factor":  "1",
			"heartbeats.topic.replication.factor":   "1",
			"offset-syncs.topic.replication.factor": "1",
			"offset.storage.replication.factor":     "1",
			"status.storage.replication.factor":     "1",
			"config.storage.replication.factor":     "1",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("end of the log of MirrorMaker:\n%s", logTail(mm.LogFile()))
		}
		if err := mm.Kill(); err != nil {
			t.Error(err)
		}
	}()
	wantRecords(t, target, "orders", "one")
	t.Logf("first record after %v", time.Since(begin).Round(time.Millisecond))
	if !mm.Alive() {
		t.Error("MirrorMaker ended")
	}
}
