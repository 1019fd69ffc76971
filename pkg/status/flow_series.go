package status

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// AckDuration counts how long destinations take to answer. Create with NewAckDuration. Safe for concurrent use.
type AckDuration struct{ histogram *prometheus.HistogramVec }

// NewAckDuration returns a histogram without observations, to be served by giving it to a Config.
func NewAckDuration() *AckDuration {
	return &AckDuration{prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mirror_ack_duration_seconds",
		Help: "Time from the sending of a produce request to its answer, of each request in which the link had records.",
		// from a destination in the same room to one whose broker waits for its replicas as long as it may
		Buckets:                     []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour}, []string{"link"})}
}

// Of returns what counts one answer for a link, which is shown from then on.
func (a *AckDuration) Of(link string) func(time.Duration) {
	observer := a.histogram.WithLabelValues(link)
	return func(took time.Duration) { observer.Observe(took.Seconds()) }
}

// flowSeries are the metrics of what goes wrong or holds back on the way through a link.
type flowSeries struct{ info, errors, backpressure, limited *prometheus.Desc }

func newFlowSeries() flowSeries {
	return flowSeries{
		info:         prometheus.NewDesc("mirror_link_info", "The clusters of a link, as the configuration names them; always 1.", []string{"link", "source", "target"}, nil),
		errors:       prometheus.NewDesc("mirror_errors_total", "Errors of fetching from the source and of sending to the target, by class.", []string{"link", "side", "class"}, nil),
		backpressure: prometheus.NewDesc("mirror_backpressure_seconds_total", "Time during which fetches waited for memory, or batches for the answers to those before.", []string{"link", "side"}, nil),
		limited:      prometheus.NewDesc("mirror_rate_limited_seconds_total", "Time during which batches waited for the rate of their link.", []string{"link"}, nil),
	}
}

func (f flowSeries) describe(out chan<- *prometheus.Desc) {
	out <- f.info
	out <- f.errors
	out <- f.backpressure
	out <- f.limited
}

func (f flowSeries) collect(out chan<- prometheus.Metric, link *lag.Link) {
	send(out, f.info, prometheus.GaugeValue, 1, link.Name, link.From, link.To)
	send(out, f.limited, prometheus.CounterValue, link.Flow.Limited.Seconds(), link.Name)
	for _, side := range mirror.Sides() {
		send(out, f.backpressure, prometheus.CounterValue, link.Flow.Backpressure[side].Seconds(), link.Name, side.String())
		for _, class := range mirror.ErrorClasses() {
			send(out, f.errors, prometheus.CounterValue, float64(link.Flow.Errors[side][class]), link.Name, side.String(), class.String())
		}
	}
}
