package mirror

import (
	"testing"

	"tributary/pkg/mirror/protocol"
)

func TestGaps(t *testing.T) {
	zipped := func(base int64, n int) entry {
		return entry{base: base, ids: idRange(base, n), producer: -1, attrs: gzipCodec, stamp: 1}
	}
	marker := func(base, producer int64, abort bool) entry {
		return entry{base: base, attrs: control | transactional, producer: producer, abort: abort}
	}
	ofTransaction := func(base int64, n int, producer int64) entry {
		return entry{base: base, ids: idRange(base, n), producer: producer, attrs: transactional | gzipCodec, stamp: 1}
	}
	holes := entry{base: 10, ids: []int64{11, 13}, delta: []int32{1, 3}, span: 5, producer: -1, attrs: gzipCodec, stamp: 1}
	for _, test := range []struct {
		name      string
		from      int64
		compacted bool // as of its identity
		cleaned   bool // as of its policy
		log       []entry
		aborted   []Aborted
		want      Gaps
	}{
		{name: "none", log: []entry{zipped(0, 3), zipped(3, 2)}},
		{name: "begins in mid-batch", from: 2, log: []entry{zipped(0, 4), zipped(4, 1)}},
		{name: "a committed transaction", log: []entry{ofTransaction(0, 3, 7), marker(3, 7, false), zipped(4, 1)}, want: Gaps{Control: 1}},
		{name: "an aborted transaction", log: []entry{ofTransaction(0, 3, 7), zipped(3, 2), marker(5, 7, true), zipped(6, 1)},
			aborted: []Aborted{{Producer: 7, First: 0}}, want: Gaps{Control: 4}},
		{name: "begins in the middle of an aborted batch", from: 2, log: []entry{ofTransaction(0, 3, 7), marker(3, 7, true)},
			aborted: []Aborted{{Producer: 7, First: 0}}, want: Gaps{Control: 2}},
		{name: "batches are missing", log: []entry{zipped(0, 3), zipped(10, 2)}, want: Gaps{Unexplained: 7}},
		{name: "the first batch is missing", log: []entry{zipped(4, 3)}, want: Gaps{Unexplained: 4}},
		{name: "batches are missing before a marker", log: []entry{zipped(0, 3), marker(5, 7, true), zipped(6, 2)}, want: Gaps{Control: 1, Unexplained: 2}},
		{name: "batches are missing where the identity is of a compacted source", compacted: true, log: []entry{zipped(0, 3), zipped(10, 2)}, want: Gaps{Compaction: 7}},
		{name: "batches are missing where the policy is or was compact", cleaned: true, log: []entry{zipped(0, 3), zipped(10, 2)}, want: Gaps{Compaction: 7}},
		{name: "records are missing in a batch, whatever the policy is", from: 10, log: []entry{holes, zipped(15, 2)}, want: Gaps{Compaction: 3}},
		{name: "batches are missing behind one that the cleaner touched", from: 10, log: []entry{holes, zipped(20, 2)}, want: Gaps{Compaction: 8}},
		{name: "a batch of which nothing is left", from: 3, compacted: true, log: []entry{{base: 3, span: 4, producer: 9, stamp: 1}, zipped(7, 1)}, want: Gaps{Compaction: 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, func(_ *LinkConfig, _ *Limits, id *protocol.Identity) {
				id.Base.Source, id.Compacted = test.from, test.compacted
			})
			b.p.tenant.topic.cleaned.Store(test.cleaned)
			b.join()
			b.feed(test.log, test.aborted...)
			if got := b.p.counters.Gaps; got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			b.wantNothingHeld()
		})
	}
}

// TestGapsAreCountedOnce reads the same part of the log again, after doubt, and then goes on behind it.
func TestGapsAreCountedOnce(t *testing.T) {
	zipped := func(base int64, n int) entry {
		return entry{base: base, ids: idRange(base, n), producer: -1, attrs: gzipCodec, stamp: 1}
	}
	b := newBench(t, nil)
	b.join()
	log := []entry{zipped(0, 3), zipped(10, 2)}
	b.feed(log)
	b.p.mu.Lock()
	b.p.detach(protocol.ScanFast)
	b.p.restartAtPosition()
	b.p.mu.Unlock()
	b.join()
	b.feed(log)
	b.feed([]entry{zipped(13, 1)})
	if got, want := b.p.counters.Gaps, (Gaps{Unexplained: 8}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	b.wantNothingHeld()
}
