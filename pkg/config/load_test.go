package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testEnv is an environment without access to the machine.
func testEnv() Env {
	vars := map[string]string{"HOME": "/home/mirror", "SET": "value", "EMPTY": "", "FACTOR": "3", "SIZE": "16MiB",
		"CREDENTIALS_DIRECTORY": "/creds", "NESTED": "${SET}"}
	files := map[string]string{"/secret": "hunter2\n", "/creds/kafka": "swordfish\r\n\n"}
	return Env{
		Lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
		},
		Hostname: func() (string, error) { return "host-1", nil },
	}
}

// small is a valid file; tests append to it or replace parts of it.
const small = `clusters:
  edge: {brokers: ["127.0.0.1:9092"]}
  region: {brokers: ["region-1:9093"]}
links:
  - name: up
    from: edge
    to: region
    topics: {include: [clicks]}
`

// problemsOf parses a text that must be wrong.
func problemsOf(t *testing.T, text string) *Problems {
	t.Helper()
	cfg, err := Parse("m.yaml", []byte(text), testEnv())
	problems, ok := errors.AsType[*Problems](err)
	if !ok {
		t.Fatalf("Parse accepted the file (error %v), want *Problems", err)
	}
	if cfg != nil {
		t.Errorf("Parse returned a configuration together with problems")
	}
	return problems
}

