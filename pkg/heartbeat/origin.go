package heartbeat

import (
	"fmt"
	"slices"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

const (
	// maxStreams bounds what is remembered of an origin: it starts anew now and then, and writes into a cluster or two.
	maxStreams = 4
	// silentIntervals is how many intervals without news make an origin silent, and leastSilence the shortest time that does.
	silentIntervals = 6
	leastSilence    = 5 * time.Second
)

// origin is what is known of one mirror that writes heartbeats, as one cluster has them.
type origin struct {
	Time     time.Time     `json:"time"`  // when the newest was written, but not later than when it was read
	Heard    time.Time     `json:"heard"` // when it was read
	Sequence int64         `json:"sequence"`
	Interval time.Duration `json:"interval"`
	Lost     int64         `json:"lost"`
	Streams  []*stream     `json:"streams"`
	Newest   streamID      `json:"newest"` // the stream of the newest

	Summary *lag.HeartbeatSummary `json:"summary"`

	latency *time.Duration // of the newest that was read as it came
}

// take takes in a record that was read at a time. live says that it was read as it came.
func (o *origin) take(r Record, now time.Time, live bool) {
	s := o.stream(r, now)
	lost, newer := s.take(r, now)
	o.Lost += lost
	if f := r.Former; f != nil {
		for _, s := range o.Streams {
			if s.streamID == (streamID{r.Cluster, f.Incarnation}) {
				o.Lost += s.finish(*f, now)
			}
		}
	}
	written := r.Time
	if written.After(now) { // its clock is ahead: it must not seem alive when it is not
		written = now
	}
	o.Heard = now
	if live {
		o.latency = new(now.Sub(r.Time))
	}
	// Within a stream the order says what is newest, as a clock may be set back. Among streams the time does.
	follows := s.Cluster == o.Newest.Cluster && s.Incarnation >= o.Newest.Incarnation
	if newer && (follows || !written.Before(o.Time)) {
		o.Newest, o.Sequence, o.Interval, o.Summary = s.streamID, r.Sequence, r.Interval, r.Summary
	}
	if written.After(o.Time) {
		o.Time = written
	}
}

// stream returns the stream that a record belongs to, and begins it when it is a new one. What is missing before its first
// record counts when it follows one that was heard from the same cluster: the origin started anew meanwhile. Where nothing was
// heard from there since records were passed over, it says nothing.
func (o *origin) stream(r Record, now time.Time) *stream {
	known := false
	for _, s := range o.Streams {
		if s.streamID == (streamID{r.Cluster, r.Incarnation}) {
			return s
		}
		known = known || s.Cluster == r.Cluster && s.Incarnation < r.Incarnation && !s.Broken
	}
	if len(o.Streams) >= maxStreams {
		oldest := slices.MinFunc(o.Streams, func(a, b *stream) int { return a.Heard.Compare(b.Heard) })
		o.Lost += oldest.settle(now, true)
		o.Streams = slices.DeleteFunc(o.Streams, func(s *stream) bool { return s == oldest })
	}
	s := &stream{streamID: streamID{r.Cluster, r.Incarnation}, Highest: -1, Broken: !known}
	o.Streams = append(o.Streams, s)
	return s
}

// discontinue says that records were passed over, so that the next one's predecessors are not missed.
func (o *origin) discontinue() {
	for _, s := range o.Streams {
		s.Broken, s.Holes = true, nil
	}
}

func (o *origin) settle(now time.Time) {
	for _, s := range o.Streams {
		o.Lost += s.settle(now, false)
	}
}

// patience is how long without news is too long.
func (o *origin) patience() time.Duration { return max(silentIntervals*o.Interval, leastSilence) }

// show returns what there is to see of the origin. deaf is why nothing can be heard here, "" when it can.
func (o *origin) show(name string, now time.Time, deaf string) lag.Heartbeat {
	h := lag.Heartbeat{Origin: name, State: lag.HeartbeatOK, Time: o.Time, Heard: o.Heard, Sequence: o.Sequence, Lost: o.Lost, Latency: o.latency, Interval: o.Interval, Summary: o.Summary}
	for _, s := range o.Streams {
		for _, hole := range s.Holes {
			h.Missing += hole.To - hole.From
		}
	}
	quiet, age := now.Sub(o.Heard), now.Sub(o.Time)
	switch {
	case quiet >= o.patience() && deaf != "":
		h.State, h.Why = lag.HeartbeatUnknown, "nothing can be heard here: "+deaf
	case quiet >= o.patience():
		h.State, h.Why = lag.HeartbeatSilent, fmt.Sprintf("nothing was heard for %v", quiet.Truncate(time.Second))
	case age >= o.patience():
		h.State, h.Why = lag.HeartbeatWarn, fmt.Sprintf("its heartbeats come %v late", age.Truncate(time.Second))
	default:
		if h.Why = trouble(o.Summary); h.Why != "" {
			h.State = lag.HeartbeatWarn
		}
	}
	return h
}

// trouble says what an origin that is heard has to complain of.
func trouble(s *lag.HeartbeatSummary) string {
	switch {
	case s == nil:
		return ""
	case s.NotOK > 0:
		return fmt.Sprintf("%d of its partitions are not copied, the worst is %s", s.NotOK, s.State)
	case s.State != "" && lag.Urgency(s.State) < lag.Urgency(mirror.StateCopying):
		return "it is " + string(s.State)
	case s.Eligible != nil && !*s.Eligible:
		return "its host takes no new traffic"
	}
	return ""
}
