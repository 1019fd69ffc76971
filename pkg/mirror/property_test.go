package mirror

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

var (
	oneSeed = flag.Uint64("mirror.seed", 0, "run the property test with this seed alone")
	seeds   = flag.Uint64("mirror.seeds", defaultSeeds, "number of seeds of the property test")
)

// TestExactlyOnce runs a pipeline through random answers, broken connections, late requests, a forgetful broker, crashes
// and stale positions, and holds its log against the source at every step.
func TestExactlyOnce(t *testing.T) { forSeeds(t, false, false) }

// TestNothingLostUncounted is the same for compacted sources and at-least-once links: records may come again after
// trouble, but in order, and none is missing.
func TestNothingLostUncounted(t *testing.T) { forSeeds(t, true, false) }

func forSeeds(t *testing.T, uncounted, losses bool) {
	first, n := uint64(1), *seeds
	if *oneSeed > 0 {
		first, n = *oneSeed, 1
	}
	if losses && *oneSeed == 0 {
		n = max(1, n/3)
	}
	budget := NewBudget(64 << 20) // shared, as its memory is
	link := NewLink(LinkConfig{Name: "link", From: "edge", To: "region", Parking: &fakeParking{}}, newFakeSource(nil), newFakeSink(nil), newMemStore(), &fakeLease{}, &fakeEvents{}, slog.New(slog.DiscardHandler))
	for seed := first; seed < first+n; seed++ {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link.restarts, link.parks = make(chan *Pipeline, 100), make(chan *Pipeline, 100) // of this bubble
				link.store = newMemStore()
				newWorld(t, seed, uncounted, losses, budget, link).run()
			})
		})
		if !ok {
			t.Fatalf("failed with seed %d: run with -mirror.seed=%d", seed, seed)
		}
	}
}

// world is one source partition, one pipeline and one destination partition.
type world struct {
	t         *testing.T
	rnd       *rand.Rand
	uncounted bool
	ages      int // 0: all records young, 1: all old, 2: mixed
	spoiled   int // one record in so many is refused; 0: none
	budget    *Budget
	link      *Link
	log       []entry
	raw       [][]byte // of log
	aborted   []Aborted
	visible   []int64        // ids that must arrive
	bad       map[int64]bool // ids of records that the destination refuses
	before    []int          // by source offset: how many of visible lie before it

	broker  *broker
	bench   *bench
	saved   []protocol.Position // every position that was ever committed
	newest  protocol.Identity
	pending []Taken // sent, not handled by the broker
	answers []reply // handled, not delivered
	late    [][]byte
	open    bool
	faults  bool

	losses      bool
	logStart    int64   // of the source
	want        []int64 // ids that the destination has to have in the end
	skippedAt   int64   // source offset that a skip went on at, -1 before it
	skippedHave int     // records that the destination had then
	trace       []event
}

// reply is a broker's answer under way.
type reply struct {
	taken   Taken
	code    int16
	base    int64
	refused []int32 // the records at fault
}

const (
	testExpiry = 24 * time.Hour
	wrapBase   = 1<<31 - 40 // sequences wrap in every run
)

func newWorld(t *testing.T, seed uint64, uncounted, losses bool, budget *Budget, link *Link) *world {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 4)), uncounted: uncounted, faults: true, losses: losses, skippedAt: -1, budget: budget, link: link, bad: map[int64]bool{}}
	w.ages = w.rnd.IntN(3)
	w.spoiled = []int{0, 0, 0, 8}[w.rnd.IntN(4)]
	if losses { // one matter at a time
		w.spoiled = 0
	}
	w.broker = newBroker(func(stamp int64) bool { return stamp < time.Now().Add(-testExpiry).UnixMilli() })
	w.makeLog()
	w.want = w.visible
	if losses {
		w.prepareLosses()
	}
	w.newest = protocol.Identity{ProducerID: testProducer, Compacted: uncounted, SourceEpochs: testEpoch + 1, Base: protocol.Position{SourceEpoch: -1, ProducerID: testProducer, Sequence: wrapBase, DestEpoch: -1}}
	if uncounted {
		w.newest.Base.Sequence, w.newest.Epoch = 0, -1
	}
	w.begin(protocol.Position{}, false)
	return w
}

