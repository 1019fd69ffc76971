package lag

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"tributary/pkg/mirror"
)

// patience is for how long something waits before it is worth a line: leaders move within seconds.
const patience = 10 * time.Second

// event is a change of state that an operator wants to know of. Between copying and caught up there is none.
type event int

const (
	started event = iota
	waited
	recovered
	warned
	strained   // the headroom is below the first threshold
	imperilled // below the second
	relieved   // above both
	resettled  // the settings of a topic are other ones
)

// change is an event of a partition, of all partitions of a topic, or of all topics of a link.
type change struct {
	event      event
	topic      string // "" the whole link
	partition  int32  // with partitions 1
	topics     int    // more than one: the same of as many whole topics, of which topic is the first
	partitions int    // 0: a problem of the topic or link itself
	why        string // of waited
	lasted     time.Duration
	inTopic    bool // all partitions of the topic
}

// episode follows the state of one thing.
type episode struct {
	ran    bool // it was at work before
	bad    time.Time
	warned bool // a line about the present trouble was written, by us or for a halt by mirror
}

// see takes in a partition's state and returns at most one change.
func (e *episode) see(now time.Time, topic string, s mirror.PartitionStatus) []change {
	c := change{topic: topic, partition: s.Source.Partition, partitions: 1, why: s.Why}
	return e.note(now, s.State, c)
}

// own takes in the problem that a topic, or with "" a link, has itself and returns at most one change.
func (e *episode) own(now time.Time, topic, problem string) []change {
	e.ran = true // that it started is said of its partitions
	state := mirror.StateCopying
	if problem != "" {
		state = mirror.StateWaiting
	}
	return e.note(now, state, change{topic: topic, why: problem})
}

func (e *episode) note(now time.Time, s mirror.State, c change) []change {
	switch s {
	case mirror.StateHalted:
		e.trouble(now)
		e.warned = true
		return nil
	case mirror.StateWaiting:
		e.trouble(now)
		if c.lasted = now.Sub(e.bad); e.warned || c.lasted < patience {
			return nil
		}
		e.warned = true
		c.event = waited
		return []change{c}
	case mirror.StateCopying, mirror.StateCaughtUp, mirror.StateThrottled:
	default:
		return nil
	}
	c.why, c.event = "", started
	if e.warned {
		c.event, c.lasted = recovered, now.Sub(e.bad)
	}
	quiet := e.ran && !e.warned
	*e = episode{ran: true}
	if quiet {
		return nil
	}
	return []change{c}
}

func (e *episode) trouble(now time.Time) {
	if e.bad.IsZero() {
		e.bad = now
	}
}

// together makes one change of those of a topic's partitions when all made the same.
func together(changes []change, partitions int) []change {
	if len(changes) == 0 || len(changes) < partitions || !alike(changes) {
		return changes
	}
	all := changes[0]
	all.inTopic, all.partitions = true, partitions
	return []change{all}
}

// fewTopics is how many topics get a line each when the same happens to all of them at once.
const fewTopics = 10

// merge makes one change of those of a link's topics when all partitions of all made the same. Where the same happens to
// many whole topics, as when a pool gives this process a thousand of them, it makes one change of these.
func merge(topics [][]change) []change {
	var all []change
	whole := len(topics) > 1
	for _, changes := range topics {
		whole = whole && len(changes) == 1 && changes[0].inTopic
		all = append(all, changes...)
	}
	if !whole || !alike(all) {
		return crowd(all)
	}
	one := all[0]
	one.topic = ""
	for _, c := range all[1:] {
		one.partitions += c.partitions
	}
	return []change{one}
}

// crowd makes one change of those of many whole topics, for each event that happened to so many.
func crowd(all []change) []change {
	count := map[event]int{}
	for _, c := range all {
		if c.inTopic {
			count[c.event]++
		}
	}
	first := map[event]int{} // index in kept of the one change of an event
	kept := all[:0:0]
	for _, c := range all {
		if !c.inTopic || count[c.event] <= fewTopics {
			kept = append(kept, c)
			continue
		}
		i, ok := first[c.event]
		if !ok {
			first[c.event] = len(kept)
			c.topics = 1
			kept = append(kept, c)
			continue
		}
		kept[i].topics++
		kept[i].partitions += c.partitions
	}
	return kept
}

