package status

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rcrowley/go-metrics"
)

// clientSeries shows metrics of Kafka clients, one registry per cluster: those that are named here, and nothing else that
// may be in a registry, such as metrics of each broker or topic, of which the totals are the sums. What a registry lacks is
// absent. Names of sarama are of rates, sizes in bytes and times in ms.
type clientSeries struct {
	registries map[string]metrics.Registry // by cluster
	counters   map[string]*prometheus.Desc // by sarama's name, as the others
	gauges     map[string]*prometheus.Desc
	summaries  map[string]summary
}

// summary is a family of summaries. One of its units is unit of the registry's.
type summary struct {
	desc *prometheus.Desc
	unit float64
}

func newClientSeries(registries map[string]metrics.Registry) *clientSeries {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"cluster"}, nil)
	}
	return &clientSeries{
		registries: registries,
		counters: map[string]*prometheus.Desc{
			"request-rate":       desc("mirror_client_requests_total", "Requests sent to the cluster beside fetching and producing: logins and control requests."),
			"response-rate":      desc("mirror_client_responses_total", "Answers to them."),
			"outgoing-byte-rate": desc("mirror_client_sent_bytes_total", "Bytes of the requests."),
			"incoming-byte-rate": desc("mirror_client_received_bytes_total", "Bytes of the answers."),
		},
		gauges: map[string]*prometheus.Desc{
			"requests-in-flight": desc("mirror_client_requests_in_flight", "Requests whose answer is awaited."),
		},
		summaries: map[string]summary{
			"request-latency-in-ms": {desc("mirror_client_request_latency_seconds", "Time from a request to its answer, in whole milliseconds; quantiles of lately."), 1e-3},
			"request-size":          {desc("mirror_client_request_size_bytes", "Sizes of the requests; quantiles of lately."), 1},
			"response-size":         {desc("mirror_client_response_size_bytes", "Sizes of the answers; quantiles of lately."), 1},
		},
	}
}

// Describe implements prometheus.Collector.
func (c *clientSeries) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.counters {
		out <- d
	}
	for _, d := range c.gauges {
		out <- d
	}
	for _, s := range c.summaries {
		out <- s.desc
	}
}

// Collect implements prometheus.Collector.
func (c *clientSeries) Collect(out chan<- prometheus.Metric) {
	for _, cluster := range slices.Sorted(maps.Keys(c.registries)) {
		c.registries[cluster].Each(func(name string, m any) {
			switch m := m.(type) {
			case metrics.Meter:
				if d, ok := c.counters[name]; ok {
					send(out, d, prometheus.CounterValue, float64(m.Count()), cluster)
				}
			case metrics.Counter:
				if d, ok := c.gauges[name]; ok {
					send(out, d, prometheus.GaugeValue, float64(m.Count()), cluster)
				}
			case metrics.Histogram:
				if s, ok := c.summaries[name]; ok {
					s.send(out, m, cluster)
				}
			}
		})
	}
}

func (s summary) send(out chan<- prometheus.Metric, h metrics.Histogram, cluster string) {
	quantiles := map[float64]float64{}
	ranks := []float64{0.5, 0.99}
	for i, value := range h.Percentiles(ranks) {
		quantiles[ranks[i]] = value * s.unit
		if h.Count() == 0 {
			quantiles[ranks[i]] = math.NaN()
		}
	}
	m, err := prometheus.NewConstSummary(s.desc, uint64(max(0, h.Count())), float64(h.Sum())*s.unit, quantiles, cluster)
	if err != nil {
		m = prometheus.NewInvalidMetric(s.desc, err)
	}
	out <- m
}
