package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

// statusBody is an answer with every kind of topic, and a field this version does not know.
func statusBody(now time.Time) string {
	at := func(d time.Duration) string { return now.Add(d).UTC().Format(time.RFC3339Nano) }
	return fmt.Sprintf(`{"instance":"ad-17","zone":"us-east-1a","version":"v1","new_field":7,"links":[
 {"name":"up","from":"edge","to":"region","state":"copying","guarantee":"exactly-once","probe":{"source":{"success":"%s","problem":""}},
  "disks":[{"broker":1,"dir":"/kafka","total_bytes":959925190656,"usable_bytes":442381631488,"full_at":"%s"},{"broker":2,"dir":"/dark","total_bytes":null,"usable_bytes":null,"full_at":null}],"topics":[
  {"topic":"quiet","owner":"ad-17","state":"caught_up","lag_records":0,"replicated_through":"%s","loss_deadline":null,"partitions":[{"partition":0,"state":"caught_up","regime":"fresh"}]},
  {"topic":"dark","owner":"","state":"waiting","lag_records":null,"replicated_through":null,"source_retention_seconds":5,"partitions":[{"partition":1,"state":"waiting","error":"dial region-1:9093:\u001b[2J refused"}]},
  {"topic":"late","owner":"ad-17","state":"copying","lag_records":900,"replicated_through":"%s","loss_deadline":"%s","loss_cause":"retention_time","source_retention_seconds":172800,"outage_budget_seconds":172800.5,"partitions":[{"partition":0,"state":"copying","regime":"fresh"},{"partition":1,"state":"copying","regime":"careful"}]},
  {"topic":"soon","owner":"ad-17","state":"copying","lag_records":5,"replicated_through":"%s","loss_deadline":"%s","loss_cause":"retention_bytes","source_retention_bytes":5,"partitions":[]},
  {"topic":"clicks","owner":"ad-17","state":"halted","lag_records":120,"replicated_through":"%s","partitions":[
   {"partition":2,"state":"copying","regime":"fresh"},
   {"partition":3,"state":"halted","reason":"retention","regime":"fresh","lost":{"from":60000,"to":60900,"records":900,"since":"2023-11-14T22:13:20Z","until":null},"surplus":{"from":3,"to":7},"error":"offset out of range",
    "next_step":"mirror skip up clicks/3 --i-accept-loss","choices":[{"command":"mirror skip up clicks/3 --i-accept-loss","effect":"goes on\u001b[2J"},{"command":"restore","effect":"nothing is lost"}]}]}]},
 {"name":"down","to":"edge","state":"copying","topics":[]}]}`,
		at(0), at(31*time.Hour), at(0), at(-41*time.Hour-42*time.Minute-30*time.Second), at(9*time.Hour), at(-90*time.Second-500*time.Millisecond), at(time.Hour), at(-time.Hour-time.Second))
}

