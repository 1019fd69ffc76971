package status

import (
	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/lag"
	"tributary/pkg/ownership/pool"
)

// poolSeries are the metrics of the pools. A link that is not shared has none of them.
type poolSeries struct {
	plain          []metric[*pool.View]
	state, changes *prometheus.Desc
}

func newPoolSeries() poolSeries {
	metrics := func(kind prometheus.ValueType, name, help string, value func(*pool.View) (float64, bool)) metric[*pool.View] {
		return metric[*pool.View]{prometheus.NewDesc(name, help, []string{"link"}, nil), kind, value}
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	return poolSeries{
		plain: []metric[*pool.View]{
			metrics(gauge, "mirror_pool_owned", "Units of this member.", func(v *pool.View) (float64, bool) { return float64(owned(v)), true }),
			metrics(gauge, "mirror_pool_unowned", "Units that no member has, as this member sees it; absent while it is no member.",
				func(v *pool.View) (float64, bool) { return float64(len(v.Unowned)), v.Incarnation != "" }),
			metrics(gauge, "mirror_pool_members", "Members of the pool, as this member sees it; absent while it is none.",
				func(v *pool.View) (float64, bool) { return float64(len(v.Members)), v.Incarnation != "" }),
			metrics(gauge, "mirror_pool_state_timestamp_seconds", "Since when the session with ZooKeeper is as it is.",
				func(v *pool.View) (float64, bool) { return seconds(at(v.Since)) }),
			metrics(gauge, "mirror_failover_duration_seconds", "How long the newest take-over of this member lasted, from when the owner was seen gone to the last claim; absent before the first.",
				func(v *pool.View) (float64, bool) { return v.Failover.Duration.Seconds(), !v.Failover.At.IsZero() }),
			metrics(gauge, "mirror_failover_timestamp_seconds", "When that was; absent before the first.",
				func(v *pool.View) (float64, bool) { return seconds(at(v.Failover.At)) }),
			metrics(counter, "mirror_evictions_total", "Members that this one removed, as their process was proven dead.",
				func(v *pool.View) (float64, bool) { return float64(v.Evictions), true }),
			metrics(counter, "mirror_pool_sessions_expired_total", "Sessions of this member that ended against its will.",
				func(v *pool.View) (float64, bool) { return float64(v.Expired), true }),
		},
		state:   prometheus.NewDesc("mirror_pool_state", "The session with ZooKeeper: 1 for the state it is in, 0 for the others.", []string{"link", "state"}, nil),
		changes: prometheus.NewDesc("mirror_assignment_changes_total", "Units that came to this member or left it.", []string{"link", "reason"}, nil),
	}
}

func (p poolSeries) describe(out chan<- *prometheus.Desc) {
	for _, m := range p.plain {
		out <- m.desc
	}
	out <- p.state
	out <- p.changes
}

func (p poolSeries) collect(out chan<- prometheus.Metric, link *lag.Link) {
	v := link.Pool
	if v == nil {
		return
	}
	collect(out, p.plain, v, link.Name)
	for phase := pool.Connecting; phase <= pool.Closed; phase++ {
		is := 0.0
		if phase == v.Phase {
			is = 1
		}
		send(out, p.state, prometheus.GaugeValue, is, link.Name, phase.String())
	}
	for _, change := range pool.Changes() {
		send(out, p.changes, prometheus.CounterValue, float64(v.Changes[change]), link.Name, string(change))
	}
}
