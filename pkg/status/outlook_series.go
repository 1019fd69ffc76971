package status

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/lag"
)

// outlookMetrics tell what the time until a loss depends on.
func outlookMetrics() []metric[*lag.Topic] {
	gauge := func(name, help string, value func(*lag.Topic) (float64, bool)) metric[*lag.Topic] {
		return metric[*lag.Topic]{prometheus.NewDesc(name, help, []string{"link", "topic"}, nil), prometheus.GaugeValue, value}
	}
	return []metric[*lag.Topic]{
		gauge("mirror_source_retention_seconds", "retention.ms of the source topic; absent where it deletes nothing by age.",
			func(t *lag.Topic) (float64, bool) { return span(t.SourceRetention) }),
		gauge("mirror_source_retention_bytes", "retention.bytes of each partition of the source topic; absent where it deletes nothing by size.",
			func(t *lag.Topic) (float64, bool) { return number(t.SourceRetentionBytes) }),
		gauge("mirror_target_retention_seconds", "retention.ms of the destination topic; absent where it deletes nothing by age.",
			func(t *lag.Topic) (float64, bool) { return span(t.TargetRetention) }),
		gauge("mirror_source_oldest_record_timestamp_seconds", "The timestamp of the oldest record that the source still has; absent when unknown.",
			func(t *lag.Topic) (float64, bool) { return seconds(t.OldestRecord) }),
		gauge("mirror_outage_budget_seconds", "How long a cut may last that begins while all is mirrored; absent when unknown or without a limit.",
			func(t *lag.Topic) (float64, bool) { return span(t.OutageBudget) }),
	}
}

// span is the sample of a duration that may be unknown.
func span(d *time.Duration) (float64, bool) {
	if d == nil {
		return 0, false
	}
	return d.Seconds(), true
}

// outlookSeries are those with labels beside link and topic.
type outlookSeries struct {
	deadline, probe, available, size, full              *prometheus.Desc
	partitionLag, partitionThrough, partitionDeadlineAt *prometheus.Desc
	partitions                                          bool // series of each partition too
}

func newOutlookSeries(partitions bool) outlookSeries {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"link"}, labels...), nil)
	}
	return outlookSeries{
		partitions: partitions,
		deadline:   desc("mirror_loss_deadline_timestamp_seconds", "When something that is not mirrored may be lost; absent when unknown or never.", "topic", "cause"),
		probe:      desc("mirror_probe_success_timestamp_seconds", "When a round of questions was asked last that all brokers of the cluster answered.", "side"),
		available:  desc("mirror_disk_available_bytes", "Bytes that are free on a volume of a source broker.", "broker", "dir"),
		size:       desc("mirror_disk_size_bytes", "Bytes of a volume of a source broker.", "broker", "dir"),
		full:       desc("mirror_disk_full_timestamp_seconds", "When the volume is full at its present growth; absent when unknown or never.", "broker", "dir"),
		partitionLag: desc("mirror_partition_lag_records", "Offsets of a partition at the source that are not acknowledged by the destination; absent when unknown.",
			"topic", "partition"),
		partitionThrough: desc("mirror_partition_replicated_through_timestamp_seconds", "The watermark of a partition; absent until known.", "topic", "partition"),
		partitionDeadlineAt: desc("mirror_partition_loss_deadline_timestamp_seconds", "When something of a partition may be lost, by the earliest cause; absent when unknown or never.",
			"topic", "partition"),
	}
}

func (o *outlookSeries) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{o.deadline, o.probe, o.available, o.size, o.full} {
		out <- d
	}
	if o.partitions {
		out <- o.partitionLag
		out <- o.partitionThrough
		out <- o.partitionDeadlineAt
	}
}

// collectLink sends what is of the link itself.
func (o *outlookSeries) collectLink(out chan<- prometheus.Metric, link *lag.Link) {
	for side, p := range map[string]lag.Probed{"source": link.Probe.Source, "target": link.Probe.Target} {
		if at, ok := seconds(p.Success); ok {
			send(out, o.probe, prometheus.GaugeValue, at, link.Name, side)
		}
	}
	for _, d := range link.Disks {
		broker := strconv.Itoa(int(d.Broker))
		for _, m := range []struct {
			desc  *prometheus.Desc
			value func() (float64, bool)
		}{
			{o.available, func() (float64, bool) { return number(d.Usable) }},
			{o.size, func() (float64, bool) { return number(d.Total) }},
			{o.full, func() (float64, bool) { return seconds(d.FullAt) }},
		} {
			if value, ok := m.value(); ok {
				send(out, m.desc, prometheus.GaugeValue, value, link.Name, broker, d.Dir)
			}
		}
	}
}

// collectTopic sends what is of a topic that has series of its own, or of those that share one.
func (o *outlookSeries) collectTopic(out chan<- prometheus.Metric, link string, t *lag.Topic) {
	for cause, at := range t.Deadlines {
		value, _ := seconds(&at)
		send(out, o.deadline, prometheus.GaugeValue, value, link, t.Topic, string(cause))
	}
	if !o.partitions {
		return
	}
	for _, p := range t.Partitions {
		id := strconv.Itoa(int(p.Partition))
		if value, ok := number(p.Lag); ok {
			send(out, o.partitionLag, prometheus.GaugeValue, value, link, t.Topic, id)
		}
		if value, ok := seconds(p.ReplicatedThrough); ok {
			send(out, o.partitionThrough, prometheus.GaugeValue, value, link, t.Topic, id)
		}
		if value, ok := seconds(p.LossDeadline); ok {
			send(out, o.partitionDeadlineAt, prometheus.GaugeValue, value, link, t.Topic, id)
		}
	}
}
