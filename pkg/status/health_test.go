package status

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/ownership/pool"
)

func TestLivezFollowsTheAgeOfTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var latest *lag.Snapshot
		s := newServer(t, func() *lag.Snapshot { return latest })
		expect := func(when string, want int) {
			t.Helper()
			for _, path := range []string{"/livez", "/healthz"} {
				if code, body := get(s, path); code != want {
					t.Errorf("%s, %s: %d, want %d: %s", when, path, code, want, body)
				}
			}
		}
		expect("just created", http.StatusOK)
		time.Sleep(staleAfter - time.Nanosecond)
		expect("starting", http.StatusOK)
		time.Sleep(time.Nanosecond)
		expect("never observed", http.StatusServiceUnavailable)
		latest = full()
		latest.Time = time.Now()
		expect("fresh", http.StatusOK)
		time.Sleep(staleAfter - time.Nanosecond)
		expect("nearly stale", http.StatusOK)
		time.Sleep(time.Nanosecond)
		expect("stale", http.StatusServiceUnavailable)
		if code, body := get(s, "/api/v1/status"); code != http.StatusServiceUnavailable || body != `{"error":"the last look at the links is 30s old: this process hangs"}`+"\n" {
			t.Errorf("API: %d, %q", code, body)
		}
		latest = full()
		latest.Time = time.Now()
		expect("fresh again", http.StatusOK)
	})
}

func TestReadyz(t *testing.T) {
	running := full()
	running.Links[1].Running = true
	pooled := func(change func(v *pool.View)) func() *lag.Snapshot {
		s := shared()
		s.Links[1].Running, s.Links[0].Pool.Since = true, time.Now()
		change(s.Links[0].Pool)
		return freshly(s)
	}
	none := func() *lag.Snapshot { return nil }
	store := func(err error) Check { return Check{"state store", func() error { return err }} }
	for _, test := range []struct {
		name      string
		snapshots func() *lag.Snapshot
		checks    []Check
		code      int
		plain     string
		verbose   string
	}{
		{"starting", none, nil, 503, "[-] config applied and observed: starting: nothing was observed yet\nnot ready\n",
			"[-] config applied and observed: starting: nothing was observed yet\nnot ready\n"},
		{"a link is starting", freshly(full()), nil, 503, "[-] link down: starting\nnot ready\n",
			"[+] config applied and observed\n[+] link up\n[-] link down: starting\nnot ready\n"},
		{"halted, waiting and lagging is ready", freshly(running), nil, 200, "ready\n", "[+] config applied and observed\n[+] link up\n[+] link down\nready\n"},
		{"a further check", freshly(running), []Check{store(nil)}, 200, "ready\n", "[+] config applied and observed\n[+] link up\n[+] link down\n[+] state store\nready\n"},
		{"a further check fails", freshly(running), []Check{store(errors.New("locked"))}, 503, "[-] state store: locked\nnot ready\n",
			"[+] config applied and observed\n[+] link up\n[+] link down\n[-] state store: locked\nnot ready\n"},
		{"a member", pooled(func(*pool.View) {}), nil, 200, "ready\n", "[+] config applied and observed\n[+] link up\n[+] pool of link up\n[+] link down\nready\n"},
		{"no session yet", pooled(func(v *pool.View) { v.Phase, v.Incarnation, v.Since, v.Problems = pool.Connecting, "", *moment(0), nil }), nil,
			503, "[-] pool of link up: no session with ZooKeeper since 2023-11-14T22:13:20Z; check the servers, the network and the credentials\nnot ready\n",
			"[+] config applied and observed\n[+] link up\n[-] pool of link up: no session with ZooKeeper since 2023-11-14T22:13:20Z; check the servers, the network and the credentials\n[+] link down\nnot ready\n"},
		{"cut off for a moment", pooled(func(v *pool.View) { v.Phase = pool.Suspended }), nil, 200, "ready\n", "[+] config applied and observed\n[+] link up\n[+] pool of link up\n[+] link down\nready\n"},
		{"cut off for long", pooled(func(v *pool.View) { v.Phase, v.Since = pool.Suspended, *moment(0) }), nil,
			503, "[-] pool of link up: ZooKeeper is out of reach since 2023-11-14T22:13:20Z\nnot ready\n",
			"[+] config applied and observed\n[+] link up\n[-] pool of link up: ZooKeeper is out of reach since 2023-11-14T22:13:20Z\n[+] link down\nnot ready\n"},
		{"stale", func() *lag.Snapshot {
			s := *running
			s.Time = time.Now().Add(-time.Minute)
			return &s
		}, nil, 503, "[-] config applied and observed: the last look at the links is 1m0s old: this process hangs\nnot ready\n",
			"[-] config applied and observed: the last look at the links is 1m0s old: this process hangs\n[+] link up\n[+] link down\nnot ready\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, test.snapshots, test.checks...)
			for target, want := range map[string]string{"/readyz": test.plain, "/readyz?verbose": test.verbose} {
				if code, got := get(s, target); code != test.code || got != want {
					t.Errorf("%s: %d, %q, want %d, %q", target, code, got, test.code, want)
				}
			}
		})
	}
}
