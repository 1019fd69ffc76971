package packaging_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestNoPanelIsEmpty has promtool evaluate every expression of the dashboard over series of all metrics that a mirror has, of three
// processes, beside the recorded ones: each gives something, and none fails by the way its vectors match.
func TestNoPanelIsEmpty(t *testing.T) {
	t.Parallel()
	expressions := loadDashboard(t).expressions()
	var exprs []map[string]any
	for _, where := range slices.Sorted(maps.Keys(expressions)) {
		exprs = append(exprs, map[string]any{"expr": expressions[where], "eval_time": "30m", "exp_samples": []map[string]any{{"labels": `{nothing="is like this"}`, "value": 0}}})
	}
	var series []map[string]string
	for name, values := range everything(t, slices.Collect(maps.Values(expressions))) {
		series = append(series, map[string]string{"series": name, "values": values})
	}
	rules, err := filepath.Abs(shipped("prometheus", rulesFile))
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(map[string]any{"rule_files": []string{rules}, "evaluation_interval": "1m",
		"tests": []map[string]any{{"interval": "1m", "input_series": series, "promql_expr_test": exprs}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "panels.yml"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	// Each expression is expected to give what it cannot, so that promtool tells what it gives.
	out, _ := invoke(t, dir, promtool(t), "test", "rules", "panels.yml")
	told := regexp.MustCompile(`(?s)expr: ("(?:[^"\\]|\\.)*"), time: 30m,?\s+(.*?)\n\s*(?:expr|$)`)
	answers := 0
	for _, part := range strings.Split(out, "expr: ")[1:] {
		answers++
		if match := told.FindStringSubmatch("expr: " + part + "\n expr"); match == nil || !strings.Contains(match[2], "got: {") {
			t.Errorf("expr: %s", part)
		}
	}
	if answers != len(exprs) {
		t.Errorf("%d of %d expressions were evaluated: %s", answers, len(exprs), out)
	}
}

// everything makes series of all metrics of docs/metrics.md that rules or expressions read, with every value of a label that an
// expression asks for. They rise.
func everything(t *testing.T, expressions []string) map[string]string {
	t.Helper()
	asked := map[string][]string{"le": {"0.5", "5", "+Inf"}}
	read := map[string]bool{}
	for _, r := range loadRules(t) {
		expressions = append(expressions, r.Expr)
	}
	for _, expr := range expressions {
		for _, s := range selectors(t, expr) {
			read[s.metric] = true
			for _, m := range s.matchers {
				for value := range strings.SplitSeq(m.value, "|") {
					if regexp.MustCompile(`^\w+$`).MatchString(value) && !slices.Contains(asked[m.label], value) {
						asked[m.label] = append(asked[m.label], value)
					}
				}
			}
		}
	}
	all := map[string]string{}
	for metric, row := range knownMetrics(t).rows {
		if metric == "ALERTS" || !read[metric] {
			continue
		}
		for _, tier := range []string{"edge", "region", "home"} {
			sets := []string{fmt.Sprintf(`job="mirror-%s",instance="%s-1",tier="%s",region="r"`, tier, tier, tier)}
			for _, label := range row.labels {
				var more []string
				for _, set := range sets {
					for _, value := range append([]string{label + "-1"}, asked[label]...) {
						more = append(more, fmt.Sprintf(`%s,%s="%s"`, set, label, value))
					}
				}
				sets = more
			}
			for _, set := range sets {
				all[metric+"{"+set+"}"] = "1+60x60"
			}
		}
	}
	return all
}
