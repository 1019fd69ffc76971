package kafka

import (
	"slices"
	"testing"

	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// names returns what a registry has, sorted.
func names(r metrics.Registry) []string {
	var list []string
	r.Each(func(name string, _ any) { list = append(list, name) })
	slices.Sort(list)
	return list
}

// TestTrafficSurvivesItsConnections opens and closes connections: what was counted stays, and nothing else comes. Of goroutines
// that are left TestMain tells.
func TestTrafficSurvivesItsConnections(t *testing.T) {
	_, c := start(t, kfake.NumBrokers(1))
	r := c.Traffic()
	count := func(name string) int64 {
		m, ok := r.Get(name).(metrics.Meter)
		if !ok {
			t.Fatalf("%s is %T", name, r.Get(name))
		}
		return m.Count()
	}
	before := names(r)
	var last int64
	for round := range 20 {
		conn, err := c.Dial(t.Context(), c.cfg.Brokers[0])
		if err != nil {
			t.Fatal(err)
		}
		logins := count("request-rate")
		if logins <= last {
			t.Fatalf("round %d: %d requests after %d", round, logins, last)
		}
		if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
			t.Fatal(err)
		}
		if last = count("request-rate"); last != logins+1 {
			t.Errorf("round %d: %d requests after %d and one more", round, last, logins)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(r); !slices.Equal(got, before) {
		t.Errorf("names after: %v, before: %v", got, before)
	}
	if got := count("response-rate"); got != last {
		t.Errorf("%d answers, want %d", got, last)
	}
	for _, name := range []string{"incoming-byte-rate", "outgoing-byte-rate"} {
		if got := count(name); got < 20*last {
			t.Errorf("%s: %d bytes for %d requests", name, got, last)
		}
	}
	if n := c.counted.inFlight.Count(); n != 0 {
		t.Errorf("%d requests are in flight", n)
	}
	size := c.counted.requestSize
	if size.Count() != last || size.Sum() != count("outgoing-byte-rate") {
		t.Errorf("sizes: %d values with the sum %d, want %d, %d", size.Count(), size.Sum(), last, count("outgoing-byte-rate"))
	}
	if got := c.counted.latency.Count(); got != last {
		t.Errorf("%d latencies, want %d", got, last)
	}
}

func TestTrafficHasNoOtherNames(t *testing.T) {
	r := newTraffic()
	before := names(r)
	for name, make := range map[string]any{
		"consumer-fetch-rate": metrics.NewMeter, "request-rate-for-broker-1": metrics.NewMeter, "requests-in-flight-for-broker-1": metrics.NewCounter,
		"batch-size": func() metrics.Histogram { return metrics.NewHistogram(metrics.NewUniformSample(1)) },
	} {
		switch m := r.GetOrRegister(name, make).(type) {
		case metrics.Meter:
			m.Mark(1)
		case metrics.Counter:
			m.Inc(1)
		case metrics.Histogram:
			m.Update(1)
		default:
			t.Errorf("%s is %T", name, m)
		}
	}
	if err := r.Register("x", &meter{}); err != nil {
		t.Error(err)
	}
	r.Unregister("request-rate")
	r.UnregisterAll()
	if got := names(r); !slices.Equal(got, before) || len(got) != 8 {
		t.Errorf("names after: %v, before: %v", got, before)
	}
}