func alike(changes []change) bool {
	for _, c := range changes {
		if c.event != changes[0].event {
			return false
		}
	}
	return true
}

// Kinds of the events of this package; those of halts are mirror's own.
const (
	EventWaiting   mirror.EventKind = "waiting"   // for longer than is usual
	EventRecovered mirror.EventKind = "recovered" // at work again after that, or after a halt
)

// note returns the event of a change, if it is worth one. Partition is -1 unless it is of one partition.
func (c change) note(now time.Time, link string) (e mirror.Event, ok bool) {
	e = mirror.Event{Time: now, Link: link, Topic: c.topic, Partition: -1}
	switch c.event {
	case waited:
		e.Kind, e.Text = EventWaiting, fmt.Sprintf("for %v: %s", c.lasted.Round(time.Second), c.why)
	case recovered:
		e.Kind, e.Text = EventRecovered, fmt.Sprintf("after %v", c.lasted.Round(time.Second))
	case strained:
		e.Kind, e.Text = EventHeadroomLow, c.why
	case imperilled:
		e.Kind, e.Text = EventHeadroomCritical, c.why
	case relieved:
		e.Kind, e.Text = EventHeadroomRecovered, c.why
	case resettled:
		e.Kind, e.Text = EventSettingsChanged, c.why
	default:
		return e, false
	}
	switch {
	case c.topics > 1:
		e.Topic, e.Text = "", fmt.Sprintf("%d topics (the first is %s), %d partitions, %s", c.topics, c.topic, c.partitions, e.Text)
	case c.partitions == 1 && !c.inTopic && c.topic != "":
		e.Partition = c.partition
	case c.partitions > 0:
		e.Text = fmt.Sprintf("%d partitions, %s", c.partitions, e.Text)
	}
	return e, true
}

// errorEvery is the least time between two errors about one trouble.
const errorEvery = time.Minute

// loudness decides which waits of a link are errors: the first of a trouble, and while it lasts one a minute at most. A trouble
// shows in many places one after another, and whoever it wakes needs one line; the others are warnings.
type loudness struct {
	last time.Time // of the newest error of the present trouble, zero before the first
	well time.Time // since when there is no trouble, zero while there is
}

// level is that of a wait which is logged now.
func (l *loudness) level(now time.Time) slog.Level {
	if !l.last.IsZero() && now.Sub(l.last).Abs() < errorEvery { // either way: the clock may be set
		return slog.LevelWarn
	}
	l.last = now
	return slog.LevelError
}

// see ends the trouble when the link is well, and stays so: what comes and goes within seconds is one trouble.
func (l *loudness) see(now time.Time, link Link) {
	trouble := []mirror.State{mirror.StateHalted, StateUnowned, mirror.StateWaiting, mirror.StateStarting}
	switch {
	case link.Problem != "" || slices.Contains(trouble, link.State):
		l.well = time.Time{}
	case l.well.IsZero():
		l.well = now
	case now.Sub(l.well) >= patience:
		l.last = time.Time{}
	}
}

// report writes one line for each change.
func report(log *slog.Logger, now time.Time, changes []change, loud *loudness) {
	for _, c := range changes {
		log := log
		switch {
		case c.topics > 1:
			log = log.With("topics", c.topics, "first", c.topic)
		case c.topic != "":
			log = log.With("topic", c.topic)
		}
		switch {
		case c.partitions > 0 && (c.inTopic || c.topic == ""):
			log = log.With("partitions", c.partitions)
		case c.partitions > 0:
			log = log.With("partition", c.partition)
		}
		switch c.event {
		case started:
			log.Info("mirroring started")
		case waited:
			log.Log(context.Background(), loud.level(now), "mirroring waits", "for", c.lasted.Round(time.Second).String(), "err", c.why)
		case warned:
			log.Warn("mirroring is late", "err", c.why)
		case strained:
			log.Warn("headroom is low", "err", c.why)
		case imperilled:
			log.Warn("headroom is critical", "err", c.why)
		case relieved:
			log.Info("headroom recovered")
		case resettled:
			log.Info("topic settings changed", "what", c.why)
		case recovered:
			log.Info("mirroring recovered", "after", c.lasted.Round(time.Second).String())
		}
	}
}