// stamp is the time of a batch.
func (w *world) stamp() int64 {
	old := w.ages == 1 || w.ages == 2 && w.rnd.IntN(3) == 0
	if old {
		return time.Now().Add(-2 * testExpiry).UnixMilli()
	}
	return time.Now().UnixMilli()
}

// makeLog writes a source log with transactions that interleave, in batches of all kinds.
func (w *world) makeLog() {
	next, id := int64(0), int64(0)
	open := map[int64]int64{} // producer to the first offset of its transaction
	inside := map[int64][]int64{}
	gone := map[int64]bool{}
	for range 10 + w.rnd.IntN(30) {
		e := entry{base: next, producer: -1, stamp: w.stamp()}
		producer := int64(1 + w.rnd.IntN(2))
		first, begun := open[producer]
		switch kind := w.rnd.IntN(10); {
		case kind < 6:
		case begun && kind == 6:
			e.attrs, e.producer, e.abort = control|transactional, producer, w.rnd.IntN(2) == 0
			if e.abort {
				w.aborted = append(w.aborted, Aborted{producer, first})
				for _, i := range inside[producer] {
					gone[i] = true
				}
			}
			delete(open, producer)
			delete(inside, producer)
		default:
			e.attrs, e.producer = transactional, producer
			if !begun {
				open[producer] = next
			}
		}
		if e.attrs&control == 0 {
			e.ids = idRange(id, 1+w.rnd.IntN(5))
			id += int64(len(e.ids))
			w.spoil(e.ids)
			if e.attrs&transactional != 0 {
				inside[producer] = append(inside[producer], e.ids...)
			}
			switch w.rnd.IntN(8) {
			case 0, 1, 2, 3:
				e.attrs |= gzipCodec
			case 4:
				e.attrs |= logAppendTime
			case 5:
				e.pad = 120
			case 6:
				e.old = e.attrs == 0
			}
		}
		w.log, next = append(w.log, e), e.next()
	}
	for producer := range open { // the last stable offset lies behind the whole log
		e := entry{base: next, producer: producer, attrs: control | transactional, stamp: w.stamp()}
		w.log, next = append(w.log, e), e.next()
	}
	slices.SortFunc(w.aborted, func(a, b Aborted) int { return int(a.First - b.First) })
	for _, e := range w.log {
		w.raw = append(w.raw, e.bytes())
		w.visible = append(w.visible, slices.DeleteFunc(slices.Clone(e.ids), func(i int64) bool { return gone[i] })...)
	}
	w.visible = slices.DeleteFunc(w.visible, func(i int64) bool { return w.bad[i] })
	w.count()
}

// spoil chooses the records that the destination refuses, in every second run.
func (w *world) spoil(ids []int64) {
	for _, i := range ids {
		w.bad[i] = w.spoiled > 0 && w.rnd.IntN(w.spoiled) == 0
	}
}

// visibleBefore is how many records a reader of committed records sees before a source offset.
func (w *world) visibleBefore(source int64) int { return w.before[source] }

// count fills in before.
func (w *world) count() {
	w.before = make([]int, w.log[len(w.log)-1].next()+1)
	n := 0
	for _, e := range w.log {
		for offset := e.base; offset < e.next(); offset++ {
			w.before[offset] = n
			if i := offset - e.base; i < int64(len(e.ids)) {
				if _, seen := slices.BinarySearch(w.visible, e.ids[i]); seen {
					n++
				}
			}
		}
	}
	w.before[len(w.before)-1] = n
}

// event is a line of the trace; it is written only when a run fails.
type event struct {
	format string
	args   []any
}

func (w *world) note(format string, args ...any) { w.trace = append(w.trace, event{format, args}) }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.trace[max(0, len(w.trace)-60):] {
		w.t.Logf(line.format, line.args...)
	}
	w.t.Fatalf(format, args...)
}

// begin makes a new process that starts at a saved position, if there is one.
func (w *world) begin(saved protocol.Position, found bool) {
	limit := 1 << 20
	if w.rnd.IntN(3) == 0 {
		limit = 400
	}
	w.bench = &bench{t: w.t, link: w.link, budget: w.budget}
	w.bench.intake = NewIntake(w.bench.budget)
	w.bench.p = &Pipeline{source: TopicPartition{"clicks", 0}, dest: TopicPartition{"clicks", 0}, link: w.link, tenant: testTenant(w.link),
		limits: Limits{MaxBatchBytes: limit, OldAge: testExpiry / 2}}
	w.open = false
	w.start(saved, found)
}

