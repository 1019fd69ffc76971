package pool

import (
	"fmt"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
)

// Phases of the session, for those who read views and need nothing else of the service.
const (
	Connecting = coord.Connecting
	Connected  = coord.Connected
	Suspended  = coord.Suspended
	Closed     = coord.Closed
)

// View is one moment of a pool as this member sees it, for people and for metrics. It shares nothing with the pool, so that
// whoever has it may keep it. What is not known yet is empty or zero.
type View struct {
	Phase   coord.Phase   // of the session
	Since   time.Time     // of the phase
	Timeout time.Duration // of a session, as negotiated; 0 before the first
	Expired int           // sessions that ended against this member's will since it started

	Instance    string
	Incarnation string // name of the own member node; "" while there is none
	Draining    bool   // an operator asked this member to hand everything over
	Leader      string // incarnation of the member that plans
	Members     []Member
	Units       []Unit    // those with an owner, by topic and part
	Unowned     []Unowned // those that a plan should give to somebody and that nobody has, by topic and part
	Pins        map[string]string

	Changes      map[Change]int // of this member's units since it started
	Failover     Failover       // the newest of this member
	Evictions    int            // of members by this one since it started
	LastEviction Eviction
	Problems     []string // what keeps the pool from working as it should, in words, with what to do
}

// Absent says why this process is no member, so that it takes nothing; "" where it is one, or may still be.
func (v *View) Absent() string {
	why := ""
	if len(v.Problems) > 0 {
		why = ": " + v.Problems[0]
	}
	switch {
	case v.Phase == Suspended && v.Incarnation != "", v.Phase == Connected && v.Incarnation != "":
		return ""
	case v.Phase == Connected:
		return "joining the pool" + why
	case v.Phase == Closed:
		return "it has left the pool"
	}
	return fmt.Sprintf("no session with ZooKeeper since %s; check the servers, the network and the credentials", v.Since.UTC().Format(time.RFC3339))
}

// Member is a member of a pool.
type Member struct {
	Incarnation string // name of its node
	Instance    string
	Zone        string // "" unknown
	Capacity    float64
	Draining    bool
	Peer        Stream
}

// Stream says how the peer stream to a member is.
type Stream uint8

// States of a peer stream.
const (
	StreamNone   Stream = iota // there is none: the member itself, or it announces no address
	StreamOpen                 // connected, and it answers
	StreamSilent               // connected, and it answers nothing
	StreamBroken               // not connected; dialed again
)

// String is the state as the API names it.
func (s Stream) String() string {
	switch s {
	case StreamOpen:
		return "open"
	case StreamSilent:
		return "silent"
	case StreamBroken:
		return "broken"
	}
	return "none"
}

// Unit is a unit that a member owns.
type Unit struct {
	mirror.Unit
	Owner       string // instance
	Zone        string // of the owner
	Incarnation string // of the owner
	Standby     string // instance that takes it when the owner dies; "" none
	Term        int64
	Since       time.Time // of the term
	Mine        bool
	Leaving     bool // on its way to another member; known of own units alone
}

// Unowned is a unit that nobody owns.
type Unowned struct {
	mirror.Unit
	Planned string // instance that is to have it; "" not known
	Standby string // as of a Unit
	Since   time.Time
	Why     string // what it waits for, "" when that is not known
}

// Change says how a unit came to this member or left it.
type Change string

// Changes.
const (
	ChangeFirst    Change = "first"    // nobody had it before
	ChangeHandover Change = "handover" // its owner drained and released it
	ChangeDead     Change = "dead"     // its owner's process was proven dead
	ChangeSilent   Change = "silent"   // its owner fell silent, and its session ended
	ChangeReleased Change = "released" // this member gave it back
	ChangeLost     Change = "lost"     // it was taken from this member: the session or the owner node is gone
)

// Changes returns all of them.
func Changes() []Change {
	return []Change{ChangeFirst, ChangeHandover, ChangeDead, ChangeSilent, ChangeReleased, ChangeLost}
}

// Failover is a batch of units that this member took after their owner had died or fallen silent.
type Failover struct {
	At       time.Time     // of the last claim; zero: there was none
	Duration time.Duration // from when the owner was seen gone to the last claim
	From     string        // instance
	Units    int
}

// Eviction is the removal of a member whose process is proven dead.
type Eviction struct {
	Instance    string
	Incarnation string
	At          time.Time // zero: there was none
}
