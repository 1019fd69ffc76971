package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/pkg/config"
)

// file is a configuration that a test changes.
type file struct {
	mu  sync.Mutex
	cfg *config.Config
	err error
}

func (f *file) load() (*config.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cfg, f.err
}

// edit makes the file say what change makes of a copy of what it says.
func (f *file) edit(change func(*config.Config)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := *f.cfg
	next.Links = slices.Clone(next.Links)
	change(&next)
	f.cfg, f.err = &next, nil
}

// reloading is a running mirror that reloads.
type reloading struct {
	t      *testing.T
	file   *file
	hangup chan os.Signal
	level  *slog.LevelVar
	log    *transcript
	stop   func() error
}

func startReloading(t *testing.T, f *file) *reloading {
	t.Helper()
	r := &reloading{t: t, file: f, hangup: make(chan os.Signal, 1), level: new(slog.LevelVar), log: &transcript{}}
	cfg, _ := f.load()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1) // holds Run's only answer
	go func() {
		log := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: r.level}))
		ended <- Run(ctx, cfg, "test", log, WithReload(Reload{Load: f.load, Hangup: r.hangup, Level: r.level}))
	}()
	r.stop = func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			return errors.New("the mirror did not stop")
		}
	}
	t.Cleanup(cancel)
	eventually(t, "the mirror starts", func() bool { return r.log.logged("mirror started", "listen") != "" })
	return r
}

