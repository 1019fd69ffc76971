package lag

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"tributary/pkg/durable"
	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// interval is the time from one snapshot to the next.
const interval = time.Second

// Config says what is observed.
type Config struct {
	Instance string // name of this process; it owns all topics of links without a pool
	Zone     string // "" unknown
	Version  string

	// Links are asked in turn, once a second, from one goroutine: mirror.Link.Status. They must answer from memory.
	Links []func() mirror.LinkStatus

	// Pools are asked likewise: pool.Pool.View, by name of the link. A link that is not there is not shared.
	Pools map[string]func() pool.View

	// Events takes note of partitions that waited for long, of their recovery, and of what happens in pools; nil: nobody
	// does.
	Events mirror.Events

	// Heartbeats is what is known of heartbeats at a moment: heartbeat.Heart.Status. It must answer from memory. Nil: there
	// are none.
	Heartbeats func(now time.Time) ([]Heartbeat, []HeartbeatCluster)

	// Probes are asked likewise: probe.Prober.Answer, by name of the link. Of a link that is not there, no deadlines are known
	// but that of tombstones.
	Probes map[string]Probes

	// Path is the file that keeps what was told of the time until loss, so that it goes on after a restart. "": nothing is kept.
	Path string

	// Wanted says first whether a link mirrors a topic, as far as its configuration says; see SetWanted. Nil: it does.
	Wanted func(link, topic string) bool

	// Retention are the first thresholds of the headroom, by name of the link; see SetRetention.
	Retention map[string]Retention
	// Eligible says whether the host may take new traffic, at any time and from memory; nil: nobody knows.
	Eligible func() bool

	BudgetTotal int64        // bytes for records on their way
	BudgetUsed  func() int64 // bytes of it taken; nil: unknown
}

// Observer looks at the links of a process. Create with New.
type Observer struct {
	cfg Config // set once
	log *slog.Logger

	links []*linkHistory // owned by Run; index as in cfg.Links

	hearing hearing // owned by Run

	recalled   map[string]map[string]recalledOutlook // owned by Run; by link and topic: what was told before it
	remembered time.Time                             // owned by Run: when what is told was written last

	retention atomic.Pointer[map[string]Retention]
	wanted    atomic.Pointer[func(link, topic string) bool]
	latest    atomic.Pointer[Snapshot]
}

// New returns an observer that is not running. It fails for a link that cannot be asked.
func New(cfg Config, log *slog.Logger) (*Observer, error) {
	o := &Observer{cfg: cfg, log: log}
	o.SetRetention(cfg.Retention)
	o.SetWanted(cfg.Wanted)
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
	o.recall()
	var disk *durable.Saver
	if o.cfg.Path != "" {
		disk = o.newSaver()
		defer o.end(disk)
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		now := time.Now()
		o.observe(now)
		o.remember(now, disk)
		select {
		case <-ctx.Done():
			o.remembered = time.Time{}
			o.remember(time.Now(), disk)
			return nil
		case <-tick.C:
		}
	}
}

// SetRetention gives the thresholds of the headroom from the next look on, by name of the link; one that is not there has
// none. Safe for concurrent use.
func (o *Observer) SetRetention(r map[string]Retention) {
	copied := maps.Clone(r)
	o.retention.Store(&copied)
}

// SetWanted gives what says from the next look on whether a link mirrors a topic; it is called from the goroutine of Run, and
// must answer from memory. Nil: it does. Safe for concurrent use.
func (o *Observer) SetWanted(wanted func(link, topic string) bool) { o.wanted.Store(&wanted) }

// Snapshot returns the newest snapshot, nil before the first. It may be called at any time from any goroutine.
func (o *Observer) Snapshot() *Snapshot { return o.latest.Load() }

func (o *Observer) observe(now time.Time) {
	s := &Snapshot{Time: now, Instance: o.cfg.Instance, Zone: o.cfg.Zone, Version: o.cfg.Version, BudgetTotal: o.cfg.BudgetTotal}
	if o.cfg.BudgetUsed != nil {
		used := o.cfg.BudgetUsed()
		s.BudgetUsed = &used
	}
	if o.cfg.Eligible != nil {
		in := o.cfg.Eligible()
		s.Eligible = &in
	}
	for i, status := range o.cfg.Links {
		link := o.look(now, o.links[i], status())
		s.Links = append(s.Links, link)
	}
	o.listen(now, s)
	o.latest.Store(s)
}

// look takes one look at a link, and logs and tells what changed.
func (o *Observer) look(now time.Time, h *linkHistory, s mirror.LinkStatus) Link {
	var view *pool.View
	if look, ok := o.cfg.Pools[s.Name]; ok {
		v := look()
		view = &v
	}
	if !h.begun {
		o.recallLink(now, h, s)
	}
	h.outside = outside{o.cfg.Probes[s.Name].look(), (*o.retention.Load())[s.Name], *o.wanted.Load()}
	link, changes := h.observe(now, o.cfg.Instance, s, view)
	report(o.log.With("link", link.Name), now, changes, &h.loud)
	h.loud.see(now, link)
	o.tell(now, link.Name, changes)
	if view != nil && o.cfg.Events != nil {
		for _, e := range h.pool.observe(now, view) {
			e.Link = link.Name
			o.cfg.Events.Record(e)
		}
	}
	return link
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
