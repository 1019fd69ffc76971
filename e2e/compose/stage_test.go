package compose_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tributary/e2e/debian"
	"tributary/e2e/kafka"
)

const (
	// binaryEnv names a binary to test instead of one built for the run.
	binaryEnv = "MIRROR"
	// stopTimeout is for how long a process may take to end after SIGTERM.
	stopTimeout = 20 * time.Second
)

// stage runs the services of docker-compose.yml as processes. What they call each other by host name and port is at a port of
// the loopback address, and a volume is a directory; nothing else differs.
type stage struct {
	t     *testing.T
	file  file
	image image
	dir   string
	addrs map[string]string // host:port of a container to where it is
	env   []string          // of all processes
}

// image is what the Dockerfile says of a container.
type image struct{ Entrypoint, Cmd, Health []string }

// newStage finds an address for everything that is listened on.
func newStage(t *testing.T) *stage {
	s := &stage{t: t, file: readFile(t), image: readImage(t), dir: t.TempDir(), addrs: map[string]string{}, env: os.Environ()}
	ports := []string{"localhost:9090"} // as Prometheus calls itself
	for name, service := range s.file.Services {
		switch {
		case service.isKafka():
			ports = append(ports, name+":9092", name+":9093")
		case service.isMirror():
			ports = append(ports, name+":9464", name+":9465")
		}
	}
	for i, addr := range kafka.Ports(t, len(ports)) {
		s.addrs[ports[i]] = addr
	}
	return s
}

