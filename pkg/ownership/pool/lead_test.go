package pool

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// A member whose node was taken away joins anew in the same session, so that its former report stays in the tree. What it said
// does not count any more: a topic that only that report has goes.
func TestReportOfAFormerSelf(t *testing.T) {
	within(t, 6, func(t *testing.T, r *region) {
		a, b, _ := trio(r)
		for _, m := range []*actor{a, b} {
			was := m.incarnation()
			r.ensemble.Remove("/mirror/eu/members/" + was)
			r.until("it has rejoined", 2*time.Second, func() bool { return m.incarnation() != "" && m.incarnation() != was })
			r.await(5 * time.Second)
			if !slices.Contains(r.ensemble.Names("/mirror/eu/reports"), was) {
				t.Fatal("there is no former report")
			}
		}
		delete(r.topics, "topic-003")
		for _, m := range r.actors {
			m.Offer(maps.Clone(r.topics))
		}
		r.until("nobody has it", 20*time.Second, func() bool {
			return !slices.ContainsFunc(r.actors, func(m *actor) bool { return len(m.Tenures("topic-003")) > 0 })
		})
	})
}
