package packaging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/e2e/debian"
)

// inbox notes what Alertmanager sends: receiver, group and the names of the alerts.
type inbox struct {
	mu   sync.Mutex
	sent []string // guarded by mu
}

func (b *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var message struct {
		GroupLabels map[string]string
		Alerts      []struct{ Labels map[string]string }
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &message)
	}
	var names []string
	for _, a := range message.Alerts {
		names = append(names, a.Labels["alertname"])
	}
	slices.Sort(names)
	var group []string
	for _, label := range slices.Sorted(maps.Keys(message.GroupLabels)) {
		group = append(group, label+"="+message.GroupLabels[label])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, fmt.Sprintf("%s {%s}: %s", strings.TrimPrefix(r.URL.Path, "/"), strings.Join(group, ","), strings.Join(names, " ")))
	if err != nil {
		b.sent = append(b.sent, err.Error())
	}
}

func (b *inbox) sorted() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(slices.Values(b.sent))
}

// startAlertmanager runs the real one with a configuration and returns its address. Debian's reads a template from a place of its own
// below /usr/share: so it is run with its package as its root directory, beside the C library.
func startAlertmanager(t *testing.T, config []byte) string {
	t.Helper()
	root, err := debian.Unpack(t.Context(), os.Stderr, "prometheus-alertmanager", "libc6")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(root, "run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // in the cache
	if err := os.WriteFile(filepath.Join(dir, alertmanagerFile), config, 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	inside := "/" + filepath.Base(dir)
	cmd := exec.CommandContext(ctx, "/usr/bin/prometheus-alertmanager", "--config.file="+inside+"/"+alertmanagerFile, "--storage.path="+inside,
		"--web.listen-address="+address, "--cluster.listen-address=")
	cmd.Dir, cmd.SysProcAttr = "/", rootedAt(root)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("alertmanager: %s", log.String())
		}
	})
	within(t, "Alertmanager is ready", func() string {
		r, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		return map[bool]string{false: r.Status}[r.StatusCode == http.StatusOK]
	})
	return address
}

// within waits until nothing is missing.
func within(t *testing.T, what string, missing func() string) {
	t.Helper()
	deadline, last := time.Now().Add(time.Minute), ""
	for time.Now().Before(deadline) {
		if last = missing(); last == "" {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("%s: %v", what, context.Cause(t.Context()))
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%s: %s", what, last)
}

// alert is an alert with its labels, as name{label=value,...}.
func alert(name, severity string, labels ...string) map[string]string {
	all := map[string]string{"alertname": name, "severity": severity, "job": "mirror-edge", "tier": "edge", "region": "us-east", "instance": "ad-1", "link": "up", "topic": "clicks"}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		all[k] = v
	}
	return all
}

func fire(t *testing.T, address string, alerts ...map[string]string) {
	t.Helper()
	var body []map[string]any
	for _, labels := range alerts {
		body = append(body, map[string]any{"labels": labels, "annotations": map[string]string{"summary": "s", "description": "d"}})
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Post("http://"+address+"/api/v2/alerts", "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("post alerts: %s", r.Status)
	}
}

// TestNotifications gives alerts to the real Alertmanager, with the shipped routes and inhibitions: one page per tier and region,
// and nothing beside a graver alert that explains it, except of losses.
func TestNotifications(t *testing.T) {
	t.Parallel()
	box := &inbox{}
	server := httptest.NewServer(box)
	defer server.Close()
	address := startAlertmanager(t, redirected(t, server.URL))
	fire(t, address,
		// One edge stands still in two topics, and is about to lose records of one; another one stands still too.
		alert("MirrorStalled", "page"), alert("MirrorLagHigh", "ticket"), alert("MirrorWaiting", "page"),
		alert("MirrorStalled", "page", "topic=views"), alert("MirrorLossImminent", "page", "cause=retention_time"), alert("MirrorHeadroomLow", "ticket", "cause=retention_time"),
		alert("MirrorStalled", "page", "instance=ad-2"), alert("MirrorLagHigh", "ticket", "instance=ad-3"),
		// A region that is down, of which Prometheus has not forgotten everything yet.
		alert("MirrorDown", "page", "tier=region", "job=mirror-region", "instance=mirror-a"), alert("MirrorStalled", "page", "tier=region", "job=mirror-region", "instance=mirror-a"),
		alert("MirrorRecordsLost", "page", "tier=region", "job=mirror-region", "instance=mirror-a"),
		// At home, of an edge that is silent and runs out of time, and of one that is only silent.
		alert("MirrorHeartbeatMissing", "ticket", "tier=home", "job=mirror-home", "region=home", "origin=ad-1"), alert("MirrorHeartbeatLossImminent", "page", "tier=home", "job=mirror-home", "region=home", "origin=ad-1"),
		alert("MirrorHeartbeatMissing", "ticket", "tier=home", "job=mirror-home", "region=home", "origin=ad-9"),
		map[string]string{"alertname": "MirrorWatchdog", "severity": "none"})
	want := []string{
		"deadman {alertname=MirrorWatchdog}: MirrorWatchdog",
		"page {region=home,tier=home}: MirrorHeartbeatLossImminent",
		"page {region=us-east,tier=edge}: MirrorLossImminent MirrorStalled MirrorStalled MirrorStalled",
		"page {region=us-east,tier=region}: MirrorDown MirrorRecordsLost",
		"ticket {alertname=MirrorHeartbeatMissing,region=home,tier=home}: MirrorHeartbeatMissing",
		"ticket {alertname=MirrorLagHigh,region=us-east,tier=edge}: MirrorLagHigh",
	}
	within(t, "notifications", func() string {
		if got := box.sorted(); !slices.Equal(got, want) {
			return fmt.Sprintf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return ""
	})
}
