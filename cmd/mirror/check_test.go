package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

// answering is a mirror with one topic that is so far behind.
func answering(behind time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" {
			return
		}
		if r.URL.Path != "/api/v1/status" {
			http.Error(w, "[-] pool of link up: not joined\nnot ready", http.StatusServiceUnavailable)
			return
		}
		now := time.Now().UTC()
		fmt.Fprintf(w, `{"instance":"ad-17","version":"v1","time":%q,"links":[{"name":"up","state":"copying","topics":[{"topic":"clicks","state":"copying","lag_records":1,"replicated_through":%q}]}]}`,
			now.Format(time.RFC3339Nano), now.Add(-behind).Format(time.RFC3339Nano))
	}
}

func TestCheckExitCodes(t *testing.T) {
	well, late := serveSocket(t, answering(0)), serveSocket(t, answering(time.Hour))
	address := serveStatus(t, answering(time.Hour))
	refuses := serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":"the last look at the links is 45s old: this process hangs"}`, http.StatusServiceUnavailable)
	}))
	silent := serveSocket(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	strange := serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	unsound := write(t, "state_dir: [\n"+strings.Repeat("}", 1000)+"\n")
	for _, test := range []struct {
		name string
		args []string
		code int
		out  string
	}{
		{"ok", []string{"lag", "--state-dir", well}, 0, "MIRROR OK - 1 topics"},
		{"warning", []string{"lag", "-w", "1m", "-c", "2h", "--state-dir", late}, 1, "MIRROR WARNING - up clicks: 1h00m behind"},
		{"critical", []string{"lag", "--state-dir", late}, 2, "MIRROR CRITICAL - up clicks: 1h00m behind"},
		{"critical at an address", []string{"lag", "--address", address}, 2, "MIRROR CRITICAL - up clicks: 1h00m behind"},
		{"not ready", []string{"daemon", "--state-dir", well, "--timeout", "1s"}, 2, "MIRROR CRITICAL - not ready: pool of link up: not joined"},
		{"no data", []string{"heartbeat", "--state-dir", well, "--timeout", "1s"}, 3, "MIRROR UNKNOWN - no heartbeat"},
		{"nothing expected", []string{"watchers", "--state-dir", well}, 0, "MIRROR OK - no watcher is expected"},
		{"no such link", []string{"lag", "--link", "down", "--state-dir", well}, 3, `MIRROR UNKNOWN - there is no link "down"`},
		{"no mirror", []string{"lag", "--state-dir", filepath.Join(well, "none"), "--timeout", "1s"}, 3, "no mirror runs there; start it"},
		{"no mirror at an address", []string{"lag", "--address", "127.0.0.1:1", "--timeout", "1s"}, 3, "no mirror answers at 127.0.0.1:1"},
		{"hangs", []string{"lag", "--state-dir", refuses, "--timeout", "1s"}, 3, "MIRROR UNKNOWN - the last look at the links is 45s old"},
		{"does not answer", []string{"lag", "--state-dir", silent, "--timeout", "1s"}, 3, "MIRROR UNKNOWN - the mirror did not answer in time"},
		{"hangs, and says so", []string{"daemon", "--state-dir", refuses}, 2, "MIRROR CRITICAL - "},
		{"hangs, and says nothing", []string{"daemon", "--state-dir", silent, "--timeout", "1s"}, 2, "MIRROR CRITICAL - the mirror did not answer in time: it hangs"},
		{"no process", []string{"daemon", "--state-dir", filepath.Join(well, "none"), "--timeout", "1s"}, 3, "no mirror runs there; start it"},
		{"answers something else", []string{"lag", "--state-dir", strange, "--timeout", "1s"}, 3, "is that a mirror of this version?"},
		{"no configuration", []string{"lag", "--config", "/none.yaml"}, 3, "name it with --state-dir"},
		{"a configuration that cannot be read", []string{"lag", "--config", unsound}, 3, "MIRROR UNKNOWN - find the mirror, which may well run: its configuration does not tell its state directory; name it with --state-dir, such as --state-dir "},
		{"unknown flag", []string{"lag", "--bananas"}, 3, "MIRROR UNKNOWN - unknown flag: --bananas"},
		{"a file for a threshold", []string{"lag", "-c", "mirror.yaml"}, 3, `invalid argument "mirror.yaml" for "-c, --critical" flag`},
		{"negative threshold", []string{"lag", "-w", "-1m"}, 3, "cannot be negative"},
		{"no time", []string{"lag", "--timeout", "0s"}, 3, "must be above 0"},
		{"too many arguments", []string{"lag", "up"}, 3, `unknown command "up" for "mirror check lag"`},
		{"unknown check", []string{"leg"}, 3, `unknown command "leg" for "mirror check"`},
		{"no check", nil, 3, "which one?"},
		{"bad format", []string{"lag", "-o", "xml"}, 3, "want text or json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := mirror(t, append([]string{"check"}, test.args...)...)
			if got.code != test.code || !strings.Contains(got.out, test.out) || strings.Count(got.out, "\n") != 1 || got.stderr != "" {
				t.Errorf("exit %d, want %d; stdout %q, want one line with %q; stderr %q", got.code, test.code, got.out, test.out, got.stderr)
			}
			if line, _, _ := strings.Cut(got.out, " |"); strings.Contains(line, "|") || !strings.HasPrefix(line, "MIRROR ") {
				t.Errorf("first line %q", line)
			}
		})
	}
}

