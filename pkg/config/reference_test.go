package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// readConfig returns the text of a file in configs.
func readConfig(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "configs", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// schema lists the key paths of a type; elements of lists and tables stand as [].
func schema(t reflect.Type, path string) []string {
	switch {
	case t.Kind() == reflect.Pointer:
		return schema(t.Elem(), path)
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		return schema(t.Elem(), path+"[]")
	case t.Kind() != reflect.Struct:
		return []string{path}
	}
	var paths []string
	fields, known := fieldsOf(t)
	for _, key := range known {
		paths = append(paths, schema(t.Field(fields[key]).Type, strings.TrimPrefix(path+"."+key, "."))...)
	}
	return paths
}

// present collects the key paths of a YAML tree in the notation of schema.
func present(n *yaml.Node, path string, tables []string, found map[string]bool) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			key := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
			if slices.Contains(tables, path) {
				key = path + "[]"
			}
			present(n.Content[i+1], key, tables, found)
		}
	case yaml.SequenceNode:
		found[path+"[]"] = true
		for _, child := range n.Content {
			present(child, path+"[]", tables, found)
		}
	default:
		found[path] = true
	}
}

func TestReferenceNamesEveryKey(t *testing.T) {
	var root yaml.Node
	if err := yaml.Unmarshal(readConfig(t, "reference.yaml"), &root); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	present(root.Content[0], "", []string{"clusters", "watchers"}, found)
	want := schema(reflect.TypeFor[Config](), "")
	if len(want) < 35 {
		t.Fatalf("the schema has only %d keys: %v", len(want), want)
	}
	for _, key := range want {
		if !found[key] {
			t.Errorf("configs/reference.yaml lacks %s", key)
		}
	}
}

// TestReferenceIsTheDefault compares the reference with Default after taking out what has no default.
func TestReferenceIsTheDefault(t *testing.T) {
	env := testEnv()
	env.Hostname = func() (string, error) { return "the-host", nil }
	got, err := Parse("reference.yaml", readConfig(t, "reference.yaml"), env)
	if err != nil {
		t.Fatal(err)
	}
	if got.Instance != "the-host" || got.StateDir != "/home/mirror/.local/state/mirror" {
		t.Errorf("instance %q and state_dir %q are not left to the host", got.Instance, got.StateDir)
	}
	link, zk := got.Links[0], *got.Links[0].Ownership.ZooKeeper
	if tls := got.Clusters["destination"].TLS; *tls != (TLS{}) {
		t.Errorf("tls = %+v, want everything empty", *tls)
	}
	if got.Clusters["destination"].SASL.AllowPlaintext {
		t.Error("allow_plaintext is not at its default")
	}
	if zk.Root != "/mirror/"+link.Name {
		t.Errorf("root = %q, want the default", zk.Root)
	}
	if *zk.TLS != (TLS{}) || zk.Auth == nil || zk.PeerTLS == nil {
		t.Errorf("zookeeper: tls %+v, auth %v, peer_tls %v: want tls empty, and the others shown", *zk.TLS, zk.Auth, zk.PeerTLS)
	}
	zk.Servers, zk.Root, zk.Auth, zk.TLS, zk.PeerTLS = nil, "", nil, nil, nil
	if !reflect.DeepEqual(zk, DefaultZooKeeper()) {
		t.Errorf("zookeeper = %+v, want %+v", zk, DefaultZooKeeper())
	}
	if len(link.Topics.Exclude) != 0 || len(link.Topics.ConfigSync) != 0 {
		t.Errorf("exclude %v and config_sync %v are not empty", link.Topics.Exclude, link.Topics.ConfigSync)
	}
	link.Name, link.From, link.To, link.Ownership = "", "", "", Ownership{}
	link.Topics.Include, link.Topics.Exclude, link.Topics.ConfigSync = nil, nil, nil
	if want := DefaultLink(); !reflect.DeepEqual(link, want) {
		t.Errorf("link = %+v\nwant   %+v", link, want)
	}
	if got.Heartbeat.Produce, got.Heartbeat.Read = nil, nil; !reflect.DeepEqual(*got.Heartbeat, DefaultHeartbeat()) {
		t.Errorf("heartbeat = %+v, want %+v", *got.Heartbeat, DefaultHeartbeat())
	}
	if got.Discovery.Cluster != "source" {
		t.Errorf("discovery.cluster = %q, want where the first link comes from", got.Discovery.Cluster)
	}
	if got.Discovery.Cluster, got.Discovery.Peers = "", nil; !reflect.DeepEqual(*got.Discovery, DefaultDiscovery()) {
		t.Errorf("discovery = %+v, want %+v", *got.Discovery, DefaultDiscovery())
	}
	got.Instance, got.StateDir, got.Clusters, got.Links, got.Heartbeat, got.Watchers, got.Discovery = "", "", nil, nil, nil, nil, nil
	if want := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestEveryStructRejectsATypo plants an unknown key in every mapping of the reference.
func TestEveryStructRejectsATypo(t *testing.T) {
	lines := strings.Split(string(readConfig(t, "reference.yaml")), "\n")
	planted := map[string]bool{}
	for i, line := range lines {
		key, _, ok := strings.Cut(strings.TrimLeft(line, " -"), ":")
		if !ok || strings.HasPrefix(key, "#") || strings.Contains(line, "clusters:") {
			continue
		}
		indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " -")))
		if strings.HasPrefix(line, "  ") && len(indent) == 2 && !strings.Contains(line, "- ") && (key == "source" || key == "destination" || key == "prometheus") {
			continue // names of clusters are free, and those of watchers are found wrong by Validate
		}
		text := strings.Join(slices.Insert(slices.Clone(lines), i, indent+"bananas: 1"), "\n")
		if strings.Contains(line, "- ") {
			text = strings.Join(slices.Insert(slices.Clone(lines), i+1, indent+"bananas: 1"), "\n")
		}
		problems := problemsOf(t, text)
		if !strings.Contains(problems.Error(), "bananas: unknown key") {
			t.Errorf("an unknown key before line %d (%s) was not reported: %v", i+1, key, problems)
			continue
		}
		planted[parent(problems.List[0].Key)] = true
	}
	want := []string{"", "log", "metrics", "clusters.source", "clusters.destination", "clusters.destination.tls", "clusters.destination.sasl",
		"links[0]", "links[0].topics", "links[0].retention", "links[0].ownership", "links[0].ownership.zookeeper",
		"links[0].ownership.zookeeper.auth", "links[0].ownership.zookeeper.tls", "links[0].ownership.zookeeper.peer_tls", "heartbeat", "deadman", "discovery"}
	for _, path := range want {
		if !planted[path] {
			t.Errorf("no typo was planted in %q, only in %q", path, slices.Sorted(maps.Keys(planted)))
		}
	}
}

