package mirror

import "time"

// EventKind says what happened to a partition.
type EventKind string

// Kinds of events.
const (
	EventHalted  EventKind = "halted"  // it waits for an operator; Cause, Text and Loss say why
	EventSkipped EventKind = "skipped" // an operator let it go on; Loss is what that gave up
	EventParked  EventKind = "parked"  // a record was put aside and passed

	EventSettingCopied    EventKind = "setting_copied"     // Text says which of the topic's settings, from what to what
	EventSettingNotCopied EventKind = "setting_not_copied" // Text says why settings that are kept equal are not
)

// Event is something that an operator will want to find again later.
type Event struct {
	Time      time.Time
	Kind      EventKind
	Link      string
	Topic     string // at the source
	Partition int32
	Cause     Cause
	Text      string
	Loss      *Loss
	ResumesAt int64 // of EventSkipped and EventParked: the source offset it goes on at
}

// Events takes note of what happens. Record is called outside of the pipelines' locks, from many goroutines; it must not
// block.
type Events interface {
	Record(e Event)
}
