package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
)

// kinds returns the kinds of all events in a state directory.
func kinds(t *testing.T, dir string) string {
	t.Helper()
	events, err := Events(dir, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, raw := range events {
		var e struct{ Kind, Text string }
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Kind+" "+e.Text)
	}
	return strings.Join(out, "\n")
}

func TestRunKeepsAJournalAndASocket(t *testing.T) {
	cfg := oneLink(t, []string{closedAddress(t)}, []string{closedAddress(t)})
	for run := range 2 {
		log, stop := start(t, cfg)
		eventually(t, "the mirror starts", func() bool { return log.logged("mirror started", "listen") != "" })
		conn, err := net.Dial("unix", Socket(cfg.StateDir))
		if err != nil {
			t.Fatalf("run %d: %v", run, err)
		}
		conn.Close()
		eventually(t, "the start is an event", func() bool { return strings.Count(kinds(t, cfg.StateDir), "process_started") == run+1 })
		if err := stop(); err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
		if _, err := net.Dial("unix", Socket(cfg.StateDir)); err == nil {
			t.Error("the socket is served after the end")
		}
	}
	one := "process_started version test\nprocess_stopped in good order"
	if got := kinds(t, cfg.StateDir); got != one+"\n"+one {
		t.Errorf("got\n%s", got)
	}
}

// TestAnOperatorSkips loses records of one partition between two runs and accepts that over the socket.
func TestAnOperatorSkips(t *testing.T) {
	const records, lost = 300, 7
	edge := startCluster(t, kfake.NumBrokers(1), kfake.ClusterID("edge"), kfake.SeedTopics(3, demoTopic))
	region := startCluster(t, kfake.NumBrokers(1), kfake.ClusterID("region"))
	tiers := &demoTiers{clusters: map[string]*kfake.Cluster{"region": region}, brokers: map[string][]string{"edge": edge.ListenAddrs()}}
	cfg := oneLink(t, edge.ListenAddrs(), region.ListenAddrs())
	produce := func(name string) {
		if err := newProducer(tiers, name, 0, records).run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	produce("early")
	_, stop := start(t, cfg)
	eventually(t, "the first records arrive", func() bool { return tiers.records("region") == records })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	end := edge.PartitionInfo(demoTopic, 0).HighWatermark
	produce("late")
	admin, err := sarama.NewClusterAdmin(edge.ListenAddrs(), demoClient())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.DeleteRecords(demoTopic, map[int32]int64{0: end + lost}); err != nil {
		t.Fatal(err)
	}
	_, stop = start(t, cfg)
	eventually(t, "the partition halts", func() bool { return strings.Contains(kinds(t, cfg.StateDir), "halted ") })
	path := "/api/v1/links/" + cfg.Links[0].Name + "/topics/" + demoTopic + "/partitions/0/skip"
	code, body := post(t, Socket(cfg.StateDir), path, `{"accept_loss":true}`)
	if want := fmt.Sprintf(`"lost":{"from":%d,"to":%d,"records":%d,`, end, end+lost, lost); code != http.StatusOK || !strings.Contains(body, want) {
		t.Fatalf("%d, %s; want %s", code, body, want)
	}
	eventually(t, "the rest arrives", func() bool { return tiers.records("region") == 2*records-lost })
	if code, body := post(t, Socket(cfg.StateDir), path, `{"accept_loss":true}`); code != http.StatusConflict {
		t.Errorf("a second time: %d, %s", code, body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	var asked []string
	for line := range strings.Lines(kinds(t, cfg.StateDir)) {
		if kind, _, _ := strings.Cut(line, " "); strings.HasPrefix(kind, "skip") {
			asked = append(asked, kind)
		}
	}
	if got, want := strings.Join(asked, " "), "skip_requested skipped skip_done skip_requested skip_failed"; got != want {
		t.Errorf("events: got %s, want %s", got, want)
	}
}

// post sends a command to a socket.
func post(t *testing.T, socket, path, body string) (code int, answer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://mirror"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
