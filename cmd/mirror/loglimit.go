package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	repeatEvery = 10 * time.Second // of lines that are the same
	tellEvery   = time.Second      // between two looks at what is to be told
	maxRepeats  = 1000             // different lines that are kept in mind
)

// limiter is a slog.Handler that writes the same line every ten seconds at most, with `repeated` for how many were left out
// before it. While it runs the last of those left out is written at the end of the ten seconds, so that lines and `repeated`
// add up to what there was. Lines are the same if their level, message and attributes are; of an error, numbers do not count,
// as addresses and times are in most. Safe for concurrent use.
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
	repeated int // since then
	last     repetition
}

// repetition is a line that was left out, and what would have written it.
type repetition struct {
	record slog.Record
	next   slog.Handler
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
	repeated, write := l.lines.take(key.String(), repetition{r, l.next})
	if !write {
		return nil
	}
	return repetition{r, l.next}.write(ctx, repeated)
}

// write writes a line that stands for others too.
func (r repetition) write(ctx context.Context, repeated int) error {
	record := r.record.Clone()
	if repeated > 0 {
		record.AddAttrs(slog.Int("repeated", repeated))
	}
	return r.next.Handle(ctx, record)
}

// Run tells of repetitions when their time is over, until ctx ends, and then of all that were not told.
func (l *limiter) Run(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.tell(context.WithoutCancel(ctx), time.Now().Add(repeatEvery))
			return
		case now := <-tick.C:
			l.tell(ctx, now)
		}
	}
}

// tell writes the last of the lines that were left out, where ten seconds have passed since one was written.
func (l *limiter) tell(ctx context.Context, now time.Time) {
	for _, told := range l.lines.due(now) {
		// There is nobody to tell that the log cannot be written.
		_ = told.last.write(ctx, told.repeated-1)
	}
}

// WithAttrs implements slog.Handler.
func (l *limiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	var with strings.Builder
	with.WriteString(l.with)
	for _, a := range attrs {
		with.WriteString(identify(a))
	}
	return &limiter{l.next.WithAttrs(attrs), l.lines, with.String()}
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
func (s *lines) take(key string, r repetition) (repeated int, write bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := r.record.Time
	last, known := s.seen[key]
	switch {
	case known && now.Sub(last.written).Abs() < repeatEvery: // either way: the clock may be set
		last.repeated++
		last.last = repetition{r.record.Clone(), r.next} // whoever logged may go on to use it
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

// due takes the repetitions to be told, in the order of their times. Those that come next wait for ten seconds again.
func (s *lines) due(now time.Time) []line {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []line
	for key, l := range s.seen {
		if l.repeated > 0 && now.Sub(l.written) >= repeatEvery {
			due = append(due, *l)
			s.seen[key] = &line{written: now}
		}
	}
	slices.SortFunc(due, func(a, b line) int { return a.last.record.Time.Compare(b.last.record.Time) })
	return due
}

// forget drops what was written long ago. It is called under mu.
func (s *lines) forget(now time.Time) {
	for key, last := range s.seen {
		if now.Sub(last.written) >= repeatEvery {
			delete(s.seen, key)
		}
	}
}
