package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// runbook returns the sections of docs/operations.md that are of alerts, by name.
func runbook(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, text := range regexp.MustCompile(`(?m)^##+ `).Split(string(page), -1) {
		if title, body, _ := strings.Cut(text, "\n"); strings.HasPrefix(title, "Mirror") {
			sections[title] = body
		}
	}
	return sections
}

// TestEveryAlertHasItsRunbook: a section per alert and none besides, which says how grave it is and has a command to begin with.
func TestEveryAlertHasItsRunbook(t *testing.T) {
	sections := runbook(t)
	severities := map[string][]string{}
	for _, r := range loadRules(t) {
		if r.Alert != "" {
			severities[r.Alert] = append(severities[r.Alert], r.Labels["severity"])
		}
	}
	for alert, of := range severities {
		text, ok := sections[alert]
		delete(sections, alert)
		if !ok {
			t.Errorf("no section %s", alert)
			continue
		}
		if !strings.Contains(text, "`") {
			t.Errorf("%s: no command", alert)
		}
		for _, severity := range of {
			if first, _, _ := strings.Cut(strings.TrimSpace(text), ". "); severity != "none" && !strings.Contains(strings.ToLower(first), severity) {
				t.Errorf("%s: %q does not say that it is a %s", alert, first, severity)
			}
		}
	}
	for section := range sections {
		t.Errorf("section %s is of no alert", section)
	}
}

// mirrorCommand is a command line of mirror in a text: what follows the name, up to what ends it.
var mirrorCommand = regexp.MustCompile("(?:`|: |; here: )mirror ([a-z][^`;|\n]*)")

// TestNamedCommandsExist runs every command that alerts, runbook and alerting.md name, for its help.
func TestNamedCommandsExist(t *testing.T) {
	texts := map[string]string{}
	for name, text := range runbook(t) {
		texts["section "+name] = text
	}
	for _, r := range loadRules(t) {
		texts["alert "+r.Alert] += r.Annotations["description"]
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "alerting.md"))
	if err != nil {
		t.Fatal(err)
	}
	texts["alerting.md"] = string(page)
	tried := map[string]string{}
	for where, text := range texts {
		for _, match := range mirrorCommand.FindAllStringSubmatch(text, -1) {
			command := commandWords(match[1])
			for _, variant := range alternatives(command) {
				key := strings.Join(variant, " ")
				if _, done := tried[key]; !done {
					tried[key] = tryCommand(t, variant)
				}
				if tried[key] != "" {
					t.Errorf("%s: mirror %s: %s", where, key, tried[key])
				}
			}
		}
	}
	if len(tried) < 15 {
		t.Errorf("only %d commands: %v", len(tried), tried)
	}
}

// argument stands for one in what commandWords returns.
const argument = "ARGUMENT"

// commandWords are the subcommands, whether there is an argument behind them, and the long flags of a command line.
func commandWords(line string) (command []string) {
	value := regexp.MustCompile(`^[A-Z{./0-9$]|\{\{`)
	for word := range strings.FieldsSeq(line) {
		if value.MatchString(word) {
			if !strings.HasPrefix(command[len(command)-1], "-") {
				command = append(command, argument)
			}
			break // behind the first value come flags at most
		}
		command = append(command, strings.TrimRight(word, ".,"))
	}
	for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(line, -1) {
		if !slices.Contains(command, flag) {
			command = append(command, flag)
		}
	}
	return command
}

// alternatives takes "check lag|headroom" apart.
func alternatives(command []string) [][]string {
	for i, word := range command {
		if strings.Contains(word, "|") {
			var all [][]string
			for choice := range strings.SplitSeq(word, "|") {
				one := slices.Clone(command)
				one[i] = choice
				all = append(all, one)
			}
			return all
		}
	}
	return [][]string{command}
}