func TestExamplesAreValid(t *testing.T) {
	env := testEnv()
	vars := map[string]string{"REGION": "us-east", "ZONE": "us-east-1a", "PEER_ADDRESS": "10.0.1.7:9465", "HEARTBEAT_PEER": "10.0.1.7:9466", "REGION_BROKER": "region-1:9093",
		"CREDENTIALS_DIRECTORY": "/creds", "STATE_DIRECTORY": "/var/lib/mirror:/other"}
	env.Lookup = func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	env.ReadFile = func(path string) ([]byte, error) {
		if filepath.Dir(path) != "/creds" {
			return nil, fmt.Errorf("read %s: not a credential", path)
		}
		return []byte("secret\n"), nil
	}
	for _, name := range []string{"edge.yaml", "region.yaml"} {
		cfg, err := Parse(name, readConfig(t, name), env)
		if err != nil {
			t.Error(err)
		} else if cfg.StateDir != "/var/lib/mirror" {
			t.Errorf("%s: state_dir = %q, want systemd's first", name, cfg.StateDir)
		}
	}
}

// TestHostileFilesAreRefusedFast bounds what a file of the largest size can cost.
func TestHostileFilesAreRefusedFast(t *testing.T) {
	fill := func(unit string) string { return strings.Repeat(unit, MaxFileBytes/len(unit)) }
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", 'b'+i, 'b'+i, strings.Repeat(fmt.Sprintf("*%c,", 'a'+i), 9))
	}
	for name, text := range map[string]string{
		"alias bomb":      bomb,
		"comments":        fill("#\n"),
		"sequences":       fill("- "),
		"open lists":      fill("["),
		"open mappings":   fill("{a: "),
		"mappings":        fill("a: "),
		"complex keys":    fill("? "),
		"anchors":         "links: [" + fill("&a a,")[:MaxFileBytes-20] + "]",
		"unknown keys":    longKeys(),
		"one long key":    strings.Repeat("k", MaxFileBytes-10) + ": 1\n",
		"one long value":  "zone: " + strings.Repeat("v", MaxFileBytes-10) + "\n",
		"references":      "zone: \"" + fill("${A}")[:MaxFileBytes-20] + "\"",
		"control":         fill("\x00"),
		"no UTF-8":        fill("\xff\xfe\xfd"),
		"many links":      "links:\n" + strings.Repeat("- {name: a, from: b, to: c}\n", 5000),
		"tangled links":   tangled(30),
		"costly patterns": small + "  - {name: x, from: edge, to: region, topics: {include: [" + strings.Repeat("'/("+strings.Repeat("(a|b){9}", 30)+"){10}/',", 200) + "'a/b']}}\n",
		"deep alternates": small + "  - {name: x, from: edge, to: region, topics: {include: ['/" + strings.Repeat("(a|b){9}", 20000) + "/']}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			begin := processorTime(t)
			problemsOf(t, text)
			if took := processorTime(t) - begin; took > 10*time.Second {
				t.Errorf("took %v of processor time", took)
			} else {
				t.Logf("took %v of processor time for %d bytes", took, len(text))
			}
		})
	}
}

// processorTime is what this process has used so far: unlike a clock it does not run while others compute.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatalf("getrusage: %v", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func longKeys() string {
	var text strings.Builder
	for i := 0; text.Len() < MaxFileBytes-20; i++ {
		fmt.Fprintf(&text, "key%d: 1\n", i)
	}
	return text.String()
}

// tangled links every two clusters of n in one direction, under names that differ.
func tangled(n int) string {
	var text strings.Builder
	text.WriteString("clusters:\n")
	for i := range n {
		fmt.Fprintf(&text, "  c%d: {brokers: [\"c%d:9092\"]}\n", i, i)
	}
	text.WriteString("links:\n")
	for i := range n {
		for j := i + 1; j < n; j++ {
			fmt.Fprintf(&text, "  - {name: l%d-%d, from: c%d, to: c%d, topics: {include: [\"*\"], rename: \"{link}{topic}\"}}\n", i, j, i, j)
		}
	}
	return text.String()
}
