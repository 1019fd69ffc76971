package mirror

import (
	"fmt"
	"slices"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

// stored is a batch in the destination's log; ids is nil for another writer's.
type stored struct {
	producer   int64
	epoch      int16
	sequence   int32
	ids        []int64
	base, next int64
	max        int64
}

// remembered is what a broker knows of a producer.
type remembered struct {
	epoch int16
	last  []stored // at most 5
}

// broker is one destination partition as Kafka keeps it: idempotent producers with a memory of five batches, which goes
// when the last batch is old.
type broker struct {
	log      []stored
	records  []int64 // ids of all records in log, in order
	end      int64
	producer map[int64]*remembered
	expired  func(stamp int64) bool
}

func newBroker(expired func(int64) bool) *broker {
	return &broker{producer: map[int64]*remembered{}, expired: expired}
}

// append handles one batch of a produce request.
func (k *broker) append(b batch.Batch) (code int16, base int64, err error) {
	ids, err := idsOf(b)
	if err != nil {
		return 2, -1, err
	}
	s := stored{producer: b.ProducerID(), epoch: b.ProducerEpoch(), sequence: b.BaseSequence(), ids: ids, base: k.end, next: k.end + int64(len(ids)), max: b.MaxTimestamp()}
	known := k.producer[s.producer]
	if known != nil {
		code, base, done := known.judge(s)
		if done {
			return code, base, nil
		}
	}
	if known == nil || s.epoch > known.epoch {
		known = &remembered{epoch: s.epoch}
		k.producer[s.producer] = known
	}
	known.last = append(known.last, s)
	known.last = known.last[max(0, len(known.last)-5):]
	k.log, k.records, k.end = append(k.log, s), append(k.records, s.ids...), s.next
	return 0, s.base, nil
}

// judge says whether a batch of a known producer is answered without an append.
func (r *remembered) judge(s stored) (code int16, base int64, done bool) {
	switch {
	case s.epoch < r.epoch:
		return 47, -1, true
	case s.epoch > r.epoch && s.sequence != 0:
		return 45, -1, true
	case s.epoch > r.epoch:
		return 0, 0, false
	}
	for _, before := range r.last {
		if before.sequence == s.sequence && len(before.ids) == len(s.ids) {
			return 0, before.base, true
		}
	}
	if last := r.last[len(r.last)-1]; batch.AddSequence(last.sequence, int32(len(last.ids))) != s.sequence {
		return 45, -1, true
	}
	return 0, 0, false
}

// forget drops the producers whose last batch is old, as the broker's timer does.
func (k *broker) forget() {
	for id, r := range k.producer {
		if k.expired(r.last[len(r.last)-1].max) {
			delete(k.producer, id)
		}
	}
}

// restart keeps the last batch of each producer only.
func (k *broker) restart() {
	for _, r := range k.producer {
		r.last = r.last[len(r.last)-1:]
	}
	k.forget()
}

// stranger appends a batch of another writer.
func (k *broker) stranger() {
	k.log = append(k.log, stored{producer: -1, base: k.end, next: k.end + 1})
	k.end++
}

// scan is what a produce lane finds beyond a position.
func (k *broker) scan(at protocol.Position) (*protocol.Tail, error) {
	if k.end < at.Dest {
		return nil, fmt.Errorf("position %+v is behind the log's end %d", at, k.end)
	}
	tail := protocol.NewTail(at, 0)
	for _, s := range k.log {
		if s.next <= at.Dest {
			continue
		}
		h := protocol.Header{ProducerID: s.producer, ProducerEpoch: s.epoch, Sequence: s.sequence, Records: int32(len(s.ids)), MaxTimestamp: s.max, Next: s.next}
		if err := tail.Add(h); err != nil {
			return nil, err
		}
	}
	return tail, nil
}

// check says what is wrong with a position of a counted producer whose base has the given sequence: it must stand for
// records that are there, and everything beyond them must be found from its destination offset on.
func (k *broker) check(at protocol.Position, visible func(source int64) int, base int32) error {
	ids := k.records
	n := int(batch.SequenceDistance(base, at.Sequence))
	if want := visible(at.Source); n != want {
		return fmt.Errorf("position %+v: %d records by its sequence, %d by its source offset", at, n, want)
	}
	if n > len(ids) {
		return fmt.Errorf("position %+v stands for %d records, the log has %d", at, n, len(ids))
	}
	count := 0
	for _, s := range k.log {
		if s.next <= at.Dest {
			count += len(s.ids)
		}
	}
	if count > n {
		return fmt.Errorf("position %+v stands for %d records, %d lie before its destination offset", at, n, count)
	}
	return nil
}

// firsts is ids without repeats.
func firsts(ids []int64) []int64 {
	seen := map[int64]bool{}
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool {
		was := seen[id]
		seen[id] = true
		return was
	})
}
