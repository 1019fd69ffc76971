package mirror

import (
	"context"
	"math/bits"
	"slices"
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

// Grow makes Bytes at least n long and keeps nothing of what it held. What n leaves of the size taken goes back to the
// budget at once: most responses are small. An n above it is granted all the same, as a single batch may be larger than
// what a fetch asks for (KIP-74).
func (b *Buffer) Grow(n int) {
	if len(b.Bytes) < n {
		b.Bytes = b.budget.memory(n)
	}
	if n <= pooledBytes {
		n = len(b.Bytes) // what it occupies
	}
	if left := b.size - int64(n); left > 0 {
		b.size -= left
		b.budget.giveBack(left)
	}
}

// Settle calls what Take was given for the end of the buffer's life at once: the response is too small to matter. Only
// while nobody else has a reference.
func (b *Buffer) Settle() {
	if b.freed != nil {
		b.freed()
		b.freed = nil
	}
}

// Memory up to pooledBytes comes in classes, each twice as large as the one before: a partition that cannot send may hold
// thousands of small responses. Larger memory is kept apart, so that a trickle does not occupy it.
const (
	smallestBytes = 4 << 10
	pooledBytes   = smallestBytes << (classes - 1) // 256 KiB
	classes       = 7
)

// class returns the smallest class with room for n bytes, 1 to pooledBytes.
func class(n int) int { return bits.Len(uint(n-1) / smallestBytes) }

// Budget bounds the memory of all records under way in the process: a fetch takes its greatest size from it before it is
// sent, and the last acknowledgement of what it brought gives that back. Memory is reused, because fresh memory costs a
// quarter of a CPU second per GB in page faults and clearing. Safe for concurrent use.
type Budget struct {
	total int64
	sem   *semaphore.Weighted
	gate  *batch.Gate // for payloads that are large when decompressed; they are beside the budget

	mu    sync.Mutex
	used  int64             // guarded by mu
	owed  int64             // guarded by mu: used without having been taken
	kept  int64             // guarded by mu: of it, for kept windows
	small [classes][][]byte // guarded by mu: idle memory; the last one used is the warmest
	large [][]byte          // guarded by mu
}

// NewBudget returns a budget of total bytes.
func NewBudget(total int64) *Budget {
	return &Budget{total: total, sem: semaphore.NewWeighted(total), gate: batch.NewGate()}
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
	if !g.sem.TryAcquire(size) {
		g.mu.Lock()
		g.owed += size
		g.mu.Unlock()
	}
	return g.buffer(size, nil)
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
	b.kept, b.Bytes = true, make([]byte, size)
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

// memory returns idle memory of at least n bytes, or fresh memory. When none of the idle is large enough the largest
// class shrinks by one, so that what is kept grows to the largest response and not beyond.
func (g *Budget) memory(n int) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n <= pooledBytes {
		c := class(max(n, 1))
		if k := len(g.small[c]); k > 0 {
			m := g.small[c][k-1]
			g.small[c] = g.small[c][:k-1]
			return m
		}
		return make([]byte, smallestBytes<<c)
	}
	for k, m := range slices.Backward(g.large) {
		if len(m) >= n {
			g.large = slices.Delete(g.large, k, k+1)
			return m
		}
	}
	if k := len(g.large); k > 0 {
		g.large = g.large[:k-1]
	}
	return make([]byte, n+n/8)
}

// free keeps b's memory for the next response, unless what is kept and what is in use would outgrow the budget.
func (g *Budget) free(b *Buffer) {
	m := b.Bytes
	b.Bytes = nil
	g.mu.Lock()
	if b.kept {
		g.kept -= b.size
	}
	kept := int64(0)
	for c, idle := range g.small {
		kept += int64(len(idle) * (smallestBytes << c))
	}
	for _, l := range g.large {
		kept += int64(len(l))
	}
	switch {
	case m == nil || b.kept || kept+int64(len(m)) > g.total: // a kept window is of no class
	case len(m) > pooledBytes:
		g.large = append(g.large, m)
	default:
		c := class(len(m))
		g.small[c] = append(g.small[c], m)
	}
	g.mu.Unlock()
	g.giveBack(b.size)
}
