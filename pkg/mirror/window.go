package mirror

import (
	"sync/atomic"
	"time"

	"tributary/pkg/batch"
)

// Sealed is one batch of ours, ready for the wire. Bytes lie in a Buffer that the window holds until the broker's answer.
type Sealed struct {
	Bytes    batch.Batch
	Sequence int32
	Records  int32

	from        int64 // source offset of its first record
	end         int64 // source offset after its last record
	next        int64 // the same, or behind what was passed over after it
	sourceEpoch int32
	first, max  int64 // timestamps of the first record and the greatest one, ms
	read        time.Time
	hold        *Buffer
}

// Hold returns the buffer that Bytes lie in. Who uses Bytes beyond the call that gave the batch retains it.
func (s Sealed) Hold() *Buffer { return s.hold }

// window is the queue of batches not yet acknowledged, in order: the first sent of them are in flight. It is a ring that
// grows to the largest backlog of the partition and stays.
//
// Invariant: 0 <= sent <= n, bytes is the sum over the n batches.
type window struct {
	ring  []Sealed
	head  int
	n     int
	sent  int
	bytes int
	all   *atomic.Int64 // bytes of all windows of the link; nil: nobody counts
}

func (w *window) at(i int) *Sealed { return &w.ring[(w.head+i)%len(w.ring)] }

func (w *window) push(s Sealed) {
	if w.n == len(w.ring) {
		ring := make([]Sealed, max(8, 2*w.n))
		for i := range w.n {
			ring[i] = *w.at(i)
		}
		w.ring, w.head = ring, 0
	}
	w.n++
	*w.at(w.n - 1) = s
	w.count(len(s.Bytes))
}

// count takes in that the window has n bytes more.
func (w *window) count(n int) {
	w.bytes += n
	if w.all != nil {
		w.all.Add(int64(n))
	}
}

// pop removes the head, which must be in flight, and lets go of its memory.
func (w *window) pop() Sealed {
	s := *w.at(0)
	*w.at(0) = Sealed{}
	w.head = (w.head + 1) % len(w.ring)
	w.n--
	w.sent--
	w.count(-len(s.Bytes))
	s.hold.Release()
	return s
}

// trim drops what is not in flight.
func (w *window) trim() {
	for w.n > w.sent {
		s := w.at(w.n - 1)
		w.count(-len(s.Bytes))
		s.hold.Release()
		*s = Sealed{}
		w.n--
	}
}

// drop empties the window.
func (w *window) drop() {
	for i := range w.n {
		w.at(i).hold.Release()
		*w.at(i) = Sealed{}
	}
	w.count(-w.bytes)
	w.head, w.n, w.sent = 0, 0, 0
}

// last returns the newest batch, or nil.
func (w *window) last() *Sealed {
	if w.n == 0 {
		return nil
	}
	return w.at(w.n - 1)
}
