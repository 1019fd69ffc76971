package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/journal"
	"tributary/pkg/mirror"
)

// diary is a journal in memory.
type diary struct {
	mu     sync.Mutex
	events []journal.Event // guarded by mu
	full   error           // what AddNow answers instead of taking an event
}

func (d *diary) AddNow(_ context.Context, e journal.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full != nil {
		return d.full
	}
	e.ID = uint64(len(d.events) + 1)
	d.events = append(d.events, e)
	return nil
}

func (d *diary) Read(after uint64, limit int) ([]journal.Event, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full != nil {
		return nil, d.full
	}
	var out []journal.Event
	for _, e := range d.events {
		if e.ID > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (d *diary) Stats() journal.Stats { return journal.Stats{Waiting: 2, Dropped: 3} }

// kinds returns what was noted, with the text.
func (d *diary) kinds() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, e := range d.events {
		out = append(out, string(e.Kind)+": "+e.Text)
	}
	return strings.Join(out, "\n")
}

type noJournal struct{}

func (noJournal) AddNow(context.Context, journal.Event) error { return nil }
func (noJournal) Read(uint64, int) ([]journal.Event, error)   { return nil, nil }
func (noJournal) Stats() journal.Stats                        { return journal.Stats{} }

// skipper is a link that notes what it is asked and answers as it was told.
type skipper struct {
	mu     sync.Mutex
	asked  []string // guarded by mu
	answer mirror.Skipped
	err    error
	noted  func() string                   // nil: not called
	wait   func(ctx context.Context) error // nil: does not
}

func (s *skipper) Skip(ctx context.Context, tp mirror.TopicPartition, c mirror.Choice) (mirror.Skipped, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%s/%d where %d offset %d", tp.Topic, tp.Partition, c.Where, c.Offset)
	if s.noted != nil {
		text += " after " + s.noted()
	}
	s.asked = append(s.asked, text)
	if s.wait != nil {
		if err := s.wait(ctx); err != nil {
			return mirror.Skipped{}, err
		}
	}
	return s.answer, s.err
}

func (s *skipper) calls() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, "\n")
}

// socketServer returns a server with a socket, one link and a journal; it does not run.
func socketServer(t *testing.T, link Link, events Journal) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "status-") // short, whatever the test is called
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Listen: "127.0.0.1:0", Socket: filepath.Join(dir, "mirror.sock"), Links: map[string]Link{"up": link}, Journal: events},
		freshly(full()), prometheus.NewRegistry(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, d := range s.doors {
			_ = d.listener.Close() // it may have been closed by Run
		}
		os.RemoveAll(dir)
	})
	return s
}

const skipPath = "/api/v1/links/up/topics/clicks/partitions/3/skip"

// post gives a command to the socket's handler.
func post(s *Server, path, contentType, body string) (code int, answer string) {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	s.doors[1].server.Handler.ServeHTTP(recorder, request)
	return recorder.Code, strings.TrimSpace(recorder.Body.String())
}

func TestSkip(t *testing.T) {
	since := moment(-100)
	loss := mirror.Loss{From: 60000, To: 60900, Records: 900, Since: *since, Surplus: &mirror.Range{From: 1, To: 2}}
	answer := mirror.Skipped{Topic: "clicks", Partition: 3, Cause: mirror.CauseRetention, Loss: loss, ResumesAt: 60900}
	for _, test := range []struct {
		body, asked, requested string
	}{
		{`{"accept_loss":true}`, "clicks/3 where 0 offset 0", "go on after what is lost"},
		{`{"accept_loss":true,"where":"after_loss"}`, "clicks/3 where 0 offset 0", "go on after what is lost"},
		{`{"accept_loss":true,"where":"beginning"}`, "clicks/3 where 1 offset 0", "go on at the beginning of the source's log"},
		{`{"accept_loss":true,"where":"offset","offset":7}`, "clicks/3 where 2 offset 7", "go on at source offset 7"},
	} {
		events := &diary{}
		link := &skipper{answer: answer, noted: events.kinds}
		code, got := post(socketServer(t, link, events), skipPath, "application/json; charset=utf-8", test.body)
		want := `{"link":"up","topic":"clicks","partition":3,"reason":"retention","lost":{"from":60000,"to":60900,"records":900,"since":"2023-11-14T22:11:40.25Z","until":null},"surplus":{"from":1,"to":2},"resumes_at":60900}`
		if code != http.StatusOK || got != want {
			t.Errorf("%s: %d, got\n%s\nwant\n%s", test.body, code, got, want)
		}
		intent := "skip_requested: " + test.requested
		if got, want := link.calls(), test.asked+" after "+intent; got != want {
			t.Errorf("%s: asked %q, want %q", test.body, got, want)
		}
		if got, want := events.kinds(), intent+"\nskip_done: goes on at source offset 60900"; got != want {
			t.Errorf("%s: noted %q, want %q", test.body, got, want)
		}
		if e := events.events[1]; e.Lost == nil || *e.Lost.Records != 900 || *e.ResumesAt != 60900 || e.Cause != "retention" || *e.Partition != 3 {
			t.Errorf("%s: the outcome is noted as %+v", test.body, e)
		}
	}
}

