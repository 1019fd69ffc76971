// Package protocol decides. It holds the rules by which a mirrored partition stays exactly-once in effect without
// transactions: when the next batch may be sent, what an answer means, what to do when there is no answer, and how the
// destination's own log tells where to go on. It does no I/O, reads no clock and keeps no goroutine; pkg/mirror drives
// it, and the explorer in protocol/model drives the very same functions through every interleaving of small instances.
//
// Words used throughout:
//
//   - a batch is old when its producer may be forgotten because of it: brokers drop the state of a producer whose last
//     batch's timestamp is older than producer.id.expiration.ms, whatever the wall clock says (KAFKA-15591 and the
//     measurements it led to); we call it old at half of that age;
//   - hot: this run has an acknowledgement of this producer on this partition;
//   - dirty: some request of ours, or of a predecessor, was left on a connection that is closed and may still land;
//   - fresh and careful: the broker guards the sequence, or it may not and we must.
package protocol

// Window is how many batches of one producer a broker recognises when they are sent again (ProducerStateEntry keeps
// five), and so the most that may be in flight for a partition.
const Window = 5

// Run is what the present run of a partition knows about the broker's memory of it.
type Run struct {
	Hot   bool // an acknowledgement was received in this run; errors and retries before it do not count (R4a)
	Dirty bool // a request may be under way that no open connection can answer (D)
}

// Start returns the state of a partition that has just been started, taken over, or dropped its window.
func Start() Run { return Run{Dirty: true} }

// Ages says which of the batches concerned are old.
type Ages struct {
	LastAcked bool // the last acknowledged batch, by its greatest timestamp
	InFlight  bool // any batch in flight, by its greatest timestamp
	Batch     bool // the batch to be sent, by its greatest timestamp
	First     bool // the batch to be sent, by the timestamp of its first record: a cut can hide age (F)
}

// aged says that the broker may have forgotten this producer, or will once the batch is there (R4b).
func (a Ages) aged() bool { return a.LastAcked || a.InFlight || a.Batch || a.First }

// Step is what to do about the next batch of a partition.
type Step uint8

// Steps.
const (
	Wait Step = iota // for an acknowledgement of what is in flight
	Send             // now
	Calm             // first let every old request die and scan the tail: ScanCalm
)

// Next decides about the next batch of a partition that has inFlight batches under way.
func Next(r Run, a Ages, inFlight int) Step {
	if r.Dirty && a.aged() {
		if inFlight > 0 {
			return Wait
		}
		return Calm
	}
	if inFlight >= Limit(r, a) {
		return Wait
	}
	return Send
}

// Limit is how many batches may be in flight: Window in the fresh regime, 1 in the careful one.
func Limit(r Run, a Ages) int {
	if r.Hot && !a.aged() {
		return Window
	}
	return 1
}

// NeedsLease says whether ownership must be proven at the very moment of sending (L2), on a connection that is open by
// then: proof from before the dial is worth nothing to a process that was frozen in between. opening is true for the
// first batch on a produce connection; idle when the last acknowledgement is older than half of the destination's
// connections.max.idle.ms. Young records on an open, busy connection need no lease: the broker refuses a second writer.
func NeedsLease(r Run, a Ages, opening, idle bool) bool {
	return opening || idle || !r.Hot || a.aged()
}

// Recovery is how a partition goes on after doubt.
type Recovery uint8

// Recoveries, each stronger than the one before.
const (
	Resend   Recovery = iota // the window again, same batches, same order, on a new connection
	ScanFast                 // drop the window, ask the destination's tail what is there, go on from that
	ScanCalm                 // the same, after a grace that outlasts every request of ours, up to the log end
	Restart                  // save the acknowledged prefix and start anew: read the identity, take what it says
)

// Unknown decides after an outcome that nobody can know: the connection broke, the request timed out, or the leader
// left while it waited for replicas. The connection must be closed first. a speaks of the last acknowledged batch and
// of those in flight. The returned Run replaces r.
func Unknown(r Run, a Ages, compacted bool) (Recovery, Run) {
	r.Dirty = true
	switch {
	case compacted && a.aged():
		return Restart, Start()
	case compacted, r.Hot && !a.aged():
		return Resend, r
	}
	return scan(a), Start()
}

// OutOfOrder decides after OUT_OF_ORDER_SEQUENCE_NUMBER, in whatever place of the window (R8): the log and we disagree
// about what comes next, and the log is right. It also means "there already, but more than Window batches ago".
func OutOfOrder(a Ages, compacted bool) (Recovery, Run) {
	if compacted {
		return Restart, Start()
	}
	return scan(a), Start()
}

func scan(a Ages) Recovery {
	if a.aged() {
		return ScanCalm
	}
	return ScanFast
}

// Scanned returns the state after a completed scan: only a calm one proves that nothing is under way.
func Scanned(r Run, kind Recovery) Run {
	if kind == ScanCalm {
		r.Dirty = false
	}
	return r
}

// Acked returns the state after an acknowledgement.
func Acked(r Run) Run {
	r.Hot = true
	return r
}