func TestParseFillsInDefaultsAndTheHost(t *testing.T) {
	cfg, err := Parse("m.yaml", []byte(small), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Instance != "host-1" || cfg.StateDir != "/home/mirror/.local/state/mirror" || cfg.Memory != 64*MiB || cfg.Listen != DefaultListen {
		t.Errorf("got instance %q, state_dir %q, memory %v, listen %q", cfg.Instance, cfg.StateDir, cfg.Memory, cfg.Listen)
	}
	link := cfg.Links[0]
	if !link.Topics.Create || link.Topics.Rename != "{topic}" || link.Guarantee != ExactlyOnce || link.Partitions != PartitionsSame {
		t.Errorf("link without its defaults: %+v", link)
	}
}

func TestParseReadsEveryKind(t *testing.T) {
	text := `
instance: ad-1
memory: ${SIZE}
state_dir: /state
clusters:
  eu.edge: {brokers: ["127.0.0.1:9092"]}
  region:
    brokers: ["region-1:9093"]
    tls: {}
    sasl: {mechanism: PLAIN, username: "${SET}", password: "${file:/secret}"}
links:
  - name: up
    from: eu.edge
    to: region
    topics: {include: ["*"], create: false, replication_factor: "${FACTOR}", config_sync: [retention.ms]}
    rate: 1GB
    retention: {warn: 40%, critical: 12.5%}
    ownership:
      zookeeper: {servers: ["zk:2181"], session_timeout: 4s500ms, capacity: 0.5, evict: false, auth: {username: m, password: "${file:/secret}"}}
`
	cfg, err := Parse("m.yaml", []byte(text), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	link, sasl := cfg.Links[0], cfg.Clusters["region"].SASL
	zk := link.Ownership.ZooKeeper
	switch {
	case cfg.Memory != 16*MiB:
		t.Errorf("memory = %v", cfg.Memory)
	case sasl.Username != "value" || string(sasl.Password) != "hunter2":
		t.Errorf("sasl = %q, %q", sasl.Username, string(sasl.Password))
	case cfg.Clusters["region"].TLS == nil:
		t.Error("tls: {} did not turn TLS on")
	case link.Topics.Create || link.Topics.ReplicationFactor != 3 || link.Rate != 1e9:
		t.Errorf("link = %+v", link)
	case link.Retention != Retention{40, 12.5}:
		t.Errorf("retention = %+v", link.Retention)
	case zk.Root != "/mirror/up" || zk.SessionTimeout != 4500*time.Millisecond || zk.Capacity != 0.5 || zk.Evict:
		t.Errorf("zookeeper = %+v", zk)
	case zk.Auth.Username != "m" || string(zk.Auth.Password) != "hunter2" || zk.TLS != nil || zk.PeerTLS != nil:
		t.Errorf("zookeeper's auth = %q, %q, tls %v, peer_tls %v", zk.Auth.Username, string(zk.Auth.Password), zk.TLS, zk.PeerTLS)
	}
}

func TestParseReportsProblems(t *testing.T) {
	in := func(old, with string) string {
		if !strings.Contains(small, old) {
			t.Fatalf("the test's file lacks %q", old)
		}
		return strings.Replace(small, old, with, 1)
	}
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "m.yaml: is empty"},
		{"only a comment", "# nothing\n", "m.yaml: is empty"},
		{"a list", "- a\n", "m.yaml:1: is not a mapping"},
		{"a scalar", "hello\n", "m.yaml:1: is not a mapping"},
		{"broken syntax", "clusters: {\n", "is not valid YAML"},
		{"alias for nothing", "memory: 1MiB\nlisten: *nobody\n", "m.yaml:2: is not valid YAML: unknown anchor"},
		{"tab", "clusters:\n\tedge: 1\n", "m.yaml:2: is not valid YAML"},
		{"second document", small + "---\nlisten: x\n", "m.yaml:9: a second document begins here"},
		{"unknown key", small + "listne: 127.0.0.1:1\n", "m.yaml:9: listne: unknown key; did you mean listen?"},
		{"unknown key in a link", in("from:", "form:"), "m.yaml:6: links[0].form: unknown key; did you mean from?"},
		{"unknown key in topics", in("include:", "includes:"), "m.yaml:8: links[0].topics.includes: unknown key; did you mean include?"},
		{"unknown key far off", small + "bananas: 1\n", "m.yaml:9: bananas: unknown key"},
		{"key with escape codes", small + "\"\\e[2J\": 1\n", `m.yaml:9: ["\x1b[2J"]: unknown key`},
		{"duplicate key", small + "links: []\n", "m.yaml:9: links: is given twice, first in line 4"},
		{"duplicate cluster", in("region: {", "edge: {"), "m.yaml:3: clusters.edge: is given twice, first in line 2"},
		{"key that is a list", small + "[a, b]: 1\n", "m.yaml:9: a key is a list, want a name"},
		{"alias", in("from: edge", "from: &a edge") + "zone: *a\n", "m.yaml:9: alias *a is not allowed"},
		{"anchor", in("from: edge", "from: &a edge"), "m.yaml:6: anchor &a is not allowed"},
		{"tag", small + "zone: !!binary aGk=\n", "m.yaml:9: tag !!binary is not allowed"},
		{"own tag", small + "zone: !exec x\n", "m.yaml:9: tag !exec is not allowed"},
		{"merge key", small + "<<: {zone: a}\n", `m.yaml:9: ["<<"]: unknown key`},
		{"no value", small + "zone:\n", "m.yaml:9: zone: has no value"},
		{"tls without a value", in(`"region-1:9093"]}`, `"region-1:9093"], tls: }`), "m.yaml:3: clusters.region.tls: has no value"},
		{"number for text", small + "zone: 1\n", "m.yaml:9: zone: is a number (put it in quotes to make it text), want text"},
		{"date for text", small + "zone: 2026-01-01\n", "m.yaml:9: zone: is a date"},
		{"list for text", small + "zone: [a]\n", "m.yaml:9: zone: is a list, want text"},
		{"text for mapping", small + "log: info\n", "m.yaml:9: log: is text, want a mapping"},
		{"text for list", in("[clicks]", "clicks"), "m.yaml:8: links[0].topics.include: is text, want a list"},
		{"list for mapping", small + "log: []\n", "m.yaml:9: log: is a list, want a mapping"},
		{"octal", in("[clicks]", "[clicks], replication_factor: 010"), `m.yaml:8: links[0].topics.replication_factor: "010" is no whole number`},
		{"hexadecimal", in("[clicks]", "[clicks], replication_factor: 0x3"), `"0x3" is no whole number`},
		{"underscore", in("[clicks]", "[clicks], replication_factor: 1_0"), `"1_0" is no whole number`},
		{"fraction", in("[clicks]", "[clicks], replication_factor: 1.5"), `"1.5" is no whole number`},
		{"too large", in("[clicks]", "[clicks], replication_factor: 99999999999"), "is no whole number"},
		{"quoted number", in("[clicks]", `[clicks], replication_factor: "3"`), "replication_factor: is text, want a whole number"},
		{"octal size", small + "memory: 0100000000\n", `m.yaml:9: memory: "0100000000" is no size`},
		{"yes for true", in("[clicks]", "[clicks], create: yes"), `"yes" is neither true nor false`},
		{"quoted true", in("[clicks]", `[clicks], create: "true"`), "create: is text, want true or false"},
		{"size without sense", small + "memory: 64Mib\n", `m.yaml:9: memory: "64Mib" is no size`},
		{"huge size", small + "memory: 9999999999TiB\n", "is larger than any size"},
		{"share without sign", small + "    retention: {warn: 50}\n", `retention.warn: "50" is no share`},
		{"share too large", small + "    retention: {warn: 101%}\n", `"101%" is more than 100%`},
		{"duration without unit", small + "    ownership: {zookeeper: {servers: ['a:1'], session_timeout: 6}}\n", `session_timeout: "6" is no duration`},
		{"capacity with an exponent", small + "    ownership: {zookeeper: {servers: ['a:1'], capacity: 1e2}}\n", `capacity: "1e2" is no number`},
		{"capacity without end", small + "    ownership: {zookeeper: {servers: ['a:1'], capacity: .inf}}\n", `capacity: ".inf" is no number`},
		{"negative capacity", small + "    ownership: {zookeeper: {servers: ['a:1'], capacity: -1}}\n", `capacity: "-1" is no number`},
		{"quoted capacity", small + "    ownership: {zookeeper: {servers: ['a:1'], capacity: '1'}}\n", "capacity: is text, want a number; write it without quotes"},
		{"a path behind a server", small + "    ownership: {zookeeper: {servers: ['a:1/mirror']}}\n", `servers[0]: "a:1/mirror" has a path; write host:port alone`},
		{"unknown key of a pool", small + "    ownership: {zookeeper: {servers: ['a:1'], peertls: {}}}\n", "zookeeper.peertls: unknown key; did you mean peer_tls?"},
		{"unset variable", small + "zone: ${NOPE}\n", "m.yaml:9: zone: ${NOPE}: the variable is not set"},
		{"two unset variables", small + "zone: ${NOPE}${NADA}\n", "m.yaml:9: zone: ${NADA}: the variable is not set"},
		{"unclosed reference", small + "zone: ${NOPE\n", "m.yaml:9: zone: ${ has no closing }"},
		{"missing file", small + "zone: ${file:/nope}\n", "m.yaml:9: zone: ${file:/nope}: open /nope: file does not exist"},
		{"relative file", small + "zone: ${file:nope}\n", "the path must be absolute"},
		{"credential outside", small + "zone: ${cred:../x}\n", "does not name a credential"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := problemsOf(t, test.text).Error(); !strings.Contains(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestParseReportsAllProblemsInOrder(t *testing.T) {
	got := problemsOf(t, `listne: a
memory: much
clusters:
  edge: {brokers: ["127.0.0.1:9092"]}
links:
  - name: up
    from: egde
    topics: {include: [clicks]}
    guarantee: exactly-one
`).Error()
	want := `m.yaml:1: listne: unknown key; did you mean listen?
m.yaml:2: memory: "much" is no size; write it like 64MiB, 1GB or 500000
m.yaml:6: links[0].to: is missing; name a cluster
m.yaml:7: links[0].from: there is no cluster "egde"; did you mean edge?
m.yaml:9: links[0].guarantee: "exactly-one" is not known; did you mean exactly-once? (exactly-once, at-least-once)`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "key%d: 1\n", i)
	}
	problems := problemsOf(t, text.String())
	if len(problems.List) != maxProblems || problems.More < 4900 {
		t.Errorf("got %d problems and %d more", len(problems.List), problems.More)
	}
	if !strings.HasSuffix(problems.Error(), fmt.Sprintf("m.yaml: and %d more", problems.More)) {
		t.Errorf("the report does not say how many were cut off")
	}
}

func TestParseReportsSecretsNowhere(t *testing.T) {
	for name, value := range map[string]string{
		"file in a number":     "memory: ${file:/secret}\n",
		"file in a word":       "log: {level: \"${file:/secret}\"}\n",
		"link in a message":    strings.Replace(small, "from: edge", "from: \"${file:/secret}\"", 1),
		"password of a piece":  "clusters: {a: {brokers: ['a:1'], sasl: {password: \"${!hunter2}\"}}}\n",
		"password as a number": "clusters: {a: {brokers: ['a:1'], sasl: {password: 42424242}}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, value).Error()
			if strings.Contains(got, "hunter2") || strings.Contains(got, "42424242") {
				t.Errorf("shows the secret: %s", got)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.yaml")
	secret := filepath.Join(dir, "secret")
	large := filepath.Join(dir, "large.yaml")
	for path, text := range map[string]string{
		good:   small + "state_dir: /s\nzone: ${file:" + secret + "}\n",
		secret: "zone-a\n",
		large:  strings.Repeat("#\n", MaxFileBytes/2+1),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cfg, err := Load(good); err != nil || cfg.Zone != "zone-a" || cfg.Instance == "" {
		t.Errorf("Load(good) = %+v, %v", cfg, err)
	}
	if _, err := Load(large); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("Load(large) = %v", err)
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load(none) = %v, want ErrNotExist", err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("Load(directory) = nil")
	}
	if _, err := readReferenced("/dev/zero"); err == nil {
		t.Error("a device can be read by reference")
	}
}

func TestListenNeedsNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.yaml")
	for _, test := range []struct{ text, want string }{
		{"listen: 127.0.0.1:1\nzone: ${cred:missing}\nbananas: 1\n", "127.0.0.1:1"},
		{"zone: a\n", DefaultListen},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Listen(path); got != test.want || err != nil {
			t.Errorf("Listen(%q) = %q, %v; want %q", test.text, got, err, test.want)
		}
	}
	if _, err := Listen(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Listen(none) = %v", err)
	}
}

func TestStateDirNeedsNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.yaml")
	t.Setenv("STATE_DIRECTORY", "/var/lib/mirror:/var/lib/other")
	for _, test := range []struct{ text, want string }{
		{"state_dir: /state\nzone: ${cred:missing}\nbananas: 1\n", "/state"},
		{"state_dir: \"\"\n", "/var/lib/mirror"},
		{"zone: a\n", "/var/lib/mirror"},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := StateDir(path); got != test.want || err != nil {
			t.Errorf("StateDir(%q) = %q, %v; want %q", test.text, got, err, test.want)
		}
	}
	if _, err := StateDir(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("StateDir(none) = %v", err)
	}
	if got, err := DefaultStateDir(); got != "/var/lib/mirror" || err != nil {
		t.Errorf("DefaultStateDir() = %q, %v", got, err)
	}
	for _, name := range []string{"STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"} {
		t.Setenv(name, "")
	}
	if _, err := DefaultStateDir(); err == nil {
		t.Error("a host without any directory has a default")
	}
}