// start is what a link does with an identity and a position.
func (w *world) start(saved protocol.Position, found bool) {
	at := w.newest.Begin(saved, found)
	if w.uncounted {
		w.newest, at = w.newest.NextEpoch(at)
	}
	w.link.store.(*memStore).topics["clicks"] = Identities{1, map[int32]protocol.Identity{0: w.newest}}
	w.note("begin at %+v", at)
	w.bench.p.begin(w.newest, at, found)
}

// run takes random steps, then lets everything come to rest without trouble.
func (w *world) run() {
	steps := 150 + w.rnd.IntN(250)
	if w.spoiled > 0 {
		steps *= 3
	}
	for range steps {
		w.step()
		w.check()
	}
	w.faults = false
	for range 12000 {
		if w.bench.position().Source == w.log[len(w.log)-1].next() {
			break
		}
		w.step()
		w.check()
	}
	w.finish()
}

func (w *world) finish() {
	if s := w.bench.p.Status(time.Now()); s.Next != w.log[len(w.log)-1].next() {
		w.fail("came to rest at source offset %d of %d: %+v", s.Next, w.log[len(w.log)-1].next(), s)
	}
	got := w.broker.records
	if w.uncounted {
		got = firsts(got)
	}
	want := w.want
	if w.uncounted {
		want = firsts(want)
	}
	if !slices.Equal(got, want) {
		w.fail("destination has %v, want %v", got, want)
	}
	w.crash()
}

// check holds the present position and the log against the source.
func (w *world) check() {
	w.idle()
	if s := w.bench.p.Status(time.Now()); s.State == StateHalted {
		w.fail("halted: %s: %s", s.Cause, s.Why)
	}
	ids, want := w.broker.records, w.want
	visible, base := w.wanted()
	if w.uncounted {
		if want = firsts(want); w.skippedAt >= 0 {
			visible = func(int64) int { return 0 }
		}
		if ids = firsts(ids); len(ids) < visible(w.bench.position().Source) {
			w.fail("position %+v is beyond the %d different records that are there", w.bench.position(), len(ids))
		}
	} else if err := w.broker.check(w.bench.position(), visible, base); err != nil {
		w.fail("%v", err)
	}
	if len(ids) > len(want) || !slices.Equal(ids, want[:len(ids)]) {
		w.fail("log has %v, want a beginning of %v", ids, want)
	}
}

func (w *world) step() {
	if len(w.link.parks) > 0 && w.rnd.IntN(3) == 0 {
		w.park()
		return
	}
	if w.faults && len(w.saved) > 0 && w.newest.Floor.Source > 0 && w.rnd.IntN(25) == 0 {
		w.crash() // and a commit from long ago lands last
		w.begin(w.saved[w.rnd.IntN(len(w.saved))], true)
		return
	}
	n := 20
	if w.losses && w.faults && w.logStart == 0 && w.rnd.IntN(100) == 0 {
		w.remove()
	}
	if !w.faults || w.spoiled > 0 && w.rnd.IntN(4) > 0 { // to narrow and to park takes many steps without a fault
		n = 12
	}
	switch w.rnd.IntN(n) {
	case 0, 1:
		w.fetch()
	case 2, 3, 4:
		w.send()
	case 5, 6:
		w.handle()
	case 7, 8:
		w.deliver()
	case 9, 10:
		w.join()
	case 11:
		time.Sleep(time.Duration(w.rnd.IntN(400)) * time.Millisecond)
		w.bench.p.shed(time.Now())
	case 12:
		w.save()
	case 13:
		w.breakConnection()
	case 14:
		w.lateArrives()
	case 15:
		w.broker.forget()
	case 16:
		w.broker.restart()
	case 17:
		w.broker.stranger()
	default:
		if w.rnd.IntN(6) == 0 {
			w.crash()
			w.begin(w.anyPosition())
		}
	}
}

