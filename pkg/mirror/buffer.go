package mirror

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"tributary/pkg/batch"
)

// Buffer is memory that batches point into: one fetch response, or the output of a recode. It is freed with its last
// reference, so that a batch may be sent again without a copy.
type Buffer struct {
	Bytes []byte // as long as Grow was asked for, or longer

	refs   atomic.Int32
	budget *Budget
	size   int64  // taken from the budget
	freed  func() // called once, after the memory went back; may be nil
	kept   bool   // holds a kept window
}

// Retain adds a reference. Only a holder of one may add another.
func (b *Buffer) Retain() { b.refs.Add(1) }

// Release gives a reference back. Bytes must not be used afterwards.
func (b *Buffer) Release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	b.budget.free(b)
	if b.freed != nil {
		b.freed()
	}
}

// Grow makes Bytes at least n long and keeps nothing of what it held. What that leaves of the size taken goes back to the budget
// at once: most responses are small. What goes beyond it is granted all the same, as a single batch may be larger than what a
// fetch asks for (KIP-74), and owed.
func (b *Buffer) Grow(n int) {
	if len(b.Bytes) < n {
		b.Bytes = b.budget.memory.swap(b.Bytes, n, int(b.size))
	}
	occupied := int64(len(b.Bytes))
	if occupied > b.size {
		b.budget.charge(occupied - b.size)
	} else {
		b.budget.giveBack(b.size - occupied)
	}
	b.size = occupied
}

// Settle calls what Take was given for the end of the buffer's life at once: the response is too small to matter. Only
// while nobody else has a reference.
func (b *Buffer) Settle() {
	if b.freed != nil {
		b.freed()
		b.freed = nil
	}
}

// Budget bounds the memory of all records under way in the process: a fetch takes its greatest size from it before it is
// sent, and the last acknowledgement of what it brought gives that back. Memory is reused, because fresh memory costs a
// quarter of a CPU second per GB in page faults and clearing. Safe for concurrent use.
type Budget struct {
	total  int64
	sem    *semaphore.Weighted
	memory *memory
	gate   *batch.Gate // for payloads that are large when decompressed; they are beside the budget

	mu   sync.Mutex
	used int64 // guarded by mu
	owed int64 // guarded by mu: used without having been taken
	kept int64 // guarded by mu: of it, for kept windows
}

// NewBudget returns a budget of total bytes.
func NewBudget(total int64) *Budget {
	return &Budget{total: total, sem: semaphore.NewWeighted(total), memory: newMemory(total), gate: batch.NewGate()}
}

// Total is the budget in bytes.
func (g *Budget) Total() int64 { return g.total }

// Used is how many bytes of the budget are taken.
func (g *Budget) Used() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.used
}

// TryTake returns a buffer with one reference that stands for size bytes, or nil when the budget has not that much left.
// freed is called when the last reference goes; it may be nil.
func (g *Budget) TryTake(size int64, freed func()) *Buffer {
	size = min(size, g.total)
	if !g.sem.TryAcquire(size) {
		return nil
	}
	return g.buffer(size, freed)
}

// Take is TryTake that waits, first come first served. Its error is the context's.
func (g *Budget) Take(ctx context.Context, size int64, freed func()) (*Buffer, error) {
	size = min(size, g.total)
	if err := g.sem.Acquire(ctx, size); err != nil {
		return nil, err
	}
	return g.buffer(size, freed), nil
}

// overdraw returns a buffer that stands for size bytes even when the budget has not that much left: what is read already
// has to be rewritten before it can go. The next bytes that come back pay for what is owed.
func (g *Budget) overdraw(size int64) *Buffer {
	g.charge(size)
	b := &Buffer{budget: g, size: size}
	b.refs.Store(1)
	return b
}

// charge takes n bytes, or has them owed.
func (g *Budget) charge(n int64) {
	taken := g.sem.TryAcquire(n)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used += n
	if !taken {
		g.owed += n
	}
}

// keep returns an overdrawn buffer of size bytes for a kept window, or nil when such windows have a quarter of the budget.
func (g *Budget) keep(size int64) *Buffer {
	g.mu.Lock()
	full := g.kept+size > g.total/4
	if !full {
		g.kept += size
	}
	g.mu.Unlock()
	if full {
		return nil
	}
	b := g.overdraw(size)
	b.kept = true
	b.Bytes = g.memory.exactly(int(size))
	return b
}

func (g *Budget) buffer(size int64, freed func()) *Buffer {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used += size
	b := &Buffer{budget: g, size: size, freed: freed}
	b.refs.Store(1)
	return b
}

func (g *Budget) giveBack(n int64) {
	if n == 0 {
		return
	}
	g.mu.Lock()
	g.used -= n
	paid := min(n, g.owed)
	g.owed -= paid
	g.mu.Unlock()
	g.sem.Release(n - paid)
}

// free takes the memory of a buffer that nobody uses any more.
func (g *Budget) free(b *Buffer) {
	m := b.Bytes
	b.Bytes = nil
	if b.kept {
		g.mu.Lock()
		g.kept -= b.size
		g.mu.Unlock()
		g.memory.forget(m)
	} else {
		g.memory.put(m)
	}
	g.giveBack(b.size)
}
