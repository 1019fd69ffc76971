package mirror

import (
	"math/rand/v2"
	"testing"

	"tributary/pkg/batch"
)

// TestWindowLikeASlice compares the ring with the dumbest queue there is.
func TestWindowLikeASlice(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		budget := NewBudget(1 << 20)
		var w window
		var model []Sealed
		sent, bytes, sequence := 0, 0, int32(0)
		for step := range 200 {
			switch rnd.IntN(8) {
			case 0, 1, 2:
				buf := budget.TryTake(10, nil)
				s := Sealed{Bytes: make(batch.Batch, rnd.IntN(90)), Sequence: sequence, hold: buf}
				sequence++
				w.push(s)
				model = append(model, s)
				bytes += len(s.Bytes)
			case 3, 4:
				if sent < len(model) {
					sent++
					w.sent++
				}
			case 5, 6:
				if sent > 0 {
					got := w.pop()
					if got.Sequence != model[0].Sequence {
						t.Fatalf("seed %d step %d: popped sequence %d, want %d", seed, step, got.Sequence, model[0].Sequence)
					}
					bytes -= len(model[0].Bytes)
					model, sent = model[1:], sent-1
				}
			case 7:
				if rnd.IntN(20) == 0 {
					w.drop()
					model, sent, bytes = nil, 0, 0
				}
			}
			checkWindow(t, seed, step, &w, model, sent, bytes)
		}
		w.drop()
		if used := budget.Used(); used != 0 {
			t.Fatalf("seed %d: %d bytes of the budget are still used", seed, used)
		}
	}
}

func checkWindow(t *testing.T, seed uint64, step int, w *window, model []Sealed, sent, bytes int) {
	t.Helper()
	if w.n != len(model) || w.sent != sent || w.bytes != bytes {
		t.Fatalf("seed %d step %d: got n=%d sent=%d bytes=%d, want %d %d %d", seed, step, w.n, w.sent, w.bytes, len(model), sent, bytes)
	}
	for i := range model {
		if got := w.at(i).Sequence; got != model[i].Sequence {
			t.Fatalf("seed %d step %d: place %d has sequence %d, want %d", seed, step, i, got, model[i].Sequence)
		}
	}
	switch last := w.last(); {
	case (last == nil) != (len(model) == 0):
		t.Fatalf("seed %d step %d: last is %v with %d batches", seed, step, last, len(model))
	case last != nil && last.Sequence != model[len(model)-1].Sequence:
		t.Fatalf("seed %d step %d: last has sequence %d", seed, step, last.Sequence)
	}
}
