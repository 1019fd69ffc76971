package lag

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"tributary/pkg/durable"
	"tributary/pkg/mirror"
)

const (
	// recallEvery is how often what was told is written. A restart goes on with what is at most so old: deadlines and
	// watermarks only move forward, so that older ones hold too.
	recallEvery = 30 * time.Second
	// recallFor is for how long a process without any topic of a link stands in for them, when nothing is wrong with the link.
	recallFor = 5 * time.Minute
	// recallVersion rises when the form of the file changes.
	recallVersion = 1
)

// recall is what was told of links before the process began, in the form it has on disk.
type recall struct {
	Version int                                   `json:"version"`
	Links   map[string]map[string]recalledOutlook `json:"links"` // by link and topic
}

// recalledOutlook is what was told of one topic.
type recalledOutlook struct {
	From       string                           `json:"from"` // clusters: of others it says nothing
	To         string                           `json:"to"`
	Dest       string                           `json:"dest"`
	Through    *time.Time                       `json:"through"`
	Deadlines  map[Cause]time.Time              `json:"deadlines"`
	Partitions map[int32]map[Cause]recalledTime `json:"partitions"`
}

type recalledTime struct {
	At     time.Time     `json:"at"`
	Budget time.Duration `json:"budget"` // nanoseconds
}

// recall reads what was told before. A file that is of no use is a line in the log, and nothing more.
func (o *Observer) recall() {
	o.recalled = map[string]map[string]recalledOutlook{}
	if o.cfg.Path == "" {
		return
	}
	text, err := os.ReadFile(o.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var r recall
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil && r.Version != recallVersion {
		err = fmt.Errorf("its version is %d, not %d", r.Version, recallVersion)
	}
	if err != nil {
		o.log.Warn("what was told before the restart could not be read; it is learned anew", "err", err)
		return
	}
	o.recalled = r.Links
}

// remember has written what is told now, now and then. Where that fails, a restart knows less, and the log says so.
func (o *Observer) remember(now time.Time, disk *durable.Saver) {
	if disk == nil || now.Sub(o.remembered) < recallEvery && !o.remembered.IsZero() {
		return
	}
	o.remembered = now
	r := recall{recallVersion, map[string]map[string]recalledOutlook{}}
	if s := o.latest.Load(); s != nil {
		for i := range s.Links {
			r.Links[s.Links[i].Name] = o.links[i].told(&s.Links[i])
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		o.log.Warn("what is told of the time until loss not saved; a restart forgets it", "err", err)
		return
	}
	disk.Put(text)
}

// told is what the link tells of its topics, and what was told before of those that are not there yet.
func (h *linkHistory) told(l *Link) map[string]recalledOutlook {
	topics := maps.Clone(h.recalled)
	if topics == nil {
		topics = map[string]recalledOutlook{}
	}
	for _, t := range l.Topics {
		th := h.topics[t.Topic]
		if th == nil || len(t.Partitions) == 0 {
			continue
		}
		out := recalledOutlook{From: l.From, To: l.To, Dest: t.Dest, Through: t.ReplicatedThrough, Deadlines: t.Deadlines, Partitions: map[int32]map[Cause]recalledTime{}}
		for id, p := range th.partitions {
			bounds := map[Cause]recalledTime{}
			for cause, b := range p.bounds {
				bounds[cause] = recalledTime{b.at, b.budget}
			}
			out.Partitions[id] = bounds
		}
		topics[t.Topic] = out
	}
	return topics
}

// recallLink takes what was told of a link before, as far as it still concerns it.
func (o *Observer) recallLink(now time.Time, h *linkHistory, s mirror.LinkStatus) {
	h.begun, h.first = true, now
	for name, told := range o.recalled[s.Name] {
		if told.From == s.From && told.To == s.To {
			if h.recalled == nil {
				h.recalled = map[string]recalledOutlook{}
			}
			h.recalled[name] = told
		}
	}
}

// ahead says that some of the times cannot be, at a time that is now: the clock was set back since. Then none of them counts:
// they would hide a standstill, or a loss, until the clock is there again.
func (r recalledOutlook) ahead(now time.Time) bool {
	if r.Through != nil && r.Through.After(now) {
		return true
	}
	for _, bounds := range r.Partitions {
		for _, b := range bounds {
			if b.Budget > 0 && b.At.After(later(now, b.Budget)) { // later than that of a record which arrives now
				return true
			}
		}
	}
	return false
}

// resume begins the history of a topic with what was told of it before the process began.
func (h *linkHistory) resume(now time.Time, topic string) *topicHistory {
	told, ok := h.recalled[topic]
	if !ok || told.ahead(now) {
		return &topicHistory{}
	}
	th := &topicHistory{through: told.Through, partitions: map[int32]*partitionHistory{}}
	for id, bounds := range told.Partitions {
		ph := &partitionHistory{}
		for cause, b := range bounds {
			ph.keep(cause, bound{certain, b.At, b.Budget})
		}
		th.partitions[id] = ph
	}
	return th
}

// standIn adds the topics that were there before the process began, and are not yet: a process that starts while a cluster
// does not answer knows no topics, and the time until they lose something goes on. In a pool others may have them. Once all
// topics are known, those that are not there are gone; before that, those that the configuration no longer has are.
func (h *linkHistory) standIn(now time.Time, l *Link, owner string, topics []mirror.TopicStatus) {
	if l.Problem == "" && (len(topics) > 0 || now.Sub(h.first) > recallFor) {
		h.recalled = nil
	}
	if l.Pool != nil {
		return
	}
	maps.DeleteFunc(h.recalled, func(name string, _ recalledOutlook) bool {
		return h.outside.wanted != nil && !h.outside.wanted(l.Name, name)
	})
	for _, name := range slices.Sorted(maps.Keys(h.recalled)) {
		i := slices.IndexFunc(l.Topics, func(t Topic) bool { return t.Topic == name })
		if i >= 0 && len(l.Topics[i].Partitions) > 0 {
			delete(h.recalled, name) // it has a history of its own now
			continue
		}
		told := h.recalled[name]
		if i < 0 {
			problem := "not started yet; the time until loss is as it was told before the restart"
			if told.ahead(now) {
				problem = "not started yet; what was told before the restart is of a time to come, as the clock was set back, and does not count"
			}
			l.Topics = append(l.Topics, Topic{Topic: name, Dest: told.Dest, Owner: owner, State: orStarting(withProblem("", l.Problem)),
				Problem: problem, Lost: map[mirror.Cause]int64{}, Skipped: map[mirror.SkipReason]int64{}})
			i = len(l.Topics) - 1
		}
		told.of(&l.Topics[i], now)
	}
	slices.SortFunc(l.Topics, func(a, b Topic) int {
		if a.Topic < b.Topic {
			return -1
		}
		return 1
	})
}

// of writes into a topic without partitions what was told of it.
func (r recalledOutlook) of(t *Topic, now time.Time) {
	if r.ahead(now) {
		t.Unknown = Causes()
		return
	}
	t.Deadlines, t.ReplicatedThrough = maps.Clone(r.Deadlines), r.Through
	for _, bounds := range r.Partitions {
		for cause, b := range bounds {
			_, told := r.Deadlines[cause]
			if share, ok := (bound{certain, b.At, b.Budget}).used(now); told && ok && (t.Used == nil || share > *t.Used) {
				t.Used = &share
			}
		}
	}
	t.settle()
}
