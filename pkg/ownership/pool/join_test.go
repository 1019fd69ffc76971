package pool

import (
	"slices"
	"testing"
	"time"
)

// A request to join that is done late, under the next session of the same client, leaves a node that nobody stands behind.
// Only that of the member remains.
func TestLateJoinLeavesOneNode(t *testing.T) {
	within(t, 6, func(t *testing.T, r *region) {
		r.start("b")
		r.await(10 * time.Second)
		r.jitter = func() time.Duration { return 100 * time.Millisecond }
		a := r.start("a")
		time.Sleep(50 * time.Millisecond) // the request is under way
		a.client.Expire()
		most := 0
		r.until("the member has joined", 10*time.Second, func() bool {
			most = max(most, len(r.ensemble.Names("/mirror/eu/members")))
			return a.incarnation() != ""
		})
		r.until("nothing else is left", 10*time.Second, func() bool {
			names := r.ensemble.Names("/mirror/eu/members")
			most = max(most, len(names))
			return len(names) == 2 && slices.Contains(names, a.incarnation())
		})
		if most != 3 {
			t.Errorf("there were %d nodes at most, want one that is late", most)
		}
		r.await(10 * time.Second)
	})
}
