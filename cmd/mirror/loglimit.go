package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	repeatEvery = 10 * time.Second // of lines that are the same
	maxRepeats  = 1000             // different lines that are kept in mind
)

// limiter is a slog.Handler that writes the same line every ten seconds at most, with `repeated` for how many were left out
// since. Lines are the same if their level, message and attributes are; of an error, numbers do not count, as addresses and
// times are in most. Safe for concurrent use.
type limiter struct {
	next  slog.Handler
	lines *lines // shared by all that come from one limiter
	with  string // attributes and groups that every line has
}

// lines are those written lately.
type lines struct {
	mu   sync.Mutex
	seen map[string]*line // guarded by mu
}

type line struct {
	written  time.Time
	repeated int
}

func newLimiter(next slog.Handler) *limiter {
	return &limiter{next: next, lines: &lines{seen: map[string]*line{}}}
}

// Enabled implements slog.Handler.
func (l *limiter) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *limiter) Handle(ctx context.Context, r slog.Record) error {
	var key strings.Builder
	key.WriteString(r.Level.String() + "\x00" + r.Message + l.with)
	r.Attrs(func(a slog.Attr) bool {
		key.WriteString(identify(a))
		return true
	})
	repeated, write := l.lines.take(key.String(), r.Time)
	if !write {
		return nil
	}
	if repeated > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("repeated", repeated))
	}
	return l.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *limiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := l.with
	for _, a := range attrs {
		with += identify(a)
	}
	return &limiter{l.next.WithAttrs(attrs), l.lines, with}
}

// WithGroup implements slog.Handler.
func (l *limiter) WithGroup(name string) slog.Handler {
	return &limiter{l.next.WithGroup(name), l.lines, l.with + "\x00" + name + "."}
}

func identify(a slog.Attr) string {
	value := a.Value.Resolve().String()
	if a.Key == "err" {
		value = strings.Map(withoutDigits, value)
	}
	return "\x00" + a.Key + "=" + value
}

func withoutDigits(r rune) rune {
	if '0' <= r && r <= '9' {
		return -1
	}
	return r
}

// take says whether a line is to be written, and how many of the same were not since the last.
func (s *lines) take(key string, now time.Time) (repeated int, write bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.seen[key]
	switch {
	case known && now.Sub(last.written) < repeatEvery && !now.Before(last.written):
		last.repeated++
		return 0, false
	case known:
		repeated = last.repeated
	case len(s.seen) >= maxRepeats:
		s.forget(now)
	}
	if len(s.seen) < maxRepeats || known {
		s.seen[key] = &line{written: now}
	}
	return repeated, true
}

// forget drops what was written long ago. It is called under mu.
func (s *lines) forget(now time.Time) {
	for key, last := range s.seen {
		if now.Sub(last.written) >= repeatEvery {
			delete(s.seen, key)
		}
	}
}
