package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tributary/pkg/config"
	"tributary/pkg/journal"
	"tributary/pkg/status"
)

// Reload lets a running mirror take a changed configuration.
type Reload struct {
	// Load reads the configuration anew. Its errors say what is wrong with it, without secrets.
	Load func() (*config.Config, error)
	// Hangup asks for it, besides who asks at the socket. Nil: nobody does.
	Hangup <-chan os.Signal
	// Level is that of the log. Nil: it does not change.
	Level *slog.LevelVar
}

// Option is something that a process may have or not.
type Option func(*process)

// WithReload lets the process reload its configuration.
func WithReload(r Reload) Option {
	return func(p *process) { p.reloader = &reloader{given: r, process: p} }
}

// reloader implements status.Reloader.
type reloader struct {
	given   Reload
	process *process // set once; what of it is used is wired before it runs

	mu  sync.Mutex     // one reload at a time
	cfg *config.Config // guarded by mu: in force

	reloaded atomic.Pointer[status.Reloaded]
}

// begin takes note of the configuration that the process starts with.
func (r *reloader) begin(cfg *config.Config) {
	r.cfg = cfg
	r.reloaded.Store(&status.Reloaded{At: time.Now()})
}

// Reloaded implements status.Reloader.
func (r *reloader) Reloaded() status.Reloaded { return *r.reloaded.Load() }

// Reload implements status.Reloader.
func (r *reloader) Reload(context.Context) (changed []status.Changed, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = r.process.notifier.Reload(func() error {
		changed, err = r.apply()
		return err
	})
	if err != nil {
		r.reloaded.Store(&status.Reloaded{At: r.Reloaded().At, Problem: err.Error()})
		r.process.log.Error("configuration not reloaded", "err", err)
		return nil, err
	}
	r.reloaded.Store(&status.Reloaded{At: time.Now()})
	r.process.log.Info("configuration reloaded", "changed", status.DescribeChanges(changed))
	return changed, nil
}

// apply reads, compares and applies. Whatever can fail comes first, so that it is all or nothing. It is called under mu.
func (r *reloader) apply() ([]status.Changed, error) {
	next, err := r.given.Load()
	if err != nil {
		return nil, fmt.Errorf("%w, and the former one stays in force: %w", status.ErrUnsound, err)
	}
	var changed []status.Changed
	var fixed []string
	for _, c := range config.Diff(r.cfg, next) {
		changed = append(changed, status.Changed{Key: c.Key, From: c.From, To: c.To})
		if !c.Live {
			fixed = append(fixed, c.String())
		}
	}
	if len(fixed) > 0 {
		return nil, fmt.Errorf("nothing was applied: what follows needs a restart (%s); restart the mirror, or take it back and reload", strings.Join(fixed, "; "))
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(next.Log.Level)); err != nil {
		return nil, fmt.Errorf("%w: log.level: %w", status.ErrUnsound, err)
	}
	links, err := linksOf(next)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", status.ErrUnsound, err)
	}
	r.put(next, level, links)
	r.cfg = next
	return changed, nil
}

// put applies what was found to be applicable. Nothing of it can fail.
func (r *reloader) put(next *config.Config, level slog.Level, links map[string]liveLink) {
	if r.given.Level != nil {
		r.given.Level.Set(level)
	}
	r.process.heard.Expect(next.Watchers)
	r.process.observer.SetRetention(thresholds(next))
	r.process.observer.SetWanted(wanted(links))
	for name, l := range r.process.byName {
		l.SetMatch(links[name].match)
		l.SetRate(links[name].rate)
	}
}

// liveLink is what a running link takes of a configuration.
type liveLink struct {
	match func(topic string) bool
	rate  int64 // bytes per second, 0: no limit
}

// linksOf compiles what running links take, by name of the link.
func linksOf(cfg *config.Config) (map[string]liveLink, error) {
	links := map[string]liveLink{}
	for _, l := range cfg.Links {
		filter, err := l.Filter()
		if err != nil {
			return nil, fmt.Errorf("link %s: %w", l.Name, err)
		}
		links[l.Name] = liveLink{filter.Match, int64(l.Rate)}
	}
	return links, nil
}

// run reloads at every signal until ctx ends. It returns nil.
func (r *reloader) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-r.given.Hangup:
			if !open {
				return errors.New("listen for SIGHUP: nobody sends it any more")
			}
			changed, err := r.Reload(ctx)
			done := journal.Event{Kind: journal.KindReloadDone, Text: status.DescribeChanges(changed)}
			if err != nil {
				done.Kind, done.Text = journal.KindReloadFailed, err.Error()
			}
			r.process.journal.Add(done)
		}
	}
}
