package mirror

import "tributary/pkg/batch"

// Gaps count source offsets that hold no record to mirror, each once as far as the pipeline remembers.
type Gaps struct {
	Control     int64 // markers of transactions, and records of aborted ones
	Compaction  int64 // removed by the log cleaner
	Unexplained int64 // missing in a log that is not compacted
}

// Plus adds field by field.
func (g Gaps) Plus(more Gaps) Gaps {
	return Gaps{Control: g.Control + more.Control, Compaction: g.Compaction + more.Compaction, Unexplained: g.Unexplained + more.Unexplained}
}

// countGaps accounts for the offsets up to the end of b that hold nothing to mirror. It looks at the header alone, and at no
// offset twice: what is read again was counted. It is called under p.mu.
func (p *Pipeline) countGaps(b batch.Batch, invisible bool) {
	from, base, next := max(p.next, p.gapsTo), b.BaseOffset(), b.NextOffset()
	if next <= from {
		return
	}
	p.gapsTo = next
	if missing := base - from; missing > 0 {
		if p.identity.Compacted || p.tenant.topic.cleaned.Load() {
			p.counters.Gaps.Compaction += missing
		} else {
			p.counters.Gaps.Unexplained += missing
		}
	}
	wanted := next - max(base, from)
	if invisible {
		p.counters.Gaps.Control += wanted
		return
	}
	// Of what is taken out of a batch the cleaner alone is the cause, also where the policy is another one by now.
	if count, span := int64(b.Count()), next-base; count >= 0 && count < span {
		p.counters.Gaps.Compaction += min(span-count, wanted)
		p.tenant.topic.cleaned.Store(true)
	}
}
