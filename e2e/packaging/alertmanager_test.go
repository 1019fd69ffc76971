package packaging_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const alertmanagerFile = "alertmanager.yml"

// receiver is one place that notifications go to, by kind.
type receiver struct {
	Name      string
	Pagerduty []map[string]any `yaml:"pagerduty_configs"`
	Slack     []map[string]any `yaml:"slack_configs"`
	Email     []map[string]any `yaml:"email_configs"`
	Webhook   []map[string]any `yaml:"webhook_configs"`
}

func loadReceivers(t *testing.T) map[string]receiver {
	t.Helper()
	var file struct{ Receivers []receiver }
	loadYAML(t, &file, "alertmanager", alertmanagerFile)
	all := map[string]receiver{}
	for _, r := range file.Receivers {
		all[r.Name] = r
	}
	return all
}

func TestAlertmanagerConfiguration(t *testing.T) {
	must(t, shipped("alertmanager"), amtool(t), "check-config", alertmanagerFile)
	r := loadReceivers(t)
	if page := r["page"]; len(page.Pagerduty) != 1 || len(page.Slack) != 1 || len(page.Email) != 1 {
		t.Errorf("a page goes to %+v", page)
	}
	if ticket := r["ticket"]; len(ticket.Pagerduty) != 0 || len(ticket.Slack) != 1 || len(ticket.Email) != 1 {
		t.Errorf("a ticket goes to %+v", ticket)
	}
	if deadman := r["deadman"]; len(deadman.Webhook) != 1 || deadman.Webhook[0]["send_resolved"] != false {
		t.Errorf("the watchdog goes to %+v", deadman)
	}
	text, err := os.ReadFile(shipped("alertmanager", alertmanagerFile))
	if err != nil {
		t.Fatal(err)
	}
	if secret := regexp.MustCompile(`(?m)^\s*-?\s*(smtp_auth_password|routing_key|service_key|slack_api_url|api_url|bearer_token|password):`).Find(text); secret != nil {
		t.Errorf("%s stands in the file itself", secret)
	}
}

// TestRoutes asks amtool where each alert of the rules goes.
func TestRoutes(t *testing.T) {
	tool := amtool(t)
	want := map[string]string{"page": "page", "ticket": "ticket", "none": "deadman"}
	seen := map[string]bool{}
	for _, r := range loadRules(t) {
		severity := r.Labels["severity"]
		// One of each severity, and the watchdog: the others differ in nothing that is routed.
		if r.Alert == "" || seen[severity] {
			continue
		}
		seen[severity] = true
		out := must(t, shipped("alertmanager"), tool, "config", "routes", "test", "--config.file="+alertmanagerFile, "--verify.receivers="+want[severity],
			"alertname="+r.Alert, "severity="+severity, "tier=edge", "region=us-east")
		if strings.Contains(out, "WARNING") {
			t.Errorf("%s: %s", r.Alert, out)
		}
	}
	if len(seen) != 3 {
		t.Errorf("severities: %v", seen)
	}
	must(t, shipped("alertmanager"), tool, "config", "routes", "test", "--config.file="+alertmanagerFile, "--verify.receivers=ticket", "alertname=Unknown")
	if out, code := invoke(t, shipped("alertmanager"), tool, "config", "routes", "test", "--config.file="+alertmanagerFile, "--verify.receivers=ticket", "severity=page"); code == 0 {
		t.Errorf("a page verified as a ticket: %s", out)
	}
}

// TestAlertmanagerNamesAlertsThatExist: a renamed alert would be inhibited no more, in silence.
func TestAlertmanagerNamesAlertsThatExist(t *testing.T) {
	var alerts []string
	for _, r := range loadRules(t) {
		alerts = append(alerts, r.Alert)
	}
	text, err := os.ReadFile(shipped("alertmanager", alertmanagerFile))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\bMirror[A-Z]\w*`).FindAllString(string(text), -1)
	if len(named) < 10 {
		t.Fatalf("only %v", named)
	}
	for _, name := range named {
		if !slices.Contains(alerts, name) {
			t.Errorf("%s is no alert of the rules", name)
		}
	}
}

// redirected is the shipped configuration with all its routes and inhibitions, and with every receiver at url: what it would send
// arrives at url/NAME. Waits are short.
func redirected(t *testing.T, url string) []byte {
	t.Helper()
	var file map[string]any
	loadYAML(t, &file, "alertmanager", alertmanagerFile)
	file["global"], file["templates"] = map[string]any{}, []string{}
	var receivers []map[string]any
	for name := range loadReceivers(t) {
		receivers = append(receivers, map[string]any{"name": name, "webhook_configs": []map[string]any{{"url": url + "/" + name, "send_resolved": false}}})
	}
	file["receivers"] = receivers
	hasten(file["route"].(map[string]any))
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func hasten(route map[string]any) {
	route["group_wait"] = "2s" // long enough for what inhibits to be noticed
	routes, _ := route["routes"].([]any)
	for _, r := range routes {
		hasten(r.(map[string]any))
	}
}