func TestSkipRefused(t *testing.T) {
	for _, test := range []struct {
		name, path, kind, body string
		err                    error
		code                   int
		want, noted            string
	}{
		{"a form", skipPath, "application/x-www-form-urlencoded", `{"accept_loss":true}`, nil, 415, "application/json", ""},
		{"plain text", skipPath, "text/plain", `{"accept_loss":true}`, nil, 415, "application/json", ""},
		{"no kind", skipPath, "", `{"accept_loss":true}`, nil, 415, "application/json", ""},
		{"not accepted", skipPath, "application/json", `{"where":"beginning"}`, nil, 400, "accept_loss is not true", ""},
		{"nothing", skipPath, "application/json", ``, nil, 400, "read the request", ""},
		{"unknown key", skipPath, "application/json", `{"accept_loss":true,"force":true}`, nil, 400, "force", ""},
		{"two documents", skipPath, "application/json", `{"accept_loss":true}{}`, nil, 400, "more than one document", ""},
		{"too long", skipPath, "application/json", `{"accept_loss":true,"where":"` + strings.Repeat("x", maxBodyBytes) + `"}`, nil, 400, "too large", ""},
		{"unknown place", skipPath, "application/json", `{"accept_loss":true,"where":"end"}`, nil, 400, "want after_loss", ""},
		{"offset without place", skipPath, "application/json", `{"accept_loss":true,"offset":1}`, nil, 400, "goes with", ""},
		{"place without offset", skipPath, "application/json", `{"accept_loss":true,"where":"offset"}`, nil, 400, "needs an offset", ""},
		{"negative offset", skipPath, "application/json", `{"accept_loss":true,"where":"offset","offset":-1}`, nil, 400, "not negative", ""},
		{"no partition", "/api/v1/links/up/topics/clicks/partitions/x/skip", "application/json", `{"accept_loss":true}`, nil, 400, "not a partition", ""},
		{"negative partition", "/api/v1/links/up/topics/clicks/partitions/-1/skip", "application/json", `{"accept_loss":true}`, nil, 400, "not a partition", ""},
		{"no link", "/api/v1/links/down/topics/clicks/partitions/3/skip", "application/json", `{"accept_loss":true}`, nil, 404, "no link", ""},
		{"not halted", skipPath, "application/json", `{"accept_loss":true}`, mirror.ErrNotHalted, 409, "not halted", "skip_failed: "},
		{"unknown", skipPath, "application/json", `{"accept_loss":true}`, fmt.Errorf("x: %w", mirror.ErrUnknownPartition), 404, "does not mirror", "skip_failed: "},
		{"out of range", skipPath, "application/json", `{"accept_loss":true}`, mirror.ErrOutOfRange, 400, "does not have", "skip_failed: "},
		{"no place", skipPath, "application/json", `{"accept_loss":true}`, mirror.ErrNoPlace, 400, "choose", "skip_failed: "},
		{"too slow", skipPath, "application/json", `{"accept_loss":true}`, context.DeadlineExceeded, 504, "deadline", "skip_failed: "},
		{"failed", skipPath, "application/json", `{"accept_loss":true}`, errors.New("the disk"), 500, "the disk", "skip_failed: the disk"},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := &diary{}
			link := &skipper{err: test.err}
			code, got := post(socketServer(t, link, events), test.path, test.kind, test.body)
			if code != test.code || !strings.Contains(got, test.want) {
				t.Errorf("%d, %s; want %d, %s", code, got, test.code, test.want)
			}
			if (link.calls() != "") != (test.err != nil) {
				t.Errorf("the link was asked %q", link.calls())
			}
			if noted := events.kinds(); !strings.Contains(noted, test.noted) || test.noted == "" && noted != "" {
				t.Errorf("noted %q, want %q", noted, test.noted)
			}
		})
	}
}

