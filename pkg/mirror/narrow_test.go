package mirror

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

// fakeParking keeps what is parked.
type fakeParking struct {
	mu     sync.Mutex
	parked []Parked
	refuse []error // of the next calls
	landed bool    // what is refused is there all the same
}

func (f *fakeParking) Park(_ context.Context, parked []Parked) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if len(f.refuse) > 0 {
		err, f.refuse = f.refuse[0], f.refuse[1:]
	}
	if err == nil || f.landed {
		f.parked = append(f.parked, parked...)
	}
	return err
}

// offsets returns the source offsets of what was parked, without repeats.
func (f *fakeParking) offsets() []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []int64
	for _, p := range f.parked {
		for o := p.From; o < p.To; o++ {
			list = append(list, o)
		}
	}
	return firsts(list)
}

// desk is a bench between a source log and a destination that refuses some records.
type desk struct {
	*bench
	log     []entry
	broker  *broker
	bad     map[int64]int16 // the code that a record is refused with, by its id
	told    bool            // the broker names the records at fault
	parking *fakeParking
	store   *memStore
	refused int // batches
}

func newDesk(t *testing.T, log []entry, park bool, change func(*LinkConfig, *Limits, *protocol.Identity)) *desk {
	d := &desk{log: log, broker: newBroker(func(int64) bool { return false }), bad: map[int64]int16{}, parking: &fakeParking{}, store: newMemStore()}
	d.bench = newBench(t, func(c *LinkConfig, l *Limits, id *protocol.Identity) {
		if park {
			c.Parking = d.parking
		}
		if change != nil {
			change(c, l, id)
		}
	})
	d.link.store = d.store
	d.store.topics["clicks"] = Identities{1, map[int32]protocol.Identity{0: d.id}}
	return d
}

// again is the next process: it starts from what the store and the group say.
func (d *desk) again() {
	d.p.stop()
	at, found := d.source.saved("clicks", 0)
	d.id = d.store.topics["clicks"].Partitions[0]
	d.p = &Pipeline{source: TopicPartition{"clicks", 0}, dest: TopicPartition{"clicks", 0}, link: d.link, tenant: testTenant(d.link), limits: d.p.limits}
	d.intake = NewIntake(d.budget)
	for len(d.link.parks) > 0 {
		<-d.link.parks
	}
	d.p.begin(d.id, d.id.Begin(at, found), found)
}

// run lets everything happen that can, a bounded number of times.
func (d *desk) run() {
	d.t.Helper()
	for range 2000 {
		moved := d.joinNow()
		moved = d.read() || moved
		moved = d.send() || moved
		for len(d.link.parks) > 0 {
			moved = true
			d.link.pass(d.t.Context(), <-d.link.parks)
		}
		if !moved {
			return
		}
	}
	d.t.Fatalf("does not come to rest: %+v", d.p.Status(time.Now()))
}

func (d *desk) joinNow() bool {
	plan, ok := d.p.Plan()
	if !ok {
		return false
	}
	var tail *protocol.Tail
	if plan.Count && plan.Need != protocol.Resend {
		var err error
		if tail, err = d.broker.scan(plan.Position); err != nil {
			d.t.Fatal(err)
		}
	}
	d.p.Joined(plan, tail, 3)
	return true
}

func (d *desk) read() bool {
	from, _, generation, appetite := d.p.FetchFrom()
	if appetite != Hungry {
		return false
	}
	var rest []entry
	for _, e := range d.log {
		if e.next() > from {
			rest = append(rest, e)
		}
	}
	if len(rest) == 0 {
		return false
	}
	d.respond(generation, rest)
	return true
}

// send sends what may be sent at once and brings the answers.
func (d *desk) send() bool {
	var sent []Taken
	for {
		taken, step := d.p.Take(time.Now())
		if step != protocol.Send {
			break
		}
		taken.Hold().Release()
		sent = append(sent, taken)
	}
	replies := make([]Refusal, len(sent))
	bases := make([]int64, len(sent))
	for i, taken := range sent {
		replies[i], bases[i] = d.handle(taken.Bytes)
	}
	for i, taken := range sent {
		if replies[i].Code == 0 {
			d.p.Answer(taken.Flight, 0, bases[i], time.Now())
		} else {
			d.p.Refuse(taken.Flight, replies[i], time.Now())
		}
	}
	return len(sent) > 0
}

