package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/app"
)

// serveSocket answers at the socket of a state directory, whose path it returns.
func serveSocket(t *testing.T, handler http.Handler) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mirror-") // short, whatever the test is called
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", app.Socket(dir))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return dir
}

// daemon is a mirror that answers a status and notes what it is asked to change.
type daemon struct {
	mu    sync.Mutex
	asked []string // guarded by mu
	code  int
	body  string
}

func (d *daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, statusBody(time.Now()))
		return
	}
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.asked = append(d.asked, fmt.Sprintf("%s %s %s %s", r.Method, r.URL.EscapedPath(), r.Header.Get("Content-Type"), strings.TrimSpace(string(body))))
	d.mu.Unlock()
	w.WriteHeader(d.code)
	_, _ = io.WriteString(w, d.body)
}

func (d *daemon) calls() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.asked, "\n")
}

const skipped = `{"link":"up","topic":"clicks","partition":3,"reason":"retention","lost":{"from":60000,"to":60900,"records":900,"since":"2023-11-14T22:13:20Z","until":"2023-11-14T23:13:20Z"},"resumes_at":60900}`

func TestSkipAsks(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, `{"accept_loss":true,"where":"after_loss"}`},
		{[]string{"--from", "beginning"}, `{"accept_loss":true,"where":"beginning"}`},
		{[]string{"--to", "0"}, `{"accept_loss":true,"where":"offset","offset":0}`},
	} {
		d := &daemon{code: 200, body: skipped}
		got := mirror(t, append([]string{"skip", "up", "clicks/3", "--i-accept-loss", "--state-dir", serveSocket(t, d)}, test.args...)...)
		if want := "POST /api/v1/links/up/topics/clicks/partitions/3/skip application/json " + test.want; d.calls() != want {
			t.Errorf("%v: asked %s, want %s", test.args, d.calls(), want)
		}
		want := "clicks/3 goes on at source offset 60900; lost (retention): 900 records, offsets 60000 to 60899, after 2023-11-14T22:13:20Z before 2023-11-14T23:13:20Z\n"
		if got.code != exitOK || got.out != want || got.stderr != "" {
			t.Errorf("%v: exit %d, %q, %q; want %q", test.args, got.code, got.out, got.stderr, want)
		}
	}
}

func TestSkipJSON(t *testing.T) {
	d := &daemon{code: 200, body: skipped}
	got := mirror(t, "skip", "up", "clicks/3", "--i-accept-loss", "-o", "json", "--state-dir", serveSocket(t, d))
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(got.out)); err != nil || got.code != exitOK || compact.String() != skipped {
		t.Errorf("exit %d, %v: %s", got.code, err, got.out)
	}
}

func TestSkipWithoutAcceptanceExplains(t *testing.T) {
	d := &daemon{}
	dir := serveSocket(t, d)
	got := mirror(t, "skip", "up", "clicks/3", "--state-dir", dir)
	want := `mirror: nothing was done: --i-accept-loss was not said
clicks/3 is halted: retention: offset out of range
lost: 900 records, offsets 60000 to 60899, after 2023-11-14T22:13:20Z; the destination has offsets 3 to 6, which the source has no longer
NEXT  mirror skip up clicks/3 --i-accept-loss
        goes on [2J
  or  restore
        nothing is lost
`
	if got.code != exitUsage || got.stderr != want || got.out != "" || d.calls() != "" {
		t.Errorf("exit %d, out %q, stderr\n%s\nwant\n%s\nasked %q", got.code, got.out, got.stderr, want, d.calls())
	}
	for _, test := range []struct{ partition, link, want string }{
		{"clicks/2", "up", "clicks/2 is not halted but copying"},
		{"clicks/9", "up", "link up does not mirror clicks/9"},
		{"nothing/0", "up", "link up does not mirror nothing/0"},
		{"clicks/3", "side", "there is no link"},
	} {
		if got := mirror(t, "skip", test.link, test.partition, "--state-dir", dir); got.code != exitFailure || !strings.Contains(got.stderr, test.want) {
			t.Errorf("%s %s: exit %d, %q, want %q", test.link, test.partition, got.code, got.stderr, test.want)
		}
	}
}

func TestSkipRefused(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no partition", []string{"up", "clicks"}, exitUsage, "is not TOPIC/PARTITION"},
		{"a bad partition", []string{"up", "clicks/x"}, exitUsage, "is not TOPIC/PARTITION"},
		{"a negative partition", []string{"up", "clicks/-1"}, exitUsage, "is not TOPIC/PARTITION"},
		{"no topic", []string{"up", "/1"}, exitUsage, "is not TOPIC/PARTITION"},
		{"one argument", []string{"up"}, exitUsage, "accepts 2 arg"},
		{"another beginning", []string{"up", "clicks/3", "--from", "end"}, exitUsage, "beginning alone"},
		{"two places", []string{"up", "clicks/3", "--from", "beginning", "--to", "1"}, exitUsage, "give one"},
		{"a negative offset", []string{"up", "clicks/3", "--to", "-1"}, exitUsage, "begin at 0"},
		{"nobody there", []string{"up", "clicks/3", "--state-dir", dir}, exitFailure, "no mirror runs there; start it, or name its directory with --state-dir"},
		{"nobody there, accepted", []string{"up", "clicks/3", "--i-accept-loss", "--state-dir", dir}, exitFailure, "no mirror runs there"},
		{"no configuration", []string{"up", "clicks/3", "-c", filepath.Join(dir, "none")}, exitConfig, "name it with --state-dir"},
	} {
		got := mirror(t, append([]string{"skip"}, test.args...)...)
		if got.code != test.code || !strings.Contains(got.stderr, test.want) || got.out != "" {
			t.Errorf("%s: exit %d, %q; want %d, %q", test.name, got.code, got.stderr, test.code, test.want)
		}
	}
	for _, answer := range []struct {
		code       int
		body, want string
	}{{409, `{"error":"the partition is not halted\u001b[2J"}`, "mirror: the partition is not halted [2J\n"}, {415, "no", "415"}, {200, "no", "is that a mirror"}} {
		got := mirror(t, "skip", "up", "clicks/3", "--i-accept-loss", "--state-dir", serveSocket(t, &daemon{code: answer.code, body: answer.body}))
		if got.code != exitFailure || !strings.Contains(got.stderr, answer.want) {
			t.Errorf("%d: exit %d, %q, want %q", answer.code, got.code, got.stderr, answer.want)
		}
	}
}

