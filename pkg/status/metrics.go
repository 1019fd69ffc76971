package status

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// maxScrapes bounds the scrapes answered at a time; more are told to come back.
const maxScrapes = 4

// register adds the metrics of the snapshot, of what cfg has beside it, of Go and of the process to reg.
func register(reg *prometheus.Registry, cfg Config, snapshots func() *lag.Snapshot) error {
	all := []prometheus.Collector{
		newCollector(cfg, snapshots),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	if cfg.Journal != nil {
		all = append(all, journalMetrics(cfg.Journal)...)
	}
	if len(cfg.Clients) > 0 {
		all = append(all, newClientSeries(cfg.Clients))
	}
	if cfg.AckDuration != nil {
		all = append(all, cfg.AckDuration.histogram)
	}
	if cfg.Reloader != nil {
		all = append(all, reloadMetrics(cfg.Reloader)...)
	}
	if cfg.Logged != nil {
		all = append(all, cfg.Logged.metrics()...)
	}
	if cfg.HeartbeatLatency != nil {
		all = append(all, cfg.HeartbeatLatency.histogram)
	}
	if cfg.Eligible != nil {
		all = append(all, newEligibleSeries(cfg.Eligible))
	}
	if cfg.Watchers != nil {
		all = append(all, newWatcherSeries(cfg.Watchers))
	}
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// journalMetrics are as of the scrape: the journal answers from memory, also when the disk does not.
func journalMetrics(events Journal) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mirror_journal_waiting_events", Help: "Events that are not on disk yet; above 0 for long: the disk refuses them."},
			func() float64 { return float64(events.Stats().Waiting) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "mirror_journal_dropped_events_total", Help: "Events that were never written, as the disk refused them for too long."},
			func() float64 { return float64(events.Stats().Dropped) }),
	}
}

func metricsHandler(reg *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(ownNetworkOnly(reg), promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	})
}

// ownNetworkOnly leaves out process_network_*: it counts the whole network namespace, which is the host's.
func ownNetworkOnly(all prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := all.Gather()
		kept := families[:0]
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "process_network_") {
				kept = append(kept, f)
			}
		}
		return kept, err
	})
}

// collector draws the metrics from the newest snapshot. Before the first there is only the build.
type collector struct {
	snapshots func() *lag.Snapshot
	process   []metric[*lag.Snapshot]
	link      []metric[*lag.Link]
	topic     []metric[*lag.Topic]
	pool      poolSeries
	heartbeat heartbeatSeries
	outlook   outlookSeries
	flow      flowSeries
	maxTopics int

	build, partitions, lost, skipped, gaps, collapsed *prometheus.Desc

	mu    sync.Mutex
	named map[string]nameSet // guarded by mu; by link: the topics that have series of their own
}

func newCollector(cfg Config, snapshots func() *lag.Snapshot) *collector {
	return &collector{
		snapshots: snapshots, process: processMetrics(), link: linkMetrics(), topic: topicMetrics(), pool: newPoolSeries(), heartbeat: newHeartbeatSeries(), flow: newFlowSeries(),
		outlook: newOutlookSeries(cfg.Series.Partitions), maxTopics: cmp.Or(cfg.Series.MaxTopics, DefaultMaxTopics), named: map[string]nameSet{},
		build:      prometheus.NewDesc("mirror_build_info", "The version of this program and of Go; always 1.", []string{"version", "go_version"}, nil),
		partitions: prometheus.NewDesc("mirror_partitions", "Source partitions by what they are doing.", []string{"link", "state"}, nil),
		lost: prometheus.NewDesc("mirror_records_lost_total",
			"Source offsets that were gone before they were mirrored, or that the destination lost, since this process took the topic.", []string{"link", "topic", "cause"}, nil),
		skipped: prometheus.NewDesc("mirror_records_skipped_total",
			"Records that were passed over on purpose, since this process took the topic.", []string{"link", "topic", "reason"}, nil),
		gaps: prometheus.NewDesc("mirror_offset_gaps_total",
			"Source offsets that hold no record to mirror, by why.", []string{"link", "topic", "kind"}, nil),
		collapsed: prometheus.NewDesc("mirror_metrics_collapsed_topics",
			"Topics beyond the limit of series, which share the topic label _other.", []string{"link"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.process {
		out <- m.desc
	}
	for _, m := range c.link {
		out <- m.desc
	}
	for _, m := range c.topic {
		out <- m.desc
	}
	c.pool.describe(out)
	c.heartbeat.describe(out)
	c.outlook.describe(out)
	c.flow.describe(out)
	for _, desc := range []*prometheus.Desc{c.build, c.partitions, c.lost, c.skipped, c.gaps, c.collapsed} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.snapshots()
	version := ""
	if s != nil {
		version = s.Version
	}
	send(out, c.build, prometheus.GaugeValue, 1, version, runtime.Version())
	if s == nil {
		return
	}
	collect(out, c.process, s)
	c.heartbeat.collect(out, s)
	for i := range s.Links {
		c.collectLink(out, &s.Links[i])
	}
}

func (c *collector) collectLink(out chan<- prometheus.Metric, link *lag.Link) {
	collect(out, c.link, link, link.Name)
	c.pool.collect(out, link)
	c.outlook.collectLink(out, link)
	c.flow.collect(out, link)
	count := map[string]int{}
	for _, topic := range link.Topics {
		for _, p := range topic.Partitions {
			count[string(p.State)]++
		}
	}
	for _, state := range lag.States() {
		send(out, c.partitions, prometheus.GaugeValue, float64(count[string(state)]), link.Name, string(state))
	}
	topics, collapsed := c.collapse(link)
	send(out, c.collapsed, prometheus.GaugeValue, float64(collapsed), link.Name)
	for i := range topics {
		t := &topics[i]
		collect(out, c.topic, t, link.Name, t.Topic)
		c.outlook.collectTopic(out, link.Name, t)
		for _, cause := range mirror.Causes() {
			send(out, c.lost, prometheus.CounterValue, float64(t.Lost[cause]), link.Name, t.Topic, string(cause))
		}
		for _, reason := range mirror.SkipReasons() {
			if n := t.Skipped[reason]; n == 0 && reason != mirror.SkipOperator && !link.Parks {
				continue // it will not count before a restart
			}
			send(out, c.skipped, prometheus.CounterValue, float64(t.Skipped[reason]), link.Name, t.Topic, string(reason))
		}
		c.collectGaps(out, t, link.Name)
	}
}

// collectGaps begins at 0 with what is alerted on; of the other kinds most topics have none.
func (c *collector) collectGaps(out chan<- prometheus.Metric, t *lag.Topic, link string) {
	gaps := t.Counters.Gaps
	send(out, c.gaps, prometheus.CounterValue, float64(gaps.Unexplained), link, t.Topic, "unexplained")
	if gaps.Control > 0 {
		send(out, c.gaps, prometheus.CounterValue, float64(gaps.Control), link, t.Topic, "control")
	}
	if gaps.Compaction > 0 {
		send(out, c.gaps, prometheus.CounterValue, float64(gaps.Compaction), link, t.Topic, "compaction")
	}
}

// send sends one sample. One that cannot be made, such as for a name that is not UTF-8, is reported by the scrape.
func send(out chan<- prometheus.Metric, desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
	m, err := prometheus.NewConstMetric(desc, kind, value, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, err)
	}
	out <- m
}
