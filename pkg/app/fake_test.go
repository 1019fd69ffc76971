package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

// TestMain fails the package when a goroutine outlives its test. Only go-metrics' own is let pass: sarama's consumer marks a
// meter of the default registry, whatever registry it was given, and the first meter starts a goroutine that never ends.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// transcript keeps what is written to it, and tells of each write. Safe for concurrent use.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer      // guarded by mu
	told func(text string) // set once; called with the whole text after each write
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.text.Write(p)
	text := w.text.String()
	w.mu.Unlock()
	if w.told != nil {
		w.told(text)
	}
	return len(p), nil
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// logged returns the attribute of the first record of a JSON log that has the message; "" when there is none.
func (w *transcript) logged(message, attribute string) string {
	for line := range strings.Lines(w.String()) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil && record["msg"] == message {
			value, _ := record[attribute].(string)
			return value
		}
	}
	return ""
}

// eventually waits until done, and fails the test with what when that takes too long.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !done() {
		select {
		case <-late:
			t.Fatalf("waited too long: %s", what)
		case <-tick.C:
		}
	}
}

// get returns the status code of a path; 0 when nobody answers.
func get(t *testing.T, address, path string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// startCluster runs a simulated cluster for the duration of the test.
func startCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatalf("start cluster: %v", err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// closedAddress is one where nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
