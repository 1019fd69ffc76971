package model

import (
	"math/bits"

	"tributary/pkg/mirror/protocol"
)

const (
	maxLog     = 10
	maxWindow  = 2 // stands for protocol.Window
	maxOrphans = 3
)

// recs is a set of source records; bit i is the record at source offset i.
type recs uint8

func (r recs) count() uint8 { return uint8(bits.OnesCount8(uint8(r))) }
func (r recs) end() uint8   { return uint8(bits.Len8(uint8(r))) } // one past the last record
func (r recs) first() recs  { return r & -r }

func below(n uint8) recs { return recs(1<<n - 1) }

// batch is what the destination stores: the producer's numbers and the records.
type batch struct {
	Pid, Epoch, Seq uint8
	Recs            recs
}

func (b batch) nextSeq() uint8 { return b.Seq + b.Recs.count() }

// result is what the broker has made of a request so far.
type result uint8

const (
	unused     result = iota
	queued            // to be sent again
	inFlight          // sent, not yet handled by the broker
	appended          // in the log (now or before) at slot.At; answered once replicated
	outOfOrder        // OUT_OF_ORDER_SEQUENCE_NUMBER
	refused           // NOT_ENOUGH_REPLICAS: not appended
	fenced            // INVALID_PRODUCER_EPOCH
	lost              // appended, but no answer will come except perhaps NOT_LEADER
)

// slot is one place in the window of batches without an answer.
type slot struct {
	B   batch
	Res result
	At  uint8
}

// orphan is a request whose connection its sender has given up; it may still reach the broker.
type orphan struct {
	B       batch
	Chained bool // on the same connection as the orphan before it, hence handled after it
}

// place is a protocol.Position in the model's small numbers.
type place struct {
	Pid, Epoch, Src, Seq, Dest uint8
	Term                       uint8 // leader epoch of the destination when Dest was learnt
}

// saved is a place in the group or on its way there.
type saved struct {
	Valid bool
	At    place
}

// phase is where an instance is in its life.
type phase uint8

const (
	down     phase = iota
	saving         // mutants only: waits for its first save before it produces
	scanFast       // will read the destination's tail at once
	scanCalm       // will read it once every old request must be dead
	running
	halted
)

// instance is one mirror process working on the partition.
type instance struct {
	Phase   phase
	At      place // end of the acknowledged prefix
	Last    recs  // the last acknowledged batch, for its age
	Run     protocol.Run
	Open    bool  // a produce connection was opened under the lease
	Idle    bool  // that connection had no acknowledgement for long
	Checked bool  // the lease was seen valid and the send is not yet done
	Saved   uint8 // source offset of the last save
	Win     [maxWindow]slot
	Save    saved // on its way to the group; outlives a crash
}

// store is the identity in the atomic store.
type store struct {
	Made  bool
	Base  place
	Epoch uint8 // compacted: the newest epoch handed out
	Start uint8 // compacted: where the run with that epoch began
}

// Faults counts what may still go wrong; every use takes one away.
type Faults struct {
	Crashes, Elections, Restarts, Refusals uint8
	Handovers                              uint8 // of the lease; the loser is not told
	Cleanings                              uint8 // records that source compaction removes
	Days                                   uint8 // all records become old
	Losses                                 uint8 // of acknowledged data
	StoreLosses                            uint8 // of the identity
}

// state is everything: destination partition, network, group, store, both instances.
type state struct {
	Log       [maxLog]batch
	Len, HW   uint8
	Shown     uint8 // high watermark as the leader knows it, lower for a while after an election
	Began     uint8 // log end at the last election
	Forgot    uint8 // producer state from before this log index is forgotten
	Floor     uint8 // batches before it are not in the dedup cache (broker restart)
	Old       recs  // records older than the producer expiry
	Removed   recs  // records the cleaner took from the source
	Orphans   [maxOrphans]orphan
	Group     saved
	Store     store
	In        [2]instance
	Owner     uint8 // holder of the lease; without leases, the instance that started last
	Pids      uint8 // next to hand out
	Left      Faults
	Term, Cut uint8 // leader epoch begun by a loss, and where the former one ends since
}

func (p *instance) inWindow() int {
	n := 0
	for n < maxWindow && p.Win[n].Res != unused {
		n++
	}
	return n
}

// sent counts the batches of the window that are not to be sent again; they come first.
func (p *instance) sent() int {
	n := 0
	for n < maxWindow && p.Win[n].Res > queued {
		n++
	}
	return n
}

// unhandled counts the requests that the broker has not taken from p's connection.
func (p *instance) unhandled() int {
	n := 0
	for i := range p.Win {
		if p.Win[i].Res == inFlight {
			n++
		}
	}
	return n
}

// nextRecord returns the source offset and the sequence of the next record to be taken from the source.
func (p *instance) nextRecord() (src, seq uint8) {
	if n := p.inWindow(); n > 0 {
		return p.Win[n-1].B.Recs.end(), p.Win[n-1].B.nextSeq()
	}
	return p.At.Src, p.At.Seq
}

// nextToSend returns the source offset of the next record to go out, be it again.
func (p *instance) nextToSend() uint8 {
	if n := p.sent(); n < p.inWindow() {
		return p.Win[n].B.Recs.first().end() - 1
	}
	src, _ := p.nextRecord()
	return src
}

// isOld says that the broker may forget a producer whose last batch this is: its greatest timestamp is old.
func (s *state) isOld(r recs) bool { return r != 0 && r&^s.Old == 0 }

// nextOf returns the next n records still in the source from offset src on.
func (s *state) nextOf(c *Config, src uint8, n int) recs {
	var r recs
	for j := int(src); j < c.N && n > 0; j++ {
		if s.Removed>>j&1 == 0 {
			r |= 1 << j
			n--
		}
	}
	return r
}
