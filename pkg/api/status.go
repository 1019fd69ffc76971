package api

import "time"

// Status is the answer of /api/v1/status. Every field is always there unless it says otherwise; a number or time that is unknown
// is null, never 0. Times are in UTC, durations in seconds, sizes in bytes.
type Status struct {
	Instance string    `json:"instance"`
	Zone     string    `json:"zone"`
	Version  string    `json:"version"`
	Time     time.Time `json:"time"`   // of the snapshot: all else is as of then
	Config   *Config   `json:"config"` // null where there is no file to reload
	Links    []Link    `json:"links"`

	Heartbeats        []Heartbeat        `json:"heartbeats"`         // by origin; empty where none are read
	HeartbeatClusters []HeartbeatCluster `json:"heartbeat_clusters"` // where they are written and read

	Watchers         map[string]time.Time `json:"watchers"`          // when each was heard of last
	WatchersExpected map[string]float64   `json:"watchers_expected"` // the longest silence that the configuration allows, in seconds

	Eligible *Eligible `json:"eligible"` // whether the host may take new traffic
}

// States of a link, a topic and a partition, from bad to good. A link and a topic have the worst of what they consist of.
const (
	StateHalted    = "halted"    // an operator must judge
	StateUnowned   = "unowned"   // nobody mirrors it
	StateWaiting   = "waiting"   // something is being retried
	StateStarting  = "starting"  // where it stands is not known yet
	StateThrottled = "throttled" // it gets on as fast as the rate of the link allows
	StatePaused    = "paused"    // an operator wanted it
	StateCopying   = "copying"
	StateCaughtUp  = "caught_up"
	StateElsewhere = "elsewhere" // another member of the pool has it, and knows how it fares
)

// States returns all states, the worst first. It is a new slice each time.
func States() []string {
	return []string{StateHalted, StateUnowned, StateWaiting, StateStarting, StateThrottled, StatePaused, StateCopying, StateCaughtUp, StateElsewhere}
}

// Config is what the status says of the configuration.
type Config struct {
	Reloaded time.Time `json:"reloaded"` // when it was read that is in force
	Problem  string    `json:"problem"`  // why the newest one is not, "" when it is
}

// Link is one link of a process.
type Link struct {
	Name        string       `json:"name"`
	From        string       `json:"from"`
	To          string       `json:"to"`
	State       string       `json:"state"`
	Guarantee   string       `json:"guarantee"`      // exactly-once, at-least-once
	Problem     string       `json:"problem"`        // why topics are not known or not all started, or positions not saved
	Pool        *PoolSummary `json:"pool,omitempty"` // absent where this process has all topics
	PausedUntil *time.Time   `json:"paused_until"`   // as a whole; null when it is not
	Rate        *int64       `json:"rate"`           // bytes per second to the destination; null: no limit
	Probe       Probe        `json:"probe"`
	Disks       []Disk       `json:"disks"`     // of the source's brokers
	Retention   Shares       `json:"retention"` // thresholds of the headroom, as shares of the retention
	Topics      []Topic      `json:"topics"`
}

// Topic is one topic of a link.
type Topic struct {
	Topic             string     `json:"topic"`
	Destination       string     `json:"destination"` // its name there, "" unknown
	Owner             string     `json:"owner"`       // instance; with commas where several share the topic, "" nobody
	Zone              string     `json:"zone"`        // of the owner, "" unknown
	Standby           string     `json:"standby"`     // instance that takes it when the owner dies
	Term              *int64     `json:"term"`        // grows with every owner; null outside of a pool and while there is none
	OwnedSince        *time.Time `json:"owned_since"`
	State             string     `json:"state"`
	PausedUntil       *time.Time `json:"paused_until"` // by itself or with the link; null when it is not
	LagRecords        *int64     `json:"lag_records"`
	Speed             *float64   `json:"speed"`   // seconds of the source per second, over the last minute: 1 keeps pace, 0 stands still
	Problem           string     `json:"problem"` // why partitions are missing
	Warning           string     `json:"warning"` // what to know although records flow
	ReplicatedThrough *time.Time `json:"replicated_through"`
	TombstoneDeadline *time.Time `json:"tombstone_deadline"` // null too where the source is not compacted
	Outlook
	Partitions []Partition `json:"partitions"`
}

// Partition is one partition of a topic.
type Partition struct {
	Partition       int32      `json:"partition"`
	State           string     `json:"state"`
	Reason          string     `json:"reason"` // why it is halted
	Regime          string     `json:"regime"` // fresh, careful
	NextOffset      *int64     `json:"next_offset"`
	CommittedOffset *int64     `json:"committed_offset"`
	SourceEndOffset *int64     `json:"source_end_offset"` // the last stable offset
	HeldBack        *int64     `json:"held_back"`         // offsets behind it, which wait for the end of a transaction
	LossDeadline    *time.Time `json:"loss_deadline"`     // the earliest of its causes
	Lost            *Lost      `json:"lost"`
	Surplus         *Range     `json:"surplus,omitempty"`
	Error           string     `json:"error"`       // what is retried, or why it is halted
	ErrorSide       string     `json:"error_side"`  // where it was met: source, target; "" not known
	ErrorClass      string     `json:"error_class"` // of mirror_errors_total; "" not known
	NextStep        string     `json:"next_step"`   // of a halted partition: the usual one of Choices
	Choices         []Choice   `json:"choices,omitempty"`
}

// Lost is what the source no longer has, or never will deliver: offsets from From up to but without To. Nil is unknown; To equal
// to From is nothing.
type Lost struct {
	From    *int64     `json:"from"`
	To      *int64     `json:"to"`
	Records *int64     `json:"records"` // an upper bound where the log had gaps
	Since   *time.Time `json:"since"`   // by the timestamps of the records beside the range
	Until   *time.Time `json:"until"`
}

// Range is offsets from From up to but without To.
type Range struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Choice is one thing that can be done about a halted partition: a command line or a step elsewhere, and what comes of it.
type Choice struct {
	Command string `json:"command"`
	Effect  string `json:"effect"`
}

// Eligible is whether the host may take new traffic, in the status and as the answer of /poolz.
type Eligible struct {
	In     bool       `json:"in"`
	Reason string     `json:"reason"` // of the last change, "" before the first
	Text   string     `json:"text"`   // the same for people
	Since  time.Time  `json:"since"`
	Mode   string     `json:"mode"`  // who decides: auto, or an operator's in or drain
	Until  *time.Time `json:"until"` // of an operator's mode
	Cut    bool       `json:"cut"`   // the destinations cannot be written to
}
