package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serveSick answers with a link whose destination holds it up, as two looks at the metrics show.
func serveSick(t *testing.T) (dir string) {
	var looks atomic.Int64
	return serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		switch r.URL.Path {
		case "/api/v1/status":
			fmt.Fprintf(w, `{"time":%q,"links":[{"name":"up","from":"edge","to":"region","state":"copying","topics":[{"topic":"clicks","state":"copying","speed":0.3,"replicated_through":%q}]},{"name":"down","state":"caught_up","topics":[{"topic":"x","state":"caught_up"}]}]}`,
				now.Format(time.RFC3339Nano), now.Add(-time.Hour).Format(time.RFC3339Nano))
		case "/metrics":
			n := float64(looks.Add(1))
			fmt.Fprintf(w, "# HELP x y\nmirror_backpressure_seconds_total{link=\"up\",side=\"target\"} %g\nmirror_backpressure_seconds_total{link=\"up\",side=\"source\"} 3\nmirror_errors_total{class=\"timeout\",link=\"up\",side=\"target\"} %g\n", 100*n, 7*n)
		case "/api/v1/events", "/readyz", "/api/v1/pool", "/debug/pprof/heap", "/debug/pprof/goroutine":
			_, _ = io.WriteString(w, r.URL.Path)
		default:
			http.NotFound(w, r)
		}
	}))
}

func TestDoctor(t *testing.T) {
	dir := serveSick(t)
	got := mirror(t, "doctor", "--state-dir", dir, "--over", "10ms")
	if got.code != exitFailure || !strings.Contains(got.out, "1. up: clicks is copied more slowly than records come: region takes no more") || !strings.Contains(got.out, "100% of the time") || !strings.Contains(got.out, "NEXT  ") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.stderr)
	}
	var d diagnosis
	got = mirror(t, "doctor", "up", "--state-dir", dir, "--over", "10ms", "-o", "json")
	if err := json.Unmarshal([]byte(got.out), &d); err != nil || d.Healthy || len(d.Found) != 1 || d.Found[0].Cause != "destination_slow" {
		t.Errorf("%v: %s", err, got.out)
	}
	if got := mirror(t, "doctor", "down", "--state-dir", dir, "--over", "0s"); got.code != exitOK || !strings.Contains(got.out, "nothing is wrong") {
		t.Errorf("a healthy link: exit %d: %s%s", got.code, got.out, got.stderr)
	}
	if got := mirror(t, "doctor", "nope", "--state-dir", dir, "--over", "0s"); got.code != exitFailure || !strings.Contains(got.stderr, "there is no link \"nope\"") {
		t.Errorf("no link: exit %d: %s%s", got.code, got.out, got.stderr)
	}
	if got := mirror(t, "doctor", "--state-dir", t.TempDir()); got.code != exitFailure || !strings.Contains(got.out, "no mirror runs here") || !strings.Contains(got.out, "journalctl") {
		t.Errorf("no daemon: exit %d: %s%s", got.code, got.out, got.stderr)
	}
}

func TestDebugBundle(t *testing.T) {
	dir := serveSick(t)
	cfg := write(t, "state_dir: "+dir+"\nclusters: {region: {sasl: {password: hunter2}}} # hunter2\n")
	file := filepath.Join(t.TempDir(), "b.tar.gz")
	got := mirror(t, "debug", "bundle", "-c", cfg, "--file", file, "--profile", "0s", "-o", "json")
	var r bundleReport
	if err := json.Unmarshal([]byte(got.out), &r); got.code != exitOK || err != nil || len(r.Missing) != 0 {
		t.Fatalf("exit %d, %v: %s%s", got.code, err, got.out, got.stderr)
	}
	files := unpack(t, file)
	for _, want := range []string{"status.json", "readyz.txt", "pool.json", "events.json", "metrics.txt", "goroutines.txt", "heap.pprof", "config.yaml", "version.json"} {
		if !slices.Contains(r.Has, want) || files["mirror-debug/"+want] == "" {
			t.Errorf("%s is missing: %v", want, r.Has)
		}
	}
	for name, content := range files {
		if strings.Contains(content, "hunter2") {
			t.Errorf("%s has a secret: %s", name, content)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := mirror(t, "debug", "bundle", "-c", cfg, "--file", file, "--profile", "0s"); got.code != exitFailure || !strings.Contains(got.stderr, "--file") {
		t.Errorf("over another bundle: exit %d, %s", got.code, got.stderr)
	}
	other := filepath.Join(t.TempDir(), "c.tar.gz")
	if got := mirror(t, "debug", "bundle", "-c", cfg, "--file", other, "--profile", "1s"); got.code != exitOK || !strings.Contains(got.stderr, "without cpu.pprof") {
		t.Errorf("what cannot be had: exit %d, %s%s", got.code, got.out, got.stderr)
	}
}

// unpack returns the files of a bundle.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for in := tar.NewReader(packed); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}
