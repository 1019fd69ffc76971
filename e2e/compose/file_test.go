package compose_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// file is docker-compose.yml as far as these tests know it.
type file struct {
	Services map[string]service
	Networks map[string]any
	Volumes  map[string]any
}

type service struct {
	Image       string
	Build       string
	Hostname    string
	Profiles    []string
	Command     []string
	Environment map[string]string
	Volumes     []string
	Networks    []string
	Healthcheck struct{ Test []string }
}

func (s service) isKafka() bool  { return s.Environment["KAFKA_PROCESS_ROLES"] != "" }
func (s service) isMirror() bool { return s.Build != "" }

// mounted returns what a path of the container lies on: a named volume or a path on the host, and the path within.
func (s service) mounted(path string) (source, within string, ok bool) {
	for _, v := range s.Volumes {
		parts := strings.Split(v, ":")
		if rest, found := strings.CutPrefix(path, parts[1]); found && (rest == "" || rest[0] == '/') {
			return parts[0], rest, true
		}
	}
	return "", "", false
}

// root is the path of a file at the top of the checkout.
func root(elements ...string) string {
	return filepath.Join(append([]string{"..", ".."}, elements...)...)
}

// readFile reads docker-compose.yml as docker compose does where nothing is in the environment: ${NAME:-default} is the default
// and $$ is $.
func readFile(t *testing.T) file {
	t.Helper()
	data, err := os.ReadFile(root("docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := yaml.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	for name, s := range f.Services {
		for key, value := range s.Environment {
			s.Environment[key] = interpolate(t, value)
		}
		for i, word := range s.Command {
			s.Command[i] = interpolate(t, word)
		}
		f.Services[name] = s
	}
	return f
}

func interpolate(t *testing.T, text string) string {
	return regexp.MustCompile(`\$\$|\$\{(\w+)(?::-([^}]*))?\}|\$`).ReplaceAllStringFunc(text, func(found string) string {
		switch {
		case found == "$$":
			return "$"
		case !strings.Contains(found, ":-"):
			t.Errorf("%q has a variable without a default", text)
			return ""
		}
		return strings.TrimSuffix(found[strings.Index(found, ":-")+2:], "}")
	})
}

// serverProperties are what the apache/kafka image makes of its environment, which wrapper.scala of its sources says: once
// KAFKA_* is given nothing else is in server.properties.
func serverProperties(environment map[string]string) map[string]string {
	properties := map[string]string{}
	for key, value := range environment {
		name, ok := strings.CutPrefix(key, "KAFKA_")
		if !ok || strings.HasSuffix(name, "_OPTS") {
			continue
		}
		name = strings.ToLower(name)
		name = strings.ReplaceAll(name, "___", "-")
		name = strings.ReplaceAll(name, "__", "\x00")
		name = strings.ReplaceAll(name, "_", ".")
		properties[strings.ReplaceAll(name, "\x00", "_")] = value
	}
	return properties
}

func TestServerProperties(t *testing.T) {
	got := serverProperties(map[string]string{"KAFKA_NODE_ID": "1", "KAFKA_A__B___C_D": "2", "KAFKA_HEAP_OPTS": "-Xmx1g", "CLUSTER_ID": "x", "PATH": "y"})
	if want := fmt.Sprint(map[string]string{"node.id": "1", "a_b-c.d": "2"}); fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What a demonstration on somebody's machine must not get wrong: versions that change, identities that are shared, data that is
// lost with its container, services whose health nobody sees.
func TestFile(t *testing.T) {
	f := readFile(t)
	version := regexp.MustCompile(`^[a-z/-]+:v?\d+\.\d+\.\d+$`)
	clusters := map[string]string{}
	for name, s := range f.Services {
		if !s.isMirror() && !version.MatchString(s.Image) {
			t.Errorf("%s: image %q is not of one version", name, s.Image)
		}
		if !s.isMirror() && name != "loadgen" && len(s.Healthcheck.Test) == 0 {
			t.Errorf("%s has no health check", name) // a mirror's is in the Dockerfile
		}
		for _, network := range s.Networks {
			if _, ok := f.Networks[network]; !ok {
				t.Errorf("%s is in network %s, which there is not", name, network)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if _, named := f.Volumes[source]; !named && !strings.HasPrefix(source, "./") {
				t.Errorf("%s mounts %s, which there is not", name, source)
			}
		}
		if s.isKafka() {
			checkKafka(t, name, s, clusters)
		}
	}
}

func checkKafka(t *testing.T, name string, s service, clusters map[string]string) {
	t.Helper()
	properties := serverProperties(s.Environment)
	if _, _, ok := s.mounted(properties["log.dirs"]); !ok {
		t.Errorf("%s: %s is on no volume", name, properties["log.dirs"])
	}
	voters := properties["controller.quorum.voters"]
	if other, taken := clusters[s.Environment["CLUSTER_ID"]]; taken && other != voters {
		t.Errorf("%s shares the cluster id %s with another cluster", name, s.Environment["CLUSTER_ID"])
	}
	clusters[s.Environment["CLUSTER_ID"]] = voters
	if want := "PLAINTEXT://" + name + ":9092"; s.Hostname != name || properties["advertised.listeners"] != want {
		t.Errorf("%s is %q and advertises %s, want %s", name, s.Hostname, properties["advertised.listeners"], want)
	}
	if properties["node.id"] == "" {
		t.Errorf("%s has no fixed id", name)
	}
}

// The topology of operations.md: two edges, a region with a pool of three in three zones, home, and the watchers.
func TestTopology(t *testing.T) {
	f := readFile(t)
	zones := map[string]bool{}
	for _, name := range []string{"edge-a", "edge-b", "region", "zookeeper", "home", "mirror-edge-a", "mirror-edge-b", "mirror-region-a", "mirror-region-b", "mirror-region-c",
		"mirror-home", "prometheus", "alertmanager", "grafana", "loadgen"} {
		s, ok := f.Services[name]
		if !ok || len(s.Profiles) > 0 {
			t.Errorf("%s is there %v, with profiles %v", name, ok, s.Profiles)
		}
		if strings.HasPrefix(name, "mirror-region") {
			zones[s.Environment["ZONE"]] = true
		}
	}
	if len(zones) != 3 {
		t.Errorf("the pool is in zones %v, want three", zones)
	}
	for _, name := range []string{"region-2", "region-3"} {
		if got := f.Services[name].Profiles; len(got) != 1 || got[0] != "full" {
			t.Errorf("%s has profiles %v, want full", name, got)
		}
	}
}
