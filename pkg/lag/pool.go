package lag

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// Kinds of the events of a pool, as one member sees it.
const (
	EventPoolJoined     mirror.EventKind = "pool_joined"     // as a new member, with nothing
	EventSessionLost    mirror.EventKind = "session_lost"    // the connection is gone; the session may live
	EventSessionBack    mirror.EventKind = "session_back"    // the same session goes on
	EventSessionExpired mirror.EventKind = "session_expired" // all that this member had is others' now
	EventMemberJoined   mirror.EventKind = "member_joined"   // another one
	EventMemberLeft     mirror.EventKind = "member_left"     // another one, for whatever reason
	EventEvicted        mirror.EventKind = "member_evicted"  // by this member, as its process was proven dead
	EventUnitsTaken     mirror.EventKind = "units_taken"     // by this member
	EventUnitsGiven     mirror.EventKind = "units_given"     // by this member, or taken from it
	EventUnowned        mirror.EventKind = "unowned"         // units have no owner for longer than is usual
	EventOwned          mirror.EventKind = "owned"           // all units have an owner again
	EventDraining       mirror.EventKind = "draining"        // this member hands everything over
	EventDrained        mirror.EventKind = "drained"         // and has nothing any more
	EventDrainEnded     mirror.EventKind = "drain_ended"     // it takes units again
	EventPoolProblem    mirror.EventKind = "pool_problem"
)

// fewNames is how many units an event names; of the others it tells the number.
const fewNames = 10

// poolHistory is what must be remembered of a pool from one look to the next.
type poolHistory struct {
	last    *pool.View // nil before the first look
	unowned bool       // units without an owner were told of
	lost    time.Time  // when the connection that is not back was lost; zero: there is one
	drained bool       // it was told that nothing is left
}

// observe returns what happened since the last look.
func (h *poolHistory) observe(now time.Time, v *pool.View) []mirror.Event {
	last := h.last
	if last == nil {
		last = &pool.View{}
	}
	h.last = v
	out := happened{now: now}
	h.session(&out, last, v)
	if same := last.Incarnation == v.Incarnation; same && v.Incarnation != "" {
		members(&out, last, v)
	} else if v.Incarnation != "" {
		out.add(EventPoolJoined, v.Since, fmt.Sprintf("as %s, with %d members in all", v.Incarnation, len(v.Members)))
	}
	if v.Evictions > last.Evictions {
		out.add(EventEvicted, v.LastEviction.At, fmt.Sprintf("%s (%s): its process was proven dead", v.LastEviction.Instance, v.LastEviction.Incarnation))
	}
	moves(&out, last, v)
	h.drain(&out, last, v)
	h.ownerless(&out, now, v)
	for _, p := range v.Problems {
		if v.Phase != pool.Connected { // of the session there are events
			break
		}
		if !slices.Contains(last.Problems, p) {
			out.add(EventPoolProblem, now, p)
		}
	}
	return out.events
}

// happened collects events.
type happened struct {
	now    time.Time
	events []mirror.Event
}

// add takes in an event. One whose time is not known, or not the present, happened now.
func (h *happened) add(kind mirror.EventKind, at time.Time, text string) {
	if at.IsZero() || at.After(h.now) {
		at = h.now
	}
	h.events = append(h.events, mirror.Event{Time: at, Kind: kind, Partition: -1, Text: text})
}

func (h *poolHistory) session(out *happened, last, v *pool.View) {
	if v.Expired > last.Expired {
		out.add(EventSessionExpired, v.Since, "all units were dropped; it joins again as a new member")
		h.lost = time.Time{}
		return
	}
	switch {
	case v.Phase == pool.Suspended && h.lost.IsZero():
		h.lost = v.Since
		out.add(EventSessionLost, v.Since, "nothing is taken over or given up; young records flow on")
	case v.Phase == pool.Connected && !h.lost.IsZero():
		out.add(EventSessionBack, v.Since, fmt.Sprintf("after %v", v.Since.Sub(h.lost).Round(time.Millisecond)))
		h.lost = time.Time{}
	}
}

// members tells who came and who went.
func members(out *happened, last, v *pool.View) {
	was, is := byName(last.Members), byName(v.Members)
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, known := was[name]; !known {
			out.add(EventMemberJoined, out.now, fmt.Sprintf("%s (%s) in zone %s", is[name].Instance, name, cmp.Or(is[name].Zone, "unknown")))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, there := is[name]; !there {
			out.add(EventMemberLeft, leftAt(out.now, was[name], last, v), fmt.Sprintf("%s (%s)", was[name].Instance, name))
		}
	}
}

// leftAt is when a member went: now, unless what followed from it was earlier.
func leftAt(now time.Time, m pool.Member, last, v *pool.View) time.Time {
	switch e, f := v.LastEviction, v.Failover; {
	case e.Incarnation == m.Incarnation:
		return e.At
	case f.From == m.Instance && f.At.After(last.Failover.At):
		return f.At.Add(-f.Duration)
	}
	return now
}

func byName(list []pool.Member) map[string]pool.Member {
	byName := make(map[string]pool.Member, len(list))
	for _, m := range list {
		byName[m.Incarnation] = m
	}
	return byName
}
