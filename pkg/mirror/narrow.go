package mirror

import (
	"fmt"
	"slices"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

// How a refusal is narrowed down to the records that it is for.
//
// The broker refuses a batch as a whole and has appended nothing of it. Once all that was sent behind it is answered, too,
// nothing of the window is under way, and the pipeline goes back to its acknowledged prefix. It reads the same records
// again and sends them in cuts: where the broker names the records (KIP-467), the good ones before, the bad ones, the good
// ones behind; else in halves. A cut that is refused is cut further, until what is refused stands alone.
//
// The same records in other cuts under the same sequences are harmless: a copy of the refused batch that was left on a
// closed connection can only be refused or end in OUT_OF_ORDER. To pass a record over is not, as from then on sequences
// stand for other records. So before anything is narrowed it is made sure that no such copy can be under way: strayed.

// Error codes of a produce answer that matter here.
const (
	codeCorrupt          = 2
	codeTooLarge         = 10
	codeListTooLarge     = 18
	codeInvalidTimestamp = 32
	codeInvalidRecord    = 87
)

// Refusal is an answer that refuses a batch for what is in it.
type Refusal struct {
	Code    int16
	Records []int32 // the records at fault, by their place in the batch; empty when the broker does not say
	Text    string  // the broker's words, "" for none
}

// aboutRecords says whether a refusal is the fault of single records. Others are of the topic or the codec, and no part
// of the batch would fare better.
func (r Refusal) aboutRecords() bool {
	return slices.Contains([]int16{codeCorrupt, codeTooLarge, codeListTooLarge, codeInvalidTimestamp, codeInvalidRecord}, r.Code)
}

// narrowing is how a refused batch is sent again.
type narrowing struct {
	on   bool
	cuts []int // records of the batches to be made, in order
}

// queued says whether all of what was refused is in the window again.
func (n *narrowing) queued() bool { return n.on && len(n.cuts) == 0 }

// took notes that the next batch has so many records.
func (n *narrowing) took(records int) {
	if n.cuts[0] -= records; n.cuts[0] <= 0 {
		n.cuts = n.cuts[1:]
	}
}

// cutsOf divides a batch of n records at the guilty ones, or in halves when they are not known or are all of them.
func cutsOf(n int, guilty []int32) []int {
	bad := marked(n, guilty)
	if known := count(bad); known == 0 || known == n {
		return halves(n)
	}
	var cuts []int
	for i := range n {
		if i == 0 || bad[i] != bad[i-1] {
			cuts = append(cuts, 0)
		}
		cuts[len(cuts)-1]++
	}
	return cuts
}

func halves(n int) []int {
	if n == 1 {
		return []int{1}
	}
	return []int{n / 2, n - n/2}
}

// marked says of each of n records whether it is among the guilty.
func marked(n int, guilty []int32) []bool {
	bad := make([]bool, n)
	for _, i := range guilty {
		if i >= 0 && int(i) < n {
			bad[i] = true
		}
	}
	return bad
}

func count(bad []bool) int {
	n := 0
	for _, b := range bad {
		if b {
			n++
		}
	}
	return n
}

// Refuse brings an answer that may name the records at fault; else it is as Answer.
func (p *Pipeline) Refuse(flight uint64, r Refusal, now time.Time) Verdict {
	p.mu.Lock()
	v := p.refuse(flight, r, now)
	wake := p.makesRoom(now)
	p.unlock()
	if wake {
		p.link.source.Wake(p)
	}
	return v
}

func (p *Pipeline) refuse(flight uint64, r Refusal, now time.Time) Verdict {
	if p.flight != flight || !p.active() || p.refused || protocol.Judge(r.Code) != protocol.Rejected {
		return p.answer(flight, r.Code, -1, now)
	}
	return p.reject(r)
}

// reject deals with a batch that the destination will never take as it is, once the answers to those behind it are there.
func (p *Pipeline) reject(r Refusal) Verdict {
	p.refused, p.answering, p.refusal = true, p.window.sent-1, &r
	return p.tryAgain()
}

// narrowDown acts on the refusal of the window's head. Nothing of the window is under way.
func (p *Pipeline) narrowDown() Verdict {
	r, b := *p.refusal, *p.window.at(0)
	n := int(b.Records)
	all := n == 1 || count(marked(n, r.Records)) == n
	p.refused, p.refusal = false, nil
	if r.Code == codeTooLarge {
		p.link.limitsDue.Store(true) // the limit is another than was read
	}
	switch {
	case p.ending != nil: // the source may not have it any more, to be read again
		p.halt(CauseRejected, fmt.Sprintf("%s refuses the batch at %s: %s; before that: %s", p.link.cfg.To, span(b.from, b.end), p.refusalText(r), p.waitingToEnd()), newLoss(b.from, b.end))
		p.resume = b.end
		return Leave
	case !r.aboutRecords():
		p.rewindBefore(b)
		p.spoil(&culprit{cause: CauseRejected, from: b.from, to: b.end, epoch: b.sourceEpoch,
			why: fmt.Sprintf("%s refuses the batch at %s: %s", p.link.cfg.To, span(b.from, b.end), p.refusalText(r))})
		return Leave
	case p.strayed:
		p.detach(p.calm())
		p.restartAtPosition()
		return Leave
	case p.narrow.on && all && b.end-b.from == int64(n):
		c := p.refusedRecords(b, r)
		p.rewindBefore(b)
		p.spoil(c)
		return Leave
	}
	cuts := cutsOf(n, r.Records)
	if all && !p.narrow.on {
		cuts = []int{n} // made of what the source has, and refused again: then it is the records' fault
	}
	p.rewindBefore(b)
	p.narrow = narrowing{true, cuts}
	p.counters.Resends++
	return GoOn
}

// rewindBefore reads on from the acknowledged prefix, to make b and what follows anew. After a scan the prefix may lie
// before records that the destination has and that were passed over: they are again.
func (p *Pipeline) rewindBefore(b Sealed) {
	scanned := p.scanned
	p.rewind(p.position)
	if ahead := batch.SequenceDistance(p.position.Sequence, b.Sequence); ahead > 0 {
		p.skip, p.sequence, p.scanned = int64(ahead), b.Sequence, scanned
	}
	p.leftOut = true
}

// refusedRecords is the culprit for a batch of ours that was refused for all that is in it.
func (p *Pipeline) refusedRecords(b Sealed, r Refusal) *culprit {
	c := &culprit{cause: CauseRejected, reason: SkipRejected, from: b.from, to: b.end, epoch: b.sourceEpoch, records: slices.Clone(b.Bytes)}
	advice := ""
	switch r.Code {
	case codeTooLarge, codeListTooLarge:
		c.cause, c.reason = CauseTooLarge, SkipOversize
		advice = fmt.Sprintf("; raise max.message.bytes of %s there", p.dest.Topic)
	case codeInvalidTimestamp:
		c.reason = SkipTimestampRejected
		advice = fmt.Sprintf("; raise message.timestamp.before.max.ms or message.timestamp.after.max.ms of %s there (message.timestamp.difference.max.ms before Kafka 3.6)", p.dest.Topic)
	case codeInvalidRecord:
		if nullKeys(c.records) {
			c.reason = SkipNullKey
			advice = fmt.Sprintf("; a topic with cleanup.policy=compact takes no record without a key: change cleanup.policy of %s there", p.dest.Topic)
		}
	}
	c.why = fmt.Sprintf("%s refuses the record at %s: %s%s", p.link.cfg.To, span(c.from, c.to), p.refusalText(r), advice)
	return c
}

func (p *Pipeline) refusalText(r Refusal) string {
	if r.Text == "" {
		return p.link.codeName(r.Code)
	}
	return fmt.Sprintf("%s (%s)", p.link.codeName(r.Code), r.Text)
}

// nullKeys says whether none of b's records has a key. Such a batch was made by us, so that it can be read.
func nullKeys(b batch.Batch) bool {
	records, err := b.Records(maxDecompressed)
	return err == nil && !slices.ContainsFunc(records, func(r batch.Record) bool { return r.Key != nil })
}

// takeCuts queues what the recoder holds as the narrowing asks for, and stops reading once the last cut is queued: what
// follows would be sent in vain behind another refusal.
func (in *Intake) takeCuts() {
	p := in.p
	for !p.narrow.queued() {
		records, size := in.recoder.Pending()
		if records == 0 {
			return // the next batch brings the rest
		}
		r, ok := in.write(min(records, p.narrow.cuts[0]), size)
		if !ok {
			return
		}
		p.narrow.took(int(r.Batch.Count()))
		p.next, p.nextEpoch = r.Next, r.LeaderEpoch
	}
	in.recoder.Reset()
	p.generation++
}
