package mirror

import "tributary/pkg/batch"

// Message takes the next message of a log, or a part of one, that was written before Kafka 0.11. It becomes a batch of format
// v2 with the same offsets and goes the way of all that must be rewritten, so that neighbours share a batch; records are
// passed over after a restart one by one, as for batches.
func (in *Intake) Message(m batch.Message) {
	p := in.p
	p.mu.Lock()
	defer p.unlock()
	if p.generation != in.gen || p.ending != nil || m.Offset() < p.next {
		return
	}
	defer in.upgrade.Release()
	b, err := in.upgrade.Upgrade(m)
	if err != nil {
		if in.flush() {
			in.unreadableMessage(m, err)
		}
		return
	}
	in.admit(b, nil, len(m), in.codecFor(m.Codec()))
}
