package mirror

import (
	"slices"
	"testing"
	"time"

	"tributary/pkg/batch"
)

// TestOnlyTheLossIsMissing is TestExactlyOnce with a source that deletes records at some moment. If the pipeline had not all
// of them it halts; what it names as lost begins where the destination's records end, and after an operator's skip all
// that is left arrives, once and in order.
func TestOnlyTheLossIsMissing(t *testing.T) { forSeeds(t, false, true) }

// TestOnlyTheLossIsMissingUncounted is the same for compacted sources and at-least-once links.
func TestOnlyTheLossIsMissingUncounted(t *testing.T) { forSeeds(t, true, true) }

// prepareLosses gives the link what Skip needs.
func (w *world) prepareLosses() {
	l := w.link
	l.suspects, l.foretells = make(chan *Pipeline, 100), make(chan *Pipeline, 100)
	l.store = newMemStore()
	source, sink := newFakeSource(map[string]TopicInfo{"clicks": {"", 1}}), newFakeSink(map[string]TopicInfo{"clicks": {"", 1}})
	source.end, source.compacted["clicks"] = w.end(), w.uncounted
	l.source, l.sink = source, sink
}

func (w *world) end() int64 { return w.log[len(w.log)-1].next() }

// remove lets the source delete its records before some offset.
func (w *world) remove() {
	w.logStart = 1 + w.rnd.Int64N(w.end()-1)
	w.link.source.(*fakeSource).start = w.logStart
	w.note("the source deletes all before offset %d", w.logStart)
}

// refuse is what the source answers to a fetch of what it has not any more, and what the link does about it.
func (w *world) refuse(generation uint64) {
	w.bench.p.OutOfRange(generation)
	w.tend()
}

// tend does what the link's goroutines do.
func (w *world) tend() {
	for {
		select {
		case p := <-w.link.suspects:
			w.link.examine(w.t.Context(), p)
		case p := <-w.link.foretells:
			w.link.foretellAll(w.t.Context(), "clicks", []*Pipeline{p})
		default:
			return
		}
	}
}

// accept holds what a halted partition says it lost against the truth, and skips it.
func (w *world) accept(s PartitionStatus) {
	have := len(w.broker.records)
	if w.uncounted {
		have = len(firsts(w.broker.records))
	}
	w.note("halted: %s: %s: %s", s.Cause, s.Why, s.Loss)
	switch {
	case s.Loss == nil || s.Cause != CauseRetention && s.Cause != CausePositionLost:
		w.fail("halted by %s, %s", s.Cause, s.Why)
	case s.Cause == CauseRetention && s.Loss.To != w.logStart:
		w.fail("lost %s, the log begins at %d", s.Loss, w.logStart)
	case w.visibleBefore(s.Loss.From) > have: // less only where the log had gaps that could not be counted
		w.fail("lost %s, the destination has %d records, which end before", s.Loss, have)
	case w.bench.position().Source == s.Loss.From && !w.uncounted && w.visibleBefore(s.Loss.From) != have:
		w.fail("lost %s, the destination has %d records, want %d", s.Loss, have, w.visibleBefore(s.Loss.From))
	}
	w.leave()
	w.late = nil // an operator is slower than any request
	p := w.bench.p
	tp := p.Source()
	ids, err := w.link.store.Read(w.t.Context(), "link", "clicks")
	if err != nil {
		w.fail("%v", err)
	}
	ids.Partitions[0] = w.newest
	if err := w.link.store.Update(w.t.Context(), "link", "clicks", ids); err != nil {
		w.fail("%v", err)
	}
	w.link.topics = map[string]*topic{"clicks": {link: w.link, name: "clicks", dest: "clicks", list: []*Pipeline{p}}}
	sink := w.link.sink.(*fakeSink)
	sink.ends, sink.limits = w.broker.end, p.limits
	done, err := w.link.Skip(w.t.Context(), tp, Choice{Where: AtOffset, Offset: max(w.logStart, s.Loss.From)})
	if err != nil {
		w.fail("%v", err)
	}
	w.note("goes on at %d", done.ResumesAt)
	w.skippedAt, w.skippedHave = done.ResumesAt, len(w.broker.records)
	w.newest = p.identity
	w.want = append(slices.Clone(w.broker.records), w.visible[w.visibleBefore(done.ResumesAt):]...)
}

// wanted is the number of records that the destination has to have once a position is at a source offset, and the sequence
// that the number 0 stands for.
func (w *world) wanted() (func(source int64) int, int32) {
	if w.skippedAt < 0 {
		return w.visibleBefore, wrapBase
	}
	return func(source int64) int {
		return w.skippedHave + w.visibleBefore(source) - w.visibleBefore(w.skippedAt)
	}, batch.AddSequence(0, int32(-w.skippedHave))
}

// idle lets what waits for an operator or a look be done.
func (w *world) idle() {
	if s := w.bench.p.Status(time.Now()); s.State == StateHalted && w.logStart > 0 && w.skippedAt < 0 {
		w.accept(s)
	}
}