// ask sends a request to the socket, a command if it has a body.
func (r *reloading) ask(path, body string) (code int, answer string) {
	r.t.Helper()
	cfg, _ := r.file.load()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", Socket(cfg.StateDir))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, "http://mirror"+path, bytes.NewBufferString(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// shown is what the status shows: topics with their states, and the problem of the configuration.
func (r *reloading) shown() (topics, problem string) {
	code, body := r.ask("/api/v1/status", "")
	var s struct {
		Config struct{ Problem string }
		Links  []struct {
			Topics []struct{ Topic, State string }
		}
	}
	if code != http.StatusOK || json.Unmarshal([]byte(body), &s) != nil {
		return "", ""
	}
	var list []string
	for _, topic := range s.Links[0].Topics {
		list = append(list, topic.Topic+" "+topic.State)
	}
	return strings.Join(list, ", "), s.Config.Problem
}

func (r *reloading) shows(want string) {
	r.t.Helper()
	got := ""
	defer func() {
		if r.t.Failed() {
			r.t.Logf("the status shows %q, want %q", got, want)
		}
	}()
	eventually(r.t, "the status shows "+want, func() bool { got, _ = r.shown(); return got == want })
}

// twoTopics is a configuration of a link that includes one of the two topics there are.
func twoTopics(t *testing.T) *file {
	edge := startCluster(t, kfake.NumBrokers(1), kfake.ClusterID("edge"), kfake.SeedTopics(2, "a", "b"))
	region := startCluster(t, kfake.NumBrokers(1), kfake.ClusterID("region"))
	cfg := oneLink(t, edge.ListenAddrs(), region.ListenAddrs())
	cfg.Links[0].Topics.Include = []string{"a"}
	return &file{cfg: cfg}
}

func TestReload(t *testing.T) {
	f := twoTopics(t)
	r := startReloading(t, f)
	r.shows("a caught_up")
	f.edit(func(c *config.Config) { c.Links[0].Topics.Include, c.Log.Level = []string{"a", "b"}, "debug" })
	code, got := r.ask("/api/v1/reload", "{}")
	if want := `{"changed":[{"key":"links.edge-region.topics.include","from":"[a]","to":"[a, b]"},{"key":"log.level","from":"info","to":"debug"}]}`; code != 200 || strings.TrimSpace(got) != want {
		t.Errorf("got %d %s, want %s", code, got, want)
	}
	r.shows("a caught_up, b caught_up")
	if r.level.Level() != slog.LevelDebug {
		t.Errorf("level is %v, want debug", r.level.Level())
	}
	f.edit(func(c *config.Config) { c.Links[0].Rate = 20 * config.MiB })
	if code, got := r.ask("/api/v1/reload", "{}"); code != 200 || !strings.Contains(got, `{"key":"links.edge-region.rate","from":"0B","to":"20MiB"}`) {
		t.Errorf("got %d %s", code, got)
	}
	eventually(t, "the rate is in force", func() bool {
		_, body := r.ask("/api/v1/status", "")
		return strings.Contains(body, `"rate":20971520`)
	})
	f.edit(func(c *config.Config) { c.Links[0].Topics.Exclude = []string{"a"} })
	r.hangup <- syscall.SIGHUP
	r.shows("b caught_up")
	eventually(t, "the reload is an event", func() bool {
		return strings.Contains(kinds(t, f.cfg.StateDir), "reload_done links.edge-region.topics.exclude: [] -> [a]")
	})
	f.edit(func(c *config.Config) { c.Links[0].Topics.Exclude = nil })
	if code, got := r.ask("/api/v1/reload", "{}"); code != 200 {
		t.Fatalf("got %d %s", code, got)
	}
	r.shows("a caught_up, b caught_up")
	if err := r.stop(); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
}

// TestRefusedReloadChangesNothing has a file that is wrong, and one that changes what a restart takes besides what could be applied.
func TestRefusedReloadChangesNothing(t *testing.T) {
	f := twoTopics(t)
	r, region := startReloading(t, f), f.cfg.Clusters["region"]
	r.shows("a caught_up")
	both := func(c *config.Config) { c.Links[0].Topics.Include, c.Log.Level = []string{"a", "b"}, "debug" }
	for _, test := range []struct {
		name string
		edit func()
		code int
		want string
	}{
		{"wrong", func() {
			f.mu.Lock()
			f.err = errors.New("mirror.yaml:3: links[0].nme: did you mean name?")
			f.mu.Unlock()
		}, 422, "did you mean"},
		{"another address", func() { f.edit(both); f.edit(func(c *config.Config) { c.Listen = "127.0.0.1:1" }) }, 409, "(listen: 127.0.0.1:0 "},
		{"renamed", func() {
			f.edit(func(c *config.Config) { c.Listen, c.Links[0].Topics.Rename = "127.0.0.1:0", "eu.{topic}" })
		}, 409, "links.edge-region.topics.rename"},
		{"less memory", func() {
			f.edit(func(c *config.Config) { c.Links[0].Topics.Rename, c.Memory = "{topic}", config.MinMemory })
		}, 409, "memory"},
		{"another cluster", func() {
			f.edit(func(c *config.Config) {
				c.Memory = config.Default().Memory
				c.Clusters = map[string]config.Cluster{"edge": c.Clusters["edge"], "region": {Brokers: []string{"elsewhere:9092"}}}
			})
		}, 409, "clusters.region.brokers"},
	} {
		test.edit()
		code, got := r.ask("/api/v1/reload", "{}")
		if code != test.code || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %d %s, want %d %s", test.name, code, got, test.code, test.want)
		}
		if topics, problem := r.shown(); topics != "a caught_up" || !strings.Contains(problem, test.want) || r.level.Level() != slog.LevelInfo {
			t.Errorf("%s: shows %q, problem %q, level %v", test.name, topics, problem, r.level.Level())
		}
		if _, metrics := r.ask("/metrics", ""); !strings.Contains(metrics, "\nmirror_config_last_reload_successful 0\n") {
			t.Errorf("%s: the metric does not tell of it", test.name)
		}
	}
	f.edit(func(c *config.Config) {
		c.Clusters = map[string]config.Cluster{"edge": c.Clusters["edge"], "region": region}
	})
	if code, got := r.ask("/api/v1/reload", "{}"); code != 200 {
		t.Errorf("reload of what is right again: %d %s", code, got)
	}
	r.shows("a caught_up, b caught_up")
	if _, metrics := r.ask("/metrics", ""); !strings.Contains(metrics, "\nmirror_config_last_reload_successful 1\n") {
		t.Error("the metric does not tell of the success")
	}
	if err := r.stop(); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
}

// TestPauseOutlivesARestart pauses one of two topics, restarts, and resumes it.
func TestPauseOutlivesARestart(t *testing.T) {
	f := twoTopics(t)
	f.edit(func(c *config.Config) { c.Links[0].Topics.Include = []string{"a", "b"} })
	r := startReloading(t, f)
	r.shows("a caught_up, b caught_up")
	if code, got := r.ask("/api/v1/links/edge-region/pause", fmt.Sprintf(`{"topic":"a","seconds":%d}`, 3600)); code != 200 {
		t.Fatalf("got %d %s", code, got)
	}
	r.shows("a paused, b caught_up")
	if err := r.stop(); err != nil {
		t.Fatalf("Run() = %v, want nil", err)
	}
	r = startReloading(t, f)
	r.shows("a paused, b caught_up")
	if code, got := r.ask("/api/v1/links/edge-region/resume", `{"topic":""}`); code != 200 {
		t.Fatalf("got %d %s", code, got)
	}
	r.shows("a caught_up, b caught_up")
	if err := r.stop(); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	for _, kind := range []string{"pause_requested until ", "pause_done until ", "resume_requested", "resume_done"} {
		if !strings.Contains(kinds(t, f.cfg.StateDir), kind) {
			t.Errorf("%q is no event:\n%s", kind, kinds(t, f.cfg.StateDir))
		}
	}
}
