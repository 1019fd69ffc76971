package mirror

import (
	"cmp"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"tributary/pkg/mirror/protocol"
)

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func (tp TopicPartition) compare(other TopicPartition) int {
	return cmp.Or(strings.Compare(tp.Topic, other.Topic), cmp.Compare(tp.Partition, other.Partition))
}

// Limits are the destination's, as far as they bear on what may be sent. They may change while running.
type Limits struct {
	MaxBatchBytes int           // max.message.bytes of the topic; 0 when unknown
	OldAge        time.Duration // a record older than this may make the broker forget its producer; 0: never (LogAppendTime)
	IdleClose     time.Duration // connections.max.idle.ms
	LogAppendTime bool
}

// Pipeline carries one source partition to one destination partition. It is a state machine without a goroutine of its
// own: a fetch lane feeds it through an Intake, a produce lane takes from it and brings the answers. All methods are safe
// for concurrent use; at most one Intake and one produce lane work on it at a time.
type Pipeline struct {
	source TopicPartition // set once
	dest   TopicPartition // set once
	link   *Link          // set once
	tenant *tenant        // set once: under which it runs
	before Predecessor    // set once: what is known of the former owner

	mu         sync.Mutex
	cause      Cause  // why it is halted, "" while it is not
	reason     string // the same for people
	loss       *Loss  // what it cannot deliver, nil when there is nothing to say about that
	tally      tally
	notes      []Event    // to be told once mu is free
	ending     *ending    // why it halts as soon as nothing of it is under way, nil when it is not going to
	suspicion  *suspicion // what the link looks into; nothing is read meanwhile
	resume     int64      // of a halted one: source offset at which AfterLoss goes on, notKnown or logStart
	claimed    bool       // by a skip under way
	loop       string     // who mirrors the topic back: nothing is read; "" nobody
	known      bool       // position is a saved one, or was reached in this run: what the destination has beyond it is little
	uncounted  bool       // positions are not corrected by the destination's log: compacted source, or at least once
	identity   protocol.Identity
	sourceID   [16]byte // of the identity, zero when unknown
	limits     Limits
	started    bool
	over       bool   // it was stopped for good: nothing starts it again
	turning    bool   // the source is compacted from now on: nothing more is read before it started anew
	closing    bool   // nothing more is sent
	generation uint64 // of the fetch position: a response to a fetch of an earlier one is void

	// Reading.
	next         int64 // source offset of the next record to read
	nextEpoch    int32 // leader epoch of the last record read, -1 when unknown
	gapsTo       int64 // source offset up to which gaps were counted
	skip         int64 // records to pass over first: the destination has them already
	leftOut      bool  // of the last fetch: who makes room wakes the source
	sourceEnd    int64 // last stable offset at the source as of sourceSeen
	sourceSeen   time.Time
	hold         hold
	shortSeen    time.Time // when that was seen last
	shortSince   time.Time // since when the source shows fewer records than the destination has
	stable       int64     // last stable offset as of the last good fetch, notKnown before one
	feeding      bool      // a response is being taken in
	foretell     int32     // newest source leader epoch met, to be stored before its records are sent
	damagedAt    int64     // source offset of the last batch with a wrong checksum
	damaged      int       // how often it was read
	culprit      *culprit  // what cannot be copied, nil while there is nothing; see held
	parkedTold   time.Time // when an event was told of parked records last
	parkedUntold int64     // records parked since

	// Writing.
	window     window
	sequence   int32 // of the next record to be sealed
	run        protocol.Run
	flight     uint64 // answers to batches of an earlier flight are void
	joined     bool   // a produce lane has checked the destination and may take batches
	tried      bool   // something was sent since the partition was started
	opening    bool   // no batch went since it joined
	unproved   bool   // the next batch waits for a proof of ownership
	need       protocol.Recovery
	destEpoch  int32 // leader epoch of the destination partition when it joined
	everJoined bool
	answering  int       // answers still to come of a window whose head was refused
	refused    bool      // the head was refused: wait for the others, then again
	refusal    *Refusal  // why, where sending the same again at once is in vain; else nil
	narrow     narrowing // how what was refused is sent again
	rejoin     bool      // it is to be attached to its sink again once mu is free
	strayed    bool      // a request under this very producer and epoch may be under way on a closed connection
	retryAt    time.Time
	owedSince  time.Time // with something under way: since when the next answer is owed
	sentTo     int64     // source offset after the last batch that was sent in this run
	disorders  int       // OUT_OF_ORDER answers since the last acknowledgement or find

	// Accounting.
	position protocol.Position // end of the acknowledged prefix
	scanned  protocol.Position // what the last scan found; its Sequence is reached when skip is 0
	saved    protocol.Position
	savedAt  time.Time
	acked    bool  // a last acknowledged batch is known
	ackedMax int64 // its greatest timestamp, ms
	lastAck  time.Time
	counters Counters

	// Since when Status has shown the acknowledged prefix at the same place, or as caught up.
	shown      int64
	shownSince time.Time

	// Trouble that is being retried, "" when there is none.
	sourceTrouble, destTrouble string
	sourceClass, destClass     ErrorClass // of what kind it is, ErrorOther where that is not known
	blockedSince               time.Time  // since when destTrouble stands or no lane has it
}

