package status

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/lag"
)

func TestRunServesUntilItsContextEnds(t *testing.T) {
	s := newServer(t, freshly(full()))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	response, err := http.Get("http://" + s.Addr() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, response); response.StatusCode != http.StatusOK || got != "ok" {
		t.Errorf("%d, %q", response.StatusCode, got)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(shutdownTimeout + 5*time.Second):
		t.Fatal("Run does not end")
	}
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("the address is still listened on")
	}
}

func TestRunCutsOffARequestThatDoesNotEnd(t *testing.T) {
	t.Parallel() // it waits for shutdownTimeout
	entered, release := make(chan struct{}), make(chan struct{})
	s := newServer(t, func() *lag.Snapshot {
		close(entered)
		<-release
		return nil
	})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	asked := make(chan error, 1)
	go func() {
		_, err := http.Get("http://" + s.Addr() + "/livez")
		asked <- err
	}()
	<-entered
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(shutdownTimeout + 10*time.Second):
		t.Fatal("Run does not end")
	}
	select {
	case err := <-asked:
		if err == nil {
			t.Error("the request was answered")
		}
	case <-time.After(10 * time.Second):
		t.Error("the request was not cut off")
	}
}

func TestNewFailsForAnAddressInUse(t *testing.T) {
	first := newServer(t, freshly(full()))
	_, err := New(Config{Listen: first.Addr()}, freshly(full()), prometheus.NewRegistry(), quiet())
	if err == nil || !strings.Contains(err.Error(), first.Addr()) {
		t.Errorf("got %v", err)
	}
}

func TestNewFailsForARegistryThatHasTheMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	if err := register(reg, Config{}, freshly(full())); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Listen: "127.0.0.1:0"}, freshly(full()), reg, quiet()); err == nil {
		t.Error("no error")
	}
}

func TestMethodsAndPaths(t *testing.T) {
	s := newServer(t, freshly(full()))
	paths := []string{"/", "/style.css", "/metrics", "/livez", "/healthz", "/api/v1/status"}
	for _, path := range paths {
		for method, want := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405, http.MethodPut: 405, http.MethodDelete: 405, http.MethodOptions: 405} {
			if code, _, _ := ask(s, method, path, "localhost"); code != want {
				t.Errorf("%s %s: %d, want %d", method, path, code, want)
			}
		}
	}
	for _, path := range []string{"/nothing", "/api/v1", "/metrics/", "/debug/pprof/"} {
		if code, _ := get(s, path); code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, code)
		}
	}
}

func TestHost(t *testing.T) {
	s := newServer(t, freshly(full()))
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9464": 200, "LOCALHOST": 200, "127.0.0.1": 200, "127.0.0.1:9464": 200, "127.9.9.9:1": 200, "[::1]:9464": 200, "[::1]": 200, "::1": 200, "": 200,
		"evil.example": 421, "evil.example:9464": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "10.0.0.1:9464": 421, "0.0.0.0": 421, "[::]:9464": 421, "127.1": 421,
	} {
		for _, path := range []string{"/", "/metrics", "/api/v1/status", "/livez"} {
			if code, _, _ := ask(s, http.MethodGet, path, host); code != want {
				t.Errorf("host %q, path %s: %d, want %d", host, path, code, want)
			}
		}
	}
}

func TestHostIsNotCheckedBeyondLoopback(t *testing.T) {
	if !isLoopback(&net.TCPAddr{IP: net.IPv6loopback}) || isLoopback(&net.TCPAddr{IP: net.IPv4zero}) || isLoopback(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}) {
		t.Fatal("loopback is mistaken")
	}
	s, err := New(Config{Listen: "0.0.0.0:0"}, freshly(full()), prometheus.NewRegistry(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.doors[0].listener.Close()
	if code, _, _ := ask(s, http.MethodGet, "/livez", "ad-17.example:9464"); code != http.StatusOK {
		t.Errorf("%d, want 200", code)
	}
}

func TestABrowserMayOnlyShowAnAnswer(t *testing.T) {
	s := newServer(t, freshly(full()))
	_, header, _ := ask(s, http.MethodGet, "/", "localhost")
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; style-src 'self'") {
		t.Errorf("policy %q", got)
	}
}