func TestTheSocketIsThatOfTheConfiguration(t *testing.T) {
	d := &daemon{code: 200, body: skipped}
	dir := serveSocket(t, d)
	config := write(t, "state_dir: "+dir+"\nclusters: {edge: {sasl: {password: \"${cred:missing}\"}}}\n")
	if got := mirror(t, "skip", "up", "clicks/3", "--i-accept-loss", "-c", config); got.code != exitOK {
		t.Errorf("exit %d, %q", got.code, got.stderr)
	}
	t.Setenv("STATE_DIRECTORY", dir)
	c, err := newControl("", filepath.Join(dir, "none"), false)
	if err != nil || c.stateDir != dir {
		t.Errorf("without a configuration: %+v, %v", c, err)
	}
}

// eventLine is one event as the mirror has it.
func eventLine(id int) string {
	return fmt.Sprintf(`{"id":%d,"time":"2023-11-14T22:13:20Z","kind":"halted","link":"up","topic":"clicks","partition":3,"cause":"retention","text":"gone\u001b[2J","lost":{"from":5,"to":null,"records":null,"since":null,"until":null},"uid":1000}`, id)
}

func TestEventsOfARunningMirror(t *testing.T) {
	var mu sync.Mutex
	var queries []string
	ctx, cancel := context.WithCancel(t.Context())
	dir := serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		queries = append(queries, r.URL.RequestURI())
		switch len(queries) {
		case 1:
			_, _ = fmt.Fprintf(w, `{"events":[%s,%s]}`, eventLine(4), eventLine(5))
		case 2: // a mirror that restarts
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			_, _ = fmt.Fprintf(w, `{"events":[%s]}`, eventLine(6))
		default:
			_, _ = io.WriteString(w, `{"events":[]}`)
			cancel()
		}
	}))
	got := mirrorIn(ctx, "events", "-f", "-n", "2", "-o", "json", "--state-dir", dir)
	if want := eventLine(4) + "\n" + eventLine(5) + "\n" + eventLine(6) + "\n"; got.code != exitOK || got.out != want {
		t.Errorf("exit %d, %q, got\n%s\nwant\n%s", got.code, got.stderr, got.out, want)
	}
	want := "/api/v1/events?limit=2 /api/v1/events?limit=1000&after=5 /api/v1/events?limit=1000&after=5 /api/v1/events?limit=1000&after=6"
	if got := strings.Join(queries[:4], " "); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

func TestEventsOfFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "events.jsonl"), []byte(eventLine(1)+"\n"+`{"id":2,"time":"2023-11-14T22:13:21Z","kind":"process_stopped"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := mirror(t, "events", "--state-dir", dir)
	at := time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC).Local()
	want := at.Format("2006-01-02 15:04:05") + "  halted           up clicks/3  retention  gone [2J  lost: offsets from 5 on, how many is not known  by uid 1000\n" +
		at.Add(time.Second).Format("2006-01-02 15:04:05") + "  process_stopped  -\n"
	if got.code != exitOK || got.out != want {
		t.Errorf("exit %d, %q, got\n%s\nwant\n%s", got.code, got.stderr, got.out, want)
	}
	if got := mirror(t, "events", "-n", "1", "-o", "json", "--state-dir", dir); got.code != exitOK || !strings.HasPrefix(got.out, `{"id":2,`) {
		t.Errorf("exit %d, %q, %q", got.code, got.out, got.stderr)
	}
	if got := mirror(t, "events", "-n", "0", "--state-dir", dir); got.code != exitUsage {
		t.Errorf("none at all: exit %d, %q", got.code, got.stderr)
	}
	if !strings.Contains(got.stderr, "no mirror runs in "+dir) {
		t.Errorf("that no mirror was asked is not said: %q", got.stderr)
	}
	if got := mirror(t, "events", "--state-dir", t.TempDir()); got.code != exitOK || got.out != "" || !strings.Contains(got.stderr, "none left events there") {
		t.Errorf("an empty directory: exit %d, %q, %q", got.code, got.out, got.stderr)
	}
}

func TestDescribeLoss(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	for _, test := range []struct {
		lost *api.Lost
		want string
	}{
		{nil, "nothing is known to be"},
		{&api.Lost{}, "how much is not known"},
		{&api.Lost{From: n(5)}, "offsets from 5 on, how many is not known"},
		{&api.Lost{From: n(5), To: n(5), Records: n(0)}, "nothing"},
		{&api.Lost{From: n(5), To: n(7)}, "offsets 5 to 6"},
		{&api.Lost{From: n(5), To: n(7), Records: n(2)}, "2 records, offsets 5 to 6"},
	} {
		if got := describeLoss(test.lost, nil); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
