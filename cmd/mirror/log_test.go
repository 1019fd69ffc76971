package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tributary/pkg/config"
)

func TestLogFormats(t *testing.T) {
	for format, want := range map[string]string{"text": "level=WARN msg=stalled topic=clicks", "json": `"level":"WARN","msg":"stalled","topic":"clicks"}`, "auto": `"level":"WARN"`} {
		var out bytes.Buffer
		handler, err := newLogger(&out, config.Log{Level: "warn", Format: format}, new(slog.LevelVar))
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(handler)
		log.Info("started")
		log.Warn("stalled", "topic", "clicks")
		if got := out.String(); !strings.Contains(got, want) || strings.Contains(got, "started") || !strings.Contains(got, "time") {
			t.Errorf("%s: %s", format, got)
		}
	}
	if _, err := newLogger(&bytes.Buffer{}, config.Log{Level: "loud", Format: "auto"}, new(slog.LevelVar)); err == nil {
		t.Error("an unknown level was accepted")
	}
}

// TestLogToTheJournal names a file's device and inode as systemd names the stream of a unit.
func TestLogToTheJournal(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		file, err := os.Create(filepath.Join(t.TempDir(), "journal"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			t.Fatalf("no device and inode in %T", info.Sys())
		}
		t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", stat.Dev, stat.Ino))
		handler, err := newLogger(file, config.Log{Level: "debug", Format: format}, new(slog.LevelVar))
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(handler)
		log.Debug("a")
		log.Info("b")
		log.Warn("c")
		log.With("level", "x").Error("d")
		data, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		for i, want := range []string{"<7>", "<6>", "<4>", "<3>"} {
			if !strings.HasPrefix(lines[i], want) || strings.Contains(lines[i], "time") {
				t.Errorf("%s: line %q, want %s and no time", format, lines[i], want)
			}
		}
	}
}

func TestAnInheritedJournalStreamIsNotOurs(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "1:2")
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isJournal(file, os.Getenv("JOURNAL_STREAM")) || isJournal(&bytes.Buffer{}, "1:2") {
		t.Error("taken for the journal")
	}
}
