package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tributary/pkg/api"
)

// viewBody is a status with topics of every kind, taken at now.
func viewBody(now time.Time) string {
	at := func(d time.Duration) string { return now.Add(d).UTC().Format(time.RFC3339Nano) }
	return fmt.Sprintf(`{"instance":"ad-17","zone":"a","version":"v1","time":"%[1]s","links":[
 {"name":"up","from":"edge","to":"region","state":"waiting","problem":"","paused_until":null,"topics":[
  {"topic":"idle","destination":"idle","owner":"ad-17","state":"caught_up","lag_records":0,"speed":1,"replicated_through":"%[1]s","loss_deadline":"%[2]s","loss_cause":"retention_time","source_retention_seconds":172800,"target_retention_seconds":86400,"outage_budget_seconds":86400,"outage_budget_at_most":true,"traffic":{"now_bytes_per_second":1234567,"p95_bytes_per_second":1},"partitions":[{"partition":0},{"partition":1}]},
  {"topic":"stuck","destination":"eu.stuck","owner":"ad-17","state":"waiting","lag_records":900,"speed":0,"replicated_through":"%[3]s","loss_deadline":"%[4]s","loss_cause":"disk_full","source_retention_bytes":5000000000,"partitions":[]},
  {"topic":"catching","destination":"catching","owner":"ad-17","state":"copying","lag_records":100,"speed":6,"replicated_through":"%[5]s","loss_deadline":null,"loss_cause":"","partitions":[]},
  {"topic":"dark","destination":"","owner":"","state":"starting","lag_records":null,"speed":null,"replicated_through":null,"loss_deadline":null,"loss_cause":"","partitions":[]},
  {"topic":"theirs","destination":"theirs","owner":"ad-18","state":"elsewhere","partitions":[]}]},
 {"name":"down","from":"region","to":"edge","state":"caught_up","problem":"","topics":[
  {"topic":"cfg\u001b[2J","destination":"cfg","owner":"ad-17","state":"caught_up","lag_records":0,"speed":1,"replicated_through":"%[1]s","loss_deadline":"%[6]s","loss_cause":"retention_time","partitions":[{"partition":0}]}]}]}`,
		at(0), at(47*time.Hour), at(-time.Hour), at(-time.Minute), at(-10*time.Minute), at(24*time.Hour))
}

// serveView answers with a status that is always of the present.
func serveView(t *testing.T) (address string) {
	return serveStatus(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(watcherHeader) != "" {
			t.Errorf("%s leaves the stamp of a watcher", r.URL)
		}
		switch r.URL.Path {
		case "/api/v1/status":
			_, _ = io.WriteString(w, viewBody(time.Now()))
		case "/api/v1/events":
			_, _ = io.WriteString(w, `{"events":[{"id":1,"time":"2026-11-22T20:00:00Z","kind":"halted","link":"up","topic":"stuck","text":"gone\u001b[2J"}]}`)
		default:
			http.NotFound(w, r)
		}
	})
}

func TestLag(t *testing.T) {
	address := serveView(t)
	got := mirror(t, "lag", "--address", address)
	want := `LINK  TOPIC     STATE      BEHIND  RECORDS  SPEED  CAUGHT UP IN         LOSS IN
up    stuck     waiting    1h00m   900      0.00x  never at this speed  NOW (disk_full)
down  cfg [2J   caught_up  0s      0        1.00x  -                    24h00m (retention_time)
up    idle      caught_up  0s      0        1.00x  -                    47h00m (retention_time)
up    dark      starting   ?       ?        ?      ?                    ?
up    catching  copying    10m00s  100      6.00x  2m00s                ?
`
	if got.code != exitOK || got.out != want {
		t.Errorf("exit %d, %s, got\n%swant\n%s", got.code, got.stderr, got.out, want)
	}
	got = mirror(t, "lag", "up", "--address", address, "-o", "json")
	var list []topicLag
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list) != 4 || *list[0].LossSeconds > -59 || list[2].LagSeconds != nil || *list[3].ETASeconds < 119 {
		t.Errorf("exit %d, %v: %s", got.code, err, got.out)
	}
	if got := mirror(t, "lag", "nope", "--address", address); got.code != exitFailure || !strings.Contains(got.stderr, "up, down") {
		t.Errorf("a link that there is not: exit %d, %s", got.code, got.stderr)
	}
	if got := mirror(t, "lag", "--address", "127.0.0.1:1"); got.code != exitFailure || !strings.Contains(got.stderr, "no mirror answers") {
		t.Errorf("without a mirror: exit %d, %s", got.code, got.stderr)
	}
}

