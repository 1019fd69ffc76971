package model

import "fmt"

// Step is one action of a trace and the destination's log after it, in words.
type Step struct{ Action, Log string }

// String shows the step as a line of a trace.
func (s Step) String() string { return fmt.Sprintf("%-62s %s", s.Action, s.Log) }

// Result says what an exploration found. Violation is empty when the invariants held in every state seen and, unless
// Cut, the goal stayed reachable from every state.
type Result struct {
	States, Edges, Depth int
	Cut                  bool // the state limit was hit: the verdict covers the states seen
	Violation            string
	Trace                []Step
}

// String is the verdict in words.
func (r Result) String() string {
	v := r.Violation
	if v == "" {
		v = "holds"
	}
	if r.Cut {
		v += " (cut at the state limit)"
	}
	return v
}

// Explore enumerates every state reachable in c, breadth first, so that the first violation has a shortest trace. It
// then looks for dead ends: states from which no continuation completes the copy. About limit states are kept, each
// of some 200 bytes. Calls are independent of each other.
func Explore(c *Config, limit int) Result {
	r := explore(c, limit, true)
	if r.Violation != "" { // again without swapping the instances' names, for a readable trace
		if named := explore(c, limit, false); named.Violation != "" {
			named.States, named.Edges = r.States, r.Edges
			return named
		}
	}
	return r
}

func explore(c *Config, limit int, swap bool) Result {
	g := newGraph()
	start := c.initial()
	g.add(&start, -1)
	var r Result
	levelEnd := 1
	for at := 0; at < len(g.states); at++ {
		if at == levelEnd {
			levelEnd = len(g.states)
			r.Depth++
		}
		g.first = append(g.first, int32(len(g.succ)))
		s := g.states[at]
		if v := c.check(&s); v != "" {
			r.Violation, r.Trace = v, g.trace(c, int32(at), swap)
			break
		}
		if len(g.states) > limit {
			r.Cut = true
			continue
		}
		c.next(&s, func(_ action, t state) {
			t.canon(c, swap)
			g.succ = append(g.succ, g.add(&t, int32(at)))
		})
	}
	r.States, r.Edges = len(g.states), len(g.succ)
	if r.Violation == "" && !r.Cut {
		if i := g.deadEnd(c); i >= 0 {
			r.Violation, r.Trace = "dead end: no continuation completes the copy", g.trace(c, i, swap)
		}
	}
	return r
}

// trace replays the way to state at.
func (g *graph) trace(c *Config, at int32, swap bool) []Step {
	var path []int32
	for ; at >= 0; at = g.parent[at] {
		path = append(path, at)
	}
	var steps []Step
	for i := len(path) - 1; i > 0; i-- {
		steps = append(steps, g.step(c, path[i], path[i-1], swap))
	}
	return steps
}

func (g *graph) step(c *Config, from, to int32, swap bool) Step {
	var step Step
	s, want := g.states[from], g.states[to]
	c.next(&s, func(a action, t state) {
		u := t
		u.canon(c, swap)
		if step.Action == "" && u == want {
			step = Step{a.String(), t.logString()}
		}
	})
	return step
}