// Counters count what a pipeline did since it was made.
type Counters struct {
	RecordsAcked, BytesAcked     int64
	RecordsFetched, BytesFetched int64
	BatchesRaw, BatchesRecoded   int64
	RecordsDropped               int64 // of aborted transactions
	Resends, Scans               int64
	Gaps                         Gaps
}

// Plus adds field by field.
func (c Counters) Plus(more Counters) Counters {
	return Counters{
		RecordsAcked: c.RecordsAcked + more.RecordsAcked, BytesAcked: c.BytesAcked + more.BytesAcked,
		RecordsFetched: c.RecordsFetched + more.RecordsFetched, BytesFetched: c.BytesFetched + more.BytesFetched,
		BatchesRaw: c.BatchesRaw + more.BatchesRaw, BatchesRecoded: c.BatchesRecoded + more.BatchesRecoded,
		RecordsDropped: c.RecordsDropped + more.RecordsDropped,
		Resends:        c.Resends + more.Resends, Scans: c.Scans + more.Scans,
		Gaps: c.Gaps.Plus(more.Gaps),
	}
}

// Source returns the source partition.
func (p *Pipeline) Source() TopicPartition { return p.source }

// Dest returns the destination partition.
func (p *Pipeline) Dest() TopicPartition { return p.dest }

// Link returns the link that it is of.
func (p *Pipeline) Link() *Link { return p.link }

// SourceID is the id of the source topic as of the identity, zero when unknown.
func (p *Pipeline) SourceID() [16]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sourceID
}

// begin sets where the partition stands and lets the lanes work on it. It returns false when the partition was stopped
// meanwhile.
func (p *Pipeline) begin(id protocol.Identity, at protocol.Position, saved bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return false
	}
	p.startAt(id, at, saved)
	return true
}

func (p *Pipeline) startAt(id protocol.Identity, at protocol.Position, saved bool) {
	same := at.Source == p.position.Source
	p.identity, p.position, p.sourceID = id, at, topicID(id.SourceTopicID)
	p.foretell = -1
	p.uncounted = id.Compacted || p.link.atLeastOnce()
	if saved {
		p.saved = at
	}
	p.run, p.need = protocol.Start(), protocol.ScanFast
	if p.uncounted {
		p.need = protocol.Resend // nothing is counted: the sequence begins at 0 with a new epoch or producer
	}
	if same && p.keep() {
		p.generation++
		p.flight++
		p.window.sent, p.answering, p.refused = 0, 0, false
		p.refusal, p.narrow, p.culprit = nil, narrowing{}, nil
		p.reseal()
	} else {
		p.rewind(at)
	}
	p.known, p.sentTo, p.stable = saved, 0, notKnown
	p.gapsTo = 0 // it may be another log
	p.started, p.joined, p.tried, p.turning, p.blockedSince = true, false, false, false, time.Now()
	p.strayed = !p.uncounted // what is not counted begins with an epoch or a producer that nobody had before
}

// topicID reads an id in hexadecimal; what is none is zero, unknown.
func topicID(text string) (id [16]byte) {
	if b, err := hex.DecodeString(text); err == nil && len(b) == len(id) {
		copy(id[:], b)
	}
	return id
}

// rewind makes at the place to read and write from, and voids what is under way.
func (p *Pipeline) rewind(at protocol.Position) {
	p.window.drop()
	p.generation++
	p.flight++
	p.next, p.nextEpoch, p.sequence = at.Source, at.SourceEpoch, at.Sequence
	p.skip, p.answering, p.refused, p.scanned = 0, 0, false, at
	p.refusal, p.narrow, p.culprit = nil, narrowing{}, nil
}

// stop lets go of everything; the pipeline is not used afterwards. It says whether nothing of it was under way.
func (p *Pipeline) stop() (drained bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	drained = p.drainedNow()
	p.started, p.joined, p.over = false, false, true
	p.window.drop()
	p.generation++
	p.flight++
	return drained
}

// stopped says that p was stopped for good.
func (p *Pipeline) stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

func (p *Pipeline) active() bool { return p.started && p.cause == "" }

// SourceTrouble records an error of the source that is being retried; a good answer of the source clears it. Its class is
// ErrorOther where nobody knows.
func (p *Pipeline) SourceTrouble(class ErrorClass, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sourceTrouble, p.sourceClass = text, class
}

// DestTrouble records an error of the destination that is being retried; an acknowledgement clears it. Its class is as for
// SourceTrouble.
func (p *Pipeline) DestTrouble(class ErrorClass, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble(class, text)
}

func (p *Pipeline) trouble(class ErrorClass, text string) {
	if p.destTrouble == "" && p.joined {
		p.blockedSince = time.Now()
	}
	p.destTrouble, p.destClass = text, class
}

// blame says whose trouble a text tells of, and what kind it is; nil where that is not known.
func (p *Pipeline) blame(text string) *Blame {
	switch {
	case text == "":
	case text == p.destTrouble && p.destClass != ErrorOther:
		return &Blame{SideTarget, p.destClass}
	case text == p.sourceTrouble && p.sourceClass != ErrorOther:
		return &Blame{SideSource, p.sourceClass}
	}
	return nil
}

func (p *Pipeline) old(timestamp int64, now time.Time) bool {
	return p.limits.OldAge > 0 && timestamp < now.Add(-p.limits.OldAge).UnixMilli()
}

// SetLimits replaces the destination's limits.
func (p *Pipeline) SetLimits(l Limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limits = l
}
