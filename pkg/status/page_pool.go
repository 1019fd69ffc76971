package status

import (
	"cmp"
	"strconv"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/ownership/pool"
)

// poolRow is one pool on the page, memberRow one member of one.
type poolRow struct {
	Class, State, Link, Since, Leader, Failover, Why string
	Members, Owned, Unowned, Evictions               int
}

type memberRow struct {
	Class, State, Link, Instance, Zone, Capacity, Peer string
	Units                                              int
}

// addPool adds what is to be seen of the pool of a link.
func (v *view) addPool(link string, p *pool.View, now time.Time) {
	if p == nil {
		return
	}
	row := poolRow{Class: "ok", State: p.Phase.String(), Link: link, Since: ago(at(p.Since), now), Leader: cmp.Or(leader(p), unknown), Failover: "none",
		Why: p.Absent(), Members: len(p.Members), Owned: owned(p), Unowned: len(p.Unowned), Evictions: p.Evictions}
	if row.Why == "" && len(p.Problems) > 0 {
		row.Why = p.Problems[0]
	}
	if f := p.Failover; !f.At.IsZero() {
		row.Failover = f.Duration.Round(time.Millisecond).String() + ", " + strconv.Itoa(f.Units) + " units from " + f.From + ", " + ago(at(f.At), now)
	}
	switch {
	case row.Unowned > 0:
		row.Class = class(lag.StateUnowned)
	case p.Phase != pool.Connected || row.Why != "":
		row.Class = "warn"
	}
	v.Pools = append(v.Pools, row)
	units := map[string]int{}
	for i := range p.Units {
		units[p.Units[i].Incarnation]++
	}
	for _, m := range p.Members {
		r := memberRow{Class: "ok", State: "member", Link: link, Instance: m.Instance, Zone: cmp.Or(m.Zone, unknown), Peer: m.Peer.String(),
			Capacity: strconv.FormatFloat(m.Capacity, 'g', -1, 64), Units: units[m.Incarnation]}
		switch {
		case m.Draining:
			r.Class, r.State = "warn", "draining"
		case m.Peer == pool.StreamSilent || m.Peer == pool.StreamBroken:
			r.Class = "warn"
		}
		v.Members = append(v.Members, r)
	}
}
