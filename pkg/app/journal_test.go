package app

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
)

// kinds returns the kinds of all events in a state directory.
func kinds(t *testing.T, dir string) string {
	t.Helper()
	events, err := Events(dir, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, raw := range events {
		var e struct{ Kind, Text string }
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Kind+" "+e.Text)
	}
	return strings.Join(out, "\n")
}

func TestRunKeepsAJournalAndASocket(t *testing.T) {
	cfg := oneLink(t, []string{closedAddress(t)}, []string{closedAddress(t)})
	for run := range 2 {
		log, stop := start(t, cfg)
		eventually(t, "the mirror starts", func() bool { return log.logged("mirror started", "listen") != "" })
		conn, err := net.Dial("unix", Socket(cfg.StateDir))
		if err != nil {
			t.Fatalf("run %d: %v", run, err)
		}
		conn.Close()
		eventually(t, "the start is an event", func() bool { return strings.Count(kinds(t, cfg.StateDir), "process_started") == run+1 })
		if err := stop(); err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
		if _, err := net.Dial("unix", Socket(cfg.StateDir)); err == nil {
			t.Error("the socket is served after the end")
		}
	}
	one := "process_started version test\nprocess_stopped in good order"
	if got := kinds(t, cfg.StateDir); got != one+"\n"+one {
		t.Errorf("got\n%s", got)
	}
}
