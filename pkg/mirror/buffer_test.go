package mirror

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
)

func TestBudgetAccounts(t *testing.T) {
	const kib = 1 << 10
	g := NewBudget(1000 * kib)
	freed := 0
	a := g.TryTake(600*kib, func() { freed++ })
	if a == nil || g.Used() != 600*kib {
		t.Fatalf("got buffer %v, used %d", a, g.Used())
	}
	if b := g.TryTake(401*kib, nil); b != nil {
		t.Error("more than the budget was given out")
	}
	a.Grow(100)
	if got, want := g.Used(), int64(smallestBytes); got != want || int64(len(a.Bytes)) != want {
		t.Errorf("after Grow: used %d for %d bytes, want %d: what it occupies", got, len(a.Bytes), want)
	}
	b := g.TryTake(996*kib, nil)
	if b == nil {
		t.Fatal("what Grow left was not given back")
	}
	b.Grow(5000 * kib) // KIP-74: one batch may be larger than what was asked for
	if len(b.Bytes) < 5000*kib || g.Used() != int64(len(a.Bytes)+len(b.Bytes)) {
		t.Errorf("got %d bytes, used %d", len(b.Bytes), g.Used())
	}
	if c := g.TryTake(1, nil); c != nil {
		t.Error("more was given out while that is owed")
	}
	a.Retain()
	a.Release()
	if freed != 0 {
		t.Error("freed with a reference left")
	}
	a.Release()
	b.Release()
	if freed != 1 || g.Used() != 0 {
		t.Errorf("got freed %d times, used %d, want once and 0", freed, g.Used())
	}
}

func TestBudgetLargerThanItself(t *testing.T) {
	g := NewBudget(100)
	b := g.TryTake(1<<40, nil)
	if b == nil {
		t.Fatal("a take above the total must get the total")
	}
	if g.Used() != 100 {
		t.Errorf("used %d, want 100", g.Used())
	}
	b.Release()
}

func TestBudgetSettle(t *testing.T) {
	g, freed := NewBudget(100), 0
	b := g.TryTake(10, func() { freed++ })
	b.Settle()
	b.Release()
	if freed != 1 {
		t.Errorf("freed %d times, want once", freed)
	}
}

func TestBudgetTakeWaitsAndGivesUp(t *testing.T) {
	g := NewBudget(100)
	held := g.TryTake(100, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTest)
	if _, err := g.Take(ctx, 1, nil); !errors.Is(err, context.Canceled) && !errors.Is(err, errTest) {
		t.Errorf("got %v from an ended context", err)
	}
	got := make(chan *Buffer)
	go func() {
		b, err := g.Take(t.Context(), 60, nil)
		if err != nil {
			t.Error(err)
		}
		got <- b
	}()
	held.Release()
	(<-got).Release()
	if g.Used() != 0 {
		t.Errorf("used %d, want 0", g.Used())
	}
}

// TestBudgetConcurrently takes, grows, shares and releases from many goroutines, and ends where it began.
func TestBudgetConcurrently(t *testing.T) {
	const total = 4 << 20
	g := NewBudget(total)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 3))
			for range 300 {
				size := int64(rnd.IntN(1 << 20))
				b, err := g.Take(t.Context(), size, nil)
				if err != nil {
					t.Error(err)
					return
				}
				n := rnd.IntN(2 << 20)
				b.Grow(n)
				if n > 0 {
					b.Bytes[0], b.Bytes[n-1] = byte(w), byte(w)
				}
				b.Retain()
				done := make(chan struct{})
				go func() { defer close(done); b.Release() }()
				if n > 0 && (b.Bytes[0] != byte(w) || b.Bytes[n-1] != byte(w)) {
					t.Error("another buffer has the same memory")
				}
				b.Release()
				<-done
			}
		})
	}
	wg.Wait()
	if g.Used() != 0 {
		t.Errorf("used %d in the end, want 0", g.Used())
	}
	whole := g.TryTake(total, nil)
	if whole == nil {
		t.Fatal("the whole budget cannot be taken in the end")
	}
	whole.Release()
}

