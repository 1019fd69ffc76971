package batch

import "runtime/debug"

// Gate lets one large payload of a process be decompressed at a time. Its holder keeps it until the memory is let go, and
// must not wait for anything meanwhile. Whoever decompresses in a process shares one. Safe for concurrent use.
type Gate struct {
	held chan struct{} // holds one while somebody is inside
}

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{held: make(chan struct{}, 1)} }

func (g *Gate) enter() { g.held <- struct{}{} }

func (g *Gate) leave() { <-g.held }

// sweep gives back what former holders have let go of: the collector need not have come by since, and two payloads would be
// in memory after all. It takes milliseconds, a payload that has to pass the gate takes many times that.
func (g *Gate) sweep() { debug.FreeOSMemory() }
