package verify

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	settlePause = 500 * time.Millisecond // between two looks at the destination
	quietAfter  = 10 * time.Second       // without growth nothing more is expected, where positions are not known
)

// arrival is how far the copy is known to be.
type arrival struct {
	// positions are the offsets up to which each source log is at the destination, as the mirror itself saved them. A log
	// is absent where that is not known.
	positions map[*log]int64
	// growing says that the destination was still growing when the wait ended.
	growing bool
	waited  time.Duration
}

// pending says whether a record that is missing may be on its way: the mirror has not got to it yet.
func (a *arrival) pending(l *log, offset int64) bool {
	at, known := a.positions[l]
	if !known {
		return a.growing
	}
	return offset >= at
}

// settle waits until the destination has what the sources held at the start, following its growth, or until the time is up.
func (v *Verifier) settle(ctx context.Context, units []*unit) (*arrival, error) {
	deadline := time.Now().Add(v.cfg.Timeout)
	a := &arrival{}
	window := min(quietAfter, v.cfg.Timeout/2)
	begun, grew := time.Now(), time.Time{}
	for {
		// First the positions, then the destination's end: what they cover is below it.
		a.positions = v.positions(ctx, units)
		grown, err := v.readMore(ctx, units)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		if grown {
			grew = now
		}
		waiting, unknown := 0, 0
		for _, u := range units {
			if !v.settled(u, a) {
				waiting++
				if !a.complete(u) {
					unknown++
				}
			}
		}
		a.growing = now.Sub(grew) < window
		quiet := !a.growing && now.Sub(begun) >= window
		if waiting == 0 || now.After(deadline) || waiting == unknown && quiet {
			a.waited = now.Sub(begun)
			if waiting > 0 {
				v.log.Debug("wait ended before all was there", "units", waiting, "growing", a.growing)
			}
			return a, nil
		}
		if err := pause(ctx, settlePause); err != nil {
			return nil, err
		}
	}
}

// complete says whether the positions of all sources of a unit are known.
func (a *arrival) complete(u *unit) bool {
	return !slices.ContainsFunc(u.sources, func(l *log) bool { _, known := a.positions[l]; return !known })
}

// settled says whether more waiting can bring nothing for a unit.
func (v *Verifier) settled(u *unit, a *arrival) bool {
	reached := !slices.ContainsFunc(u.sources, func(l *log) bool {
		at, known := a.positions[l]
		return l.within.size() > 0 && (!known || at < l.end)
	})
	if reached || len(u.destinations) == 0 {
		return true
	}
	if u.compacted {
		return false
	}
	var required, got []*series
	var records int64
	for _, l := range u.sources {
		required = append(required, l.held)
		records += l.held.total.records
	}
	for _, l := range u.destinations {
		got = append(got, l.held)
		records -= l.held.total.records
	}
	if records <= 0 && !a.complete(u) {
		return true
	}
	return records == 0 && len(unequal(required, nil, got, false)) == 0
}

// positions reads how far the links say they are. It is a hint: whatever is wrong with it, the contents decide.
func (v *Verifier) positions(ctx context.Context, units []*unit) map[*log]int64 {
	found := map[*log]int64{}
	for i, source := range v.cfg.Sources {
		if source.Group == "" {
			continue
		}
		topics := map[string][]int32{}
		var logs []*log
		for _, u := range units {
			for _, l := range u.sources {
				if l.source == i {
					topics[l.tp.topic] = append(topics[l.tp.topic], l.tp.partition)
					logs = append(logs, l)
				}
			}
		}
		offsets, err := source.Cluster.FetchOffsets(ctx, source.Group, topics)
		if err != nil {
			v.log.Debug("positions not readable", "group", source.Group, "err", err)
			continue
		}
		for _, l := range logs {
			if o, ok := offsets[l.tp.topic][l.tp.partition]; ok {
				found[l] = o.Next
			}
		}
	}
	return found
}

// behind describes which sources the copy has not caught up with.
func (a *arrival) behind(u *unit) string {
	for _, l := range u.sources {
		if at, known := a.positions[l]; known && at < l.end {
			return fmt.Sprintf("the mirror is at offset %d of %s, the source's end was %d", at, l.tp, l.end)
		}
	}
	return "the destination was still growing"
}