// TestBudgetOwes pins that an overdraft is paid by what comes back, before anybody gets more.
func TestBudgetOwes(t *testing.T) {
	g := NewBudget(100)
	a := g.TryTake(90, nil)
	b := g.overdraw(50)
	if got, want := g.Used(), int64(140); got != want {
		t.Errorf("used %d, want %d", got, want)
	}
	a.Release()
	if c := g.TryTake(51, nil); c != nil {
		t.Error("51 bytes were given out with 50 of 100 in use")
	}
	c := g.TryTake(50, nil)
	if c == nil {
		t.Fatal("what is free cannot be taken")
	}
	c.Release()
	b.Release()
	whole := g.TryTake(100, nil)
	if whole == nil {
		t.Fatal("the whole budget cannot be taken in the end")
	}
	whole.Release()
}

// TestBudgetIsWhatIsOccupied holds responses of changing sizes until the budget is taken, as a destination that does not keep up does, and
// looks at what the process then has: what is held and what lies idle, by the collector's own account.
func TestBudgetIsWhatIsOccupied(t *testing.T) {
	const (
		total = 32 << 20
		asked = 4 << 20
		slack = 1 << 20 // of the test itself, and the runtime
	)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	g, before := NewBudget(total), heap()
	var held []*Buffer
	most := uint64(0)
	for step := range 600 {
		b := g.TryTake(asked, nil)
		for ; b == nil; b = g.TryTake(asked, nil) {
			k := rnd.IntN(len(held)) // destinations answer in no order
			held[k].Release()
			held = slices.Delete(held, k, k+1)
		}
		b.Grow([]int{2 << 10, 100 << 10, 300 << 10, 1 << 20, 3 << 20, 4 << 20}[rnd.IntN(6)])
		held = append(held, b)
		if step%10 == 9 {
			most = max(most, heap()-min(before, heap()))
		}
	}
	if most > total+slack {
		t.Errorf("%d MiB of memory at most for a budget of %d", most>>20, total>>20)
	}
	if most < total/2 {
		t.Errorf("%d MiB of memory at most: the budget of %d was never full", most>>20, total>>20)
	}
	for _, b := range held {
		b.Release()
	}
	if g.Used() != 0 || g.memory.inUse != 0 {
		t.Errorf("used %d, memory in use %d in the end, want none", g.Used(), g.memory.inUse)
	}
}

// TestBudgetUsesMemoryAgain pins that a steady flow of responses needs no fresh memory.
func TestBudgetUsesMemoryAgain(t *testing.T) {
	g := NewBudget(64 << 20)
	rnd := rand.New(rand.NewPCG(3, 4))
	var held []*Buffer
	flow := func(responses int) {
		for range responses {
			if len(held) == 5 {
				held[0].Release()
				held = held[1:]
			}
			b := g.TryTake(8<<20, nil)
			b.Grow(6<<20 + rnd.IntN(2<<20))
			held = append(held, b)
		}
	}
	flow(100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	flow(1000)
	runtime.ReadMemStats(&after)
	if fresh := after.TotalAlloc - before.TotalAlloc; fresh > 16<<20 {
		t.Errorf("%d MiB of fresh memory for 1,000 responses of 6 to 8 MiB", fresh>>20)
	}
}

// TestBudgetKeepsNoMoreThanItself checks that idle memory does not pile up.
func TestBudgetKeepsNoMoreThanItself(t *testing.T) {
	g := NewBudget(1 << 20)
	var all []*Buffer
	for i := range 40 {
		b := g.buffer(0, nil)
		b.Grow(100_000 * (i%7 + 1))
		all = append(all, b)
	}
	for _, b := range all {
		b.Release()
	}
	kept := 0
	for _, idle := range append(g.memory.small[:], g.memory.large) {
		for _, m := range idle {
			kept += len(m)
		}
	}
	if kept > 1<<20 || kept != g.memory.idle {
		t.Errorf("%d bytes are kept of a budget of %d, and %d counted", kept, 1<<20, g.memory.idle)
	}
}
