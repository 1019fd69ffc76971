package status

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// metric is one family whose samples are each drawn from one T. value returns false for what is unknown: then there
// is no sample, for any number would be taken for true.
type metric[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(T) (float64, bool)
}

func collect[T any](out chan<- prometheus.Metric, metrics []metric[T], from T, labels ...string) {
	for _, m := range metrics {
		if value, ok := m.value(from); ok {
			send(out, m.desc, m.kind, value, labels...)
		}
	}
}

func processMetrics() []metric[*lag.Snapshot] {
	gauge := func(name, help string, value func(*lag.Snapshot) (float64, bool)) metric[*lag.Snapshot] {
		return metric[*lag.Snapshot]{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, value}
	}
	return []metric[*lag.Snapshot]{
		gauge("mirror_inflight_bytes", "Memory taken for records on their way.",
			func(s *lag.Snapshot) (float64, bool) { return number(s.BudgetUsed) }),
		gauge("mirror_inflight_limit_bytes", "The budget of memory for records on their way.",
			func(s *lag.Snapshot) (float64, bool) { return float64(s.BudgetTotal), true }),
		gauge("mirror_snapshot_timestamp_seconds", "When the links were looked at last. All other metrics are as of then.",
			func(s *lag.Snapshot) (float64, bool) { return seconds(&s.Time) }),
	}
}

func linkMetrics() []metric[*lag.Link] {
	gauge := func(name, help string, value func(*lag.Link) (float64, bool)) metric[*lag.Link] {
		return metric[*lag.Link]{prometheus.NewDesc(name, help, []string{"link"}, nil), prometheus.GaugeValue, value}
	}
	return []metric[*lag.Link]{
		gauge("mirror_checkpoint_timestamp_seconds", "When the positions of the link were saved, or found saved, last.",
			func(l *lag.Link) (float64, bool) { return seconds(l.LastSave) }),
		gauge("mirror_problems", "Topics of which partitions are missing, and 1 for the link while topics cannot be found or started.",
			func(l *lag.Link) (float64, bool) { return float64(problems(l)), true }),
	}
}

// problems counts what has no partitions that could be shown as waiting, as after a start while a cluster is down.
func problems(l *lag.Link) int {
	n := 0
	if l.Problem != "" {
		n++
	}
	for i := range l.Topics {
		if t := &l.Topics[i]; !t.Away && (t.Problem != "" || len(t.Partitions) == 0) {
			n++
		}
	}
	return n
}

func topicMetrics() []metric[*lag.Topic] {
	return slices.Concat(positionMetrics(), outlookMetrics(), counterMetrics())
}

func positionMetrics() []metric[*lag.Topic] {
	gauge := func(name, help string, value func(*lag.Topic) (float64, bool)) metric[*lag.Topic] {
		return metric[*lag.Topic]{prometheus.NewDesc(name, help, []string{"link", "topic"}, nil), prometheus.GaugeValue, value}
	}
	return []metric[*lag.Topic]{
		gauge("mirror_lag_records", "Offsets at the source that are not acknowledged by the destination; absent when unknown.",
			func(t *lag.Topic) (float64, bool) { return number(t.LagRecords) }),
		gauge("mirror_replicated_through_timestamp_seconds", "All that reached the source up to then is durable at the destination; absent until known.",
			func(t *lag.Topic) (float64, bool) { return seconds(t.ReplicatedThrough) }),
		gauge("mirror_source_end_offset", "Sum of the partitions' end offsets at the source; absent when one is unknown.",
			func(t *lag.Topic) (float64, bool) { return number(t.SourceEnd) }),
		gauge("mirror_acked_offset", "Sum of the source offsets up to which the destination acknowledged; absent when one is unknown.",
			func(t *lag.Topic) (float64, bool) { return number(t.Acked) }),
		gauge("mirror_last_ack_timestamp_seconds", "When the destination acknowledged last; absent before the first.",
			func(t *lag.Topic) (float64, bool) { return seconds(t.LastAck) }),
		gauge("mirror_topic_paused", "1 while the topic is paused, by itself or with its link; absent otherwise.",
			func(t *lag.Topic) (float64, bool) { return 1, t.PausedUntil != nil }),
	}
}

func counterMetrics() []metric[*lag.Topic] {
	counter := func(name, help string, value func(*mirror.Counters) int64) metric[*lag.Topic] {
		return metric[*lag.Topic]{prometheus.NewDesc(name, help, []string{"link", "topic"}, nil), prometheus.CounterValue,
			func(t *lag.Topic) (float64, bool) { return float64(value(&t.Counters)), true }}
	}
	return []metric[*lag.Topic]{
		counter("mirror_records_fetched_total", "Records read from the source.",
			func(c *mirror.Counters) int64 { return c.RecordsFetched }),
		counter("mirror_fetched_bytes_total", "Bytes of batches read from the source, as compressed there.",
			func(c *mirror.Counters) int64 { return c.BytesFetched }),
		counter("mirror_records_acked_total", "Records acknowledged by the destination.",
			func(c *mirror.Counters) int64 { return c.RecordsAcked }),
		counter("mirror_acked_bytes_total", "Bytes of batches acknowledged by the destination, as compressed there.",
			func(c *mirror.Counters) int64 { return c.BytesAcked }),
		counter("mirror_resends_total", "Batches sent again under the same sequence.",
			func(c *mirror.Counters) int64 { return c.Resends }),
		counter("mirror_scans_total", "Scans of a destination partition's tail for what arrived.",
			func(c *mirror.Counters) int64 { return c.Scans }),
	}
}

// number is the sample of a number that may be unknown.
func number(n *int64) (float64, bool) {
	if n == nil {
		return 0, false
	}
	return float64(*n), true
}

// seconds is the sample of a time that may be unknown, as Unix time.
func seconds(t *time.Time) (float64, bool) {
	if t == nil {
		return 0, false
	}
	return float64(t.UnixMilli()) / 1000, true
}