// readImage reads the last stage of the Dockerfile.
func readImage(t *testing.T) (i image) {
	t.Helper()
	data, err := os.ReadFile(root("Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for pattern, words := range map[string]*[]string{`(?m)^ENTRYPOINT (\[.*\])$`: &i.Entrypoint, `(?m)^CMD (\[.*\])$`: &i.Cmd, `(?m)^HEALTHCHECK .* CMD (\[.*\])$`: &i.Health} {
		found := regexp.MustCompile(pattern).FindSubmatch(data)
		if found == nil {
			t.Fatalf("the Dockerfile has no %s", pattern)
		}
		if err := json.Unmarshal(found[1], words); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// here replaces the addresses of containers, and the ports of the service itself, by where they are.
func (s *stage) here(name, text string) string {
	for _, addr := range slices.Sorted(maps.Keys(s.addrs)) {
		text = regexp.MustCompile(`\b`+regexp.QuoteMeta(addr)+`\b`).ReplaceAllString(text, s.addrs[addr])
	}
	for _, port := range []string{"9092", "9093", "9464"} {
		if own := s.addrs[name+":"+port]; own != "" {
			text = strings.ReplaceAll(text, "://:"+port, "://"+own)
			text = strings.ReplaceAll(text, "0.0.0.0:"+port, own)
		}
	}
	return text
}

// volume is the directory that stands for a path of a container.
func (s *stage) volume(name, path string) string {
	source, within, ok := s.file.Services[name].mounted(path)
	if !ok {
		s.t.Fatalf("%s: %s is on no volume", name, path)
	}
	if strings.HasPrefix(source, "./") {
		return root(source, within)
	}
	dir := filepath.Join(s.dir, source, within)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// startKafka starts brokers, each with what its environment says.
func (s *stage) startKafka(names ...string) {
	s.t.Helper()
	nodes, errs := make([]*kafka.Node, len(names)), make([]error, len(names))
	var starting sync.WaitGroup
	for i, name := range names {
		options := s.server(name)
		starting.Go(func() { nodes[i], errs[i] = kafka.StartServer(s.t.Context(), options) })
	}
	starting.Wait()
	for _, node := range nodes {
		if node != nil {
			s.t.Cleanup(func() {
				if err := node.Kill(); err != nil {
					s.t.Error(err)
				}
			})
		}
	}
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
}

// server is a broker as its environment says.
func (s *stage) server(name string) kafka.ServerOptions {
	service := s.file.Services[name]
	properties := serverProperties(service.Environment)
	for key, value := range properties {
		properties[key] = s.here(name, value)
	}
	properties["log.dirs"] = s.volume(name, properties["log.dirs"])
	heap := regexp.MustCompile(`-Xmx(\d+)m`).FindStringSubmatch(service.Environment["KAFKA_HEAP_OPTS"])
	if heap == nil {
		s.t.Fatalf("%s has no limit of its heap", name)
	}
	megabytes, err := strconv.Atoi(heap[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return kafka.ServerOptions{Properties: properties, ClusterID: service.Environment["CLUSTER_ID"], Addr: s.addrs[name+":9092"], HeapMB: megabytes, Dir: s.scratch(name)}
}

// scratch is a directory of one service, for its log and configuration.
func (s *stage) scratch(name string) string {
	dir := filepath.Join(s.dir, "scratch", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// startZooKeeper starts the ensemble; of its environment the tick counts, by which sessions live.
func (s *stage) startZooKeeper() {
	tick := s.file.Services["zookeeper"].Environment["ZOO_TICK_TIME"]
	z := kafka.NewZooKeeper(s.t, kafka.ZooKeeperOptions{Nodes: 1, Properties: map[string]string{"tickTime": tick}})
	s.addrs["zookeeper:2181"] = z.Servers()[0]
}

// mirrorCommand is a command of a mirror's container: the image's program, the mounted configuration, the volume of the state.
func (s *stage) mirrorCommand(name string, words []string) *exec.Cmd {
	s.t.Helper()
	text, err := os.ReadFile(s.volume(name, "/etc/mirror/mirror.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	config := filepath.Join(s.scratch(name), "mirror.yaml")
	if err := os.WriteFile(config, []byte(s.here(name, string(text))), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if words[0] != "mirror" {
		s.t.Fatalf("the image runs %q", words)
	}
	cmd := exec.Command(filepath.Join(s.dir, "mirror"), append(words[1:], "--config", config)...)
	cmd.Env = append(slices.Clone(s.env), "STATE_DIRECTORY="+s.volume(name, "/var/lib/mirror"))
	for key, value := range s.file.Services[name].Environment {
		cmd.Env = append(cmd.Env, key+"="+s.here(name, value))
	}
	return cmd
}

// start starts a process that ends, in good order, with the test.
func (s *stage) start(name string, cmd *exec.Cmd) {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.scratch(name), "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with all that it starts
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start %s: %v", name, err)
	}
	ended := make(chan error, 1) // one result
	var waiting sync.WaitGroup
	waiting.Go(func() { ended <- cmd.Wait() })
	s.t.Cleanup(func() {
		defer log.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // it may have ended, which its log tells
		select {
		case <-ended:
		case <-time.After(stopTimeout):
			s.t.Errorf("%s still runs %v after SIGTERM", name, stopTimeout)
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		waiting.Wait()
		if text, err := os.ReadFile(log.Name()); err == nil && s.t.Failed() {
			s.t.Logf("log of %s:\n%s", name, bytes.TrimSpace(text[max(0, len(text)-3000):]))
		}
	})
}

// startLoad runs the command of the load generator, with Kafka's tool at its place.
func (s *stage) startLoad() {
	const tool = "/opt/kafka/bin/kafka-producer-perf-test.sh"
	java, err := kafka.Tool(s.t.Context(), "org.apache.kafka.tools.ProducerPerformance", 128)
	if err != nil {
		s.t.Fatal(err)
	}
	script := filepath.Join(s.scratch("loadgen"), "kafka-producer-perf-test.sh")
	if err := os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\nexec '%s' \"$@\"\n", strings.Join(java, "' '")), 0o755); err != nil {
		s.t.Fatal(err)
	}
	words := slices.Clone(s.file.Services["loadgen"].Command)
	for i, word := range words {
		words[i] = strings.ReplaceAll(s.here("loadgen", word), tool, script)
	}
	s.start("loadgen", exec.Command(words[0], words[1:]...))
}

// startPrometheus runs Debian's Prometheus with the configuration, the rules and the command of the container.
func (s *stage) startPrometheus() {
	s.t.Helper()
	program, err := debian.Program(s.t.Context(), os.Stderr, "prometheus", "prometheus")
	if err != nil {
		s.t.Fatal(err)
	}
	const config = "/etc/prometheus/prometheus.yml"
	text, err := os.ReadFile(s.volume("prometheus", config))
	if err != nil {
		s.t.Fatal(err)
	}
	rules, err := filepath.Abs(s.volume("prometheus", "/etc/prometheus/mirror.rules.yml"))
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.scratch("prometheus"), "prometheus.yml")
	text = []byte(strings.ReplaceAll(s.here("prometheus", string(text)), "/etc/prometheus/mirror.rules.yml", rules))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	var words []string
	for _, word := range s.file.Services["prometheus"].Command {
		word = strings.ReplaceAll(word, config, path)
		words = append(words, strings.ReplaceAll(word, "=/prometheus", "="+s.volume("prometheus", "/prometheus")))
	}
	s.start("prometheus", exec.Command(program, append(words, "--web.listen-address="+s.addrs["localhost:9090"])...))
}

// build builds the program that the image has.
func (s *stage) build() {
	s.t.Helper()
	path := filepath.Join(s.dir, "mirror")
	if built := os.Getenv(binaryEnv); built != "" {
		if err := os.Symlink(built, path); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "tributary/cmd/mirror")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("build the program: %v\n%s", err, out)
	}
}