// tryCommand asks a command for its help, and looks there for the flags; it returns what is wrong.
func tryCommand(t *testing.T, command []string) string {
	var names, flags []string
	takes := ""
	for _, word := range command {
		if strings.HasPrefix(word, "-") {
			flags = append(flags, word)
		} else if word == argument {
			takes = ` \[?[A-Z]`
		} else if len(flags) == 0 {
			names = append(names, word)
		}
	}
	help, code := invoke(t, ".", stage.binary, append(slices.Clone(names), "--help")...)
	if code != 0 || !regexp.MustCompile(`Usage:\n  mirror `+strings.Join(names, " ")+takes).MatchString(help) {
		return "no such command"
	}
	for _, flag := range flags {
		if !regexp.MustCompile(`(?m)(^|\s)` + regexp.QuoteMeta(flag) + `\b`).MatchString(help) {
			return "no flag " + flag
		}
	}
	return ""
}

func TestAWrongCommandIsFound(t *testing.T) {
	for _, test := range []struct {
		line string
		ok   bool
	}{{"status LINK", true}, {"check lag|watchers --timeout 8s", true}, {"parked list --link LINK", true}, {"statsu", false}, {"status --bogus", false}, {"check lagg", false}, {"events LINK", false}, {"events -n 50", true}} {
		wrong := ""
		for _, command := range alternatives(commandWords(test.line)) {
			wrong += tryCommand(t, command)
		}
		if (wrong == "") != test.ok {
			t.Errorf("%s: got %q", test.line, wrong)
		}
	}
}

// TestMetricsNameAlertsThatExist holds the last column of docs/metrics.md: an alert stands there without its Mirror, and reads the metric.
func TestMetricsNameAlertsThatExist(t *testing.T) {
	exprs := map[string]string{}
	for _, r := range loadRules(t) {
		exprs[r.Alert] += r.Expr + "\n"
		exprs[r.Record] = r.Expr
	}
	// What an alert reads through recorded series it reads too.
	reads := func(alert, metric string) bool {
		text := exprs[alert]
		for range 3 {
			for name, expr := range exprs {
				if strings.HasPrefix(name, "mirror:") && strings.Contains(text, name) && !strings.Contains(text, expr) {
					text += expr
				}
			}
		}
		return strings.Contains(text, metric)
	}
	named := 0
	for metric, row := range knownMetrics(t).rows {
		cells := strings.Split(strings.Trim(row.text, "| "), "|")
		for _, word := range regexp.MustCompile(`\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b|\b(?:Stalled|Waiting|Unowned|Flapping|Down|Absent)\b`).FindAllString(cells[len(cells)-1], -1) {
			named++
			if exprs["Mirror"+word] == "" {
				t.Errorf("%s: there is no alert Mirror%s", metric, word)
			} else if base := strings.TrimSuffix(metric, "_bucket"); !reads("Mirror"+word, base) && word != "PoolDisconnected" {
				t.Errorf("%s: Mirror%s does not read it", metric, word)
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d alerts are named", named)
	}
}

// TestLinksOfThePagesLead: every link within docs of the two pages has its file and its heading.
func TestLinksOfThePagesLead(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)]*))?\)`)
	for _, name := range []string{"operations.md", "alerting.md"} {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(page), -1) {
			path := filepath.Join("..", "..", "docs", match[1])
			if match[1] == "" {
				path = filepath.Join("..", "..", "docs", name)
			}
			if strings.Contains(match[1], "://") {
				continue
			}
			text, err := os.ReadFile(path)
			if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if match[2] != "" && !slices.Contains(anchors(string(text)), match[2]) {
				t.Errorf("%s: no heading for %s", name, match[0])
			}
		}
	}
}

// anchors are the headings of a page as links name them.
func anchors(page string) (found []string) {
	for _, match := range regexp.MustCompile(`(?m)^##* (.*)$`).FindAllStringSubmatch(page, -1) {
		anchor := strings.ReplaceAll(strings.ToLower(match[1]), " ", "-")
		found = append(found, regexp.MustCompile(`[^a-z0-9_-]`).ReplaceAllString(anchor, ""))
	}
	return found
}
