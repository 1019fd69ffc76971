package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/pkg/api"
)

// heartbeatBody is the status of a mirror that hears some origins, with a field that this version does not know.
func heartbeatBody(now time.Time) string {
	at := func(d time.Duration) string { return now.Add(d).UTC().Format(time.RFC3339Nano) }
	return fmt.Sprintf(`{"instance":"home-1","zone":"","version":"v1","links":[],"heartbeats":[
 {"origin":"ad-1","state":"ok","why":"","time":"%s","sequence":9,"lost":0,"latency_seconds":0.125,"new":1,"summary":{"version":"v1","state":"copying","lag_seconds":1.5,"loss_deadline":"%s"}},
 {"origin":"ad-2","state":"silent","why":"nothing was heard for 5m0s","time":"%s","sequence":8,"lost":2,"latency_seconds":null,"summary":{"version":"v1\u001b[2J","state":"waiting","lag_seconds":7200,"loss_deadline":"%s"}},
 {"origin":"ad-3","state":"warn","why":"it is halted","time":"%s","sequence":8,"lost":0,"latency_seconds":null,"summary":null},
 {"origin":"ad-4","state":"silent","why":"nothing was heard for 5m0s","time":"%s","sequence":8,"lost":0,"latency_seconds":null,"summary":{"version":"v1","state":"waiting","lag_seconds":null,"loss_deadline":"%s"}}],
 "heartbeat_clusters":[{"cluster":"home","side":"read","success":"%s","problem":"there are more than 10000 origins"}]}`,
		at(-2*time.Second), at(100*time.Hour), at(-300*time.Second), at(6*time.Hour+30*time.Second), at(-3*time.Second), at(-301*time.Second), at(-time.Second), at(0))
}

func TestHeartbeatTable(t *testing.T) {
	var report api.Status
	now := time.Now()
	if err := json.Unmarshal([]byte(heartbeatBody(now)), &report); err != nil {
		t.Fatal(err)
	}
	want := `ORIGIN  STATE   AGE    LOST  LATENCY  LAG    LOSS IN  VERSION  WHY
ad-4    SILENT  5m01s  0     ?        ?      over     v1       nothing was heard for 5m0s
ad-2    SILENT  5m00s  2     ?        2h00m  6h00m    v1 [2J   nothing was heard for 5m0s
ad-3    warn    3s     0     ?        ?      ?        ?        it is halted
ad-1    ok      2s     0     0.12s    1s     4d04h    v1
heartbeats of 4 origins: 1 ok, 1 warn, 2 SILENT
read at home: there are more than 10000 origins
`
	if got := newHeartbeats(&report).render(now, false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := newHeartbeats(&report).render(now, true); !strings.Contains(got, "\x1b[31mad-2 ") || !strings.Contains(got, "\x1b[33mad-3 ") || strings.Contains(got, "mad-1") {
		t.Errorf("in colours: %q", got)
	}
}

func TestHeartbeatCommand(t *testing.T) {
	body := heartbeatBody(time.Now())
	address := serveStatus(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
	code, out, errs := heartbeatCommand(t, "heartbeat", "--address", address)
	if code != 0 || !strings.Contains(out, "SILENT") || errs != "" {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
	code, out, _ = heartbeatCommand(t, "heartbeat", "--address", address, "-o", "json")
	var report struct {
		Heartbeats []map[string]any `json:"heartbeats"`
		Links      any              `json:"links"`
	}
	if err := json.Unmarshal([]byte(out), &report); code != 0 || err != nil || len(report.Heartbeats) != 4 || report.Heartbeats[0]["new"] == nil || report.Links != nil {
		t.Errorf("%d, %v, %s", code, err, out)
	}
	// The status of the same mirror has the worst of it.
	code, out, _ = heartbeatCommand(t, "status", "--address", address)
	for _, want := range []string{"heartbeats of 4 origins: 1 ok, 1 warn, 2 SILENT\n", "  ad-2 SILENT: written 5m00s ago, loss in 5h59m: nothing was heard", "heartbeats, read at home: there are more"} {
		if code != 0 || !strings.Contains(strings.Replace(out, "6h00m", "5h59m", 1), want) {
			t.Errorf("status: %d, no %q in\n%s", code, want, out)
		}
	}
	body = `{"links":[],"heartbeats":[],"heartbeat_clusters":[{"cluster":"edge","side":"produce","problem":""}]}`
	if code, _, errs = heartbeatCommand(t, "heartbeat", "--address", address); code != 1 || !strings.Contains(errs, "reads no heartbeats; ask one that has heartbeat.read") {
		t.Errorf("of a mirror that reads none: %d, %s", code, errs)
	}
}

func TestForgetCommand(t *testing.T) {
	var asked string
	dir := serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.EscapedPath() + " " + strings.TrimSpace(string(body))
		if strings.Contains(r.URL.Path, "nobody") {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"error":"forget origin \"nobody\": no such origin; see: mirror heartbeat"}`)
			return
		}
		io.WriteString(w, `{"origin":"ad-2","was":null}`)
	}))
	code, out, errs := heartbeatCommand(t, "heartbeat", "forget", "ad-2", "--state-dir", dir)
	if code != 0 || out != "origin ad-2 is forgotten, until it is heard again\n" || asked != "POST /api/v1/heartbeats/ad-2/forget {}" {
		t.Errorf("%d, %s, %s, asked %s", code, out, errs, asked)
	}
	if code, _, errs = heartbeatCommand(t, "heartbeat", "forget", "nobody", "--state-dir", dir); code != 1 || !strings.Contains(errs, "no such origin") {
		t.Errorf("%d, %s", code, errs)
	}
	if code, _, _ = heartbeatCommand(t, "heartbeat", "forget"); code != 64 {
		t.Errorf("without an origin: %d", code)
	}
}

// heartbeatCommand is mirror in three pieces.
func heartbeatCommand(t *testing.T, args ...string) (code int, out, stderr string) {
	t.Helper()
	r := mirror(t, args...)
	return r.code, r.out, r.stderr
}
