package model

import "hash/maphash"

// graph holds the states seen, in breadth-first order.
type graph struct {
	states []state
	parent []int32
	first  []int32 // index into succ of a state's first successor
	succ   []int32
	table  []int32 // open addressing, state index + 1; its length is a power of two
	seed   maphash.Seed
}

func newGraph() *graph { return &graph{seed: maphash.MakeSeed()} }

// add returns the index of s, which it records when new.
func (g *graph) add(s *state, parent int32) int32 {
	if 2*len(g.states) >= len(g.table) {
		g.grow()
	}
	at := g.slot(s)
	if g.table[at] == 0 {
		g.states = append(g.states, *s)
		g.parent = append(g.parent, parent)
		g.table[at] = int32(len(g.states))
	}
	return g.table[at] - 1
}

// slot is the place of s in the table, or the empty place where it belongs.
func (g *graph) slot(s *state) uint64 {
	mask := uint64(len(g.table) - 1)
	at := maphash.Comparable(g.seed, *s) & mask
	for g.table[at] != 0 && g.states[g.table[at]-1] != *s {
		at = (at + 1) & mask
	}
	return at
}

func (g *graph) grow() {
	g.table = make([]int32, max(1<<12, 2*len(g.table)))
	for i := range g.states {
		g.table[g.slot(&g.states[i])] = int32(i) + 1
	}
}

// deadEnd returns the first state, in breadth-first order, that cannot reach a goal, or -1.
func (g *graph) deadEnd(c *Config) int32 {
	good := make([]bool, len(g.states))
	for i := range g.states {
		good[i] = c.goal(&g.states[i])
	}
	for changed := true; changed; {
		changed = false
		for i := len(good) - 1; i >= 0; i-- {
			if !good[i] && g.leadsTo(good, i) {
				good[i], changed = true, true
			}
		}
	}
	for i, ok := range good {
		if !ok {
			return int32(i)
		}
	}
	return -1
}

func (g *graph) leadsTo(good []bool, i int) bool {
	end := int32(len(g.succ))
	if i+1 < len(g.first) {
		end = g.first[i+1]
	}
	for _, t := range g.succ[g.first[i]:end] {
		if good[t] {
			return true
		}
	}
	return false
}
