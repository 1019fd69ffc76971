package mirror

import (
	"math/bits"
	"slices"
	"sync"
)

// Memory up to pooledBytes comes in classes, each twice as large as the one before: a partition that cannot send may hold
// thousands of small responses. Larger memory is as large as the response that it was made for, with some room, and kept apart, so
// that a trickle does not occupy it.
const (
	smallestBytes = 4 << 10
	pooledBytes   = smallestBytes << (classes - 1) // 256 KiB
	classes       = 7
)

// class returns the smallest class with room for n bytes, 1 to pooledBytes.
func class(n int) int { return bits.Len(uint(n-1) / smallestBytes) }

// memory is what buffers point to. What is idle is used again, and together with what is in use never more than the total, as long as
// that is not more by itself. Safe for concurrent use.
type memory struct {
	total int

	mu    sync.Mutex
	inUse int               // guarded by mu, as are all sizes: bytes
	idle  int               // guarded by mu
	small [classes][][]byte // guarded by mu: idle; the last one used is the warmest
	large [][]byte          // guarded by mu: idle, likewise
}

func newMemory(total int64) *memory { return &memory{total: int(total)} }

// swap returns memory of at least n bytes for m, which may be nil. Where it need not, it takes no more than asked for.
func (y *memory) swap(m []byte, n, asked int) []byte {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.takeBack(m)
	n = max(n, 1)
	if n <= pooledBytes {
		c := class(n)
		if k := len(y.small[c]); k > 0 {
			found := y.small[c][k-1]
			y.small[c] = y.small[c][:k-1]
			return y.lend(found, true)
		}
		return y.lend(y.fresh(smallestBytes<<c), false)
	}
	roomy := max(n, min(n+n/8, asked)) // the next response is hardly ever as large
	for k, found := range slices.Backward(y.large) {
		if len(found) >= n && len(found) <= max(roomy, min(2*n, asked)) {
			y.large = slices.Delete(y.large, k, k+1)
			return y.lend(found, true)
		}
	}
	return y.lend(y.fresh(roomy), false)
}

// exactly returns n bytes that are no part of what is used again; they end with forget.
func (y *memory) exactly(n int) []byte {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.lend(y.fresh(n), false)
}

// put takes m back, which may be nil.
func (y *memory) put(m []byte) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.takeBack(m)
}

// forget takes back what exactly gave.
func (y *memory) forget(m []byte) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.inUse -= len(m)
}

func (y *memory) lend(m []byte, wasIdle bool) []byte {
	y.inUse += len(m)
	if wasIdle {
		y.idle -= len(m)
	}
	return m
}

func (y *memory) takeBack(m []byte) {
	if m == nil {
		return
	}
	y.inUse -= len(m)
	if y.inUse+y.idle+len(m) > y.total {
		return
	}
	y.idle += len(m)
	if len(m) > pooledBytes {
		y.large = append(y.large, m)
		return
	}
	c := class(len(m))
	y.small[c] = append(y.small[c], m)
}

// fresh makes n bytes, in place of idle memory where there would be too much: first what lay idle the longest of the largest.
func (y *memory) fresh(n int) []byte {
	excess := y.inUse + y.idle + n - y.total
	for excess > 0 && len(y.large) > 0 {
		excess -= y.drop(&y.large)
	}
	for c := range slices.Backward(y.small[:]) {
		for excess > 0 && len(y.small[c]) > 0 {
			excess -= y.drop(&y.small[c])
		}
	}
	return make([]byte, n)
}

// drop lets go of what lay idle the longest in a list, and returns its size.
func (y *memory) drop(list *[][]byte) int {
	n := len((*list)[0])
	*list = slices.Delete(*list, 0, 1)
	y.idle -= n
	return n
}
