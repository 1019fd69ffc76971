package mirror

import (
	"fmt"
	"slices"
	"time"

	"tributary/pkg/batch"
)

// Sizes of the reading side.
const (
	maxQueuedBytes      = 8 << 20     // a partition with more than that un-acknowledged is left out of the next fetch
	maxLateBatches      = 256         // the same of one that is late: small batches are better merged than queued
	mergeBelowBytes     = 16 << 10    // neighbours below it are merged; see mergeable
	mergeTargetBytes    = 256 << 10   // of a merged batch, uncompressed
	lateAfter           = time.Second // un-acknowledged for so long: the destination does not keep up with the number of batches
	recodeBytes         = 1 << 20     // of the memory that rewritten batches of a response share, at least, unless that is smaller itself
	maxDecompressed     = 128 << 20   // of one source batch; a bomb halts its partition
	shortSourceGrace    = 30 * time.Second
	shortSourcePause    = 500 * time.Millisecond // between two looks at it
	defaultMaxBatchSize = 1 << 20                // max.message.bytes where the destination does not tell
)

// Aborted is an aborted transaction within a fetched range: batches of Producer from First on, up to its abort marker.
type Aborted struct {
	Producer, First int64
}

// Fetched is the head of a partition's part in a fetch response.
type Fetched struct {
	High     int64 // high watermark
	Stable   int64 // last stable offset
	LogStart int64
	Aborted  []Aborted // in order of First
}

// Intake takes the batches of fetch responses into pipelines, on behalf of one fetch lane: not safe for concurrent use.
// It drops what a reader of committed records does not see, seals what can go as it is, and rewrites the rest.
type Intake struct {
	budget  *Budget
	recoder *batch.Recoder
	upgrade *batch.Upgrader

	p        *Pipeline
	gen      uint64
	read     time.Time // when the partition's part of the response began
	late     bool      // the window's head waited for long by then
	aborted  []Aborted
	active   map[int64]bool // producers inside an aborted transaction
	kept     batch.Batch    // a small batch held back for its neighbour, nil when none
	keptIn   *Buffer
	codec    batch.Codec // of what the recoder holds
	response int         // bytes of the response's memory
	out      *Buffer     // output of the recoder during this response
	filled   int
	kick     []Sink // with something new to send
}

// NewIntake returns an intake whose rewritten batches live in buffers of budget.
func NewIntake(budget *Budget) *Intake {
	return &Intake{budget: budget, recoder: batch.NewRecoder(maxDecompressed, budget.gate), upgrade: batch.NewUpgrader(maxDecompressed, budget.gate), active: map[int64]bool{}}
}

// Begin starts p's part of a response to a fetch of the given generation, and says whether its batches are wanted.
func (in *Intake) Begin(p *Pipeline, generation uint64, f Fetched) bool {
	p.mu.Lock()
	defer p.unlock()
	if !p.active() || p.generation != generation || p.ending != nil || p.suspicion != nil || p.loop != "" || p.held() {
		return false
	}
	now := time.Now()
	p.sourceEnd, p.sourceSeen, p.stable = f.Stable, now, f.Stable
	p.hold.see(f.Stable, f.High, now)
	if p.skip > 0 && f.Stable-p.next < p.skip {
		p.shortSource(f.Stable, now)
		return false
	}
	p.shortSince, p.sourceTrouble = time.Time{}, ""
	if p.joined && p.window.n == 0 && f.Stable <= p.next {
		p.destTrouble = "" // else an acknowledgement clears it: joining proves little
	}
	in.p, in.gen, in.read, in.aborted, p.feeding = p, generation, now, f.Aborted, true
	in.late = p.late(now)
	clear(in.active)
	return true
}

// shortSource deals with a source that shows fewer records than the destination is known to hold. A new leader's
// watermark may lag for a moment; what stays so was lost by the source, and reading on would pass over new records.
func (p *Pipeline) shortSource(stable int64, now time.Time) {
	if p.shortSince.IsZero() {
		p.shortSince = now
	}
	p.shortSeen = now
	text := fmt.Sprintf("the destination holds %d records from source offset %d on, the source ends at %d", p.skip, p.next, stable)
	if now.Sub(p.shortSince) < shortSourceGrace {
		p.sourceTrouble, p.sourceClass = text, ErrorOther
		return
	}
	p.end(ending{cause: CauseTruncated, why: text, from: notKnown, to: notKnown, cut: stable, resume: stable})
}

// Batch takes the next complete batch of the partition. b lies in hold and is made ours in place.
func (in *Intake) Batch(b batch.Batch, hold *Buffer) {
	in.p.mu.Lock()
	defer in.p.unlock()
	in.response = len(hold.Bytes)
	in.admit(b, hold, len(b), in.codecFor(b.Codec()))
}

// admit takes in b, of which size bytes were fetched. What has to be rewritten is written with codec; so is all without a
// hold, whose bytes are gone when admit returns.
func (in *Intake) admit(b batch.Batch, hold *Buffer, size int, codec batch.Codec) {
	p := in.p
	invisible := in.invisible(b) // also for what is passed over: it keeps account of the transactions
	if p.generation != in.gen || p.ending != nil || b.NextOffset() <= p.next {
		return
	}
	p.countGaps(b, invisible)
	if invisible {
		if !b.IsControl() {
			p.counters.RecordsDropped += int64(b.Count())
		}
		in.passOver(b)
		return
	}
	if !in.foretold(b) {
		return
	}
	p.counters.RecordsFetched += int64(b.Count())
	p.counters.BytesFetched += int64(size)
	class, err := b.Classify(p.wanted())
	switch {
	case p.skip > 0 && (b.BaseOffset() > p.next || !b.Dense()):
		p.end(ending{cause: CausePositionLost, from: notKnown, to: notKnown, cut: notKnown, resume: p.next + p.skip,
			why: fmt.Sprintf("the destination has %d records from source offset %d on, and the source has gaps there: it was compacted, so that they cannot be counted; without gaps they would end at offset %d", p.skip, p.next, p.next+p.skip)})
	case class == batch.Halt:
		if in.flush() {
			in.unreadable(b, err)
		}
	case class == batch.Drop:
		in.passOver(b)
	case p.skip > 0 && in.skip(b):
	case class == batch.Recode, p.skip > 0, p.narrow.on, hold == nil:
		in.rewrite(b, codec)
	case in.mergeable(b):
		in.keep(b, hold)
	default:
		if in.flush() {
			in.forward(b, hold)
		}
	}
}

