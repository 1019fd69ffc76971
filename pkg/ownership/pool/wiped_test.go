package pool

import (
	"testing"
	"time"

	"tributary/pkg/mirror"
)

// Terms go back when the tree is emptied: who saw none begins with the first. Who saw a greater one does not take the end of
// a smaller one for the end of that. (That who saw none makes old records wait all the same follows from the identities, which
// are gone too.)
func TestTermThatWentBack(t *testing.T) {
	within(t, 1, func(t *testing.T, r *region) {
		a, witness := r.start("a"), r.start("witness")
		r.await(10 * time.Second)
		for _, to := range []*actor{witness, a, witness, a} { // to have been handed over in any case
			if err := a.Pin(t.Context(), "topic-000", to.name); err != nil {
				t.Fatal(err)
			}
			r.has(to)
		}
		drain(t, witness, true)
		r.vandals = true
		r.oracle.expect(true, false)
		r.kill(a, false)
		r.ensemble.Remove("/")

		b := r.start("b")
		if first := r.has(b); first.Term != 1 || first.Before != mirror.PredecessorNone {
			t.Fatalf("who saw nothing begins with %+v", first)
		}
		drain(t, witness, false)
		r.quit(b)
		if got := r.has(witness); got.Before != mirror.PredecessorUnknown || got.Term < 4 {
			t.Errorf("who saw the owner fall silent has %+v after one that saw nothing, and drained", got)
		}
	})
}

// has waits until a member has the only unit.
func (r *region) has(a *actor) mirror.Tenure {
	r.t.Helper()
	r.until(a.name+" has it", time.Minute, func() bool { return len(a.tenures()) == 1 })
	return a.tenures()[0]
}

func drain(t *testing.T, a *actor, on bool) {
	t.Helper()
	if err := a.Drain(t.Context(), on); err != nil {
		t.Fatal(err)
	}
}
