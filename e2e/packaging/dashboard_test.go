package packaging_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// dashboard is what the tests look at of Grafana's JSON.
type dashboard struct {
	UID, Title string
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ UID string }
	Targets                  []struct {
		RefID string `json:"refId"`
		Expr  string
	}
	FieldConfig struct {
		Defaults struct{ Unit string }
	} `json:"fieldConfig"`
}

func loadDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(shipped("grafana", "mirror.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 15 {
		t.Fatalf("only %d panels", len(d.Panels))
	}
	return d
}

// expressions returns all that the dashboard asks Prometheus, by where it stands, with Grafana's variables filled in.
func (d dashboard) expressions() map[string]string {
	fill := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$__interval", "1m")
	variable := regexp.MustCompile(`\$[a-z]+`)
	all := map[string]string{}
	add := func(where, expr string) { all[where] = variable.ReplaceAllString(fill.Replace(expr), ".*") }
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			add(fmt.Sprintf("panel %q %s", p.Title, target.RefID), target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		add(fmt.Sprintf("annotation %q", a.Name), a.Expr)
	}
	query := regexp.MustCompile(`^label_values\((.*), *[a-z]+\)$`)
	for _, v := range d.Templating.List {
		if match := query.FindStringSubmatch(v.Definition); match != nil {
			add(fmt.Sprintf("variable %q", v.Name), match[1])
		}
	}
	return all
}

// TestDashboardExpressionsParse lets promtool read every expression, as rules.
func TestDashboardExpressionsParse(t *testing.T) {
	var rules []map[string]string
	for where, expr := range loadDashboard(t).expressions() {
		record := "x" + regexp.MustCompile(`\W+`).ReplaceAllString(where, "_")
		rules = append(rules, map[string]string{"record": record, "expr": expr})
	}
	if len(rules) < 30 {
		t.Fatalf("only %d expressions", len(rules))
	}
	text, err := yaml.Marshal(map[string]any{"groups": []map[string]any{{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, ".", promtool(t), "check", "rules", path)
}

// TestDashboardShowsWhatIsThere holds every metric, label and closed label value against those that a mirror has.
func TestDashboardShowsWhatIsThere(t *testing.T) {
	known := knownMetrics(t)
	for where, expr := range loadDashboard(t).expressions() {
		for _, complaint := range known.complaints(t, expr) {
			t.Errorf("%s: %s", where, complaint)
		}
	}
}

func TestDashboardIsWellFormed(t *testing.T) {
	d := loadDashboard(t)
	var rows []string
	ids := map[int]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d, %q: no id or title of its own", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if p.Datasource.UID != "${datasource}" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" && !slices.Contains([]string{"table", "state-timeline", "heatmap"}, p.Type) {
			t.Errorf("%s: data source %q, unit %q, description %q", p.Title, p.Datasource.UID, p.FieldConfig.Defaults.Unit, p.Description)
		}
		a := p.GridPos
		for _, q := range d.Panels[:i] {
			b := q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H || a.X+a.W > 24 {
				t.Errorf("%s lies on %s or beyond the edge", p.Title, q.Title)
			}
		}
	}
	if got, want := strings.Join(rows, ", "), "Now, Per tier, Flow, Who, and how, Topics"; got != want {
		t.Errorf("rows: got %s, want %s", got, want)
	}
	if len(d.Annotations.List) < 4 {
		t.Errorf("only %d annotations", len(d.Annotations.List))
	}
}

func TestGrafanaProvisioning(t *testing.T) {
	var sources struct {
		Datasources []struct{ Type, URL string }
	}
	loadYAML(t, &sources, "grafana", "provisioning", "datasources", "prometheus.yml")
	if len(sources.Datasources) != 1 || sources.Datasources[0].Type != "prometheus" {
		t.Errorf("data sources: %+v", sources)
	}
	var boards struct {
		Providers []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	loadYAML(t, &boards, "grafana", "provisioning", "dashboards", "mirror.yml")
	if len(boards.Providers) != 1 || boards.Providers[0].Type != "file" || boards.Providers[0].Options.Path == "" {
		t.Errorf("dashboards: %+v", boards)
	}
}
