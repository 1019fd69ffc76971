package status

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestLinesAreCountedByLevel(t *testing.T) {
	var out bytes.Buffer
	lines := CountLines(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))
	s, err := New(Config{Listen: "127.0.0.1:0", Logged: lines}, freshly(full()), prometheus.NewRegistry(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.doors[0].listener.Close()
	expect := func(when string, want map[string]string) {
		t.Helper()
		got := ownMetrics(t, s)
		for level, n := range want {
			if line := `mirror_log_messages_total{level="` + level + `"} ` + n; !strings.Contains(got, line+"\n") {
				t.Errorf("%s: no %s", when, line)
			}
		}
	}
	expect("before the first line", map[string]string{"debug": "0", "info": "0", "warn": "0", "error": "0"})
	log := slog.New(lines)
	log.Debug("below the level")
	log.Info("a")
	log.With("link", "up").WithGroup("g").Warn("b", "x", 1)
	log.Log(context.Background(), slog.LevelWarn+1, "c")
	log.Log(context.Background(), slog.LevelError+4, "d")
	expect("after five lines", map[string]string{"debug": "0", "info": "1", "warn": "2", "error": "1"})
	if got := out.String(); !strings.Contains(got, "msg=b link=up g.x=1") || strings.Count(got, "\n") != 4 {
		t.Errorf("passed on: %s", got)
	}
}