// anyPosition is what a restart reads from the group: mostly the newest commit, sometimes an older one that landed late.
func (w *world) anyPosition() (protocol.Position, bool) {
	switch {
	case len(w.saved) == 0 || w.rnd.IntN(10) == 0:
		return protocol.Position{}, false
	case w.rnd.IntN(3) == 0:
		return w.saved[w.rnd.IntN(len(w.saved))], true
	}
	return w.saved[len(w.saved)-1], true
}

func (w *world) save() {
	if at, ok := w.bench.p.takePosition(time.Now(), 0); ok {
		w.note("save %+v", at)
		w.saved = append(w.saved, at)
		w.bench.p.savedPosition(at, time.Now())
	}
}

// fetch reads some batches from where the pipeline wants them.
func (w *world) fetch() {
	from, _, generation, appetite := w.bench.p.FetchFrom()
	if appetite != Hungry {
		return
	}
	if from < w.logStart {
		w.refuse(generation)
		return
	}
	var raw [][]byte
	var end int64
	most := 1 + w.rnd.IntN(8)
	for i, e := range w.log {
		if e.next() > from && len(raw) < most {
			raw, end = append(raw, w.raw[i]), e.next()
		}
	}
	var aborted []Aborted
	for _, a := range w.aborted {
		if marker := w.markerOf(a); marker >= from && a.First < end {
			aborted = append(aborted, a)
		}
	}
	w.note("fetch from %d: %d batches to %d", from, len(raw), end)
	w.bench.t = w.t
	w.bench.respondBytes(generation, w.log[len(w.log)-1].next(), raw, aborted...)
	if w.losses {
		w.tend()
		w.newest.SourceEpochs = w.bench.p.identity.SourceEpochs
	}
}

// markerOf is the offset of the marker that ends an aborted transaction.
func (w *world) markerOf(a Aborted) int64 {
	for _, e := range w.log {
		if e.abort && e.producer == a.Producer && e.base > a.First {
			return e.base
		}
	}
	return -1
}

func (w *world) send() {
	if !w.open {
		return
	}
	taken, step := w.bench.p.Take(time.Now())
	if step == protocol.Send {
		w.note("send sequence %d, %d records, old %v", taken.Sequence, taken.Records, taken.Bytes.MaxTimestamp() < time.Now().Add(-testExpiry).UnixMilli())
		w.pending = append(w.pending, taken)
		if n := len(w.pending) + len(w.answers); n > protocol.Window {
			w.fail("%d batches in flight", n)
		}
	}
}

// handle lets the broker work on the oldest request, in one of the ways brokers do.
func (w *world) handle() {
	if len(w.pending) == 0 {
		return
	}
	taken := w.pending[0]
	w.pending = w.pending[1:]
	r := reply{taken: taken, base: -1}
	fate := w.rnd.IntN(30)
	if !w.faults {
		fate = 29
	}
	switch fate {
	case 0, 1:
		r.code = 19 // refused
	case 2:
		r.code = 6 // the leader has moved before the append
	case 3:
		r.code = 29 // no right
	case 4, 5: // appended, and the answer says that nobody knows
		if len(w.refused(taken.Bytes)) == 0 {
			w.append(taken.Bytes)
		}
		r.code = []int16{6, 7, 20}[w.rnd.IntN(3)]
	default:
		if r.refused = w.refused(taken.Bytes); len(r.refused) > 0 {
			r.code = codeInvalidTimestamp
			w.note("broker: sequence %d, %d records: refused for %v", taken.Sequence, taken.Records, r.refused)
		} else {
			r.code, r.base = w.append(taken.Bytes)
		}
	}
	taken.Hold().Release()
	w.answers = append(w.answers, r)
}

// refused are the records for which the destination refuses a batch, by their place in it. It looks at them first.
func (w *world) refused(b batch.Batch) []int32 {
	ids, err := idsOf(b)
	if err != nil {
		w.fail("broker cannot read a batch: %v", err)
	}
	var at []int32
	for i, id := range ids {
		if w.bad[id] {
			at = append(at, int32(i))
		}
	}
	return at
}