func TestTopics(t *testing.T) {
	address := serveView(t)
	got := mirror(t, "topics", "up", "--address", address)
	want := `LINK  FROM  TOPIC     TO      AS        PARTITIONS  OWNER  STATE      TRAFFIC  SOURCE KEEPS  TARGET KEEPS  BUDGET
up    edge  idle      region  idle      2           ad-17  caught_up  1.2MB/s  48h00m        24h00m        <= 24h00m
up    edge  stuck     region  eu.stuck  0           ad-17  waiting    ?        5.0GB         ?             ?
up    edge  catching  region  catching  0           ad-17  copying    ?        ?             ?             ?
up    edge  dark      region  ?         0           ?      starting   ?        ?             ?             ?
up    edge  theirs    region  theirs    ?           ad-18  elsewhere  ?        ?             ?             ?
`
	if got.code != exitOK || got.out != want {
		t.Errorf("exit %d, %s, got\n%swant\n%s", got.code, got.stderr, got.out, want)
	}
	var list []mirroredTopic
	if got = mirror(t, "topics", "--address", address, "-o", "json"); json.Unmarshal([]byte(got.out), &list) != nil || len(list) != 6 || *list[0].BytesPerSecond != 1234567 || list[5].From != "region" {
		t.Errorf("exit %d: %s", got.code, got.out)
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[float64]string{0: "0B", 999: "999B", 1000: "1.0kB", 1234567: "1.2MB", 5e9: "5.0GB", 7e15: "7000.0TB"} {
		if got := size(bytes); got != want {
			t.Errorf("%v: got %s, want %s", bytes, got, want)
		}
	}
}

func TestWait(t *testing.T) {
	var through atomic.Pointer[time.Time]
	address := serveStatus(t, func(w http.ResponseWriter, _ *http.Request) {
		now, state := time.Now(), "copying"
		at := now.Add(-time.Hour)
		if later := through.Load(); later != nil {
			at, state = now, "caught_up"
		} else {
			through.Store(&now) // the next answer is another
		}
		fmt.Fprintf(w, `{"time":"%s","links":[{"name":"up","state":"%s","topics":[{"topic":"a","state":"%s","replicated_through":"%s"},{"topic":"b","state":"elsewhere"}]}]}`,
			now.Format(time.RFC3339Nano), state, state, at.Format(time.RFC3339Nano))
	})
	got := mirror(t, "wait", "--address", address, "--timeout", "1m", "-o", "json")
	var w waited
	if err := json.Unmarshal([]byte(got.out), &w); got.code != exitOK || err != nil || strings.Join(w.Reached, " ") != "caught-up" || w.Seconds < 0.5 || got.stderr != "" {
		t.Errorf("exit %d, %v: %s%s", got.code, err, got.out, got.stderr)
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"in time", []string{"up", "a"}, exitOK, ""},
		{"no topic", []string{"up", "nope"}, exitFailure, "topic nope is not mirrored here"},
		{"no link", []string{"nope"}, exitFailure, `there is no link "nope"`},
		{"no goal", []string{"--for", "peace"}, exitUsage, "want caught-up or verified"},
		{"no time", []string{"--timeout", "0s"}, exitUsage, "above 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := mirror(t, append([]string{"wait", "--address", address}, test.args...)...); got.code != test.code || !strings.Contains(got.stderr, test.want) {
				t.Errorf("exit %d, %s, want %d, %s", got.code, got.stderr, test.code, test.want)
			}
		})
	}
}

