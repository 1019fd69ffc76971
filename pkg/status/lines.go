package status

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Lines counts the lines of a log by level and passes them on. What a limit further down leaves out is counted too. Safe for
// concurrent use.
type Lines struct {
	next   slog.Handler
	counts *levelCounts // shared by all that come from one
}

// levelCounts are by place in levels.
type levelCounts [4]atomic.Int64

// levels are the names of the label; a line of a level between two counts as the lower one.
func levels() [4]slog.Level {
	return [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
}

// CountLines returns a handler that counts what it passes on to next.
func CountLines(next slog.Handler) *Lines { return &Lines{next, &levelCounts{}} }

// Enabled implements slog.Handler.
func (l *Lines) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *Lines) Handle(ctx context.Context, r slog.Record) error {
	at := 0
	for i, level := range levels() {
		if r.Level >= level {
			at = i
		}
	}
	l.counts[at].Add(1)
	return l.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *Lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Lines{l.next.WithAttrs(attrs), l.counts}
}

// WithGroup implements slog.Handler.
func (l *Lines) WithGroup(name string) slog.Handler { return &Lines{l.next.WithGroup(name), l.counts} }

// metrics are one series per level, from the start on.
func (l *Lines) metrics() []prometheus.Collector {
	var all []prometheus.Collector
	for i, name := range [...]string{"debug", "info", "warn", "error"} {
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "mirror_log_messages_total",
			Help: "Lines that were logged, by level, those included that were left out as repetitions.", ConstLabels: prometheus.Labels{"level": name}},
			func() float64 { return float64(l.counts[i].Load()) }))
	}
	return all
}
