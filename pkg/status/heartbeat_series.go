package status

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/lag"
)

// HeartbeatLatency counts how long heartbeats took from their origin to here. Create with NewHeartbeatLatency. Safe for
// concurrent use.
type HeartbeatLatency struct{ histogram *prometheus.HistogramVec }

// nativeFactor makes each bucket of a native histogram at most this much wider than the one before.
const nativeFactor = 1.1

// NewHeartbeatLatency returns a histogram without observations, to be served by giving it to a Config. It shows the
// clusters from the start, with 0.
func NewHeartbeatLatency(clusters ...string) *HeartbeatLatency {
	l := &HeartbeatLatency{prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mirror_heartbeat_latency_seconds",
		Help: "Time from the writing of a heartbeat at its origin to its reading here, by the clocks of both; of those that were read as they came.",
		// from far below a second to the longest outage that is lived through
		Buckets:                     []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 48 * 3600},
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour}, []string{"cluster"})}
	for _, c := range clusters {
		l.histogram.WithLabelValues(c)
	}
	return l
}

// Observe counts one heartbeat that was read at a cluster. A negative latency, which clocks that differ make, counts as 0.
func (l *HeartbeatLatency) Observe(cluster string, latency time.Duration) {
	l.histogram.WithLabelValues(cluster).Observe(max(0, latency).Seconds())
}

// heartbeatSeries are the metrics of heartbeats. A process that reads none has none of those about origins.
type heartbeatSeries struct {
	origin                              []metric[*lag.Heartbeat]
	lost, expected, missing, done, junk *prometheus.Desc
}

func newHeartbeatSeries() heartbeatSeries {
	gauge := func(name, help string, value func(*lag.Heartbeat) (float64, bool)) metric[*lag.Heartbeat] {
		return metric[*lag.Heartbeat]{prometheus.NewDesc(name, help, []string{"origin"}, nil), prometheus.GaugeValue, value}
	}
	return heartbeatSeries{
		origin: []metric[*lag.Heartbeat]{
			gauge("mirror_heartbeat_origin_timestamp_seconds", "When the newest heartbeat that came from the origin was written.",
				func(h *lag.Heartbeat) (float64, bool) { return seconds(&h.Time) }),
			gauge("mirror_heartbeat_loss_deadline_timestamp_seconds", "When the origin may first lose something, as it said last; it comes nearer also while the origin is silent. Absent when unknown.",
				func(h *lag.Heartbeat) (float64, bool) { return seconds(lossDeadline(*h)) }),
		},
		lost:     prometheus.NewDesc("mirror_heartbeat_lost_total", "Heartbeats that were acknowledged to the origin and never came.", []string{"origin"}, nil),
		expected: prometheus.NewDesc("mirror_heartbeat_expected_origins", "Origins that were heard of within seven days and not forgotten.", nil, nil),
		missing:  prometheus.NewDesc("mirror_heartbeat_missing_origins", "Of the expected origins those that are silent; absent while nothing can be heard here.", nil, nil),
		done:     prometheus.NewDesc("mirror_heartbeat_success_timestamp_seconds", "When a heartbeat of this process was acknowledged last, or the heartbeats of a cluster were read last.", []string{"cluster", "side"}, nil),
		junk:     prometheus.NewDesc("mirror_heartbeat_ignored_total", "Records of the topic that are no heartbeat, or of an origin beyond the 10,000 that are kept.", []string{"cluster"}, nil),
	}
}

func (s heartbeatSeries) describe(out chan<- *prometheus.Desc) {
	for _, m := range s.origin {
		out <- m.desc
	}
	for _, desc := range []*prometheus.Desc{s.lost, s.expected, s.missing, s.done, s.junk} {
		out <- desc
	}
}

func (s heartbeatSeries) collect(out chan<- prometheus.Metric, snapshot *lag.Snapshot) {
	reads, current := false, true
	for _, c := range snapshot.HeartbeatClusters {
		if done, ok := seconds(c.Success); ok {
			send(out, s.done, prometheus.GaugeValue, done, c.Cluster, heartbeatSide(c))
		}
		if c.Reads {
			reads, current = true, current && c.Current
			send(out, s.junk, prometheus.CounterValue, float64(c.Ignored), c.Cluster)
		}
	}
	if !reads {
		return
	}
	missing := 0
	for i := range snapshot.Heartbeats {
		h := &snapshot.Heartbeats[i]
		collect(out, s.origin, h, h.Origin)
		send(out, s.lost, prometheus.CounterValue, float64(h.Lost), h.Origin)
		if h.State == lag.HeartbeatSilent {
			missing++
		}
	}
	send(out, s.expected, prometheus.GaugeValue, float64(len(snapshot.Heartbeats)))
	if current {
		send(out, s.missing, prometheus.GaugeValue, float64(missing))
	}
}
