package status

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rcrowley/go-metrics"
)

// counted is a meter that has counted n, without the goroutine of a real one.
type counted struct {
	metrics.NilMeter
	n int64
}

func (c counted) Count() int64 { return c.n }

// clientRegistry has what is shown, and names that must not be: of brokers, of topics, unknown, or of another kind.
func clientRegistry(t *testing.T) metrics.Registry {
	t.Helper()
	r := metrics.NewRegistry()
	latency, size := metrics.NewHistogram(metrics.NewUniformSample(10)), metrics.NewHistogram(metrics.NewUniformSample(10))
	for _, ms := range []int64{1, 2, 3} {
		latency.Update(ms)
		size.Update(100 * ms)
	}
	flying := metrics.NewCounter()
	flying.Inc(2)
	for name, m := range map[string]any{
		"request-rate": counted{n: 11}, "response-rate": counted{n: 10}, "outgoing-byte-rate": counted{n: 1100}, "incoming-byte-rate": counted{n: 1000},
		"requests-in-flight": flying, "request-latency-in-ms": latency, "request-size": size, "response-size": size,
		"request-rate-for-broker-1": counted{n: 7}, "request-latency-in-ms-for-broker-1": latency, "batch-size-for-topic-clicks": size, "consumer-fetch-rate": counted{n: 9},
	} {
		if err := r.Register(name, m); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestClientMetrics(t *testing.T) {
	strange := metrics.NewRegistry()
	if err := strange.Register("request-rate", metrics.NewCounter()); err != nil { // what a meter should be
		t.Fatal(err)
	}
	if err := strange.Register("request-size", metrics.NewHistogram(metrics.NewUniformSample(1))); err != nil { // without a value
		t.Fatal(err)
	}
	s, err := New(Config{Listen: "127.0.0.1:0", Clients: map[string]metrics.Registry{"edge": clientRegistry(t), "region": strange}}, freshly(full()), prometheus.NewRegistry(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.doors[0].listener.Close()
	var got []string
	for line := range strings.Lines(ownMetrics(t, s)) {
		if strings.HasPrefix(line, "mirror_client_") {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	want := []string{
		`mirror_client_received_bytes_total{cluster="edge"} 1000`,
		`mirror_client_request_latency_seconds{cluster="edge",quantile="0.5"} 0.002`, `mirror_client_request_latency_seconds{cluster="edge",quantile="0.99"} 0.003`,
		`mirror_client_request_latency_seconds_sum{cluster="edge"} 0.006`, `mirror_client_request_latency_seconds_count{cluster="edge"} 3`,
		`mirror_client_request_size_bytes{cluster="edge",quantile="0.5"} 200`, `mirror_client_request_size_bytes{cluster="edge",quantile="0.99"} 300`,
		`mirror_client_request_size_bytes_sum{cluster="edge"} 600`, `mirror_client_request_size_bytes_count{cluster="edge"} 3`,
		`mirror_client_request_size_bytes{cluster="region",quantile="0.5"} NaN`, `mirror_client_request_size_bytes{cluster="region",quantile="0.99"} NaN`,
		`mirror_client_request_size_bytes_sum{cluster="region"} 0`, `mirror_client_request_size_bytes_count{cluster="region"} 0`,
		`mirror_client_requests_in_flight{cluster="edge"} 2`,
		`mirror_client_requests_total{cluster="edge"} 11`,
		`mirror_client_response_size_bytes{cluster="edge",quantile="0.5"} 200`, `mirror_client_response_size_bytes{cluster="edge",quantile="0.99"} 300`,
		`mirror_client_response_size_bytes_sum{cluster="edge"} 600`, `mirror_client_response_size_bytes_count{cluster="edge"} 3`,
		`mirror_client_responses_total{cluster="edge"} 10`,
		`mirror_client_sent_bytes_total{cluster="edge"} 1100`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
