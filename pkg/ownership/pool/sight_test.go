package pool

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// TestMembersThatSeeLess has topics that one member alone sees: the others' configuration, or their rights, are not that far.
// Who does not see a topic could not mirror it, and leaves it to who does.
func TestMembersThatSeeLess(t *testing.T) {
	within(t, 30, func(t *testing.T, r *region) {
		a, b, c := trio(r)
		more := maps.Clone(r.topics)
		for i := range 12 {
			more[fmt.Sprintf("new-%02d", i)] = 4
		}
		c.Offer(more)
		r.topics = more
		owned, others := 0, 0 // partitions; of them of new topics by those that do not see them
		each := func(step time.Duration, n int, ok func() bool) bool {
			for range n {
				time.Sleep(step)
				owned, others = 0, 0
				for partition, owner := range r.owners() {
					owned++
					if strings.HasPrefix(partition, "new-") && owner != "c" {
						others++
					}
				}
				if ok() {
					return true
				}
			}
			return false
		}
		blindly := func() bool { return others > 0 }
		if each(100*time.Millisecond, 100, blindly) {
			t.Fatalf("%d partitions are owned by who does not see them", others)
		}
		if each(5*time.Second, 12, blindly) || owned != 4*len(more) {
			t.Fatalf("after a minute %d partitions are owned, %d of them by who does not see them; want %d", owned, others, 4*len(more))
		}
		if each(30*time.Second, 30, func() bool { return others > 0 || owned < 4*len(more) }) { // what was shunned is not any more
			t.Fatalf("later %d partitions are owned, %d of them by who does not see them; want %d", owned, others, 4*len(more))
		}
		a.Offer(more)
		b.Offer(more)
		time.Sleep(time.Minute)
		r.kill(c, true)
		if !each(time.Second, 60, func() bool { return owned == 4*len(more) }) {
			t.Errorf("%d partitions are owned after all of them were seen, want %d", owned, 4*len(more))
		}
	})
}
