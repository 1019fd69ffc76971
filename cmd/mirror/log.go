package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"

	"tributary/pkg/config"
)

// logged calls do with a log to w as the configuration says, and with the level of it, which may be changed. What was left out of it is told before logged returns.
func logged(w io.Writer, cfg config.Log, do func(*slog.Logger, *slog.LevelVar) error) error {
	level := new(slog.LevelVar)
	handler, err := newLogger(w, cfg, level)
	if err != nil {
		return err
	}
	telling, stop := context.WithCancel(context.Background()) // not the command's: it logs until it has ended
	var wg sync.WaitGroup
	wg.Go(func() { handler.Run(telling) })
	defer wg.Wait()
	defer stop()
	return do(slog.New(handler), level)
}

// newLogger logs to w as the configuration says, the same line every ten seconds at most. What goes into the systemd journal is preceded by its priority and
// has no time, because the journal knows it. Run of the handler tells of lines that were left out.
func newLogger(w io.Writer, log config.Log, level *slog.LevelVar) (*limiter, error) {
	if err := level.UnmarshalText([]byte(log.Level)); err != nil {
		return nil, fmt.Errorf("read log level: %w", err)
	}
	options := &slog.HandlerOptions{Level: level}
	text := log.Format == "text" || log.Format == "auto" && isTerminal(w)
	journal := isJournal(w, os.Getenv("JOURNAL_STREAM"))
	if journal {
		w = &journalWriter{out: w}
		options.ReplaceAttr = withoutTime
	}
	if text {
		return newLimiter(slog.NewTextHandler(w, options)), nil
	}
	return newLimiter(slog.NewJSONHandler(w, options)), nil
}

func withoutTime(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// isJournal says whether w is the very stream that JOURNAL_STREAM names by device and inode. Its mere presence proves
// nothing: a child with its output redirected inherits it.
func isJournal(w io.Writer, stream string) bool {
	file, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// journalWriter puts the syslog priority before each record. slog's handlers write one record per call, and never two
// at once.
type journalWriter struct{ out io.Writer }

// Write takes one record.
func (j *journalWriter) Write(record []byte) (int, error) {
	line := append([]byte("<"+priority(string(record))+">"), record...)
	if _, err := j.out.Write(line); err != nil {
		return 0, err
	}
	return len(record), nil
}

// priority finds the level where slog's handlers put it: first, when there is no time.
func priority(record string) string {
	record = strings.TrimPrefix(strings.TrimPrefix(record, `{"level":"`), "level=")
	switch {
	case strings.HasPrefix(record, "ERROR"):
		return "3"
	case strings.HasPrefix(record, "WARN"):
		return "4"
	case strings.HasPrefix(record, "DEBUG"):
		return "7"
	}
	return "6"
}
