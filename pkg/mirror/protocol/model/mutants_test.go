package model

import (
	"fmt"
	"testing"
)

// TestModelMutants shows that the models notice: each broken rule is caught by one of them, save those that cost time
// only or are a second line of defence. Under the race detector the explorations are too short to catch every mutant, so
// there only what they did catch counts.
func TestModelMutants(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			h := m.hunt()
			if h.tried == 0 {
				t.Fatalf("%s: no model matches %v", m.name, m.where)
			}
			caught, want := h.found > 0, m.survives == ""
			if caught != want && !(raced && want && h.cut) {
				t.Fatalf("%s: got caught %v, want %v (%v)", m.name, caught, want, h.best)
			}
			if *wide {
				logTrace(t, h.best)
			}
			t.Log(m.row(h))
		})
	}
}

// hunted is what trying a mutant gave.
type hunted struct {
	tried, found int
	cut          bool // some exploration was
	where        string
	best         Result // the shortest violation seen
}

// hunt tries m on its models, until the first that notices or, with -wide, on all.
func (m mutant) hunt() hunted {
	var h hunted
	all := m.models()
	h.tried = len(all)
	for _, c := range all {
		r := Explore(&c, limit(60_000, 150_000))
		h.cut = h.cut || r.Cut
		if r.Violation == "" {
			continue
		}
		h.found++
		if h.where == "" || len(r.Trace) < len(h.best.Trace) {
			h.best, h.where = r, c.Name
		}
		if !*wide {
			break
		}
	}
	return h
}

// row is m's line in the README's table.
func (m mutant) row(h hunted) string {
	if h.found == 0 {
		return fmt.Sprintf("| %s | survives | %s |", m.name, m.survives)
	}
	by := fmt.Sprintf("%d of %d", h.found, h.tried)
	if !*wide {
		by = "caught"
	}
	return fmt.Sprintf("| %s | %s | %d steps in %s: %s |", m.name, by, len(h.best.Trace), h.where, h.best.Violation)
}
