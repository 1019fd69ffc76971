package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestPauseCommand shows what came of a pause, and what only its time ends.
func TestPauseCommand(t *testing.T) {
	answer := `{"link":"up","topic":"clicks","paused_until":"2026-11-22T12:00:00Z"}`
	dir := serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/links/up/pause" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	args := []string{"pause", "up", "clicks", "--for", "1h", "--state-dir", dir}
	if got := mirror(t, args...); got.code != exitOK || !strings.Contains(got.out, "link up, topic clicks: paused until 2026-11-22 ") || strings.Contains(got.out, "WARNING") {
		t.Errorf("exit %d: %q, %q", got.code, got.out, got.stderr)
	}
	answer = `{"link":"up","topic":"clicks","paused_until":"2026-11-22T12:00:00Z","warning":"nothing but its time\u001b[2J ends it"}`
	if got := mirror(t, args...); got.code != exitOK || !strings.HasSuffix(got.out, "\nWARNING  nothing but its time [2J ends it\n") {
		t.Errorf("exit %d: %q, %q", got.code, got.out, got.stderr)
	}
	if got := mirror(t, append(args, "-o", "json")...); got.code != exitOK || !strings.Contains(got.out, `"warning": "nothing but its time`) {
		t.Errorf("exit %d: %q, %q", got.code, got.out, got.stderr)
	}
}