func (p *Pipeline) wanted() batch.Limits {
	limit := p.limits.MaxBatchBytes
	if limit == 0 {
		limit = defaultMaxBatchSize
	}
	return batch.Limits{From: p.next, MaxBytes: limit, DestinationLogAppendTime: p.limits.LogAppendTime,
		Compress: p.link.codec, Recompress: p.link.recompress}
}

// invisible says whether a reader of committed records does not see b: markers, and batches of aborted transactions.
func (in *Intake) invisible(b batch.Batch) bool {
	for len(in.aborted) > 0 && in.aborted[0].First <= b.BaseOffset() {
		in.active[in.aborted[0].Producer] = true
		in.aborted = in.aborted[1:]
	}
	if b.IsControl() {
		if abort, err := b.IsAbortMarker(); err == nil && abort {
			delete(in.active, b.ProducerID())
		}
		return true
	}
	return b.IsTransactional() && in.active[b.ProducerID()]
}

// skip passes over b when all of it is at the destination already, and says whether it did.
func (in *Intake) skip(b batch.Batch) bool {
	p := in.p
	n := b.NextOffset() - max(b.BaseOffset(), p.next)
	if n > p.skip {
		return false
	}
	p.skip -= n
	p.next, p.nextEpoch = b.NextOffset(), b.LeaderEpoch()
	p.position.Sequence = batch.AddSequence(p.position.Sequence, int32(n))
	p.found(p.next)
	return true
}

// found moves the acknowledged prefix to a source offset that the destination was seen to have.
func (p *Pipeline) found(source int64) {
	p.position.Source, p.position.SourceEpoch = source, p.nextEpoch
	p.known = true
	if p.skip == 0 {
		p.position.Sequence, p.position.Dest, p.position.DestEpoch = p.scanned.Sequence, p.scanned.Dest, p.scanned.DestEpoch
	}
}

// passOver moves past a batch that holds nothing to mirror, once everything before it stands in the window.
func (in *Intake) passOver(b batch.Batch) {
	if !in.flush() {
		return
	}
	p, next, epoch := in.p, b.NextOffset(), b.LeaderEpoch()
	p.next, p.nextEpoch = next, epoch
	if last := p.window.last(); last != nil {
		last.next, last.sourceEpoch = next, epoch
		return
	}
	p.position.Source, p.position.SourceEpoch = next, epoch
}

// forward seals b where it lies: the raw path.
func (in *Intake) forward(b batch.Batch, hold *Buffer) {
	p := in.p
	s := Sealed{Bytes: b, Sequence: p.sequence, Records: b.Count(), from: b.BaseOffset(), end: b.NextOffset(), next: b.NextOffset(), sourceEpoch: b.LeaderEpoch(),
		first: b.FirstTimestamp(), max: b.MaxTimestamp(), read: in.read, hold: hold}
	if err := b.Reseal(p.producer(), p.sequence); err != nil {
		in.unreadable(b, err)
		return
	}
	p.counters.BatchesRaw++
	p.push(s)
}

func (p *Pipeline) producer() batch.Producer {
	return batch.Producer{ID: p.identity.ProducerID, Epoch: p.position.Epoch}
}

func (p *Pipeline) push(s Sealed) {
	s.hold.Retain()
	p.window.push(s)
	p.sequence = batch.AddSequence(p.sequence, s.Records)
	p.next, p.nextEpoch = s.next, s.sourceEpoch
}

// End finishes the partition's part of the response.
func (in *Intake) End() {
	p := in.p
	p.mu.Lock()
	if p.generation == in.gen {
		in.flush()
	}
	in.kept = nil
	in.recoder.Reset()
	p.feeding = false
	queued := p.window.n > p.window.sent
	p.unlock()
	in.p = nil
	if queued {
		in.ready(p)
	}
}

func (in *Intake) ready(p *Pipeline) {
	sink := p.link.sink
	sink.Ready(p)
	if !slices.Contains(in.kick, sink) {
		in.kick = append(in.kick, sink)
	}
}

// HandOn sets the produce lanes to work on what a response has brought so far. It is for one that takes long to arrive: over a
// slow link that may be a minute, in which the records at its head would wait for those at its end.
func (in *Intake) HandOn() {
	if p := in.p; p != nil {
		p.mu.Lock()
		queued := p.window.n > p.window.sent
		p.unlock()
		if queued {
			in.ready(p)
		}
	}
	in.Kick()
}

// Kick sets the produce lanes to work on what was taken in. It is apart from End so that the next fetch can be sent first.
func (in *Intake) Kick() {
	for _, sink := range in.kick {
		sink.Kick()
	}
	in.kick = in.kick[:0]
}

// Done lets go of the response's rewritten batches; the windows hold what they need. It returns whether there were any.
func (in *Intake) Done() (recoded bool) {
	if in.out != nil {
		in.out.Release()
		in.out, recoded = nil, true
	}
	return recoded
}
