package lag

import (
	"fmt"
	"strings"
	"time"

	"tributary/pkg/mirror"
)

// Kinds of the events of heartbeats. Text names the origins.
const (
	EventOriginsSilent mirror.EventKind = "origins_silent" // nothing more is heard of them
	EventOriginsHeard  mirror.EventKind = "origins_heard"  // they were silent
)

// hearing is what must be remembered of origins from one look to the next. The zero value is ready.
type hearing struct {
	silent map[string]bool // by origin: as it was last known
}

// observe tells which origins fell silent and which are heard again, in one event each for all of a look. Of one that is
// seen for the first time nothing is told: it may be silent since long before.
func (h *hearing) observe(now time.Time, all []Heartbeat) []mirror.Event {
	is := make(map[string]bool, len(all))
	var silent, heard []string
	for _, o := range all {
		was, known := h.silent[o.Origin]
		if o.State == HeartbeatUnknown {
			if known {
				is[o.Origin] = was
			}
			continue
		}
		is[o.Origin] = o.State == HeartbeatSilent
		switch {
		case known && !was && is[o.Origin]:
			silent = append(silent, o.Origin)
		case was && !is[o.Origin]:
			heard = append(heard, o.Origin)
		}
	}
	h.silent = is
	var events []mirror.Event
	for _, e := range []struct {
		kind  mirror.EventKind
		names []string
	}{{EventOriginsSilent, silent}, {EventOriginsHeard, heard}} {
		if len(e.names) > 0 {
			events = append(events, mirror.Event{Time: now, Kind: e.kind, Partition: -1, Text: originNames(e.names)})
		}
	}
	return events
}

// originNames names the first few.
func originNames(names []string) string {
	text := strings.Join(names[:min(len(names), fewNames)], ", ")
	if more := len(names) - fewNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// listen takes a look at the heartbeats, and logs and tells what changed.
func (o *Observer) listen(now time.Time, s *Snapshot) {
	if o.cfg.Heartbeats == nil {
		return
	}
	s.Heartbeats, s.HeartbeatClusters = o.cfg.Heartbeats(now)
	for _, e := range o.hearing.observe(now, s.Heartbeats) {
		if e.Kind == EventOriginsSilent {
			o.log.Warn("origins of heartbeats are silent", "origins", e.Text)
		} else {
			o.log.Info("origins of heartbeats are heard again", "origins", e.Text)
		}
		if o.cfg.Events != nil {
			o.cfg.Events.Record(e)
		}
	}
}
