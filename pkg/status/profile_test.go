package status

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// askSocket gives a GET to the socket's handler.
func askSocket(s *Server, target string) (code int, body string) {
	recorder := httptest.NewRecorder()
	s.doors[1].server.Handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil))
	return recorder.Code, recorder.Body.String()
}

func TestProfilesAreAtTheSocketAlone(t *testing.T) {
	s := socketServer(t, &skipper{}, noJournal{})
	for target, want := range map[string]string{
		"/debug/pprof/":                   "full goroutine stack dump",
		"/debug/pprof/goroutine?debug=2":  "TestProfilesAreAtTheSocketAlone",
		"/debug/pprof/heap?debug=1":       "heap profile:",
		"/debug/pprof/cmdline":            "status.test",
		"/debug/pprof/symbol":             "num_symbols",
		"/debug/pprof/trace?seconds=0.01": "go 1.",
	} {
		if code, body := askSocket(s, target); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s at the socket: %d, want 200 with %q in it", target, code, want)
		}
		if code, body := get(s, target); code != http.StatusNotFound {
			t.Errorf("%s on listen: %d, want 404; %.80s", target, code, body)
		}
	}
	for _, seconds := range []string{"0", "-1", "121", "1e9", "NaN", "x"} {
		if code, body := askSocket(s, "/debug/pprof/profile?seconds="+seconds); code != http.StatusBadRequest || !strings.Contains(body, "at most 120") {
			t.Errorf("%s seconds: %d, %q", seconds, code, body)
		}
	}
}

// patientWriter notes the deadlines that a handler sets.
type patientWriter struct {
	http.ResponseWriter
	read, write *time.Time
}

func (w *patientWriter) SetReadDeadline(t time.Time) error  { w.read = &t; return nil }
func (w *patientWriter) SetWriteDeadline(t time.Time) error { w.write = &t; return nil }

// TestAProfileHasTime: the server's limit on reading would end a request's context while it watches.
func TestAProfileHasTime(t *testing.T) {
	s := socketServer(t, &skipper{}, noJournal{})
	w := &patientWriter{ResponseWriter: httptest.NewRecorder()}
	s.doors[1].server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/heap", nil))
	if w.read == nil || !w.read.IsZero() {
		t.Errorf("deadline for reading %v, want none", w.read)
	}
	if w.write == nil || time.Until(*w.write) < maxProfile {
		t.Errorf("deadline for writing %v, want one after %v at least", w.write, maxProfile)
	}
}

func TestAProfileOfARunningServer(t *testing.T) {
	s := socketServer(t, &skipper{}, noJournal{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", s.cfg.Socket)
	}}}
	response, err := client.Get("http://mirror/debug/pprof/profile?seconds=1")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || !bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		t.Errorf("%d, %.80q; want a compressed profile", response.StatusCode, body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
