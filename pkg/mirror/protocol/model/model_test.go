package model

import (
	"flag"
	"testing"
)

// wide lets every model run to its end, tries each mutant on all its models, and adds models of wider bounds; it takes
// many minutes and several gigabytes.
var wide = flag.Bool("wide", false, "explore without small limits, and models of wider bounds")

// limit is how many states are kept of one model.
func limit(states int) int {
	switch {
	case raced:
		return min(states, 10_000)
	case *wide:
		return 6_000_000
	}
	return states
}

func report(t *testing.T, name string, r Result) {
	t.Helper()
	for i, s := range r.Trace {
		t.Logf("%2d. %s", i+1, s)
	}
	t.Fatalf("%s: %s after %d steps", name, r.Violation, len(r.Trace))
}

// TestModel holds the rules on every model.
func TestModel(t *testing.T) {
	all := models()
	if *wide {
		all = append(all, wideModels()...)
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r := Explore(&c, limit(400_000))
			if r.Violation != "" {
				report(t, c.Name, r)
			}
			if r.States < 1000 {
				t.Fatalf("%s: got %d states, want at least 1000: the model does nothing", c.Name, r.States)
			}
			t.Logf("| %s | %d | %d | %s |", c.Name, r.States, r.Depth, r)
		})
	}
}

// TestModelBeyond shows what breaks outside the assumptions, and what at least is noticed.
func TestModelBeyond(t *testing.T) {
	for _, b := range beyondModels() {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			r := Explore(&b.Config, limit(400_000))
			if violated := r.Violation != ""; violated != b.violated && !(raced && r.Cut) {
				report(t, b.Name, r)
			}
			t.Logf("| %s | %d | %d | %s |", b.Name, r.States, len(r.Trace), r)
		})
	}
}
