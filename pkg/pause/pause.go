// Package pause keeps the pauses that operators asked for: on disk, so that a restart keeps them, and never for longer than
// was asked, nor for so long that records would be lost.
package pause

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"tributary/pkg/durable"
)

// Max is the longest pause.
const Max = 7 * 24 * time.Hour

// lookEvery is how often it is looked whether a pause is over, or must end.
const lookEvery = time.Second

// Errors of what was asked for.
var (
	ErrNotPaused  = errors.New("it is not paused")
	ErrEndangered = errors.New("it would end at once")
)

// Config is what pauses are of.
type Config struct {
	// Path is the file that keeps them.
	Path string
	// Apply is told all pauses of a link whenever they change: until when, by topic, with "" for all of the link. One call at a
	// time.
	Apply func(link string, until map[string]time.Time)
	// Ended is told of each that ends without an operator, and why.
	Ended func(link, topic, why string)
	// Danger says why a topic, or with "" any of a link, must be read now, "" while it need not be: what waits would be
	// lost soon.
	Danger func(link, topic string) string
}

// Pauses are those of one process. Create with Open. Safe for concurrent use.
type Pauses struct {
	cfg Config
	log *slog.Logger

	mu    sync.Mutex
	until map[place]time.Time // guarded by mu; what is in it is on disk, except after an error to write
}

// place is a topic of a link, or with "" the whole link.
type place struct{ link, topic string }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.link, q.link), cmp.Compare(p.topic, q.topic))
}

// file is the form on disk.
type file struct {
	Format int     `json:"format"`
	Pauses []entry `json:"pauses"`
}

type entry struct {
	Link  string    `json:"link"`
	Topic string    `json:"topic"`
	Until time.Time `json:"until"`
}

const fileFormat = 1

// Open reads the pauses that an earlier process left, and applies them. What it returns is usable also with an error: then
// nothing is paused.
func Open(cfg Config, log *slog.Logger) (*Pauses, error) {
	p := &Pauses{cfg: cfg, log: log, until: map[place]time.Time{}}
	data, err := os.ReadFile(cfg.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	var f file
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err == nil && f.Format != fileFormat {
		err = fmt.Errorf("it has format %d, this program knows %d", f.Format, fileFormat)
	}
	if err != nil {
		return p, fmt.Errorf("read the pauses in %s: %w; nothing is paused, pause again with: mirror pause", cfg.Path, err)
	}
	latest := time.Now().Add(Max) // a clock that was set back must not make a pause longer
	for _, e := range f.Pauses {
		if e.Until.After(latest) {
			e.Until = latest
		}
		p.until[place{e.Link, e.Topic}] = e.Until
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applyAll()
	return p, nil
}

// Pause keeps a topic of a link, or with "" all of it, from being read until then. It is on disk when it returns. An earlier
// pause of the same is replaced. It returns ErrEndangered where the pause would end at once.
func (p *Pauses) Pause(link, topic string, until time.Time) error {
	if why := p.cfg.Danger(link, topic); why != "" {
		return fmt.Errorf("%w: %s", ErrEndangered, why)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next := maps.Clone(p.until)
	next[place{link, topic}] = until
	return p.replace(link, next)
}

// Resume ends a pause; with "" as the topic all of a link. It returns ErrNotPaused where there is none.
func (p *Pauses) Resume(link, topic string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := maps.Clone(p.until)
	maps.DeleteFunc(next, func(at place, _ time.Time) bool { return at.link == link && (topic == "" || at.topic == topic) })
	if len(next) == len(p.until) {
		if _, whole := p.until[place{link: link}]; whole {
			return fmt.Errorf("%w by itself: the whole link is, which ends with: mirror resume %s", ErrNotPaused, link)
		}
		return ErrNotPaused
	}
	return p.replace(link, next)
}

// Run ends pauses whose time is over, or that would lose records, until ctx ends. It returns nil.
func (p *Pauses) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			p.look(now)
		}
	}
}

// look ends what has to end. That it cannot be written is logged, and keeps nothing paused.
func (p *Pauses) look(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range slices.SortedFunc(maps.Keys(p.until), place.compare) {
		why := ""
		if !now.Before(p.until[at]) {
			why = "its time was over"
		} else if danger := p.cfg.Danger(at.link, at.topic); danger != "" {
			why = "ended early: " + danger
		}
		if why == "" {
			continue
		}
		next := maps.Clone(p.until)
		delete(next, at)
		if err := p.replace(at.link, next); err != nil {
			p.log.Warn("end of a pause not written", "link", at.link, "topic", at.topic, "err", err)
			p.until = next
			p.apply(at.link)
		}
		p.cfg.Ended(at.link, at.topic, why)
	}
}

// replace makes next the pauses, on disk first, and applies those of a link. It is called under mu.
func (p *Pauses) replace(link string, next map[place]time.Time) error {
	f := file{Format: fileFormat, Pauses: []entry{}}
	for _, at := range slices.SortedFunc(maps.Keys(next), place.compare) {
		f.Pauses = append(f.Pauses, entry{at.link, at.topic, next[at].UTC()})
	}
	data, err := json.MarshalIndent(f, "", " ")
	if err == nil {
		err = durable.Replace(p.cfg.Path, data)
	}
	if err != nil {
		return fmt.Errorf("write the pauses into %s: %w; see to the disk of the state_dir", p.cfg.Path, err)
	}
	p.until = next
	p.apply(link)
	return nil
}

// apply tells what is paused of a link. It is called under mu.
func (p *Pauses) apply(link string) {
	of := map[string]time.Time{}
	for at, until := range p.until {
		if at.link == link {
			of[at.topic] = until
		}
	}
	p.cfg.Apply(link, of)
}

func (p *Pauses) applyAll() {
	told := map[string]bool{}
	for at := range p.until {
		if !told[at.link] {
			told[at.link] = true
			p.apply(at.link)
		}
	}
}
