package pool

import (
	"testing"
	"testing/synctest"
	"time"
)

// within runs a test in a bubble, with that many members and topics.
func within(t *testing.T, topics int, test func(t *testing.T, r *region)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t, topics)
		defer r.end()
		test(t, r)
	})
}

func TestMembersShareTheTopics(t *testing.T) {
	within(t, 60, func(t *testing.T, r *region) {
		for _, name := range []string{"a", "b", "c"} {
			r.start(name)
		}
		begun := time.Now()
		n := r.await(10 * time.Second)
		for ; !fair(n); n = r.await(time.Second) { // the first plan may have been made before all were there
			if time.Since(begun) > 2*time.Minute {
				t.Fatalf("shares are %v of 60", n)
			}
			time.Sleep(time.Second)
		}
		t.Logf("even after %v", time.Since(begun))
	})
}

// fair says that each of three members has about a third of 60 topics.
func fair(shares map[string]int) bool {
	for _, n := range shares {
		if n < 15 || n > 25 {
			return false
		}
	}
	return len(shares) == 3
}

func TestKilledMemberIsEvicted(t *testing.T) {
	within(t, 60, func(t *testing.T, r *region) {
		a, _, _ := r.start("a"), r.start("b"), r.start("c")
		r.await(10 * time.Second)
		time.Sleep(time.Minute)
		begun := time.Now()
		r.kill(a, true)
		r.await(time.Second)
		t.Logf("took %v", time.Since(begun))
	})
}

func TestKilledMemberExpires(t *testing.T) {
	within(t, 60, func(t *testing.T, r *region) {
		r.evict = false
		a, _, _ := r.start("a"), r.start("b"), r.start("c")
		r.await(10 * time.Second)
		time.Sleep(time.Minute)
		begun := time.Now()
		r.kill(a, true)
		r.await(timeout + time.Second)
		if took := time.Since(begun); took < timeout/3 {
			t.Errorf("took %v: without evictions the session's end is waited for", took)
		}
	})
}

func TestMemberLeaves(t *testing.T) {
	within(t, 60, func(t *testing.T, r *region) {
		a, _, _ := r.start("a"), r.start("b"), r.start("c")
		r.await(10 * time.Second)
		begun := time.Now()
		r.quit(a)
		r.await(time.Second)
		t.Logf("took %v", time.Since(begun))
	})
}
