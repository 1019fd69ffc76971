package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/load"
)

func configurationFaults() []trial {
	return []trial{
		{id: "C1", fault: "malformed, hostile and contradictory configurations", expected: "exit 78 within 2 s, line and key named, no cluster touched", fast: true, run: hostileConfigurations},
		{id: "C2", fault: "source and destination are one cluster under two names", expected: "refused, 0 records amplified", fast: true, run: oneCluster},
		{id: "C2b", fault: "two processes mirror one topic to and fro", expected: "refused, 0 records amplified", run: cycle},
	}
}

// soundConfiguration has each key on a line of its own. %s is the address of a broker that must never be asked.
const soundConfiguration = `instance: test
zone: here
listen: 127.0.0.1:0
memory: 64MiB
state_dir: /nonexistent/state
log:
  level: info
  format: json
clusters:
  from:
    brokers: ["%[1]s"]
    tls:
      ca: ""
      cert: ""
      key: ""
      server_name: ""
    sasl:
      mechanism: SCRAM-SHA-512
      username: mirror
      password: secret
      allow_plaintext: false
  to:
    brokers: ["%[1]s", "127.0.0.1:1"]
links:
  - name: test
    from: from
    to: other
    topics:
      include: ["orders"]
      exclude: ["orders.old"]
      rename: "{topic}"
      create: true
      replication_factor: 3
    partitions: same
    start: earliest
    compression: source
    guarantee: exactly-once
    retention:
      warn: 50%%
      critical: 25%%
`

// hostileConfiguration is a file that must be refused. want must stand in what the program says.
type hostileConfiguration struct{ name, text, want string }

func hostileConfigurations(t *testing.T, e *evidence) {
	address, asked := listenForNothing(t)
	sound := strings.Replace(fmt.Sprintf(soundConfiguration, address), "to: other", "to: to", 1)
	sound = strings.Replace(sound, `, "127.0.0.1:1"`, "", 1)
	sound = strings.Replace(sound, `  to:
    brokers: ["`+address, `  to:
    brokers: ["localhost`+address[strings.LastIndex(address, ":"):], 1)
	dir := t.TempDir()
	requireSound(t, filepath.Join(dir, "sound.yaml"), sound)
	files := append(badValues(sound), contradictions(sound)...)
	slowest := time.Duration(0)
	for i, f := range files {
		path := filepath.Join(dir, fmt.Sprintf("%03d.yaml", i))
		must(t, os.WriteFile(path, []byte(f.text), 0o600))
		begun := time.Now()
		out, err := exec.CommandContext(within(t, 10*time.Second), stage.binary, "run", "-c", path).CombinedOutput()
		slowest = max(slowest, time.Since(begun))
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 78 {
			t.Errorf("%s: got %v, want exit code 78; it says %.300s", f.name, err, out)
		}
		if !strings.Contains(string(out), strings.ReplaceAll(f.want, "FILE", path)) {
			t.Errorf("%s: got %.300q, want it to say %q", f.name, out, f.want)
		}
	}
	if slowest > 2*time.Second {
		t.Errorf("the slowest refusal took %v, want at most 2 s", slowest)
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("brokers were asked %d times", n)
	}
	e.fired("%d files refused, in %.1f s at most; the broker they name saw no connection", len(files), slowest.Seconds())
	if len(files) < 200 {
		t.Errorf("got %d files, want 200", len(files))
	}
}

// listenForNothing returns an address and how many connections came to it.
func listenForNothing(t *testing.T) (address string, asked *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	asked = &atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String(), asked
}

// requireSound proves that what the bad files are made of is good.
func requireSound(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
	if out, err := exec.CommandContext(t.Context(), stage.binary, "validate", "-c", path).CombinedOutput(); err != nil {
		t.Fatalf("the sound configuration is refused: %v\n%s", err, out)
	}
}