// handle is the broker: it validates records before it looks at sequences, and refuses a batch as a whole.
func (d *desk) handle(b batch.Batch) (Refusal, int64) {
	ids, err := idsOf(b)
	if err != nil {
		d.t.Fatal(err)
	}
	r := Refusal{}
	for i, id := range ids {
		if code := d.bad[id]; code != 0 {
			r.Code = code
			r.Records = append(r.Records, int32(i))
		}
	}
	if r.Code != 0 {
		d.refused++
		if !d.told {
			r.Records = nil
		}
		return r, -1
	}
	code, base, err := d.broker.append(b)
	if err != nil {
		d.t.Fatal(err)
	}
	return Refusal{Code: code}, base
}

// everything returns the ids of the log, in order, but those.
func (d *desk) everything(but map[int64]int16) []int64 {
	var ids []int64
	for _, e := range d.log {
		for _, id := range e.ids {
			if but[id] == 0 {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// shapes are source logs of 12 records with ids 0 to 11; gaps leave offsets out.
func shapes() map[string][]entry {
	one := func(base int64, ids []int64, attrs uint16) entry {
		return entry{base: base, ids: ids, attrs: attrs, producer: -1, stamp: time.Now().UnixMilli()}
	}
	gap := one(6, idRange(6, 3), gzipCodec)
	gap.delta, gap.span = []int32{0, 2, 5}, 7
	marker := entry{base: 6, producer: 1, attrs: control | transactional}
	old := one(6, idRange(6, 6), gzipCodec)
	old.old = true
	return map[string][]entry{
		"one compressed":    {one(0, idRange(0, 12), gzipCodec)},
		"several":           {one(0, idRange(0, 5), gzipCodec), one(5, idRange(5, 3), gzipCodec), one(8, idRange(8, 4), gzipCodec)},
		"small ones merged": {one(0, idRange(0, 5), 0), one(5, idRange(5, 3), 0), one(8, idRange(8, 4), 0)},
		"gaps":              {one(0, idRange(0, 6), gzipCodec), gap, one(13, idRange(9, 3), gzipCodec)},
		"a marker between":  {one(0, idRange(0, 6), gzipCodec), marker, one(7, idRange(6, 6), gzipCodec)},
		"old messages":      {one(0, idRange(0, 6), gzipCodec), old},
		"append time":       {one(0, idRange(0, 12), gzipCodec|logAppendTime)},
	}
}

// offsetOf is the source offset of a record.
func offsetOf(log []entry, id int64) int64 {
	for _, e := range log {
		if i := slices.Index(e.ids, id); i >= 0 {
			if e.delta != nil {
				return e.base + int64(e.delta[i])
			}
			return e.base + int64(i)
		}
	}
	return -1
}

// TestRefusedRecordsAreFound lets a destination refuse some of 12 records, in logs of all shapes: the others arrive once and
// in order, and exactly the refused ones halt the partition, or are parked.
func TestRefusedRecordsAreFound(t *testing.T) {
	sets := [][]int64{{0}, {5}, {11}, {6}, {0, 11}, {3, 4, 5}, {5, 6, 7, 8}, {1, 3, 5, 7, 9, 11}, idRange(0, 12)}
	for shape, log := range shapes() {
		for _, bad := range sets {
			for _, told := range []bool{true, false} {
				for _, park := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s, %v, told %v, park %v", shape, bad, told, park), func(t *testing.T) {
						d := newDesk(t, log, park, nil)
						d.told = told
						for _, id := range bad {
							d.bad[id] = codeInvalidTimestamp
						}
						d.run()
						if park {
							d.wantParked(bad)
						} else {
							d.wantHeldAt(bad[0])
						}
					})
				}
			}
		}
	}
}

func (d *desk) wantParked(bad []int64) {
	d.t.Helper()
	if want := d.everything(d.bad); !slices.Equal(d.broker.records, want) {
		d.t.Errorf("destination has %v, want %v", d.broker.records, want)
	}
	var want []int64
	for _, id := range bad {
		want = append(want, offsetOf(d.log, id))
	}
	if got := d.parking.offsets(); !slices.Equal(got, want) {
		d.t.Errorf("parked offsets %v, want %v", got, want)
	}
	for _, p := range d.parking.parked {
		if p.Record == nil || p.Reason != SkipTimestampRejected || p.Link != "link" || p.Source.Topic != "clicks" {
			d.t.Errorf("parked %+v", p)
			continue
		}
		if id := idOf(p.Record.Value); offsetOf(d.log, id) != p.From {
			d.t.Errorf("parked record %d as of offset %d", id, p.From)
		}
	}
	if kinds := d.events.kinds(); !slices.Equal(kinds, []EventKind{EventParked}) { // one a minute
		d.t.Errorf("told %v", kinds)
	}
	lost, skipped := map[Cause]int64{}, map[SkipReason]int64{}
	d.p.addTally(lost, skipped)
	if skipped[SkipTimestampRejected] != int64(len(bad)) || len(lost) != 0 {
		d.t.Errorf("counted %v as skipped, %v as lost", skipped, lost)
	}
	if s := d.p.Status(time.Now()); s.Next != d.log[len(d.log)-1].next() || s.State != StateCaughtUp {
		d.t.Errorf("came to rest at %d: %+v", s.Next, s)
	}
	d.wantNothingHeld()
}

func (d *desk) wantHeldAt(first int64) {
	d.t.Helper()
	if want := idRange(0, int(first)); !slices.Equal(d.broker.records, want) {
		d.t.Errorf("destination has %v, want %v", d.broker.records, want)
	}
	offset := offsetOf(d.log, first)
	d.wantHalted(CauseRejected, "source offset")
	s := d.p.Status(time.Now())
	if s.Loss == nil || s.Loss.From != offset || s.Loss.To < offset+1 {
		d.t.Errorf("loss is %+v, want it from offset %d", s.Loss, offset)
	}
	for id := first; s.Loss != nil && id < 12; id++ {
		if at := offsetOf(d.log, id); at < s.Loss.To && d.bad[id] == 0 {
			d.t.Errorf("loss %v holds offset %d, which is not refused", s.Loss, at)
		}
	}
	d.wantNothingHeld()
}

func idOf(value []byte) int64 {
	id := int64(0)
	for _, b := range value[:8] {
		id = id<<8 | int64(b)
	}
	return id
}

// TestRefusedAfterAScan refuses a record of a batch whose first part the destination has already.
func TestRefusedAfterAScan(t *testing.T) {
	for have := int64(1); have < 12; have++ {
		for _, bad := range []int64{have, (have + 11) / 2, 11} {
			t.Run(fmt.Sprintf("has %d, refuses %d", have, bad), func(t *testing.T) {
				d := newDesk(t, shapes()["one compressed"], true, nil)
				first := entry{ids: idRange(0, int(have)), producer: -1, stamp: time.Now().UnixMilli()}.bytes()
				first.Seal(batch.Producer{ID: testProducer}, 0)
				if _, base := d.handle(first); base != 0 {
					t.Fatal("what the run before sent was not appended")
				}
				d.bad[bad] = codeInvalidTimestamp
				d.run()
				d.wantParked([]int64{bad})
			})
		}
	}
}

// TestHeldRightBehindAScan halts at a record that is too large, where a scan has found everything before it in the same
// batch: the position lies right before it.
func TestHeldRightBehindAScan(t *testing.T) {
	log := []entry{{ids: idRange(0, 6), producer: -1, stamp: time.Now().UnixMilli(), pad: 900}}
	d := newDesk(t, log, false, func(_ *LinkConfig, l *Limits, _ *protocol.Identity) { l.MaxBatchBytes = 500 })
	first := entry{ids: idRange(0, 4), producer: -1, stamp: time.Now().UnixMilli()}.bytes()
	first.Seal(batch.Producer{ID: testProducer}, 0)
	if _, base := d.handle(first); base != 0 {
		t.Fatal("what the run before sent was not appended")
	}
	d.run()
	d.wantHalted(CauseTooLarge, "source offset 4")
	if got := d.position(); got.Source != 4 || got.Sequence != 4 || got.Dest != 4 {
		t.Errorf("position is %+v, want 4 of all", got)
	}
}

// TestPassedOverThroughCrashes stops the process at every step of parking, each step refused, or done and reported as
// failed. Whatever is saved, the records before and behind arrive once, and the bad one is parked at least once.
func TestPassedOverThroughCrashes(t *testing.T) {
	tests := map[string]func(d *desk){
		"before it is parked":     func(d *desk) { d.parking.refuse = []error{errTest} },
		"once it is parked":       func(d *desk) { d.parking.refuse, d.parking.landed = []error{errTest}, true },
		"parked, floor refused":   func(d *desk) { d.store.refuse = errTest },
		"floor raised, not saved": func(d *desk) { d.source.refuse = errTest },
		"all done":                func(*desk) {},
	}
	for name, fault := range tests {
		for _, saved := range []int64{0, 1, 2} { // batches that a position was saved behind before
			t.Run(fmt.Sprintf("%s, %d batches saved", name, saved), func(t *testing.T) {
				d := newDesk(t, shapes()["several"], true, nil)
				d.told = true
				d.bad[6] = codeInvalidTimestamp
				d.joinNow()
				d.read()
				for range saved {
					d.send()
					d.save()
				}
				early := maps.Clone(d.source.group)
				fault(d)
				d.untilTrouble()
				d.parking.refuse, d.store.refuse, d.source.refuse = nil, nil, nil
				d.again()
				d.run()
				if want := d.everything(d.bad); !slices.Equal(d.broker.records, want) {
					t.Errorf("destination has %v, want %v", d.broker.records, want)
				}
				if got := d.parking.offsets(); !slices.Equal(got, []int64{6}) {
					t.Errorf("parked %v, want [6]", got)
				}
				d.source.group = early // a commit of long ago lands last
				d.again()
				d.run()
				if want := d.everything(d.bad); !slices.Equal(d.broker.records, want) {
					t.Errorf("after another start the destination has %v, want %v", d.broker.records, want)
				}
			})
		}
	}
}

func (d *desk) save() {
	if at, ok := d.p.takePosition(time.Now(), 0); ok {
		if err := d.source.SavePositions(d.t.Context(), "", map[TopicPartition]protocol.Position{d.p.source: at}, nil); err == nil {
			d.p.savedPosition(at, time.Now())
		}
	}
}

// untilTrouble runs until a pass does not work, or everything is done.
func (d *desk) untilTrouble() {
	for range 100 {
		d.joinNow()
		d.read()
		d.send()
		if len(d.link.parks) == 0 {
			continue
		}
		ctx, cancel := context.WithCancel(d.t.Context())
		done := make(chan struct{})
		p := <-d.link.parks
		go func() {
			defer close(done)
			d.link.pass(ctx, p)
		}()
		for p.Status(time.Now()).State == StateWaiting {
			if s := p.Status(time.Now()); strings.Contains(s.Why, errTest.Error()) {
				cancel()
				<-done
				return
			}
			time.Sleep(time.Millisecond)
		}
		<-done
		cancel()
	}
}

func TestUnparkableHalts(t *testing.T) {
	d := newDesk(t, shapes()["several"], true, nil)
	d.bad[6] = codeInvalidTimestamp
	d.parking.refuse = []error{fmt.Errorf("topic mirror.parked: %w", ErrUnparkable)}
	d.run()
	d.wantHalted(CauseRejected, "source offset 6")
	if s := d.p.Status(time.Now()); !strings.Contains(s.Why, "cannot be parked either") || s.Loss == nil || s.Loss.From != 6 || s.Loss.To != 7 {
		t.Errorf("got %q, loss %v", s.Why, s.Loss)
	}
	if got := d.parking.offsets(); len(got) != 0 {
		t.Errorf("parked %v", got)
	}
}

// TestRefusalsOfTheTopicAreNotParked pins that a refusal which no record can be blamed for halts, naming the whole batch.
func TestRefusalsOfTheTopicAreNotParked(t *testing.T) {
	for _, code := range []int16{43, 44, 76} {
		d := newDesk(t, shapes()["several"], true, nil)
		d.bad[6] = code
		d.run()
		d.wantHalted(CauseRejected, "source offsets 5 to 7")
		if d.refused != 1 || len(d.parking.parked) != 0 {
			t.Errorf("code %d: refused %d times, parked %v", code, d.refused, d.parking.offsets())
		}
	}
}

// TestRefusedWhileSomethingMayBeUnderWay pins that nothing is narrowed while a copy of it may arrive later.
func TestRefusedWhileSomethingMayBeUnderWay(t *testing.T) {
	for _, uncounted := range []bool{false, true} {
		d := newDesk(t, shapes()["one compressed"], true, func(_ *LinkConfig, _ *Limits, id *protocol.Identity) { id.Compacted = uncounted })
		d.told, d.bad[3] = true, codeInvalidTimestamp
		d.joinNow()
		d.read()
		if uncounted { // else the run before may have left something
			d.take(1)
			d.p.Broken(time.Now())
			d.joinNow()
		}
		d.send()
		d.p.mu.Lock()
		need, narrowing, dirty := d.p.need, d.p.narrow.on, d.p.strayed
		d.p.mu.Unlock()
		want := protocol.ScanCalm
		if uncounted {
			want = protocol.Restart
		}
		if need != want || narrowing || !dirty {
			t.Errorf("uncounted %v: needs %d, want %d; narrowing %v, strayed %v", uncounted, need, want, narrowing, dirty)
		}
	}
}

func TestCutsOf(t *testing.T) {
	for _, test := range []struct {
		n      int
		guilty []int32
		want   []int
	}{
		{1, nil, []int{1}}, {1, []int32{0}, []int{1}}, {2, nil, []int{1, 1}}, {5, nil, []int{2, 3}},
		{5, []int32{0}, []int{1, 4}}, {5, []int32{4}, []int{4, 1}}, {5, []int32{2}, []int{2, 1, 2}},
		{5, []int32{1, 2, 4}, []int{1, 2, 1, 1}}, {4, []int32{0, 1, 2, 3}, []int{2, 2}},
		{4, []int32{-1, 4, 99}, []int{2, 2}}, {4, []int32{1, 1}, []int{1, 1, 2}},
	} {
		if got := cutsOf(test.n, test.guilty); !slices.Equal(got, test.want) {
			t.Errorf("cutsOf(%d, %v) = %v, want %v", test.n, test.guilty, got, test.want)
		}
	}
}

// TestUnreadableIsParked parks what the source has damaged, byte for byte, and goes on behind it.
func TestUnreadableIsParked(t *testing.T) {
	stamp := time.Now().UnixMilli()
	zip := func(base int64, n int) entry {
		return entry{base: base, ids: idRange(base, n), attrs: gzipCodec, producer: -1, stamp: stamp}
	}
	badCRC := zip(2, 3).bytes()
	badCRC[70] ^= 1
	short := zip(2, 3).bytes() // claims fewer records than it has offsets
	short[60]--
	reseal(short)
	bomb := zip(2, 3)
	for _, test := range []struct {
		name   string
		bad    []byte
		reason SkipReason
		reads  int
		limit  int
	}{
		{"wrong checksum", badCRC, SkipCorrupt, damagedReads, 0},
		{"unknown codec", entry{base: 2, ids: idRange(2, 3), attrs: 6, producer: -1, stamp: stamp}.bytes(), SkipUnknownFormat, 1, 0},
		{"count that is not true", short, SkipCorrupt, 1, 0},
		{"one that cannot be decompressed", gibberish(bomb), SkipDecompression, 1, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, func(c *LinkConfig, l *Limits, _ *protocol.Identity) {
				c.Parking = &fakeParking{}
				l.MaxBatchBytes = test.limit
			})
			parking := b.link.cfg.Parking.(*fakeParking)
			b.link.store.(*memStore).topics["clicks"] = Identities{1, map[int32]protocol.Identity{0: b.id}}
			b.join()
			log := []batch.Batch{zip(0, 2).bytes(), test.bad, zip(5, 2).bytes()}
			reads := 0
			for range 10 {
				from, _, generation, appetite := b.p.FetchFrom()
				var raw [][]byte
				for _, e := range log {
					if e.NextOffset() > from {
						raw = append(raw, e)
					}
				}
				if appetite == Hungry && len(raw) > 0 {
					if from == 2 || from == 0 {
						reads++
					}
					b.respondBytes(generation, 7, raw)
				}
				b.ackAll(b.position().Dest)
				if _, ok := b.p.Plan(); ok { // nothing is passed over before what the run before has sent is there
					b.join()
				}
				for len(b.link.parks) > 0 {
					b.link.pass(t.Context(), <-b.link.parks)
				}
			}
			if got := b.position(); got.Source != 7 || got.Sequence != 4 {
				t.Errorf("position is %+v, want source 7, sequence 4: %+v", got, b.p.Status(time.Now()))
			}
			if len(parking.parked) != 1 {
				t.Fatalf("parked %+v", parking.parked)
			}
			got := parking.parked[0]
			if got.From != 2 || got.To != 5 || got.Reason != test.reason || got.Record != nil || !slices.Equal(got.Batch, test.bad) || got.LeaderEpoch != 7 || got.Timestamp != stamp {
				t.Errorf("parked %+v", got)
			}
			if reads != test.reads && reads != 2*test.reads { // once more after the wait
				t.Errorf("read %d times, want %d", reads, test.reads)
			}
			b.wantNothingHeld()
		})
	}
}

