package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const goodConfig = `instance: ad-1
state_dir: /state
clusters:
  edge: {brokers: ["127.0.0.1:9092"]}
  region: {brokers: ["region-1:9093"]}
links:
  - name: up
    from: edge
    to: region
    topics: {include: ["events.*", clicks], exclude: [events.debug]}
`

const badConfig = `listne: 127.0.0.1:1
clusters:
  edge: {brokers: ["127.0.0.1:9092"]}
links:
  - {name: up, from: edge, to: regoin, topics: {include: [clicks]}}
`

// result is what one command line came to.
type result struct {
	code        int
	out, stderr string
}

func mirror(t *testing.T, args ...string) result {
	t.Helper()
	return mirrorIn(t.Context(), args...)
}

func mirrorIn(ctx context.Context, args ...string) result {
	var out, stderr bytes.Buffer
	code := execute(ctx, args, &out, &stderr)
	return result{code, out.String(), stderr.String()}
}

// write puts a configuration into a file of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mirror.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExitCodes(t *testing.T) {
	good, bad := write(t, goodConfig), write(t, badConfig)
	none := filepath.Join(t.TempDir(), "none.yaml")
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"no command", nil, exitOK, ""},
		{"help", []string{"--help"}, exitOK, ""},
		{"unknown command", []string{"rnu"}, exitUsage, `unknown command "rnu"`},
		{"unknown flag", []string{"version", "--bananas"}, exitUsage, "unknown flag: --bananas"},
		{"too many arguments", []string{"run", "now"}, exitUsage, `unknown command "now"`},
		{"too many links", []string{"status", "a", "b"}, exitUsage, "accepts at most 1 arg"},
		{"too few arguments", []string{"drain"}, exitUsage, "mirror drain: accepts 1 arg(s), received 0\nUsage: mirror drain LINK [flags]\nSee: mirror drain --help\n"},
		{"commands of a command", []string{"parked"}, exitOK, ""},
		{"unknown command of a command", []string{"parked", "lits"}, exitUsage, `unknown command "lits" for "mirror parked"`},
		{"help of a command", []string{"help", "parked", "list"}, exitOK, ""},
		{"help of no command", []string{"help", "rnu"}, exitUsage, `unknown command "rnu" for "mirror"`},
		{"help of no command of a command", []string{"help", "parked", "lits"}, exitUsage, `unknown command "lits" for "mirror parked"`},
		{"bad format", []string{"version", "-o", "xml"}, exitUsage, "want text or json"},
		{"flag without value", []string{"run", "-c"}, exitUsage, "flag needs an argument"},
		{"bad number", []string{"demo", "--records", "many"}, exitUsage, "invalid argument"},
		{"number out of range", []string{"demo", "--records", "0"}, exitUsage, "must be above zero"},
		{"version", []string{"version"}, exitOK, ""},
		{"validate good", []string{"validate", "-c", good}, exitOK, ""},
		{"validate bad", []string{"validate", "-c", bad}, exitConfig, ""},
		{"validate none", []string{"validate", "-c", none}, exitConfig, "configs/reference.yaml"},
		{"run bad", []string{"run", "-c", bad}, exitConfig, "the configuration is not sound; no cluster was touched"},
		{"run none", []string{"run", "-c", none}, exitConfig, "or name another with --config"},
		{"run a directory", []string{"run", "-c", t.TempDir()}, exitConfig, "read configuration"},
		{"status of a bad address", []string{"status", "--address", "x"}, exitUsage, "is not host:port"},
		{"status none", []string{"status", "-c", none}, exitConfig, "name it with --address"},
		{"completion", []string{"completion", "bash"}, exitOK, ""},
		{"man pages into nothing", []string{"man", none}, exitFailure, "name a directory that exists"},
		{"completion of nothing", []string{"completion"}, exitUsage, "accepts 1 arg"},
		{"completion of no shell", []string{"completion", "nush"}, exitUsage, `invalid argument "nush"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := mirror(t, test.args...)
			if got.code != test.code || !strings.Contains(got.stderr, test.stderr) || test.stderr == "" && got.stderr != "" {
				t.Errorf("exit %d, want %d; stderr %q, want %q", got.code, test.code, got.stderr, test.stderr)
			}
			if test.stderr != "" && got.out != "" {
				t.Errorf("an error came with output: %q", got.out)
			}
		})
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%q has no example or no summary", cmd.CommandPath())
		}
		for _, child := range cmd.Commands() {
			visit(child)
		}
	}
	root := newRoot()
	if len(root.Commands()) < 6 {
		t.Fatalf("only %d commands", len(root.Commands()))
	}
	visit(root)
}

func TestValidate(t *testing.T) {
	good, bad := write(t, goodConfig), write(t, badConfig)
	want := bad + `:1: listne: unknown key; did you mean listen?
` + bad + `:5: links[0].to: there is no cluster "regoin"
`
	if got := mirror(t, "validate", "-c", bad); got.out != want {
		t.Errorf("got\n%s\nwant\n%s", got.out, want)
	}
	want = good + `: nothing wrong
LINK  FROM  TO      TOPICS                                RENAME   PARTITIONS  GUARANTEE     OWNERSHIP
up    edge  region  events.*, clicks except events.debug  {topic}  same        exactly-once  static
`
	if got := mirror(t, "validate", "-c", good); got.out != want {
		t.Errorf("got\n%s\nwant\n%s", got.out, want)
	}
}

func TestValidateNamesWhatIsNotAvailableWithAllElse(t *testing.T) {
	path := write(t, goodConfig+"    partitions: key\n    start: ealiest\n")
	want := path + ":11: links[0].partitions: not available in this version; use same or spread\n" +
		path + `:12: links[0].start: "ealiest" is not known; did you mean earliest? (earliest, latest)` + "\n"
	if got := mirror(t, "validate", "-c", path); got.code != exitConfig || got.out != want {
		t.Errorf("exit %d, got\n%s\nwant\n%s", got.code, got.out, want)
	}
}

func TestValidateJSON(t *testing.T) {
	for _, test := range []struct {
		text     string
		code     int
		problems int
		links    int
	}{{goodConfig, exitOK, 0, 1}, {badConfig, exitConfig, 2, 0}} {
		path := write(t, test.text)
		got := mirror(t, "validate", "-c", path, "-o", "json")
		var v struct {
			File     string `json:"file"`
			OK       bool   `json:"ok"`
			Problems []struct {
				Line      int
				Key, Text string
			} `json:"problems"`
			Links []map[string]any `json:"links"`
		}
		if err := json.Unmarshal([]byte(got.out), &v); err != nil {
			t.Fatalf("%v in %s", err, got.out)
		}
		if got.code != test.code || v.File != path || v.OK != (test.code == exitOK) || len(v.Problems) != test.problems || len(v.Links) != test.links {
			t.Errorf("exit %d: %s", got.code, got.out)
		}
		if test.problems > 0 && (v.Problems[0].Line != 1 || v.Problems[0].Key != "listne" || v.Problems[0].Text == "") {
			t.Errorf("first problem %+v", v.Problems[0])
		}
		if strings.Contains(got.out, "null") {
			t.Errorf("an empty list is null: %s", got.out)
		}
	}
}

func TestVersion(t *testing.T) {
	if got := mirror(t, "version"); !strings.HasPrefix(got.out, "mirror ") || !strings.Contains(got.out, "go1.") {
		t.Errorf("got %q", got.out)
	}
	var v versionInfo
	if err := json.Unmarshal([]byte(mirror(t, "version", "-o", "json").out), &v); err != nil || v.Version == "" || v.Go == "" {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := mirror(t, "completion", shell); got.code != exitOK || !strings.Contains(got.out, "mirror") || strings.Count(got.out, "\n") < 20 {
			t.Errorf("%s: exit %d, %d bytes", shell, got.code, len(got.out))
		}
	}
	if got := mirror(t, "__complete", "sta"); !strings.Contains(got.out, "status") {
		t.Errorf("sta completes to %q", got.out)
	}
}
