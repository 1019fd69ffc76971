package eligible

import (
	"fmt"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// Config are the thresholds.
type Config struct {
	// Cluster is the Kafka of this host. Links from it decide, and no others.
	Cluster string
	// DiskFull: drain when a disk of the cluster is full within. 0: never.
	DiskFull time.Duration
	// Headroom: drain when a smaller share of the retention is left, from 0 to 1. 0: the links' own thresholds.
	Headroom float64
	// Recover: take traffic again from this share up.
	Recover float64
	// ExtendedOutage: drain when cut off for longer while peers are not. 0: never.
	ExtendedOutage time.Duration
	// Dwell is the least time in a state, and for how long all must be well before traffic is taken again.
	Dwell time.Duration
}

// Reason is why a host changed over.
type Reason string

// Reasons to drain, and to take traffic again.
const (
	ReasonDiskFull  Reason = "disk_full"
	ReasonSource    Reason = "source"   // the host's Kafka is down, or refuses writes
	ReasonHeadroom  Reason = "headroom" // what is not mirrored may soon be lost
	ReasonOutage    Reason = "outage"   // cut off for long, and peers are not
	ReasonOperator  Reason = "operator"
	ReasonRecovered Reason = "recovered"
)

// Reasons returns all reasons of a change to a state.
func Reasons(in bool) []Reason {
	if in {
		return []Reason{ReasonRecovered, ReasonOperator}
	}
	return []Reason{ReasonDiskFull, ReasonSource, ReasonHeadroom, ReasonOutage, ReasonOperator}
}

const (
	// staleAfter is the age at which a snapshot is no evidence of the present.
	staleAfter = 30 * time.Second
	// sourcePatience is for how long the host's Kafka may be away before it counts: brokers restart.
	sourcePatience = time.Minute
	// currentLag is how far behind a topic may be for the host to take traffic again.
	currentLag = time.Minute
)

// Peers are what other hosts say of themselves.
type Peers struct{ Asked, Fine int }

// fine says whether most of the others get on, so that the trouble is this host's own.
func (p Peers) fine() bool { return p.Asked > 0 && 2*p.Fine > p.Asked }

// verdict is what one look comes to. Neither reason nor well: nothing is to change.
type verdict struct {
	reason Reason // to drain, "" none
	text   string // why
	well   bool   // all that is needed to take traffic again
	cut    bool   // the destinations cannot be written to
}

// watch is what must be remembered between looks to judge the next: since when the source is away, and the destinations.
type watch struct{ sourceSince, cutSince time.Time }

// judge looks at a snapshot. One that is missing or old says nothing.
func (w *watch) judge(cfg Config, s *lag.Snapshot, now time.Time, peers Peers) verdict {
	if s == nil || now.Sub(s.Time) >= staleAfter {
		return verdict{}
	}
	v := verdict{well: true}
	source := refusal(cfg, s)
	found := false
	for i := range s.Links {
		if l := &s.Links[i]; l.From == cfg.Cluster {
			found = true
			v.link(cfg, l, now)
			if l.Probe.Source.Away(now) {
				source = fmt.Sprintf("%s cannot be asked: %s", cfg.Cluster, l.Probe.Source.Problem)
			}
		}
	}
	since(&w.sourceSince, source != "", now)
	since(&w.cutSince, v.cut, now)
	v.well = v.well && found && source == "" && !v.cut
	if source != "" && now.Sub(w.sourceSince) >= sourcePatience {
		v.drain(ReasonSource, source)
	}
	if v.cut && cfg.ExtendedOutage > 0 && now.Sub(w.cutSince) >= cfg.ExtendedOutage && peers.fine() {
		v.drain(ReasonOutage, fmt.Sprintf("cut off since %s, and %d of %d peers are not", w.cutSince.UTC().Format(time.RFC3339), peers.Fine, peers.Asked))
	}
	return v
}

// link takes in one link from the host's Kafka.
func (v *verdict) link(cfg Config, l *lag.Link, now time.Time) {
	if l.Probe.Target.Away(now) || l.State == mirror.StateWaiting && !l.Probe.Source.Away(now) {
		v.cut = true
	}
	for _, d := range l.Disks {
		if d.FullAt != nil && cfg.DiskFull > 0 && d.FullAt.Sub(now) < cfg.DiskFull {
			v.drain(ReasonDiskFull, fmt.Sprintf("%s of broker %d is full at %s", d.Dir, d.Broker, d.FullAt.UTC().Format(time.RFC3339)))
		}
	}
	least := cfg.Headroom
	if least == 0 {
		least = l.Retention.Critical
	}
	for i := range l.Topics {
		t := &l.Topics[i]
		if t.Away || t.State == mirror.StatePaused {
			continue
		}
		if t.ReplicatedThrough == nil || now.Sub(*t.ReplicatedThrough) >= currentLag || t.State == mirror.StateHalted {
			v.well = false
		}
		if t.Used == nil {
			continue
		}
		left := 1 - *t.Used
		v.well = v.well && left > cfg.Recover
		if left < least {
			v.drain(ReasonHeadroom, fmt.Sprintf("%.0f %% of the retention is left for %s of link %s", 100*left, t.Topic, l.Name))
		}
	}
}

// drain takes in a reason to drain; the first found stands.
func (v *verdict) drain(r Reason, text string) {
	v.well = false
	if v.reason == "" {
		v.reason, v.text = r, text
	}
}

// refusal says why the host's Kafka does not take what this process writes into it, "" when it does, or nothing is written.
func refusal(cfg Config, s *lag.Snapshot) string {
	for _, c := range s.HeartbeatClusters {
		if c.Cluster == cfg.Cluster && !c.Reads && c.Problem != "" {
			return fmt.Sprintf("%s takes no heartbeat: %s", cfg.Cluster, c.Problem)
		}
	}
	return ""
}

// since follows for how long something is so.
func since(at *time.Time, so bool, now time.Time) {
	switch {
	case !so:
		*at = time.Time{}
	case at.IsZero():
		*at = now
	}
}
