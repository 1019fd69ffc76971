package lag

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"tributary/pkg/mirror"
)

// interval is the time from one snapshot to the next.
const interval = time.Second

// Config says what is observed.
type Config struct {
	Instance string // name of this process; it owns all topics its links show
	Zone     string // "" unknown
	Version  string

	// Links are asked in turn, once a second, from one goroutine: mirror.Link.Status. They must answer from memory.
	Links []func() mirror.LinkStatus

	// Events takes note of partitions that waited for long, and of their recovery; nil: nobody does.
	Events mirror.Events

	BudgetTotal int64        // bytes for records on their way
	BudgetUsed  func() int64 // bytes of it taken; nil: unknown
}

// Observer looks at the links of a process. Create with New.
type Observer struct {
	cfg Config // set once
	log *slog.Logger

	links []*linkHistory // owned by Run; index as in cfg.Links

	latest atomic.Pointer[Snapshot]
}

// New returns an observer that is not running. It fails for a link that cannot be asked.
func New(cfg Config, log *slog.Logger) (*Observer, error) {
	o := &Observer{cfg: cfg, log: log}
	for i, status := range cfg.Links {
		if status == nil {
			return nil, fmt.Errorf("observe link %d of %d: it has no status to ask for", i+1, len(cfg.Links))
		}
		o.links = append(o.links, &linkHistory{})
	}
	return o, nil
}

// Run takes a snapshot at once and every second, and logs changes of state, until ctx ends. It returns nil. Call it once.
func (o *Observer) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		o.observe(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Snapshot returns the newest snapshot, nil before the first. It may be called at any time from any goroutine.
func (o *Observer) Snapshot() *Snapshot { return o.latest.Load() }

func (o *Observer) observe(now time.Time) {
	s := &Snapshot{Time: now, Instance: o.cfg.Instance, Zone: o.cfg.Zone, Version: o.cfg.Version, BudgetTotal: o.cfg.BudgetTotal}
	if o.cfg.BudgetUsed != nil {
		used := o.cfg.BudgetUsed()
		s.BudgetUsed = &used
	}
	for i, status := range o.cfg.Links {
		link, changes := o.links[i].observe(now, o.cfg.Instance, status())
		s.Links = append(s.Links, link)
		report(o.log.With("link", link.Name), changes)
		o.tell(now, link.Name, changes)
	}
	o.latest.Store(s)
}

// tell takes note of the changes that are worth an event.
func (o *Observer) tell(now time.Time, link string, changes []change) {
	if o.cfg.Events == nil {
		return
	}
	for _, c := range changes {
		if e, ok := c.note(now, link); ok {
			o.cfg.Events.Record(e)
		}
	}
}
