package journal

import (
	"time"
	"unicode/utf8"

	"tributary/pkg/mirror"
)

// Kind says what an event is about. Those of a partition's life, and of a pool's, are of packages mirror and lag.
type Kind string

// Kinds that are about the process, its operators and this journal.
const (
	KindProcessStarted    Kind = "process_started"
	KindProcessStopped    Kind = "process_stopped"
	KindSkipRequested     Kind = "skip_requested" // by an operator; on disk before anything is done, as all that are requested
	KindSkipDone          Kind = "skip_done"
	KindSkipFailed        Kind = "skip_failed"
	KindDrainRequested    Kind = "drain_requested" // Text says whether to hand over or to end that
	KindDrainDone         Kind = "drain_done"      // the pool knows of it; how far it is, other events say
	KindDrainFailed       Kind = "drain_failed"
	KindPinRequested      Kind = "pin_requested" // Text says to whom, or that it is to end
	KindPinDone           Kind = "pin_done"
	KindPinFailed         Kind = "pin_failed"
	KindPauseRequested    Kind = "pause_requested" // Text says until when; without a topic the whole link
	KindPauseDone         Kind = "pause_done"
	KindPauseFailed       Kind = "pause_failed"
	KindPauseEnded        Kind = "pause_ended" // by itself; Text says why
	KindResumeRequested   Kind = "resume_requested"
	KindResumeDone        Kind = "resume_done"
	KindResumeFailed      Kind = "resume_failed"
	KindReloadRequested   Kind = "reload_requested"
	KindReloadDone        Kind = "reload_done"      // Text says what changed
	KindReloadFailed      Kind = "reload_failed"    // Text says why nothing did
	KindForgetRequested   Kind = "forget_requested" // of an origin of heartbeats, which Text names
	KindForgetDone        Kind = "forget_done"
	KindForgetFailed      Kind = "forget_failed"
	KindEligibleRequested Kind = "eligible_requested" // whether the host may take new traffic; Text says the mode
	KindEligibleDone      Kind = "eligible_done"
	KindEligibleFailed    Kind = "eligible_failed"
	KindDropped           Kind = "events_dropped" // Text says how many: the journal could not be written for too long
)

// Event is one thing that happened, in the form it has on disk and in the API. The form is a contract: fields may be
// added, none changes. What does not apply is absent.
type Event struct {
	ID        uint64    `json:"id"` // rises with every event, across restarts; assigned by the journal
	Time      time.Time `json:"time"`
	Kind      Kind      `json:"kind"`
	Link      string    `json:"link,omitempty"`
	Topic     string    `json:"topic,omitempty"`     // at the source; absent: the whole link
	Partition *int32    `json:"partition,omitempty"` // absent: the whole topic
	Cause     string    `json:"cause,omitempty"`     // why a partition halted
	Text      string    `json:"text,omitempty"`      // for people
	Lost      *Lost     `json:"lost,omitempty"`
	Surplus   *Range    `json:"surplus,omitempty"`    // offsets whose records the destination has and the source has not
	ResumesAt *int64    `json:"resumes_at,omitempty"` // the source offset that a partition goes on at
	UID       *uint32   `json:"uid,omitempty"`        // the operator, by the user id of the process that asked
	Remote    string    `json:"remote,omitempty"`     // the same of one who came over the network with the token, by his address
}

// Range is offsets from From up to but without To.
type Range struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Lost is what the source no longer has, or never will deliver. Nil is unknown; To equal to From is nothing.
type Lost struct {
	From    *int64     `json:"from"`
	To      *int64     `json:"to"`
	Records *int64     `json:"records"` // an upper bound where the log had gaps
	Since   *time.Time `json:"since"`   // by the timestamps of the records beside the range
	Until   *time.Time `json:"until"`
}

// NewLost returns what of a loss is lost, and what the destination has in excess; nil when there is nothing to say.
func NewLost(l *mirror.Loss) (*Lost, *Range) {
	if l == nil {
		return nil, nil
	}
	lost := &Lost{From: known(l.From), To: known(l.To), Records: known(l.Records), Since: knownTime(l.Since), Until: knownTime(l.Until)}
	if l.Surplus == nil {
		return lost, nil
	}
	return lost, &Range{From: l.Surplus.From, To: l.Surplus.To}
}

// known returns nil for a negative number, which is how mirror writes unknown.
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func knownTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Record implements mirror.Events.
func (j *Journal) Record(e mirror.Event) {
	event := Event{Time: e.Time, Kind: Kind(e.Kind), Link: e.Link, Topic: e.Topic, Cause: string(e.Cause), Text: e.Text}
	if e.Partition >= 0 {
		event.Partition = &e.Partition
	}
	if e.Kind == mirror.EventSkipped || e.Kind == mirror.EventParked {
		event.ResumesAt = &e.ResumesAt
	}
	event.Lost, event.Surplus = NewLost(e.Loss)
	j.Add(event)
}

// maxTextBytes bounds the text of an event: an error may quote what a broker sent.
const maxTextBytes = 2 << 10

// clip returns text as far as there is room for it, ending with a whole character.
func clip(text string) string {
	if len(text) <= maxTextBytes {
		return text
	}
	end := maxTextBytes
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

// lasting says that an event of this kind must outlive a power cut that follows at once.
func (k Kind) lasting() bool {
	switch k {
	case KindSkipRequested, KindSkipDone, KindSkipFailed, KindDrainRequested, KindDrainDone, KindDrainFailed, KindPinRequested, KindPinDone, KindPinFailed,
		KindPauseRequested, KindPauseDone, KindPauseFailed, KindResumeRequested, KindResumeDone, KindResumeFailed, KindReloadRequested, KindReloadDone, KindReloadFailed,
		KindForgetRequested, KindForgetDone, KindForgetFailed,
		Kind(mirror.EventHalted), Kind(mirror.EventSkipped), Kind(mirror.EventParked):
		return true
	}
	return false
}
