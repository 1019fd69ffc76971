package model

import (
	"fmt"
	"testing"
)

// TestModelMutants shows that the models notice: each broken rule is caught by one of them, save those that cost time
// only or are a second line of defence.
func TestModelMutants(t *testing.T) {
	if raced {
		t.Skip("the explorations are one goroutine each, and too short under the race detector to catch every mutant")
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			row, caught := hunt(t, m)
			if want := m.survives == ""; caught != want {
				t.Fatalf("%s: got caught %v, want %v", m.name, caught, want)
			}
			t.Log(row)
		})
	}
}

// hunt tries m on its models, until the first that notices or, with -wide, on all; it returns a row of the README's table.
func hunt(t *testing.T, m mutant) (row string, caught bool) {
	var best Result
	var where string
	found, all := 0, m.models()
	if len(all) == 0 {
		t.Fatalf("%s: no model matches %v", m.name, m.where)
	}
	for _, c := range all {
		r := Explore(&c, 60_000)
		if r.Violation == "" {
			continue
		}
		found++
		if where == "" || len(r.Trace) < len(best.Trace) {
			best, where = r, c.Name
		}
		if !*wide {
			break
		}
	}
	if found == 0 {
		return fmt.Sprintf("| %s | survives %d | %s |", m.name, len(all), m.survives), false
	}
	if testing.Verbose() && *wide {
		for i, s := range best.Trace {
			t.Logf("%2d. %s", i+1, s)
		}
	}
	return fmt.Sprintf("| %s | %d of %d | %s: %s, %d steps |", m.name, found, len(all), where, best.Violation, len(best.Trace)), true
}
