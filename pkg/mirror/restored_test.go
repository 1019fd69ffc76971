package mirror

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

// TestRestoredStoreOfACompactedSource starts with an identity from a backup: runs since then have taken epochs that it does not
// know of. One of those taken again would be answered as if all it sends were there already.
func TestRestoredStoreOfACompactedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.source.end = 100
		r.source.set("clicks", TopicInfo{"", 1})
		r.source.compacted["clicks"] = true
		base := protocol.Position{SourceEpoch: -1, ProducerID: 7, DestEpoch: 3}
		r.store.topics["clicks"] = Identities{1, map[int32]protocol.Identity{0: {SourceCluster: "source-cluster", DestTopic: "eu.clicks", ProducerID: 7, Base: base, Compacted: true, Epoch: 2}}}
		r.source.group[TopicPartition{"clicks", 0}] = protocol.Position{Source: 60, SourceEpoch: 2, ProducerID: 7, Epoch: 5, Sequence: 9, Dest: 80, DestEpoch: 3}
		r.start(config())
		wait(time.Minute)
		if s := r.status(0); s.Cause != CausePositionLost || !strings.Contains(s.Why, "put back to an earlier state") {
			t.Fatalf("got %+v", s)
		}
		if at, _ := r.source.saved("clicks", 0); at.Epoch != 5 {
			t.Errorf("the position that shows it was replaced by %+v", at)
		}
		if id := r.store.now("clicks").Partitions[0]; id.Epoch != 2 {
			t.Errorf("epoch %d was taken", id.Epoch)
		}
		if got, err := r.link.Skip(t.Context(), TopicPartition{"clicks", 0}, Choice{}); err != nil || got.ResumesAt != 60 {
			t.Fatalf("got %+v, %v, want it to go on where the position is", got, err)
		}
		wait(2 * time.Second)
		id := r.store.now("clicks").Partitions[0]
		if b := (&bench{p: r.pipeline(0)}); id.ProducerID == 7 || id.Generation != 1 || b.position().ProducerID != id.ProducerID || b.position().Source != 60 {
			t.Errorf("goes on as %+v at %+v", id, b.position())
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}
