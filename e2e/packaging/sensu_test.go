package packaging_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// resource is one document of Sensu Go.
type resource struct {
	Type       string
	APIVersion string `yaml:"api_version"`
	Metadata   struct {
		Name        string
		Annotations map[string]string
	}
	Spec struct {
		Command, Provider      string
		Subscriptions          []string
		Interval, Timeout, TTL int
		Publish                bool
		Format                 string `yaml:"output_metric_format"`
		Handlers, Filters      []string
		Expressions            []string
		Secrets                []struct{ Name, Secret string }
	}
}

func loadResources(t *testing.T, name string) []resource {
	t.Helper()
	f, err := os.Open(shipped("sensu", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []resource
	for d := yaml.NewDecoder(f); ; {
		var r resource
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read %s: %v", name, err)
		}
		if r.Type != "" {
			all = append(all, r)
		}
	}
}

func names(all []resource, kind string) (found []string) {
	for _, r := range all {
		if r.Type == kind {
			found = append(found, r.Metadata.Name)
		}
	}
	return found
}

func TestSensuChecks(t *testing.T) {
	handlers := names(loadResources(t, "handlers.yml"), "Handler")
	checks := loadResources(t, "checks.yml")
	if got, want := fmt.Sprint(names(checks, "CheckConfig")), "[mirror-daemon mirror-lag mirror-headroom mirror-heartbeat mirror-watchers]"; got != want {
		t.Errorf("checks: got %s, want %s", got, want)
	}
	for _, c := range checks {
		s := c.Spec
		if c.APIVersion != "core/v2" || s.Interval != 30 || s.TTL != 120 || !s.Publish || s.Format != "nagios_perfdata" || len(s.Subscriptions) == 0 {
			t.Errorf("%s: %+v", c.Metadata.Name, s)
		}
		if s.TTL <= s.Interval+s.Timeout {
			t.Errorf("%s: ttl %d is not above interval and timeout", c.Metadata.Name, s.TTL)
		}
		for _, h := range s.Handlers {
			if !slices.Contains(handlers, h) {
				t.Errorf("%s: there is no handler %s", c.Metadata.Name, h)
			}
		}
		if !strings.HasPrefix(c.Metadata.Annotations["runbook"], "docs/operations.md#mirror") {
			t.Errorf("%s: runbook %q", c.Metadata.Name, c.Metadata.Annotations["runbook"])
		}
		accepted(t, s.Command)
	}
}

// accepted says that a command line is one that mirror check takes: in a place without a mirror it asks for one, instead of
// objecting to a flag.
func accepted(t *testing.T, command string) {
	t.Helper()
	args := strings.Fields(command)
	if len(args) < 3 || args[1] != "check" || !strings.HasSuffix(args[0], "mirror") {
		t.Errorf("%q is no check of a mirror", command)
		return
	}
	text, code := invoke(t, t.TempDir(), stage.binary, append(args[1:], "--timeout", "100ms", "--state-dir", t.TempDir())...)
	if code != 3 || !strings.Contains(text, "no mirror runs there") {
		t.Errorf("%s: exit code %d: %s", command, code, text)
	}
}

func TestAWrongCheckIsFound(t *testing.T) {
	text, code := invoke(t, t.TempDir(), stage.binary, "check", "lag", "--bogus", "--state-dir", t.TempDir())
	if code != 3 || strings.Contains(text, "no mirror runs there") {
		t.Errorf("exit code %d: %s", code, text)
	}
}

// TestSensuHandlersWait: e-mail at once, Slack at the third time, PagerDuty at the tenth; secrets are not in the files.
func TestSensuHandlersWait(t *testing.T) {
	filters := map[string]string{}
	for _, f := range loadResources(t, "filters.yml") {
		filters[f.Metadata.Name] = strings.Join(f.Spec.Expressions, " ")
	}
	resources := loadResources(t, "handlers.yml")
	secrets := names(resources, "Secret")
	want := map[string]string{"mirror-email": "1", "mirror-slack": "3", "mirror-pagerduty": "10"}
	for _, h := range resources {
		if h.Type != "Handler" {
			continue
		}
		times := ""
		for _, f := range h.Spec.Filters {
			if match := regexp.MustCompile(`event\.check\.occurrences == (\d+)`).FindStringSubmatch(filters[f]); match != nil {
				times = match[1]
			} else if f != "is_incident" && f != "not_silenced" {
				t.Errorf("%s: there is no filter %s", h.Metadata.Name, f)
			}
		}
		if times != want[h.Metadata.Name] {
			t.Errorf("%s: at occurrence %q, want %q", h.Metadata.Name, times, want[h.Metadata.Name])
		}
		delete(want, h.Metadata.Name)
		for _, s := range h.Spec.Secrets {
			if !slices.Contains(secrets, s.Secret) {
				t.Errorf("%s: there is no secret %s", h.Metadata.Name, s.Secret)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("no handlers %v", want)
	}
}

// TestNagiosCommands: what NRPE is to run is accepted, and each service runs one of them.
func TestNagiosCommands(t *testing.T) {
	text, err := os.ReadFile(shipped("nagios", "mirror.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`command\[mirror_(\w+)\]=(.*)`).FindAllStringSubmatch(string(text), -1)
	services := regexp.MustCompile(`check_command\s+check_mirror!(\w+)`).FindAllStringSubmatch(string(text), -1)
	if len(commands) != 5 || len(services) != 5 {
		t.Errorf("%d commands and %d services, want 5 of each", len(commands), len(services))
	}
	for _, c := range commands {
		accepted(t, c[2])
		if !slices.ContainsFunc(services, func(s []string) bool { return s[1] == c[1] }) {
			t.Errorf("no service runs %s", c[1])
		}
	}
}