// gibberish is e with a payload that no decompressor takes, too large to go as it is.
func gibberish(e entry) []byte {
	b := append(e.bytes()[:batch.HeaderLen], bytes.Repeat([]byte{0xaa}, 300)...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	reseal(b)
	return b
}

// TestUnreadableWithoutAnEnd pins that a batch is not parked when its damage may be in the number of its offsets.
func TestUnreadableWithoutAnEnd(t *testing.T) {
	for _, at := range []int{26, 60} { // the last offset delta, the count
		b := newBench(t, func(c *LinkConfig, _ *Limits, _ *protocol.Identity) { c.Parking = &fakeParking{} })
		b.join()
		raw := entry{ids: idRange(0, 3), attrs: gzipCodec, producer: -1, stamp: 1}.bytes()
		raw[at] = 100
		for range damagedReads {
			_, _, generation, _ := b.p.FetchFrom()
			b.respondBytes(generation, 50, [][]byte{raw})
		}
		b.join() // what the run before has sent must be there by then
		b.wantHalted(CauseBadRecord, "where it ends cannot be told")
	}
}

func TestOversizeIsParked(t *testing.T) {
	log := []entry{
		{ids: idRange(0, 3), producer: -1, stamp: 1},
		{base: 3, ids: []int64{3}, producer: -1, stamp: 2, pad: 3000},
		{base: 4, ids: idRange(4, 3), producer: -1, stamp: 3},
	}
	d := newDesk(t, log, true, func(_ *LinkConfig, l *Limits, _ *protocol.Identity) { l.MaxBatchBytes = 2000 })
	d.run()
	if want := d.everything(map[int64]int16{3: 1}); !slices.Equal(d.broker.records, want) {
		t.Errorf("destination has %v, want %v", d.broker.records, want)
	}
	if len(d.parking.parked) != 1 {
		t.Fatalf("parked %+v", d.parking.parked)
	}
	if got := d.parking.parked[0]; got.From != 3 || got.Reason != SkipOversize || got.Timestamp != 2 || len(got.Record.Value) != 3008 {
		t.Errorf("parked %+v", got)
	}
	if d.refused > 0 {
		t.Errorf("it was sent %d times, though its size is known", d.refused)
	}
}

// TestSmallerThanWasRead pins what a limit does that is lower at the broker than the settings say.
func TestSmallerThanWasRead(t *testing.T) {
	d := newDesk(t, shapes()["one compressed"], true, nil)
	d.bad[7] = codeTooLarge
	d.run()
	if got := d.parking.offsets(); !slices.Equal(got, []int64{7}) || d.parking.parked[0].Reason != SkipOversize {
		t.Errorf("parked %+v", d.parking.parked)
	}
	if !d.link.limitsDue.Load() {
		t.Error("the limits are not read again")
	}
}

func TestParkerStops(t *testing.T) {
	d := newDesk(t, shapes()["several"], true, nil)
	d.parking.refuse = []error{errors.New("down"), errors.New("down")}
	d.bad[6] = codeInvalidTimestamp
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.link.parker(ctx)
	}()
	for range 20 {
		d.joinNow()
		d.read()
		d.send()
	}
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(d.p.Status(time.Now()).Why, "not parked yet: down"); {
		if time.Now().After(deadline) {
			t.Fatalf("says %q", d.p.Status(time.Now()).Why)
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
}
