package mirror

import "time"

const (
	// stuckAfter is for how long something waits and nothing is acknowledged until a unit is stuck: another member may do
	// better. It is the only patience there is: what is stuck moves as soon as somebody is able to take it.
	stuckAfter = time.Minute
	// doubtAfter is the same for everything that a member has together: it may be no better off than others. It is so short
	// that after the loss of a cluster all members doubt long before the first of them is stuck.
	doubtAfter = 15 * time.Second
	// ableAfter is for how long a member must have been without such a doubt: after an outage all recover, but not in the
	// same second, and the first is not to be given what the others have.
	ableAfter = 30 * time.Second
	// unseenAfter is when the ends of a source that is in trouble are not known any more: one that answers is seen more often.
	unseenAfter = lookOlder + lookEvery
	// stuckDrain is how long the hand-over of what is stuck waits for answers, and then to save: neither came in a minute.
	stuckDrain = 2 * time.Second
)

// pace is what a look at the pipelines of a unit finds.
type pace struct {
	bytes, records int64     // acknowledged so far
	waits          bool      // something is to be done that another owner might be able to do
	idle           time.Time // else: until when nothing waited, as far as is known; zero where the source was never seen
}

// progress follows whether a unit gets on. What is acknowledged counts from the look that found it, which is later than it was.
type progress struct {
	begun time.Time // first look
	acked int64     // records, as of the last look
	moved time.Time // when they were seen to have become more; zero: never
	idle  time.Time // until when nothing waited, as far as is known; zero: not known
}

func (a *progress) see(at pace, now time.Time) {
	switch {
	case a.begun.IsZero():
		a.begun, a.acked = now, at.records
	case at.records != a.acked:
		a.moved, a.acked = now, at.records
	}
	if !at.waits {
		a.idle = at.idle
	}
}

// stalled is for how long something waits and nothing was acknowledged.
func (a *progress) stalled(now time.Time) time.Duration {
	return now.Sub(latest(a.begun, latest(a.moved, a.idle)))
}

func (a *progress) stuck(now time.Time) bool { return a.stalled(now) >= stuckAfter }

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pace looks at what runs of a tenant. While it cannot prove that the unit is its own, which is as long as the coordination
// service is away, nothing is to be done by anybody. It is called under topic.mu.
func (tn *tenant) pace(now time.Time) pace {
	all := pace{waits: tn.problem != "", idle: now} // it cannot be started, which another may be able to
	for _, p := range tn.list {
		at := p.pace(now)
		all.bytes, all.records, all.waits = all.bytes+at.bytes, all.records+at.records, all.waits || at.waits
		if at.idle.Before(all.idle) {
			all.idle = at.idle
		}
	}
	if !tn.valid() {
		all.waits, all.idle = false, now
	}
	return all
}

// pace looks at one partition. What is halted, looped or paused waits for an operator, and what waits for a former owner's end would
// only wait again; what the link's rate holds back gets on. A source that is not seen for long may have anything.
func (p *Pipeline) pace(now time.Time) pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := pace{bytes: p.counters.BytesAcked, records: p.counters.RecordsAcked, idle: now}
	switch {
	case p.cause != "" || p.loop != "" || p.paused() || p.waitsForQuiet(now) || p.slowed(now):
	case p.position.Source < p.sourceEnd:
		at.waits = true
	case p.sourceTrouble != "" && now.Sub(p.sourceSeen) > unseenAfter:
		at.idle = p.sourceSeen
	}
	return at
}

// isStuck says whether the unit makes no progress.
func (tn *tenant) isStuck(now time.Time) bool {
	tn.topic.mu.Lock()
	defer tn.topic.mu.Unlock()
	return !tn.progress.begun.IsZero() && tn.progress.stuck(now)
}

// fitness follows whether a member is one that could take what others have no success with.
type fitness struct {
	begun time.Time // first look
	unfit time.Time // when it was seen last that it is none; zero: never
}

// see takes in whether both clusters answer and what waits is acknowledged, and says whether the member is able.
func (f *fitness) see(well bool, now time.Time) bool {
	if f.begun.IsZero() {
		f.begun = now
	}
	if !well && now.Sub(f.begun) >= doubtAfter { // a start takes a moment
		f.unfit = now
	}
	return well && (f.unfit.IsZero() || now.Sub(f.unfit) >= ableAfter)
}
