package model

import (
	"flag"
	"testing"
)

// wide lets every model run to its end, tries each mutant on all its models, and adds models of wider bounds; it takes
// minutes and gigabytes.
var wide = flag.Bool("wide", false, "explore without small limits, and models of wider bounds")

// limit is how many states are kept of one model: usually states, with -wide most, under the race detector few.
func limit(states, most int) int {
	switch {
	case raced:
		return min(states, 10_000)
	case *wide:
		return most
	}
	return states
}

func logTrace(t *testing.T, r Result) {
	t.Helper()
	for i, s := range r.Trace {
		t.Logf("%2d. %s", i+1, s)
	}
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
			r := Explore(&c, limit(400_000, 6_000_000))
			if r.Violation != "" {
				logTrace(t, r)
				t.Fatalf("%s: got %s after %d steps, want none", c.Name, r, len(r.Trace))
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
			r := Explore(&b.Config, limit(400_000, 6_000_000))
			if violated := r.Violation != ""; violated != b.violated && !(raced && b.violated && r.Cut) {
				logTrace(t, r)
				t.Fatalf("%s: got %s, want violated %v", b.Name, r, b.violated)
			}
			t.Logf("| %s | %d | %d | %s |", b.Name, r.States, len(r.Trace), r)
		})
	}
}

// TestTraceLeadsToViolation holds that a trace is told step by step, from the first to the violation.
func TestTraceLeadsToViolation(t *testing.T) {
	c := with("trace", young, alone, func(c *Config) { c.Broken = saveUnacked })
	r := Explore(&c, 10_000)
	want := []string{"X starts at a as producer 0, epoch 0", "X scans to 0: next is a", "X sends a(p0 e0 s0)", "X saves position b"}
	if len(r.Trace) != len(want) {
		t.Fatalf("got %d steps, %s, want %d", len(r.Trace), r, len(want))
	}
	for i, s := range r.Trace {
		if s.Action != want[i] || s.Log != "|" {
			t.Errorf("step %d: got %q with log %q, want %q with log |", i+1, s.Action, s.Log, want[i])
		}
	}
}
