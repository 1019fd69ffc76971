package kafka

import (
	"sync/atomic"
	"time"

	"github.com/rcrowley/go-metrics"
)

// traffic is a metrics.Registry with a few of sarama's names, and no others: sarama gets metrics without effect for those,
// such as for each broker, so that nothing grows with what comes and goes. sarama removes what it counts with when a
// connection ends, be it counting for others or not; here that does nothing, so that no count goes back. go-metrics' own
// meters would start a goroutine that never ends.
type traffic struct {
	requests, responses *meter
	in, out             *meter
	requestSize         *histogram
	responseSize        *histogram
	latency             *histogram // ms
	inFlight            metrics.Counter
	byName              map[string]any // all of these; never changed
}

func newTraffic() *traffic {
	t := &traffic{requests: &meter{}, responses: &meter{}, in: &meter{}, out: &meter{},
		requestSize: newHistogram(), responseSize: newHistogram(), latency: newHistogram(), inFlight: metrics.NewCounter()}
	t.byName = map[string]any{
		"request-rate": t.requests, "response-rate": t.responses, "incoming-byte-rate": t.in, "outgoing-byte-rate": t.out,
		"request-size": t.requestSize, "response-size": t.responseSize, "request-latency-in-ms": t.latency, "requests-in-flight": t.inFlight,
	}
	return t
}

// sent counts a request that sarama knows nothing of.
func (t *traffic) sent(size int) {
	t.requests.Mark(1)
	t.out.Mark(int64(size))
	t.requestSize.Update(int64(size))
}

// received counts the answer to it.
func (t *traffic) received(size int, took time.Duration) {
	t.responses.Mark(1)
	t.in.Mark(int64(size))
	t.responseSize.Update(int64(size))
	t.latency.Update(took.Milliseconds())
}

// GetOrRegister returns the metric of that name, or one without effect of the kind that make returns.
func (t *traffic) GetOrRegister(name string, make any) any {
	if known, ok := t.byName[name]; ok {
		return known
	}
	switch make.(type) {
	case func() metrics.Meter:
		return metrics.NilMeter{}
	case func() metrics.Counter:
		return metrics.NilCounter{}
	}
	return metrics.NilHistogram{}
}

// Each visits all metrics.
func (t *traffic) Each(visit func(string, any)) {
	for name, m := range t.byName {
		visit(name, m)
	}
}

// Get returns the metric of that name, nil if there is none.
func (t *traffic) Get(name string) any { return t.byName[name] }

// GetAll returns nil: nobody asks.
func (*traffic) GetAll() map[string]map[string]any { return nil }

// Register does nothing: the names are fixed.
func (*traffic) Register(string, any) error { return nil }

// RunHealthchecks does nothing.
func (*traffic) RunHealthchecks() {}

// Unregister does nothing.
func (*traffic) Unregister(string) {}

// UnregisterAll does nothing.
func (*traffic) UnregisterAll() {}

// meter is a metrics.Meter that counts, and knows no rates.
type meter struct {
	metrics.NilMeter
	count atomic.Int64
}

// Mark adds n.
func (m *meter) Mark(n int64) { m.count.Add(n) }

// Count returns the sum.
func (m *meter) Count() int64 { return m.count.Load() }

// histogram is a metrics.Histogram whose Sum is of all values: go-metrics' is of those that it keeps, and falls.
type histogram struct {
	metrics.Histogram
	sum atomic.Int64
}

func newHistogram() *histogram {
	const values, decay = 1028, 0.015 // as sarama's and Dropwizard's
	return &histogram{Histogram: metrics.NewHistogram(metrics.NewExpDecaySample(values, decay))}
}

// Update takes a value.
func (h *histogram) Update(v int64) {
	h.sum.Add(v)
	h.Histogram.Update(v)
}

// Sum returns the sum of all values.
func (h *histogram) Sum() int64 { return h.sum.Load() }
