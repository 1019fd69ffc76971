package mirror

import (
	"fmt"
	"time"
)

// Unit is what one member of a pool mirrors: a source topic, or every Of-th of its partitions where the topic is more than
// one member should carry. The planner has a type of its own that converts to this one: neither it nor the algorithm should
// have to know the other, and only the planner cuts topics, which takes rules that nothing here rests on.
type Unit struct {
	Topic string
	Part  int // 0 to Of-1
	Of    int // 1: the whole topic
}

// Has says whether a source partition belongs to the unit.
func (u Unit) Has(partition int32) bool { return int(partition)%u.Of == u.Part }

// String is the topic's name, with @part/of behind it where the unit is not all of it, counted from 1.
func (u Unit) String() string {
	if u.Of <= 1 {
		return u.Topic
	}
	return fmt.Sprintf("%s@%d/%d", u.Topic, u.Part+1, u.Of)
}

// Predecessor is what is known of who mirrored a unit before. It matters for old records alone, which the broker does not
// guard: they wait until nothing that a predecessor sent can still arrive (TAKEOVER in the protocol).
type Predecessor uint8

// Predecessors, each less well known than the one before.
const (
	PredecessorNone    Predecessor = iota // there was none, or all that it sent was answered
	PredecessorDead                       // its process is proven gone; only its kernel may still hold something
	PredecessorUnknown                    // it fell silent: it may wake, and send on connections that it had open
)

// Tenure is the right to mirror a unit, from Since on.
type Tenure struct {
	Unit
	Term    int64 // grows with every owner of the unit
	Since   time.Time
	Before  Predecessor
	Wait    time.Duration // of PredecessorDead: how much longer than the grace of a calm scan old records wait from Since on
	Leaving bool          // it is wanted elsewhere: to be drained, saved and released
}

// Load is what a unit costs its owner.
type Load struct {
	Unit
	BytesPerSecond float64 // NaN: not known yet
	Stuck          bool    // nothing was acknowledged for a minute though there is something to send
}

// Report is what a process tells the others.
type Report struct {
	Loads []Load // of what it mirrors
	// Able says that it could mirror what others have no success with: for a while now both clusters have answered it, and of
	// what it has to send something is acknowledged.
	Able bool
}

// Ownership says what of a link this process mirrors. All methods are safe for concurrent use and none blocks; changes take
// effect in time.
type Ownership interface {
	// Offer says which topics of the source are to be mirrored by somebody, with their numbers of partitions; 0 of one that is
	// mirrored here and that the source does not show at the moment. What was offered and is not any more was excluded.
	Offer(topics map[string]int)
	// Tenures returns what of a topic this process mirrors now. A unit that was there and is not any more is lost: whatever
	// is under way for it is dropped at once.
	Tenures(topic string) []Tenure
	// Changed returns a channel that is closed when Tenures may answer something else.
	Changed() <-chan struct{}
	// Valid says whether the tenure holds at this very instant. It reads a clock and does no I/O.
	Valid(t Tenure) bool
	// Release gives a unit back. With drained, all that was sent of it is answered, and its positions are saved. It may be
	// called for a tenure that is lost already, and again while Tenures still has it.
	Release(t Tenure, drained bool)
	// Settle says that nothing of any predecessor can arrive any more.
	Settle(t Tenure)
	// Report says how this process gets on.
	Report(r Report)
}