// park passes over what cannot be copied, as the link's parker does; sometimes the process ends in the middle.
func (w *world) park() {
	p := <-w.link.parks
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	source, store, parking := w.link.source.(*fakeSource), w.link.store.(*memStore), w.link.cfg.Parking.(*fakeParking)
	source.group, source.refuse, store.refuse, parking.refuse = map[TopicPartition]protocol.Position{}, nil, nil, nil
	fault := w.rnd.IntN(8)
	if !w.faults {
		fault = 7
	}
	switch fault {
	case 0:
		parking.refuse = []error{errTest}
	case 1:
		store.refuse = errTest
	case 2:
		source.refuse = errTest
	}
	time.AfterFunc(startRetryMin/2, cancel) // while it waits to try again
	w.link.pass(ctx, p)
	if at, ok := source.saved("clicks", 0); ok {
		w.saved = append(w.saved, at)
	}
	w.newest = store.topics["clicks"].Partitions[0]
	w.note("parked to %d of %+v", w.bench.position().Source, w.newest.Floor)
	if fault < 3 {
		w.crash()
		w.begin(w.anyPosition())
	}
}

func (w *world) append(b batch.Batch) (int16, int64) {
	code, base, err := w.broker.append(b)
	if err != nil {
		w.fail("broker cannot read a batch: %v", err)
	}
	w.note("broker: sequence %d, %d records: code %d, base %d", b.BaseSequence(), b.Count(), code, base)
	return code, base
}

// deliver brings the oldest answer to the pipeline, as a produce lane does.
func (w *world) deliver() {
	if len(w.answers) == 0 {
		return
	}
	r := w.answers[0]
	w.answers = w.answers[1:]
	var verdict Verdict
	if len(r.refused) > 0 && w.rnd.IntN(2) == 0 {
		verdict = w.bench.p.Refuse(r.taken.Flight, Refusal{Code: r.code, Records: r.refused}, time.Now())
	} else {
		verdict = w.bench.p.Answer(r.taken.Flight, r.code, r.base, time.Now())
	}
	w.note("answer code %d: verdict %d", r.code, verdict)
	if verdict == Hangup {
		w.breakConnection()
	}
}

// breakConnection leaves what was not answered to fate.
func (w *world) breakConnection() {
	if !w.open {
		return
	}
	w.note("connection breaks with %d requests and %d answers", len(w.pending), len(w.answers))
	w.leave()
	w.bench.p.Broken(time.Now())
}

func (w *world) leave() {
	lost := w.rnd.IntN(2) == 0
	for _, taken := range w.pending {
		if !lost {
			w.late = append(w.late, slices.Clone(taken.Bytes))
		}
		taken.Hold().Release()
	}
	w.pending, w.answers, w.open = nil, nil, false
}

// lateArrives lets a request of a closed connection reach the broker after all.
func (w *world) lateArrives() {
	if len(w.late) > 0 {
		w.note("late request arrives")
		if len(w.refused(w.late[0])) == 0 {
			w.append(batch.Batch(w.late[0]))
		}
		w.late = w.late[1:]
	}
}

// join opens a connection and does what a produce lane does there.
func (w *world) join() {
	p := w.bench.p
	w.open = true
	plan, ok := p.Plan()
	if !ok {
		w.startAgain()
		return
	}
	if plan.Need == protocol.ScanCalm { // a grace outlasts every old request
		for len(w.late) > 0 && w.rnd.IntN(2) == 0 {
			w.lateArrives()
		}
		w.late = nil
	}
	w.broker.forgetSometimes(w)
	var tail *protocol.Tail
	if plan.Count && plan.Need != protocol.Resend {
		var err error
		if tail, err = w.broker.scan(plan.Position); err != nil {
			w.fail("scan: %v", err)
		}
		w.note("joins by scan %d: %d records beyond %+v", plan.Need, tail.Records, plan.Position)
	} else {
		w.note("joins by %d", plan.Need)
	}
	p.Joined(plan, tail, 3)
}

func (k *broker) forgetSometimes(w *world) {
	if w.faults && w.rnd.IntN(3) == 0 {
		k.forget()
	}
}

// startAgain is the link's restarter.
func (w *world) startAgain() {
	select {
	case <-w.link.restarts:
		w.save()
		w.start(w.saved[len(w.saved)-1], true)
	default:
	}
}

// crash ends the process: what it sent and nobody answered may arrive later.
func (w *world) crash() {
	w.note("crash")
	w.leave()
	w.bench.p.stop()
	if used := w.bench.budget.Used(); used != 0 {
		w.fail("%d bytes of the budget are still used after the end", used)
	}
}
