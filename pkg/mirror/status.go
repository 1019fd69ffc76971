package mirror

import (
	"fmt"
	"strings"
	"time"

	"tributary/pkg/mirror/protocol"
)

// State is what a partition is doing, as operators see it.
type State string

// States of a partition.
const (
	StateStarting  State = "starting"
	StateCopying   State = "copying"
	StateCaughtUp  State = "caught_up"
	StateWaiting   State = "waiting"   // something is being retried; Why says what
	StateThrottled State = "throttled" // behind for the link's rate
	StatePaused    State = "paused"    // an operator wanted it, until a time; Why says which
	StateHalted    State = "halted"    // an operator must judge
)

// sourceFresh is for how long a source's end offset is believed; a cold fetch answers within ten seconds.
const sourceFresh = 30 * time.Second

// stalledAfter is how long a partition that is behind may stand still before its state says so, whatever the reason.
const stalledAfter = 10 * time.Second

// PartitionStatus is one moment of a pipeline.
type PartitionStatus struct {
	Source, Dest TopicPartition
	State        State
	Cause        Cause
	Why          string
	Blame        *Blame // side and kind of the error that Why tells of; nil where nobody knows, or it tells of none
	Loss         *Loss  // what it cannot deliver; nil unless it is halted with one
	Fresh        bool   // the regime: the broker guards the sequence
	Started      bool
	Next         int64  // end of the acknowledged prefix
	Resume       *int64 // of a halted one whose source log is another one now: where AfterLoss goes on in it; nil else
	Committed    int64  // as saved in the group; -1 unknown
	SourceEnd    int64  // the last stable offset: up to there committed records can be read; -1 unknown
	HeldBack     int64  // offsets from SourceEnd to the high watermark: of open transactions and behind them; -1 unknown
	InFlight     int    // batches
	QueuedBytes  int
	LastAck      time.Time
	AckedMaxTime int64 // greatest timestamp of the last acknowledged batch, ms; 0 none
	Counters     Counters
}

// Lag is how many offsets the acknowledged prefix is behind the source's end; -1 when unknown.
func (s PartitionStatus) Lag() int64 {
	if s.SourceEnd < 0 || !s.Started {
		return -1
	}
	if s.Resume != nil { // Next is an offset of a log that is gone
		return max(0, s.SourceEnd-*s.Resume)
	}
	return max(0, s.SourceEnd-s.Next)
}

// Waits is the offset of the first record at the source that is not acknowledged by the destination; -1 when unknown.
func (s PartitionStatus) Waits() int64 {
	switch {
	case s.Resume != nil: // Next is an offset of a log that is gone
		return *s.Resume
	case s.Started:
		return s.Next
	}
	return -1
}

// Status returns the present moment.
func (p *Pipeline) Status(now time.Time) PartitionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PartitionStatus{Source: p.source, Dest: p.dest, Cause: p.cause, Loss: p.loss, Started: p.position != (protocol.Position{}),
		Next: p.position.Source, Resume: p.resumeIn(), Committed: -1, SourceEnd: -1, HeldBack: -1, InFlight: p.window.sent, QueuedBytes: p.window.bytes,
		LastAck: p.lastAck, AckedMaxTime: p.ackedMax, Counters: p.counters}
	s.Fresh = protocol.Limit(p.run, p.ages(now)) > 1
	if !p.savedAt.IsZero() {
		s.Committed = p.saved.Source
	}
	if now.Sub(p.sourceSeen) < sourceFresh {
		s.SourceEnd, s.HeldBack = p.sourceEnd, p.hold.high-p.hold.stable
	}
	s.State, s.Why = p.stateNow(s.SourceEnd, now)
	if s.State != StateHalted && s.State != StatePaused && p.waitsForQuiet(now) {
		s.State, s.Why = StateWaiting, p.unquiet()
	}
	if s.State == StateCaughtUp && p.hold.lasts(now) {
		s.State, s.Why = StateWaiting, p.hold.text()
	}
	if s.State == StateWaiting {
		s.Blame = p.blame(s.Why)
	}
	return s
}

// resumeIn is PartitionStatus.Resume. Where it is not known how far the other log begins, all of it is still to come.
func (p *Pipeline) resumeIn() *int64 {
	switch {
	case p.cause == CauseTruncated, p.cause == CauseSourceRecreated, p.cause == CauseWrongCluster && p.resume == logStart:
		at := max(0, p.resume)
		return &at
	}
	return nil
}

// standing returns for how long the acknowledged prefix was not seen to move, by the calls of Status there were.
func (p *Pipeline) standing(now time.Time) time.Duration {
	caughtUp := p.position.Source >= p.sourceEnd
	if p.shown != p.position.Source || caughtUp || p.shownSince.IsZero() {
		p.shown, p.shownSince = p.position.Source, now
	}
	return now.Sub(p.shownSince)
}