func serveStatus(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestStatusTable(t *testing.T) {
	var report api.Status
	now := time.Now()
	if err := json.Unmarshal([]byte(statusBody(now)), &report); err != nil {
		t.Fatal(err)
	}
	want := `ad-17  zone us-east-1a  version v1
LINK  TO      TOPIC   OWNER  STATE      BEHIND  LOSS IN       LAG  REGIME   WHY
up    region  clicks  ad-17  halted     1h00m   -             120  fresh    partition 3: retention: lost 900 records, offsets 60000 to 60899, after 2023-11-14T22:13:20Z; the destination has offsets 3 to 6, which the source has no longer: offset out of range
up    region  dark    ?      waiting    ?       ?             ?    ?        partition 1: dial region-1:9093: [2J refused
up    region  soon    ad-17  copying    1m30s   1h00m (size)  5    ?
up    region  late    ad-17  copying    41h42m  9h00m (time)  900  careful
down  edge    -       -      copying    ?       ?             ?    ?        no topic matches yet
up    region  quiet   ad-17  caught_up  0s      -             0    fresh
BUDGET  up stands a cut of 48h00m at 95th percentile traffic, then loses of late first
DISK  edge broker 1 /kafka 412G free of 894G, full in 31h00m
NEXT  mirror skip up clicks/3 --i-accept-loss
        goes on [2J
  or  restore
        nothing is lost
`
	if got := statusText(&report, now, false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	colored := statusText(&report, now, true)
	if !strings.Contains(colored, "\x1b[31mup    region  clicks") || strings.Contains(colored, "\x1b[33mup    region  quiet") {
		t.Errorf("coloured wrongly: %q", colored)
	}
}

// Where not all is known of a topic that is mirrored here, that it stands is said of the longest that it may.
func TestTheBudgetMayBeLess(t *testing.T) {
	full := api.Topic{Topic: "full", Outlook: api.Outlook{OutageBudgetSeconds: new(3600.0)}}
	dark := api.Topic{Topic: "dark", State: "copying", Outlook: api.Outlook{OutageBudgetAtMost: true}}
	theirs := dark
	theirs.State = api.StateElsewhere
	for want, topics := range map[string][]api.Topic{
		"up stands a cut of at most 1h00m at 95th percentile traffic, then loses of full first": {dark, full},
		"up stands a cut of 1h00m at 95th percentile traffic, then loses of full first":         {full, theirs},
		"": {dark},
	} {
		if got := budget(api.Link{Name: "up", Topics: topics}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestStatusShowsAStateItDoesNotKnowFirst(t *testing.T) {
	report := &api.Status{Links: []api.Link{{Name: "up", Topics: []api.Topic{{Topic: "a", State: "halted"}, {Topic: "b", State: "burning"}}}}}
	rows := statusRows(report, time.Now())
	if rows[0].cells[2] != "b" {
		t.Errorf("first row %v", rows[0].cells)
	}
}

func TestStatusAsksTheMirror(t *testing.T) {
	body := statusBody(time.Now())
	address := serveStatus(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/api/v1/status" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(body))
	})
	cfg := write(t, "listen: "+address+"\nzone: ${cred:not-ours}\n")
	if got := mirror(t, "status", "-c", cfg); got.code != exitOK || !strings.Contains(got.out, "clicks") || strings.Contains(got.out, "\x1b") {
		t.Errorf("by configuration: exit %d, %q, %q", got.code, got.out, got.stderr)
	}
	if got := mirror(t, "status", "--address", address, "-o", "json"); got.code != exitOK || got.out != body+"\n" {
		t.Errorf("JSON is not passed through: %q", got.out)
	}
	got := mirror(t, "status", "down", "--address", address, "-o", "json")
	var one struct {
		NewField int `json:"new_field"`
		Links    []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(got.out), &one); err != nil || len(one.Links) != 1 || one.Links[0].Name != "down" || one.NewField != 7 {
		t.Errorf("JSON of one link: %v, %q", err, got.out)
	}
	if got := mirror(t, "status", "down", "--address", address); !strings.Contains(got.out, "down") || strings.Contains(got.out, "clicks") {
		t.Errorf("table of one link: %q", got.out)
	}
	if got := mirror(t, "status", "sideways", "--address", address); got.code != exitFailure || !strings.Contains(got.stderr, `no link "sideways"; the mirror has: up, down`) {
		t.Errorf("unknown link: exit %d, %q", got.code, got.stderr)
	}
	if got := mirror(t, "status", "sideways", "--address", address, "-o", "json"); got.code != exitFailure || got.out != "" {
		t.Errorf("unknown link in JSON: exit %d, %q", got.code, got.out)
	}
}

func TestStatusWithoutAMirror(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	got := mirror(t, "status", "--address", address)
	if got.code != exitFailure || !strings.Contains(got.stderr, "no mirror answers at "+address+"; start one with: mirror run") {
		t.Errorf("exit %d, %q", got.code, got.stderr)
	}
}

func TestStatusOfAStrangeServer(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"error": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) }, "418"},
		"html":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "is that a mirror"},
		"empty": {func(http.ResponseWriter, *http.Request) {}, "is that a mirror"},
	} {
		got := mirror(t, "status", "--address", serveStatus(t, test.handler))
		if got.code != exitFailure || !strings.Contains(got.stderr, test.want) {
			t.Errorf("%s: exit %d, %q", name, got.code, got.stderr)
		}
	}
}

func TestStatusWatchEndsWithoutAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int32
	address := serveStatus(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			cancel()
		}
		_, _ = w.Write([]byte(statusBody(time.Now())))
	})
	got := mirrorIn(ctx, "status", "--watch", "--address", address)
	if got.code != exitOK || asked.Load() != 2 || strings.Count(got.out, "LINK") < 1 {
		t.Errorf("exit %d after %d answers: %q, %q", got.code, asked.Load(), got.out, got.stderr)
	}
}

func TestStatusAddress(t *testing.T) {
	for address, want := range map[string]string{":9464": "127.0.0.1:9464", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", "host:1": "host:1", "[::1]:1": "[::1]:1"} {
		if got, err := statusAddress(statusOptions{address: address}); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", address, got, err, want)
		}
	}
	if got, err := statusAddress(statusOptions{config: t.TempDir() + "/none"}); got != "127.0.0.1:9464" || err != nil {
		t.Errorf("without a configuration: %s, %v", got, err)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", time.Hour: "1h00m", 99*time.Hour + 59*time.Minute: "99h59m", 100 * time.Hour: "4d04h"} {
		if got := check.Short(d); got != want {
			t.Errorf("check.Short(%v) = %s, want %s", d, got, want)
		}
	}
}