func TestCheckInJSON(t *testing.T) {
	got := mirror(t, "check", "lag", "-o", "json", "--state-dir", serveSocket(t, answering(time.Hour)))
	var result struct {
		Check, Severity, Summary string
		Code                     int
		Perfdata                 []struct{ Label string }
	}
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || got.code != 2 {
		t.Fatalf("exit %d, %v: %q", got.code, err, got.out)
	}
	if result.Check != "lag" || result.Severity != "CRITICAL" || result.Code != 2 || len(result.Perfdata) != 3 {
		t.Errorf("got %+v", result)
	}
}

func TestCheckTellsTheMirrorWhoWatches(t *testing.T) {
	var watcher atomic.Value
	dir := serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watcher.Store(r.Header.Get("Mirror-Watcher"))
		answering(0)(w, r)
	}))
	for _, test := range []struct {
		args []string
		want string
	}{{[]string{"lag"}, "sensu"}, {[]string{"lag", "--anonymous"}, ""}, {[]string{"daemon", "--anonymous", "--timeout", "1s"}, ""}} {
		mirror(t, append([]string{"check", test.args[0], "--state-dir", dir}, test.args[1:]...)...)
		if got := watcher.Load(); got != test.want {
			t.Errorf("%v: got %v, want %q", test.args, got, test.want)
		}
	}
}

// TestStatusOfAMirrorThatHangs has status --exit-code say what the check of the process says.
func TestStatusOfAMirrorThatHangs(t *testing.T) {
	address := serveStatus(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the last look at the links is 45s old: this process hangs", http.StatusServiceUnavailable)
	})
	if got := mirror(t, "status", "--exit-code", "--address", address); got.code != 2 {
		t.Errorf("exit %d, want 2: %s%s", got.code, got.out, got.stderr)
	}
}

func TestCheckWaitsForAMirrorThatStarts(t *testing.T) {
	var asked atomic.Int32
	got := mirror(t, "check", "lag", "--state-dir", serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			http.Error(w, `{"error":"starting: nothing was observed yet"}`, http.StatusServiceUnavailable)
			return
		}
		answering(0)(w, r)
	})))
	if got.code != 0 || asked.Load() != 3 {
		t.Errorf("exit %d after %d answers: %q", got.code, asked.Load(), got.out)
	}
}

func TestCheckThatPanicsIsUnknown(t *testing.T) {
	o := checkOptions{timeout: time.Second, stateDir: serveSocket(t, answering(0))}
	broken := probe{name: "lag", judge: func(*api.Status, check.Readiness, time.Time, check.Options) check.Result { panic("no\n|") }}
	if got := o.run(t.Context(), broken); got.Code != 3 || got.Summary != "this program failed: no /" {
		t.Errorf("got %+v", got)
	}
}