func (p *Pipeline) stateNow(sourceEnd int64, now time.Time) (State, string) {
	standing := p.standing(now)
	switch {
	case p.cause != "":
		return StateHalted, p.reason
	case p.ending != nil:
		return StateWaiting, p.waitingToEnd()
	case p.suspicion != nil:
		return StateWaiting, p.suspicion.String()
	case p.culprit != nil:
		return StateWaiting, p.culprit.status()
	case p.loop != "":
		return StateWaiting, p.loop
	case p.paused():
		return StatePaused, p.pauseText()
	case p.destTrouble != "":
		return StateWaiting, p.destTrouble
	case p.sourceTrouble != "":
		return StateWaiting, p.sourceTrouble
	case !p.started || !p.everJoined:
		return StateStarting, ""
	case !p.joined:
		return StateWaiting, "joining " + p.link.cfg.To
	case p.need == protocol.ScanCalm:
		return StateWaiting, "waiting until no old request can be under way"
	case sourceEnd >= 0 && p.position.Source >= sourceEnd:
		return StateCaughtUp, ""
	case p.slowed(now):
		return StateThrottled, p.link.rateText()
	case standing >= stalledAfter: // the memory may be with others, a connection may be silent
		return StateWaiting, fmt.Sprintf("nothing was acknowledged for %v, with %d batches under way", standing.Round(time.Second), p.window.sent)
	}
	return StateCopying, ""
}

// TopicStatus is one moment of a topic.
type TopicStatus struct {
	Topic, Dest string
	Problem     string    // why partitions are missing, "" when none are
	Unequal     string    // why settings that are kept equal are not, "" when they are
	Policy      Policy    // how the source cleans the log, as read last
	PausedUntil time.Time // zero when it is not paused, by itself or with the link
	Partitions  []PartitionStatus
	Former      Counters // of partitions that went to another owner, since this process took the topic

	// Lost counts records that were lost, by cause, since this process took the topic: each loss once, when it is found, an
	// upper bound where the log had gaps. It outlives the halt. Skipped counts records that were passed over, by reason.
	Lost    map[Cause]int64
	Skipped map[SkipReason]int64
}

// LinkStatus is one moment of a link.
type LinkStatus struct {
	Name, From, To string
	AtLeastOnce    bool
	Parks          bool   // records that cannot be copied are put aside
	Problem        string // why topics are not known or not all started, "" when all is well
	SaveProblem    string // why positions are not saved, "" when they are
	Rate           int64  // bytes per second to the destination, 0: no limit
	Flow           Flow
	LastSave       time.Time // when the group was committed to, or found to need no commit, last
	PausedUntil    time.Time // zero when it is not paused as a whole
	Topics         []TopicStatus
}

// Topics returns the names of the source topics that the link knows, those that another process mirrors among them.
func (l *Link) Topics() []string {
	var names []string
	for _, t := range l.all() {
		names = append(names, t.name)
	}
	return names
}

// Status returns the present moment. It does no I/O.
func (l *Link) Status() LinkStatus {
	l.mu.Lock()
	s := LinkStatus{Name: l.cfg.Name, From: l.cfg.From, To: l.cfg.To, AtLeastOnce: l.cfg.AtLeastOnce, Parks: l.cfg.Parking != nil,
		Problem: l.problem, SaveProblem: l.saveErr, Rate: l.allowance.rate.Load(), LastSave: l.lastSave, PausedUntil: l.pausedUntil(WholeLink)}
	l.mu.Unlock()
	now := time.Now()
	s.Flow = l.flow.at(now)
	var problems problems
	for _, t := range l.all() {
		if len(t.held()) == 0 {
			continue // it is another's
		}
		ts := t.status(now)
		problems.add(ts)
		s.Topics = append(s.Topics, ts)
	}
	s.Problem = problems.text(s.Problem)
	return s
}

func (t *topic) status(now time.Time) TopicStatus {
	t.mu.Lock()
	ts := TopicStatus{Topic: t.name, Dest: t.dest, Policy: t.policy, PausedUntil: t.link.pausedUntil(t.name), Former: t.former.counters, Lost: map[Cause]int64{}, Skipped: map[SkipReason]int64{}}
	t.former.tally.addTo(ts.Lost, ts.Skipped)
	ts.Unequal = t.unequal
	list := t.list
	t.mu.Unlock()
	ts.Problem = t.problem()
	for _, p := range list {
		ts.Partitions = append(ts.Partitions, p.Status(now))
		p.addTally(ts.Lost, ts.Skipped)
	}
	return ts
}

// former is what the partitions counted that went to another owner, while others of the topic are mirrored here: what is
// counted of a topic does not fall.
type former struct {
	counters Counters
	tally    tally
}

// remember adds what partitions counted that go. It is called under mu.
func (t *topic) remember(list []*Pipeline) {
	for _, p := range list {
		p.mu.Lock()
		t.former.counters = t.former.counters.Plus(p.counters)
		for cause, n := range p.tally.lost {
			t.former.tally.lose(cause, n)
		}
		for reason, n := range p.tally.skipped {
			t.former.tally.skip(reason, n)
		}
		p.mu.Unlock()
	}
}

// problems gathers why topics are not all started.
type problems struct {
	some []string
	more int
}

const problemsShown = 10

func (p *problems) add(t TopicStatus) {
	switch {
	case t.Problem == "":
	case len(p.some) < problemsShown:
		p.some = append(p.some, fmt.Sprintf("start topic %s: %s", t.Topic, t.Problem))
	default:
		p.more++
	}
}

// text puts them behind the link's own problem, if it has one.
func (p *problems) text(own string) string {
	list := p.some
	if own != "" {
		list = append([]string{own}, list...)
	}
	if p.more > 0 {
		list = append(list, fmt.Sprintf("and %d topics more", p.more))
	}
	return strings.Join(list, "\n")
}