// badValues puts what no key takes in the place of every value in turn.
func badValues(sound string) []hostileConfiguration {
	bad := []string{"", "{a: 1}", "[[1]]", "*nobody", "&anchor x", "!!binary aGk=", "${A_VARIABLE_THAT_IS_NOT_SET}"}
	lines := strings.Split(sound, "\n")
	var all []hostileConfiguration
	for i, line := range lines {
		key, value, _ := strings.Cut(line, ":")
		if value == "" {
			continue
		}
		name := strings.TrimLeft(key, " -")
		for _, b := range bad {
			changed := strings.Clone(strings.Join(lines[:i], "\n") + "\n" + key + ": " + b + "\n" + strings.Join(lines[i+1:], "\n"))
			if i == 0 {
				changed = changed[1:]
			}
			want := fmt.Sprintf("FILE:%d:", i+1)
			if !strings.HasPrefix(b, "*") && !strings.HasPrefix(b, "&") && !strings.HasPrefix(b, "!") { // refused before keys are known
				want = name
			}
			all = append(all, hostileConfiguration{fmt.Sprintf("%s: %s", name, b), changed, want})
		}
	}
	return all
}

// contradictions are files each value of which could be right somewhere.
func contradictions(sound string) []hostileConfiguration {
	replace := func(old, with string) string {
		if !strings.Contains(sound, old) {
			panic("the sound configuration has no " + old)
		}
		return strings.Replace(sound, old, with, 1)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	return []hostileConfiguration{
		{"empty", "", "FILE"},
		{"bytes", "\x00\x01\x02\xff\xfe", "FILE"},
		{"2 MiB", sound + strings.Repeat("# padding\n", 210_000), "FILE"},
		{"deep", strings.Repeat("[", 20_000), "FILE"},
		{"alias bomb", bomb, "FILE:1:"},
		{"second document", sound + "---\nlinks: []\n", "FILE:"},
		{"tab", replace("  level: info", "\tlevel: info"), "FILE:"},
		{"open quote", replace("instance: test", `instance: "test`), "FILE:"},
		{"key twice", sound + "listen: 127.0.0.1:1\n", "listen"},
		{"unknown key", sound + "listn: 127.0.0.1:1\n", "listn"},
		{"unknown key of a link", replace("    partitions: same", "    partition: same"), "links[0].partition"},
		{"no links", sound[:strings.Index(sound, "links:")] + "links: []\n", "links"},
		{"unknown cluster", replace("    to: to", "    to: two"), "links[0].to"},
		{"into itself", replace("    to: to", "    to: from"), "links[0].to"},
		{"octal", replace("replication_factor: 3", "replication_factor: 010"), "replication_factor"},
		{"too many replicas", replace("replication_factor: 3", "replication_factor: 99999999999999999999"), "replication_factor"},
		{"negative replicas", replace("replication_factor: 3", "replication_factor: -3"), "replication_factor"},
		{"little memory", replace("memory: 64MiB", "memory: 1KiB"), "memory"},
		{"negative memory", replace("memory: 64MiB", "memory: -64MiB"), "memory"},
		{"unit", replace("memory: 64MiB", "memory: 64 parsecs"), "memory"},
		{"port", replace("listen: 127.0.0.1:0", "listen: 127.0.0.1:70000"), "listen"},
		{"no port", replace("listen: 127.0.0.1:0", "listen: 127.0.0.1"), "listen"},
		{"scheme", replace(`brokers: ["127`, `brokers: ["kafka://127`), "clusters.from.brokers[0]"},
		{"expression", replace(`include: ["orders"]`, `include: ["/or(ders/"]`), "topics.include[0]"},
		{"internal topics", replace(`include: ["orders"]`, `include: ["__consumer_offsets"]`), "topics.include[0]"},
		{"rename to one", replace(`rename: "{topic}"`, `rename: "{tropic}"`), "topics.rename"},
		{"slash in a name", replace("  - name: test", "  - name: ../../etc"), "links[0].name"},
		{"long name", replace("  - name: test", "  - name: "+strings.Repeat("x", 300)), "links[0].name"},
		{"certificate without key", replace(`cert: ""`, `cert: /nonexistent.pem`), "clusters.from.tls"},
		{"readable password", replace("SCRAM-SHA-512", "SCRAM-MD5"), "sasl.mechanism"},
		{"thresholds swapped", replace("critical: 25%", "critical: 75%"), "retention.critical"},
		{"share over 100", replace("warn: 50%", "warn: 500%"), "retention.warn"},
		{"words", replace("start: earliest", "start: yesterday"), "links[0].start"},
		{"guarantee", replace("guarantee: exactly-once", "guarantee: at-most-once"), "links[0].guarantee"},
	}
}

// oneCluster starts what the configuration alone does not give away.
func oneCluster(t *testing.T, e *evidence) {
	home := stage.home.get(t)
	must(t, home.CreateTopic(within(t, time.Minute), "fault-c2", 1, 1, nil))
	client, err := home.Client(kgo.DefaultProduceTopic("fault-c2"))
	must(t, err)
	defer client.Close()
	must(t, client.ProduceSync(within(t, 30*time.Second), kgo.StringRecord("one record")).FirstErr())

	s := between("fault-c2", home, home, "fault-c2")
	_, port, err := net.SplitHostPort(home.Brokers()[0])
	must(t, err)
	s.Clusters[toName] = clusterSettings{Brokers: []string{"localhost:" + port}} // another name for the same cluster
	h := newHost(t, s)
	must(t, h.launch())
	must(t, h.awaitStarted(within(t, readyTimeout)))
	e.noticed = eventually(t, noticeWithin, "status says that it is one cluster", func(ctx context.Context) error {
		report, err := h.status(ctx)
		if err == nil && !containsFold(report.Links[0].Problem, "same cluster") {
			err = fmt.Errorf("problem of the link is %q", report.Links[0].Problem)
		}
		return err
	})
	r := route{from: home, to: home, topic: "fault-c2", host: h}
	if n, err := r.arrived(t.Context()); err != nil || n != 1 {
		t.Errorf("records in the topic that was to be mirrored into itself: got %d (%v), want 1", n, err)
	}
	h.stop(t)
	e.fired("one cluster under two names: refused, 1 record is still 1")
}

// cycle starts both mirrors at one instant, and then the one that was refused alone: what the other saved holds it back.
func cycle(t *testing.T, e *evidence) {
	const records = 100
	r := newRoute(t, "fault-c2-cycle", stage.edge.get(t), stage.home.get(t), 1)
	back := newHost(t, between("fault-c2-back", r.to, r.from, r.topic))
	r.produce(t, load.Spec{Partitions: 1, Records: records, Seed: 2})
	must(t, r.to.CreateTopic(within(t, time.Minute), r.topic, 1, 1, nil)) // else the way back would begin later
	hosts := []*host{r.host, back}
	for _, h := range hosts {
		must(t, h.launch())
	}
	refused := -1
	e.noticed = eventually(t, noticeWithin, "one of the two says that the other brings the topic back", func(ctx context.Context) error {
		for i, h := range hosts {
			report, err := h.status(ctx)
			if err != nil {
				return err
			}
			for _, topic := range report.Links[0].Topics {
				for _, p := range topic.Partitions {
					if containsFold(p.Error, "go round for ever") {
						refused = i
						return nil
					}
				}
			}
		}
		return errors.New("neither says so")
	})
	must(t, pause(t.Context(), 5*time.Second))
	most := mostOf(t, r)
	other := hosts[1-refused]
	other.stop(t)
	hosts[refused].stop(t)
	hosts[refused].start(t)
	must(t, pause(t.Context(), 5*time.Second))
	most = max(most, mostOf(t, r))
	if most != records {
		t.Errorf("%d records became %d in a cycle of two processes", records, most)
	}
	e.fired("both started at once, then the refused one alone: %d records are still %d", records, most)
	hosts[refused].stop(t)
}

// mostOf returns how many records that end of the route holds that has more.
func mostOf(t *testing.T, r *route) int64 {
	t.Helper()
	there, err := r.arrived(t.Context())
	must(t, err)
	here := route{from: r.to, to: r.from, topic: r.topic}
	n, err := here.arrived(t.Context())
	must(t, err)
	return max(there, n)
}
