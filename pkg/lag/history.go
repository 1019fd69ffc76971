package lag

import (
	"cmp"
	"slices"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// linkHistory is what must be remembered of a link from one look to the next. It holds the topics and partitions that
// the link showed at the last look, and no others.
type linkHistory struct {
	topics  map[string]*topicHistory
	episode episode // of the link's own problem
	pool    poolHistory
	loud    loudness
	outside outside // set before each look

	begun    bool                       // it was looked at before
	first    time.Time                  // when, first
	recalled map[string]recalledOutlook // by topic: what was told before the process began, until all topics are known
}

// outside is what a look takes in beside the link's own status.
type outside struct {
	answers   answers
	retention Retention
	wanted    func(link, topic string) bool // nil: all are
}

type topicHistory struct {
	partitions map[int32]*partitionHistory
	through    *time.Time
	episode    episode // of the topic's own problem
	warned     bool    // the topic had a warning at the last look
	pace       pace
	over       bool // its deadline was over then
	headroom   headroom
}

type partitionHistory struct {
	watermark watermark
	episode   episode
	delays    delays
	bounds    map[Cause]bound // what was certain last
}

// observe takes one look at a link, with a view of its pool if there is one, and returns what it shows and what changed.
func (h *linkHistory) observe(now time.Time, owner string, s mirror.LinkStatus, v *pool.View) (Link, []change) {
	link := Link{Name: s.Name, From: s.From, To: s.To, AtLeastOnce: s.AtLeastOnce, Parks: s.Parks, Problem: cmp.Or(s.Problem, absent(v)), SaveProblem: s.SaveProblem, Pool: v, Retention: h.outside.retention, Flow: s.Flow}
	if !s.PausedUntil.IsZero() {
		link.PausedUntil = new(s.PausedUntil.UTC())
	}
	h.outside.answers.of(&link)
	if s.Rate > 0 {
		link.Rate = &s.Rate
	}
	if !s.LastSave.IsZero() {
		link.LastSave = &s.LastSave
	}
	link.Running = link.LastSave != nil || s.Problem != "" || s.SaveProblem != "" || len(s.Topics) > 0
	var changes [][]change
	var outlooks []change
	topics := make(map[string]*topicHistory, len(s.Topics))
	seats := newSeats(v)
	for _, ts := range s.Topics {
		if seat, ok := seats[ts.Topic]; ok && !seat.mine && len(ts.Partitions) == 0 {
			seat.dest = ts.Dest
			continue
		}
		th := h.topics[ts.Topic]
		if th == nil {
			th = h.resume(now, ts.Topic)
		}
		topics[ts.Topic] = th
		topic, found := th.observe(now, ts, h.outside)
		if v == nil {
			topic.Owner = owner
		} else if seat, ok := seats[ts.Topic]; ok {
			seat.of(&topic)
			delete(seats, ts.Topic)
		}
		outlooks = append(outlooks, th.foresee(now, &topic, ts, h.outside)...)
		topic.Warning = both(topic.Warning, ts.Unequal)
		link.Topics = append(link.Topics, topic)
		changes = append(changes, found)
	}
	h.topics = topics
	link.addSeats(seats)
	h.standIn(now, &link, owner, s.Topics)
	for _, t := range link.Topics {
		link.State = Worse(link.State, t.State)
	}
	link.State = orStarting(withProblem(link.State, link.Problem))
	return link, slices.Concat(h.episode.own(now, "", link.Problem), merge(changes), crowd(outlooks))
}

func (h *topicHistory) observe(now time.Time, s mirror.TopicStatus, out outside) (Topic, []change) {
	topic := Topic{Topic: s.Topic, Dest: s.Dest, Problem: s.Problem, Counters: s.Former, Lost: s.Lost, Skipped: s.Skipped}
	partitions := make(map[int32]*partitionHistory, len(s.Partitions))
	var changes []change
	var deletions tombstones
	ahead := newForesight(now, out.answers, s)
	for _, ps := range s.Partitions {
		ph := h.partitions[ps.Source.Partition]
		if ph == nil {
			ph = &partitionHistory{}
		}
		partitions[ps.Source.Partition] = ph
		ph.watermark.observe(now, ps)
		through := ph.watermark.time()
		ph.delays.observe(now, ps, through)
		shown := ps
		shown.SourceEnd = ahead.sourceEnd(ps)
		p := newPartition(shown, through)
		ahead.partition(&p, ph, ps)
		topic.add(p, ps)
		deletions.add(ps, through)
		changes = append(changes, ph.episode.see(now, s.Topic, ps)...)
	}
	h.partitions = partitions
	topic.State = orStarting(withProblem(topic.State, s.Problem))
	topic.complete()
	topic.ReplicatedThrough = h.advance(now, topic)
	topic.Speed = h.pace.see(now, topic.ReplicatedThrough)
	if !s.PausedUntil.IsZero() {
		topic.PausedUntil = new(s.PausedUntil.UTC())
	}
	topic.Outlook = ahead.result(len(s.Partitions))
	deletions.of(&topic, s.Policy, now)
	slices.SortFunc(topic.Partitions, func(a, b Partition) int { return int(a.Partition) - int(b.Partition) })
	changes = together(changes, len(s.Partitions))
	return topic, slices.Concat(h.episode.own(now, s.Topic, s.Problem), changes, h.warn(now, topic))
}

// both joins two things that an operator should know; each may be "".
func both(one, other string) string {
	if one == "" || other == "" {
		return one + other
	}
	return one + "; " + other
}

// advance returns the topic's watermark: the earliest of its partitions'. While one is not known it stands still.
func (h *topicHistory) advance(now time.Time, t Topic) *time.Time {
	var earliest *time.Time
	for _, p := range t.Partitions {
		if p.ReplicatedThrough == nil {
			earliest = nil
			break
		}
		if earliest == nil || p.ReplicatedThrough.Before(*earliest) {
			earliest = p.ReplicatedThrough
		}
	}
	if t.Problem == "" && earliest != nil {
		h.through = earliest
	}
	if h.through != nil && h.through.After(now) { // the clock was set back
		back := now.Round(0).UTC()
		h.through = &back
	}
	return h.through
}

// withProblem is the state of what has a problem of its own besides those of its parts.
func withProblem(s mirror.State, problem string) mirror.State {
	if problem == "" {
		return s
	}
	return Worse(s, mirror.StateWaiting)
}

func orStarting(s mirror.State) mirror.State {
	if s == "" {
		return mirror.StateStarting
	}
	return s
}