func TestWhatCannotBeWrittenDownIsNotDone(t *testing.T) {
	link := &skipper{}
	code, got := post(socketServer(t, link, &diary{full: errors.New("no space left")}), skipPath, "application/json", `{"accept_loss":true}`)
	if code != 503 || !strings.Contains(got, "no space left") || link.calls() != "" {
		t.Errorf("%d, %s; asked %q", code, got, link.calls())
	}
	s := socketServer(t, link, nil)
	if code, got := post(s, skipPath, "application/json", `{"accept_loss":true}`); code != 503 || link.calls() != "" {
		t.Errorf("without a journal: %d, %s; asked %q", code, got, link.calls())
	}
}

func TestNothingCanBeChangedOverTheNetwork(t *testing.T) {
	link := &skipper{}
	s := socketServer(t, link, &diary{})
	request := httptest.NewRequest(http.MethodPost, skipPath, strings.NewReader(`{"accept_loss":true}`))
	request.Host = "localhost"
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	s.doors[0].server.Handler.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusNotFound || link.calls() != "" {
		t.Errorf("%d, asked %q", recorder.Code, link.calls())
	}
}

func TestEvents(t *testing.T) {
	events := &diary{}
	s := socketServer(t, &skipper{}, events)
	if code, body := get(s, "/api/v1/events"); code != 200 || body != `{"events":[]}`+"\n" {
		t.Errorf("none: %d, %s", code, body)
	}
	for i := range 3 {
		if err := events.AddNow(t.Context(), journal.Event{Kind: "x", Text: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		query string
		code  int
		want  string
	}{
		{"", 200, "1 2 3"}, {"?after=1", 200, "2 3"}, {"?limit=1", 200, "1"}, {"?after=1&limit=1", 200, "2"}, {"?after=3", 200, ""},
		{"?after=-1", 400, ""}, {"?after=x", 400, ""}, {"?limit=0", 400, ""}, {"?limit=1001", 400, ""}, {"?limit=x", 400, ""},
	} {
		code, body := get(s, "/api/v1/events"+test.query)
		var report struct{ Events []struct{ ID int } }
		if err := json.Unmarshal([]byte(body), &report); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, e := range report.Events {
			ids = append(ids, fmt.Sprint(e.ID))
		}
		if got := strings.Join(ids, " "); code != test.code || got != test.want {
			t.Errorf("%s: %d, %q; want %d, %q", test.query, code, got, test.code, test.want)
		}
	}
	events.full = errors.New("a bad disk")
	if code, body := get(s, "/api/v1/events"); code != 500 || !strings.Contains(body, "a bad disk") {
		t.Errorf("unreadable: %d, %s", code, body)
	}
	if code, _ := get(newServer(t, freshly(full())), "/api/v1/events"); code != 404 {
		t.Errorf("without a journal: %d", code)
	}
}

// running runs a server until the test ends and returns a client of its socket.
func running(t *testing.T, s *Server) (client *http.Client, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", s.cfg.Socket)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, stop
}

func TestTheSocketKnowsItsPeerAndGoesAway(t *testing.T) {
	events := &diary{}
	s := socketServer(t, &skipper{}, events)
	client, stop := running(t, s)
	info, err := os.Stat(s.cfg.Socket)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	response, err := client.Post("http://mirror"+skipPath, "application/json", bytes.NewReader([]byte(`{"accept_loss":true}`)))
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, response); response.StatusCode != 200 {
		t.Errorf("%d, %s", response.StatusCode, body)
	}
	for _, e := range events.events {
		if e.UID == nil || *e.UID != uint32(os.Getuid()) {
			t.Errorf("%s is noted without who asked: %+v", e.Kind, e)
		}
	}
	if len(events.events) != 2 {
		t.Errorf("%d events, want 2", len(events.events))
	}
	response, err = client.Get("http://mirror/api/v1/status") // the views are here too, whatever the host is called
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, response); response.StatusCode != 200 || !strings.Contains(body, `"clicks"`) {
		t.Errorf("%d, %s", response.StatusCode, body)
	}
	stop()
	if left, err := os.ReadDir(filepath.Dir(s.cfg.Socket)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestASkipMayTakeLongerThanOtherRequests lets a skip wait for longer than a request is read or answered for.
func TestASkipMayTakeLongerThanOtherRequests(t *testing.T) {
	const short = 50 * time.Millisecond
	waited := func(ctx context.Context) error {
		select {
		case <-time.After(10 * short):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	s := socketServer(t, &skipper{wait: waited}, &diary{})
	s.doors[1].server.ReadTimeout, s.doors[1].server.WriteTimeout = short, short
	client, _ := running(t, s)
	response, err := client.Post("http://mirror"+skipPath, "application/json", strings.NewReader(`{"accept_loss":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, response); response.StatusCode != 200 {
		t.Errorf("%d, %s", response.StatusCode, body)
	}
}

func TestStoppingEndsASkip(t *testing.T) {
	begun := make(chan struct{})
	link := &skipper{wait: func(ctx context.Context) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}}
	events := &diary{}
	client, stop := running(t, socketServer(t, link, events))
	answered := make(chan int, 1)
	go func() {
		response, err := client.Post("http://mirror"+skipPath, "application/json", strings.NewReader(`{"accept_loss":true}`))
		if err != nil {
			answered <- 0
			return
		}
		response.Body.Close()
		answered <- response.StatusCode
	}()
	<-begun
	stop()
	if code := <-answered; code != http.StatusGatewayTimeout {
		t.Errorf("answered %d", code)
	}
	if got := events.kinds(); !strings.Contains(got, "skip_failed: context canceled") {
		t.Errorf("noted %q", got)
	}
}

func TestListenSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "status-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()                                                                  // its name stays, as after a kill
	if err := os.WriteFile(filepath.Join(dir, ".sock"), nil, 0o600); err != nil { // as after a kill in between
		t.Fatal(err)
	}
	live, err := listenSocket(path)
	if err != nil {
		t.Fatalf("a stale socket is in the way: %v", err)
	}
	if _, err := listenSocket(path); !errors.Is(err, errInUse) {
		t.Errorf("a live socket: %v, want %v", err, errInUse)
	}
	if err := live.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the name stays")
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(path); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a file: %v", err)
	}
	long := filepath.Join(dir, strings.Repeat("x", maxSocketPath))
	if _, err := listenSocket(long); err == nil || !strings.Contains(err.Error(), "shorter state_dir") {
		t.Errorf("a long path: %v", err)
	}
}

func FuzzAdminRequest(f *testing.F) {
	f.Add("/api/v1/links/up/topics/clicks/partitions/3/skip", "application/json", []byte(`{"accept_loss":true,"where":"offset","offset":1}`))
	f.Add("/api/v1/events?after=1&limit=2", "", []byte{})
	f.Add("/api/v1/links/up/topics/..%2f/partitions/3/skip", "application/json", []byte(`{"accept_loss":true}`))
	dir := f.TempDir()
	events, link := &diary{}, &skipper{}
	s, err := New(Config{Listen: "127.0.0.1:0", Socket: filepath.Join(dir, "s"), Links: map[string]Link{"up": link}, Journal: events}, freshly(full()), prometheus.NewRegistry(), quiet())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target, kind string, body []byte) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			request, err := http.NewRequest(method, "http://mirror", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if request.URL, err = request.URL.Parse(target); err != nil {
				return
			}
			request.Header.Set("Content-Type", kind)
			recorder := httptest.NewRecorder()
			before := link.calls()
			s.doors[1].server.Handler.ServeHTTP(recorder, request)
			if recorder.Code >= 500 {
				t.Fatalf("%s %q %q: %d", method, target, body, recorder.Code)
			}
			accepted := bytes.Contains(body, []byte("true")) && method == http.MethodPost
			if link.calls() != before && !accepted {
				t.Fatalf("%s %q %q made a change", method, target, body)
			}
		}
		link.asked, events.events = nil, nil
	})
}