func TestWaitEndsWhenTheTimeIsOver(t *testing.T) {
	address := serveView(t)
	// Within the time there has to be an answer, on a busy machine too.
	if got := mirror(t, "wait", "up", "--address", address, "--timeout", "2s"); got.code != exitTimeout || !strings.Contains(got.stderr, "up stuck: waiting") || got.out != "" {
		t.Errorf("exit %d, %s%s", got.code, got.out, got.stderr)
	}
	if got := mirror(t, "wait", "--address", "127.0.0.1:1", "--timeout", "50ms"); got.code != exitTimeout || !strings.Contains(got.stderr, "no mirror answers") {
		t.Errorf("without a mirror: exit %d, %s", got.code, got.stderr)
	}
}

// A mirror that hangs is none that has caught up.
func TestWaitForAMirrorThatHangs(t *testing.T) {
	address := serveStatus(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if got := mirror(t, "wait", "--address", address, "--timeout", "200ms"); got.code != exitTimeout || got.out != "" {
		t.Errorf("exit %d, %s%s", got.code, got.out, got.stderr)
	}
}

func TestBehindOf(t *testing.T) {
	now := time.Now()
	early := now.Add(-time.Second)
	for _, test := range []struct {
		name string
		link api.Link
		want int
	}{
		{"at the time", api.Link{State: "caught_up", Topics: []api.Topic{{State: "caught_up", ReplicatedThrough: &now}}}, 0},
		{"before it", api.Link{State: "copying", Topics: []api.Topic{{State: "copying", ReplicatedThrough: &early}}}, 1},
		{"unknown", api.Link{State: "starting", Topics: []api.Topic{{State: "starting"}}}, 1},
		{"partitions missing", api.Link{State: "waiting", Topics: []api.Topic{{State: "waiting", Problem: "no destination", ReplicatedThrough: &now}}}, 1},
		{"nothing started", api.Link{State: "starting"}, 1},
		{"all elsewhere", api.Link{State: "elsewhere", Topics: []api.Topic{{State: "elsewhere"}}}, 0},
	} {
		if got, err := behindOf(&api.Status{Links: []api.Link{test.link}}, "", now); err != nil || len(got) != test.want {
			t.Errorf("%s: got %v, %v, want %d", test.name, got, err, test.want)
		}
	}
}

func TestStatusExitCode(t *testing.T) {
	serve := func(behind time.Duration, state string) string {
		return serveStatus(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				_, _ = io.WriteString(w, "ready\n")
				return
			}
			now := time.Now()
			fmt.Fprintf(w, `{"time":%q,"links":[{"name":"up","state":%[2]q,"probe":{"source":{"success":%[1]q}},"topics":[{"topic":"a","state":%[2]q,"lag_records":1,"replicated_through":%q,"loss_deadline":%q,"loss_cause":"retention_time"}]}]}`,
				now.Format(time.RFC3339Nano), state, now.Add(-behind).Format(time.RFC3339Nano), now.Add(100*time.Hour).Format(time.RFC3339Nano))
		})
	}
	for _, test := range []struct {
		name, address string
		args          []string
		code          int
	}{
		{"fine", serve(0, "caught_up"), nil, 0},
		{"halted", serve(time.Second, "halted"), nil, 2},
		{"gone", "127.0.0.1:1", nil, 3},
		{"watching", "127.0.0.1:1", []string{"--watch"}, exitUsage},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := mirror(t, append([]string{"status", "--exit-code", "--address", test.address}, test.args...)...); got.code != test.code {
				t.Errorf("exit %d, want %d: %s%s", got.code, test.code, got.out, got.stderr)
			}
		})
	}
}
