package journal

import (
	"time"
	"unicode/utf8"
)

// Kind says what an event is about. Those of a partition's life are of packages mirror and lag.
type Kind string

// Kinds that are about the process, its operators and this journal.
const (
	KindProcessStarted Kind = "process_started"
	KindProcessStopped Kind = "process_stopped"
	KindSkipRequested  Kind = "skip_requested" // by an operator; on disk before anything is done
	KindSkipDone       Kind = "skip_done"
	KindSkipFailed     Kind = "skip_failed"
	KindDropped        Kind = "events_dropped" // Text says how many: the journal could not be written for too long
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
	Surplus   *Range    `json:"surplus,omitempty"` // offsets whose records the destination has and the source has not
	UID       *uint32   `json:"uid,omitempty"`     // the operator, by the user id of the process that asked
}

// Range is offsets from From up to but without To.
type Range struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Lost is what the source no longer has, or never will deliver. Nil is unknown; To equal to From is nothing.
type Lost struct {
	From    int64      `json:"from"`
	To      *int64     `json:"to"`
	Records *int64     `json:"records"` // an upper bound where the log had gaps
	Since   *time.Time `json:"since"`   // by the timestamps of the records beside the range
	Until   *time.Time `json:"until"`
}

// maxTextBytes bounds the text of an event: an error may quote what a broker sent.
const maxTextBytes = 4 << 10

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
	case KindSkipRequested, KindSkipDone, KindSkipFailed, "halted", "skipped", "parked":
		return true
	}
	return false
}
