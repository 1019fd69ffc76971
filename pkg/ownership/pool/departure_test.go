package pool

import (
	"testing"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// An eviction of many units is several writes: the member's node goes first. Its standbys do not replace what is left in the
// meantime, so that they are told that its process is dead; if nothing more comes, they do, and know that it fell silent.
func TestLeftoversWaitForWhoEvicts(t *testing.T) {
	for name, c := range map[string]struct {
		goesOn bool // the eviction, a tenth of a second later
		want   mirror.Predecessor
	}{"goes on": {true, mirror.PredecessorDead}, "has stopped": {false, mirror.PredecessorUnknown}} {
		t.Run(name, func(t *testing.T) {
			within(t, 12, func(t *testing.T, r *region) {
				r.evict = false
				a, b, d := trio(r)
				name, left := a.incarnation(), a.tenures()
				r.kill(a, false)
				r.ensemble.Remove("/mirror/eu/members/" + name)
				r.pass(100 * time.Millisecond)
				if c.goesOn {
					for _, u := range left {
						endDead(t, r, a, plan.Unit(u.Unit))
					}
				}
				begun := time.Now()
				r.await(evictionTime)
				if took := time.Since(begun); !c.goesOn && took < evictionTime-110*time.Millisecond {
					t.Errorf("leftovers were replaced after %v more", took)
				}
				n := 0
				for _, u := range append(b.tenures(), d.tenures()...) {
					if u.Term == 1 {
						continue
					}
					if n++; u.Before != c.want {
						t.Errorf("%s: predecessor %d, want %d", u.Unit, u.Before, c.want)
					}
				}
				if n == 0 || n != len(left) {
					t.Errorf("%d units were taken over, want %d", n, len(left))
				}
			})
		})
	}
}

// endDead does to one unit what an eviction does.
func endDead(t *testing.T, r *region, a *actor, u plan.Unit) {
	t.Helper()
	path := a.paths.Term(u)
	n, _ := r.ensemble.Node(path)
	term, err := znode.DecodeTerm(n.Data)
	if err != nil {
		t.Fatal(err)
	}
	term.Ended = znode.EndedDead
	data, err := term.Encode()
	if err != nil {
		t.Fatal(err)
	}
	r.ensemble.Put(path, data)
	r.ensemble.Remove(a.paths.Owner(u))
}
