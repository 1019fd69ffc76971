package cores

import (
	"runtime/metrics"
	"time"
)

// longWait is a wait for a thread, in seconds, that hardly happens while there are enough: Go takes a thread from a goroutine that does
// not wait for anything after 10 ms, and what the mirror does in one go takes one or two.
const longWait = 0.005

// meter measures the demand between one look and the next.
type meter struct {
	at     time.Time
	spent  time.Duration
	waits  []metrics.Sample
	counts []uint64 // of the look before
}

// newMeter begins; ok is false where the CPU time of a process is not known.
func newMeter() (m *meter, ok bool) {
	m = &meter{waits: []metrics.Sample{{Name: "/sched/latencies:seconds"}}}
	m.look()
	return m, m.spent > 0
}

func (m *meter) look() demand {
	at, spent := time.Now(), cpuTime()
	d := demand{used: float64(spent-m.spent) / float64(max(at.Sub(m.at), 1)), late: m.late()}
	m.at, m.spent = at, spent
	return d
}

// late returns which share of the waits since the last call was long.
func (m *meter) late() float64 {
	metrics.Read(m.waits)
	if m.waits[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	h := m.waits[0].Value.Float64Histogram()
	if m.counts == nil {
		m.counts = make([]uint64, len(h.Counts))
	}
	var all, long uint64
	for i, n := range h.Counts {
		grown := n - m.counts[i]
		m.counts[i] = n
		all += grown
		if h.Buckets[i] >= longWait {
			long += grown
		}
	}
	if all == 0 {
		return 0
	}
	return float64(long) / float64(all)
}
