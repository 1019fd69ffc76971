package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// selector is a metric with its label matchers, as an expression names it.
type selector struct {
	metric   string
	matchers []matcher
}

type matcher struct{ label, operator, value string }

// token is a string, a selector's brace, a name, or one character.
var (
	tokens    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_:$][A-Za-z0-9_:]*|\[[^\]]*\]|=~|!~|!=|[0-9][0-9.a-z]*|\S`)
	name      = regexp.MustCompile(`^[A-Za-z_:]`)
	groupings = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	words     = []string{"and", "or", "unless", "bool", "offset", "inf", "nan"}
)

// selectors returns what an expression reads. That the expression is one at all is for promtool to say.
func selectors(t *testing.T, expr string) []selector {
	t.Helper()
	all := tokens.FindAllString(expr, -1)
	var out []selector
	for i := 0; i < len(all); i++ {
		next := ""
		if i+1 < len(all) {
			next = all[i+1]
		}
		switch {
		case slices.Contains(groupings, all[i]) && next == "(":
			for i++; all[i] != ")"; i++ {
			}
		case !name.MatchString(all[i]) || next == "(" || next == "by" || next == "without" || slices.Contains(words, all[i]) || slices.Contains(groupings, all[i]):
		default:
			s := selector{metric: all[i]}
			if next == "{" {
				for i += 2; all[i] != "}"; i++ {
					if all[i] == "," {
						continue
					}
					if i+2 >= len(all) {
						t.Fatalf("an open brace in %s", expr)
					}
					s.matchers = append(s.matchers, matcher{all[i], all[i+1], strings.Trim(all[i+2], `"'`)})
					i += 2
				}
			}
			out = append(out, s)
		}
	}
	return out
}

// metrics is what there is to read: docs/metrics.md, which a test of the program holds against its registry, the
// recorded series, and what Prometheus, Go and the process add.
type metrics struct {
	rows     map[string]metricRow
	recorded []string
}

type metricRow struct {
	labels []string
	text   string // the whole row, in which the values of closed labels stand
}

// Labels of the scrape configuration, and of the alerts that Prometheus keeps as series.
func targetLabels() []string { return []string{"job", "instance", "tier", "region", "host"} }

func knownMetrics(t *testing.T) metrics {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := metrics{rows: map[string]metricRow{
		"up":                            {},
		"ALERTS":                        {labels: []string{"alertname", "alertstate", "severity", "link", "topic"}, text: "firing pending page ticket"},
		"process_resident_memory_bytes": {}, "process_cpu_seconds_total": {}, "process_open_fds": {}, "process_start_time_seconds": {}, "go_goroutines": {},
	}}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (gauge|counter|histogram|summary) \\|([^|]*)\\|.*$")
	for _, match := range row.FindAllStringSubmatch(string(page), -1) {
		labels := strings.FieldsFunc(match[3], func(r rune) bool { return r == ',' || r == ' ' })
		m.rows[match[1]] = metricRow{labels, match[0]}
		switch match[2] {
		case "histogram":
			m.rows[match[1]+"_bucket"] = metricRow{append(slices.Clone(labels), "le"), match[0]}
			fallthrough
		case "summary":
			m.rows[match[1]+"_sum"], m.rows[match[1]+"_count"] = metricRow{labels, match[0]}, metricRow{labels, match[0]}
		}
	}
	if len(m.rows) < 40 {
		t.Fatalf("only %d metrics in docs/metrics.md", len(m.rows))
	}
	for _, r := range loadRules(t) {
		if r.Record != "" {
			m.recorded = append(m.recorded, r.Record)
		}
	}
	return m
}

// complaints says what an expression reads that is not there: metrics, labels, values of closed labels.
func (m metrics) complaints(t *testing.T, expr string) []string {
	t.Helper()
	var out []string
	for _, s := range selectors(t, expr) {
		row, ok := m.rows[s.metric]
		if slices.Contains(m.recorded, s.metric) {
			row, ok = metricRow{labels: []string{"link", "topic", "cause"}, text: "retention_time retention_bytes disk_full target_retention compaction"}, true
		}
		if !ok {
			out = append(out, "there is no metric "+s.metric)
			continue
		}
		for _, c := range s.matchers {
			if slices.Contains(targetLabels(), c.label) {
				continue
			}
			if !slices.Contains(row.labels, c.label) {
				out = append(out, s.metric+" has no label "+c.label)
			} else if !open(c) && !m.has(row, c.value) {
				out = append(out, s.metric+" never has "+c.label+"="+c.value)
			}
		}
	}
	return out
}

// open says whether a label may have any value.
func open(c matcher) bool {
	return slices.Contains([]string{"link", "topic", "origin", "cluster", "watcher", "broker", "dir", "le", "alertname"}, c.label) || strings.Contains(c.value, "$") || c.value == ""
}

func (m metrics) has(row metricRow, pattern string) bool {
	for value := range strings.SplitSeq(pattern, "|") {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`).MatchString(row.text) {
			return false
		}
	}
	return true
}

func TestWhatIsNotThereIsFound(t *testing.T) {
	known := knownMetrics(t)
	for _, test := range []struct{ name, expr, want string }{
		{"all there", `sum by (link) (rate(mirror_acked_bytes_total{link=~"$link",job="x"}[5m])) > on (link) group_left (topic) mirror:lag_seconds{topic="a"} offset 1d`, ""},
		{"a function", `clamp_min(time() - mirror_snapshot_timestamp_seconds, 0) or vector(1)`, ""},
		{"a histogram", `histogram_quantile(0.9, sum by (le) (rate(mirror_heartbeat_latency_seconds_bucket{le!="+Inf"}[5m])))`, ""},
		{"no such metric", `mirror_lag_record`, "there is no metric mirror_lag_record"},
		{"no such record", `mirror:lag`, "there is no metric mirror:lag"},
		{"no such label", `mirror_lag_records{partition="0"}`, "mirror_lag_records has no label partition"},
		{"no such value", `mirror_partitions{state=~"halted|stuck"}`, "mirror_partitions never has state=halted|stuck"},
	} {
		if got := strings.Join(known.complaints(t, test.expr), "; "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
