package packaging_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const (
	rulesFile = "mirror.rules.yml"
	rulesTest = "mirror.rules.test.yml"
)

// rule is one recording or alert rule.
type rule struct {
	Record, Alert, Expr string
	For                 string
	Labels, Annotations map[string]string
}

// loadYAML reads a shipped file strictly.
func loadYAML(t *testing.T, into any, elements ...string) {
	t.Helper()
	f, err := os.Open(shipped(elements...))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := yaml.NewDecoder(f).Decode(into); err != nil {
		t.Fatalf("read %s: %v", f.Name(), err)
	}
}

func loadRules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	loadYAML(t, &file, "prometheus", rulesFile)
	var rules []rule
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	if len(rules) < 30 {
		t.Fatalf("only %d rules", len(rules))
	}
	return rules
}

func TestRulesAreAccepted(t *testing.T) {
	must(t, shipped("prometheus"), promtool(t), "check", "rules", rulesFile)
}

// Every alert fires in its case, with its exact text, and none where all is well.
func TestRulesRaiseTheRightAlerts(t *testing.T) {
	t.Parallel()
	must(t, shipped("prometheus"), promtool(t), "test", "rules", rulesTest)
}

// scene is one test of promtool.
type scene struct {
	Name        string
	InputSeries []struct{ Series string } `yaml:"input_series"`
	Alerts      []struct {
		Name     string `yaml:"alertname"`
		Expected []struct {
			Annotations map[string]string `yaml:"exp_annotations"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
	Exprs []struct {
		Expr    string
		Samples []any `yaml:"exp_samples"`
	} `yaml:"promql_expr_test"`
}

func loadScenes(t *testing.T) []scene {
	t.Helper()
	var file struct{ Tests []scene }
	loadYAML(t, &file, "prometheus", rulesTest)
	return file.Tests
}

// alwaysFires is the alert whose absence is the alarm.
const alwaysFires = "MirrorWatchdog"

// TestEveryAlertIsProven sees to it that each alert is tested to fire, with a text, and to be silent a moment before.
func TestEveryAlertIsProven(t *testing.T) {
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, s := range loadScenes(t) {
		for _, a := range s.Alerts {
			if len(a.Expected) == 0 {
				silent[a.Name] = true
			}
			for _, e := range a.Expected {
				fires[a.Name] = fires[a.Name] || e.Annotations["description"] != ""
			}
		}
	}
	for _, r := range loadRules(t) {
		if r.Alert == "" {
			continue
		}
		if !fires[r.Alert] {
			t.Errorf("no test in which %s fires", r.Alert)
		}
		if !silent[r.Alert] && r.Alert != alwaysFires {
			t.Errorf("no test in which %s is silent", r.Alert)
		}
	}
}

// TestWhatMustBeQuietIsTested holds the scenes in which nothing may fire, and every standstill, against the lists.
func TestWhatMustBeQuietIsTested(t *testing.T) {
	scenes := loadScenes(t)
	find := func(words string) scene {
		i := slices.IndexFunc(scenes, func(s scene) bool { return strings.Contains(s.Name, words) })
		if i < 0 {
			t.Fatalf("no test named ...%s...", words)
		}
		return scenes[i]
	}
	for _, words := range []string{"healthy", "idle", "catching up", "restarted", "paused", "a pool hands a topic over", "an outage of four minutes", "kept for ten minutes"} {
		quiet := 0
		for _, e := range find(words).Exprs {
			if strings.HasPrefix(e.Expr, "ALERTS{") && strings.Contains(e.Expr, `alertname!="`+alwaysFires+`"`) && len(e.Samples) == 0 {
				quiet++
			}
		}
		if quiet < 2 {
			t.Errorf("%s: silence is looked for %d times, want 2 and more", words, quiet)
		}
	}
	for _, words := range []string{"the destination is down", "black-holed", "right to write is revoked", "ZooKeeper is gone", "a partition is halted", "the source is down",
		"too few in-sync replicas", "a quota holds it", "the prober is frozen", "the process hangs", "standstill: started on a backlog", "started while a cluster is down"} {
		if s := find(words); !strings.HasPrefix(s.Name, "standstill: ") || len(s.Alerts) == 0 {
			t.Errorf("%s: no alert is expected", words)
		}
	}
	healthy := ""
	for _, s := range find("healthy").InputSeries {
		healthy += s.Series + "\n"
	}
	for _, r := range loadRules(t) {
		for _, s := range selectors(t, r.Expr) {
			if strings.HasPrefix(s.metric, "mirror_") && !strings.Contains(healthy, s.metric+"{") {
				t.Errorf("%s%s reads %s, which the healthy scene lacks", r.Record, r.Alert, s.metric)
			}
		}
	}
}

// TestAlertsSayWhatToDo: each has a severity that is routed, names whom it is about, ends with a command and has a runbook.
func TestAlertsSayWhatToDo(t *testing.T) {
	command := regexp.MustCompile(`: (mirror [a-z]+|systemctl|journalctl|promtool|amtool)[^:]*$`)
	for _, r := range loadRules(t) {
		if r.Alert == "" {
			continue
		}
		if want := map[string]bool{"page": true, "ticket": true, "none": r.Alert == alwaysFires}; !want[r.Labels["severity"]] {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		text := r.Annotations["description"]
		if !command.MatchString(text) {
			t.Errorf("%s: no command at the end of %q", r.Alert, text)
		}
		if !strings.Contains(text, "$labels.") && r.Alert != alwaysFires {
			t.Errorf("%s: the text names nobody", r.Alert)
		}
		if want := "docs/operations.md#" + strings.ToLower(r.Alert); r.Annotations["runbook"] != want {
			t.Errorf("%s: runbook %q, want %q", r.Alert, r.Annotations["runbook"], want)
		}
		if r.Annotations["summary"] == "" {
			t.Errorf("%s: no summary", r.Alert)
		}
	}
}

// TestRulesReadWhatIsThere holds the rules against the metrics that a mirror has.
func TestRulesReadWhatIsThere(t *testing.T) {
	known := knownMetrics(t)
	for _, r := range loadRules(t) {
		name := r.Record + r.Alert
		for _, complaint := range known.complaints(t, r.Expr) {
			t.Errorf("%s: %s", name, complaint)
		}
	}
}

func TestPrometheusConfiguration(t *testing.T) {
	must(t, shipped("prometheus"), promtool(t), "check", "config", "prometheus.yml")
	var file struct {
		Global struct {
			External map[string]string `yaml:"external_labels"`
		}
		Scrapes []struct {
			Job     string                               `yaml:"job_name"`
			Targets []struct{ Labels map[string]string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	loadYAML(t, &file, "prometheus", "prometheus.yml")
	if len(file.Global.External) == 0 {
		t.Error("no external labels")
	}
	tiers := map[string]bool{}
	for _, job := range file.Scrapes {
		for _, target := range job.Targets {
			if !strings.HasPrefix(job.Job, "mirror") {
				continue
			}
			tiers[target.Labels["tier"]] = true
			if target.Labels["tier"] == "" || target.Labels["region"] == "" {
				t.Errorf("job %s: targets with labels %v lack tier or region", job.Job, target.Labels)
			}
		}
	}
	if got, want := fmt.Sprint(tiers), "map[edge:true home:true region:true]"; got != want {
		t.Errorf("tiers: got %s, want %s", got, want)
	}
}
