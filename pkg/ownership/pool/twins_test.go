package pool

import (
	"strings"
	"testing"
	"time"
)

// TestTwinsAreWarnedOf pins that two living members of one instance name share the topics and are warned of, and that a
// process which was killed and started anew is no twin of itself.
func TestTwinsAreWarnedOf(t *testing.T) {
	within(t, 20, func(t *testing.T, r *region) {
		problems := func(a *actor) string { return strings.Join(a.View().Problems, "\n") }
		r.evict = false
		a, b := r.start("a"), r.start("b")
		r.await(10 * time.Second)
		r.kill(b, false)
		b = r.start("b")
		r.await(10 * time.Second)
		time.Sleep(2 * twinsAfter)
		if got := problems(a); got != "" {
			t.Errorf("after a restart: %q", got)
		}
		twin := r.start("b")
		time.Sleep(2 * twinsAfter)
		r.await(10 * time.Second)
		for _, m := range []*actor{a, b, twin} {
			if got := problems(m); !strings.Contains(got, "several members have one instance name: b (b-") {
				t.Errorf("with a twin, %s has the problems %q", m.name, got)
			}
		}
		r.quit(twin)
		time.Sleep(time.Minute)
		if got := problems(a); got != "" {
			t.Errorf("after the twin left: %q", got)
		}
	})
}
