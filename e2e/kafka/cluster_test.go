package kafka

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// start is New for the tests of this package, which -short leaves out.
func start(t *testing.T, o Options) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real brokers")
	}
	begin := time.Now()
	c := New(t, o)
	t.Logf("%s, %d nodes: ready after %v", c.Version(), len(c.Nodes()), time.Since(begin).Round(time.Millisecond))
	return c
}

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func createTopic(t *testing.T, c *Cluster, name string, replicas int) {
	t.Helper()
	if err := c.CreateTopic(limit(t), name, 1, replicas, map[string]string{"retention.ms": "-1"}); err != nil {
		t.Fatal(err)
	}
}

// produce writes one record through the addresses for the program under test.
func produce(t *testing.T, c *Cluster, topic, value string) {
	t.Helper()
	client, err := c.Client(kgo.SeedBrokers(c.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(limit(t), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
		t.Fatalf("produce %q: %v", value, err)
	}
}

// wantRecords reads the topic from its start, until it has as many records as wanted.
func wantRecords(t *testing.T, c *Cluster, topic string, want ...string) {
	t.Helper()
	client, err := c.Client(kgo.SeedBrokers(c.Brokers()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var got []string
	for ctx := limit(t); len(got) < len(want); {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("records: got %q, want %q, %v", got, want, fetches.Err0())
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records: got %q, want %q", got, want)
	}
}

func TestClusterKeepsRecords(t *testing.T) {
	for _, version := range Versions() {
		t.Run(string(version), func(t *testing.T) {
			c := start(t, Options{Version: version})
			node := c.Node(1)
			createTopic(t, c, "orders", 1)
			produce(t, c, "orders", "one")
			wantRecords(t, c, "orders", "one")

			killed := node.PID()
			if err := node.Kill(); err != nil {
				t.Fatal(err)
			}
			if _, err := net.Dial("tcp", node.Addr()); err == nil || node.Alive() {
				t.Errorf("after Kill: dial error %v, alive %t; want the node gone", err, node.Alive())
			}
			begin := time.Now()
			if err := node.Restart(limit(t)); err != nil {
				t.Fatal(err)
			}
			t.Logf("restart after SIGKILL: %v", time.Since(begin).Round(time.Millisecond))
			if node.PID() == killed {
				t.Errorf("process id %d did not change", killed)
			}
			produce(t, c, "orders", "two")

			begin = time.Now()
			if err := node.Restart(limit(t)); err != nil {
				t.Fatal(err)
			}
			t.Logf("orderly restart: %v", time.Since(begin).Round(time.Millisecond))
			wantRecords(t, c, "orders", "one", "two")
		})
	}
}

func TestFrozenNodeAnswersNothing(t *testing.T) {
	c := start(t, Options{})
	createTopic(t, c, "orders", 1)
	node := c.Node(1)
	if err := node.Freeze(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := brokerReady(node.Addr(), 1)(ctx, 1); err == nil {
		t.Error("a frozen broker answered")
	}
	if !node.Alive() {
		t.Error("a frozen broker does not count as alive")
	}
	if err := node.Thaw(); err != nil {
		t.Fatal(err)
	}
	produce(t, c, "orders", "after")

	if err := node.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := node.Kill(); err != nil {
		t.Errorf("kill a frozen broker: %v", err)
	}
	if err := node.Freeze(); err == nil {
		t.Error("freezing a dead broker is no error")
	}
}

func TestThreeNodesSurviveTheLossOfOne(t *testing.T) {
	c := start(t, Options{Nodes: 3, Proxy: true})
	createTopic(t, c, "orders", 3)
	produce(t, c, "orders", "one")

	leader, err := c.Leader(limit(t), "orders", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Controller(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	produce(t, c, "orders", "two")
	t.Logf("first record after the leader's death: %v", time.Since(begin).Round(time.Millisecond))
	if next, err := c.Leader(limit(t), "orders", 0); err != nil || next.ID() == leader.ID() {
		t.Errorf("leader: got %v, %v, want another than %d", next, err, leader.ID())
	}

	begin = time.Now()
	if err := leader.Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(limit(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("restarted and in sync: %v", time.Since(begin).Round(time.Millisecond))
	wantRecords(t, c, "orders", "one", "two")
}

func TestProxyStandsBetweenClientsAndBrokers(t *testing.T) {
	c := start(t, Options{Proxy: true, Lanes: 2})
	proxy := c.Node(1).Proxy()
	createTopic(t, c, "orders", 1)
	if got := proxy.Stats().Accepted; got != 0 {
		t.Errorf("connections of helpers and brokers through the proxy: got %d, want 0", got)
	}
	produce(t, c, "orders", "one")
	// Two connections at least: one to the bootstrap address, one to the address that metadata told.
	if s := proxy.Stats(); s.Accepted < 2 || s.UpBytes == 0 || s.DownBytes == 0 {
		t.Errorf("got %+v, want both the bootstrap and the advertised address to be the proxy", s)
	}

	proxy.Cut()
	ends, err := c.EndOffsets(limit(t), "orders")
	if err != nil || ends[0] != 1 {
		t.Errorf("end offsets over the direct listener while cut: got %v, %v, want 1", ends, err)
	}
	if err := proxy.Heal(); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, c, "orders", "one")

	before := proxy.Stats().Accepted
	client, err := c.Client(kgo.SeedBrokers(c.Lane(2)...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(limit(t), &kgo.Record{Topic: "orders", Value: []byte("two")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	one, two := c.Node(1).Lane(1).Stats().Accepted, c.Node(1).Lane(2).Stats().Accepted
	if after := proxy.Stats().Accepted; one != 0 || two < 2 || after != before {
		t.Errorf("a client of lane 2 made %d connections there, %d in lane 1, %d elsewhere; want at least 2, and none", two, one, after-before)
	}
}

// A record whose acknowledgement is lost is there, once, although its producer has to send it again.
func TestDroppedRepliesLand(t *testing.T) {
	c := start(t, Options{Proxy: true})
	proxy := c.Node(1).Proxy()
	createTopic(t, c, "orders", 1)
	client, err := c.Client(kgo.SeedBrokers(c.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	first := &kgo.Record{Topic: "orders", Value: []byte("acked")}
	if err := client.ProduceSync(limit(t), first).FirstErr(); err != nil {
		t.Fatal(err)
	}

	proxy.DropReplies()
	acked := make(chan error, 1)
	client.Produce(limit(t), &kgo.Record{Topic: "orders", Value: []byte("landed")}, func(_ *kgo.Record, err error) { acked <- err })
	until(t, "the record is in the log and its acknowledgement is swallowed", func() bool {
		ends, err := c.EndOffsets(limit(t), "orders")
		return err == nil && ends[0] == 2 && proxy.Stats().SwallowedDown > 0
	})
	select {
	case err := <-acked:
		t.Errorf("the producer has an answer: %v", err)
	default:
	}
	if err := proxy.Heal(); err != nil {
		t.Fatal(err)
	}
	if err := <-acked; err != nil {
		t.Errorf("produce after healing: %v", err)
	}
	wantRecords(t, c, "orders", "acked", "landed")
	if ends, err := c.EndOffsets(limit(t), "orders"); err != nil || ends[0] != 2 {
		t.Errorf("end offsets: got %v, %v, want 2", ends, err)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real brokers")
	}
	tests := []struct {
		name     string
		keep     bool
		wantLog  bool
		wantData bool
		dir      string
	}{
		{name: "temporary directory"},
		{name: "temporary directory, logs kept", keep: true, wantLog: true},
		{name: "own directory", dir: filepath.Join(t.TempDir(), "own"), wantLog: true, wantData: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Start(t.Context(), Options{Dir: test.dir})
			if err != nil {
				t.Fatal(err)
			}
			node := c.Node(1)
			if test.keep {
				c.KeepLogs()
				defer os.RemoveAll(c.Dir())
			}
			if err := c.Stop(); err != nil {
				t.Fatal(err)
			}
			if node.Alive() {
				t.Error("the broker is alive")
			}
			if got := exists(node.LogFile()); got != test.wantLog {
				t.Errorf("log is there: got %t, want %t", got, test.wantLog)
			}
			if got := exists(filepath.Join(filepath.Dir(node.LogFile()), dataName)); got != test.wantData {
				t.Errorf("data is there: got %t, want %t", got, test.wantData)
			}
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestStartNamesTheReason(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real brokers")
	}
	t.Setenv("TMPDIR", t.TempDir()) // the logs of a failed start stay
	_, err := Start(t.Context(), Options{Properties: map[string]string{"log.segment.bytes": "many"}})
	if err == nil || !strings.Contains(err.Error(), "log.segment.bytes") || !strings.Contains(err.Error(), "server.log") {
		t.Errorf("got %v, want the bad property and the place of the log", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"unknown version", Options{Version: "kafka-1.0"}, "kafka-1.0"},
		{"too many nodes", Options{Nodes: 10}, "nodes"},
		{"negative nodes", Options{Nodes: -1}, "nodes"},
		{"too many lanes", Options{Lanes: 10}, "lanes"},
		{"negative heap", Options{HeapMB: -1}, "heap"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Start(t.Context(), test.o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error about %s", err, test.want)
			}
		})
	}
	if _, err := openWorkDir(full, "x"); err == nil {
		t.Error("a directory with files in it is accepted")
	}
}

func TestProxiedListenerCanAskForAPassword(t *testing.T) {
	c := start(t, Options{Proxy: true, Properties: map[string]string{
		"listener.security.protocol.map":                "DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:SASL_PLAINTEXT",
		"sasl.enabled.mechanisms":                       "PLAIN",
		"listener.name.proxied.sasl.enabled.mechanisms": "PLAIN",
		"listener.name.proxied.plain.sasl.jaas.config":  `org.apache.kafka.common.security.plain.PlainLoginModule required user_mirror="secret\"quoted";`,
	}})
	createTopic(t, c, "orders", 1)
	for password, want := range map[string]bool{`secret"quoted`: true, "wrong": false} {
		client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...), kgo.SASL(plain.Auth{User: "mirror", Pass: password}.AsMechanism()))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Ping(limit(t)); (err == nil) != want {
			t.Errorf("password %q: got %v, want it accepted: %t", password, err, want)
		}
		client.Close()
	}
}
