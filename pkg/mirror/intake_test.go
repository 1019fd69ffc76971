package mirror

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

// queued returns the ids of each batch in the window, and checks that sequences follow each other.
func (b *bench) queued() [][]int64 {
	b.t.Helper()
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	var out [][]int64
	for i := range b.p.window.n {
		s := b.p.window.at(i)
		ids, err := idsOf(s.Bytes)
		if err != nil {
			b.t.Fatalf("batch %d: %v", i, err)
		}
		if s.Bytes.ProducerID() != testProducer || s.Bytes.BaseSequence() != s.Sequence || int(s.Records) != len(ids) {
			b.t.Errorf("batch %d: header says producer %d, sequence %d, window says %d, %d records", i, s.Bytes.ProducerID(), s.Bytes.BaseSequence(), s.Sequence, s.Records)
		}
		if i > 0 {
			if before := b.p.window.at(i - 1); s.Sequence != batch.AddSequence(before.Sequence, before.Records) {
				b.t.Errorf("batch %d has sequence %d after %d records from %d", i, s.Sequence, before.Records, before.Sequence)
			}
		}
		out = append(out, ids)
	}
	return out
}

func (b *bench) wantQueued(want string) {
	b.t.Helper()
	if got := fmt.Sprint(b.queued()); got != want {
		b.t.Errorf("queued %s, want %s", got, want)
	}
}

func (b *bench) wantHalted(cause Cause, words string) {
	b.t.Helper()
	s := b.p.Status(time.Now())
	if s.State != StateHalted || s.Cause != cause || !strings.Contains(s.Why, words) {
		b.t.Errorf("got state %s, cause %q, why %q; want halted, %s, %q", s.State, s.Cause, s.Why, cause, words)
	}
	if s.QueuedBytes != 0 || s.InFlight != 0 {
		b.t.Errorf("halted with %d bytes queued, %d in flight", s.QueuedBytes, s.InFlight)
	}
}

func (b *bench) wantNothingHeld() {
	b.t.Helper()
	b.p.stop()
	if used := b.budget.Used(); used != 0 {
		b.t.Errorf("%d bytes of the budget are still used", used)
	}
}

// ackAll takes and acknowledges everything; the destination gives offsets from base on.
func (b *bench) ackAll(base int64) {
	b.t.Helper()
	for {
		taken, step := b.p.Take(time.Now())
		if step != protocol.Send {
			return
		}
		taken.Hold().Release()
		if v := b.p.Answer(taken.Flight, 0, base, time.Now()); v != GoOn {
			b.t.Fatalf("got verdict %d", v)
		}
		base += int64(taken.Records)
	}
}

func TestIntakePaths(t *testing.T) {
	small := func(base int64, n int) entry { return entry{base: base, ids: idRange(base, n), producer: -1, stamp: 1} }
	zipped := func(base int64, n int) entry {
		return entry{base: base, ids: idRange(base, n), producer: -1, attrs: gzipCodec, stamp: 1}
	}
	old := func(base int64, n int) entry { return entry{base: base, ids: idRange(base, n), stamp: 1, old: true} }
	gaps := entry{base: 10, ids: []int64{11, 13}, delta: []int32{1, 3}, span: 5, producer: -1, stamp: 1}
	giant := func(base int64, n int, old bool) entry { // 18 MiB unpacked: it waits for others of that kind
		e := entry{base: base, ids: idRange(base, n), producer: -1, attrs: gzipCodec, stamp: 1, pad: 18 << 20 / n, old: old}
		if !old {
			e.span = int32(n) + 1 // its last offset is empty, so that it is rewritten
		}
		return e
	}
	for _, test := range []struct {
		name   string
		from   int64
		log    []entry
		want   string
		next   int64 // position once all is acknowledged
		change func(*LinkConfig, *Limits, *protocol.Identity)
	}{
		{"raw", 0, []entry{zipped(0, 3), zipped(3, 2)}, "[[0 1 2] [3 4]]", 5, nil},
		{"a lone small one is raw", 0, []entry{small(0, 3)}, "[[0 1 2]]", 3, nil},
		{"small ones are merged", 0, []entry{small(0, 3), small(3, 2), small(5, 1)}, "[[0 1 2 3 4 5]]", 6, nil},
		{"small, then compressed", 0, []entry{small(0, 2), zipped(2, 2), small(4, 1)}, "[[0 1] [2 3] [4]]", 5, nil},
		{"two merged, then compressed", 0, []entry{small(0, 2), small(2, 2), zipped(4, 1)}, "[[0 1 2 3] [4]]", 5, nil},
		{"begins in mid-batch", 2, []entry{zipped(0, 4), zipped(4, 1)}, "[[2 3] [4]]", 5, nil},
		{"gaps are closed", 10, []entry{gaps, zipped(15, 2)}, "[[11 13] [15 16]]", 17, nil},
		{"before the position", 5, []entry{zipped(0, 3), zipped(3, 2), zipped(5, 1)}, "[[5]]", 6, nil},
		{"append time becomes record time", 0, []entry{{ids: idRange(0, 2), attrs: logAppendTime, producer: -1, stamp: 5}}, "[[0 1]]", 2, nil},
		{"too large is cut", 0, []entry{{ids: idRange(0, 4), producer: -1, pad: 300}}, "[[0 1] [2 3]]", 4,
			func(_ *LinkConfig, l *Limits, _ *protocol.Identity) { l.MaxBatchBytes = 800 }},
		{"old messages share a batch", 0, []entry{old(0, 1), old(1, 1), old(2, 1)}, "[[0 1 2]]", 3, nil},
		{"old wrapper", 0, []entry{old(0, 3), old(3, 2)}, "[[0 1 2] [3 4]]", 5, nil},
		{"begins in the middle of an old wrapper", 2, []entry{old(0, 4), old(4, 1)}, "[[2 3] [4]]", 5, nil},
		{"old messages, then batches", 0, []entry{old(0, 1), old(1, 1), small(2, 2), zipped(4, 1)}, "[[0 1 2 3] [4]]", 5, nil},
		{"large when unpacked", 0, []entry{small(0, 2), small(2, 2), giant(4, 2, false), giant(7, 3, true), giant(10, 2, false), small(13, 1)},
			"[[0 1 2 3] [4] [5] [7 8] [9] [10] [11] [13]]", 14,
			func(c *LinkConfig, _ *Limits, _ *protocol.Identity) { c.Recompress, c.Codec = true, batch.Gzip }},
		{"recompressed", 0, []entry{small(0, 2), small(2, 2)}, "[[0 1 2 3]]", 4,
			func(c *LinkConfig, _ *Limits, _ *protocol.Identity) { c.Recompress, c.Codec = true, batch.Gzip }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, func(c *LinkConfig, l *Limits, id *protocol.Identity) {
				id.Base.Source = test.from
				if test.change != nil {
					test.change(c, l, id)
				}
			})
			b.join()
			b.feed(test.log)
			b.wantQueued(test.want)
			if got := b.position().Source; got != test.from {
				t.Errorf("position moved to %d before anything was acknowledged", got)
			}
			b.ackAll(100)
			records := int32(strings.Count(test.want, " ") + 1)
			epoch := int32(7)
			if test.log[len(test.log)-1].old { // the old formats have none
				epoch = -1
			}
			want := protocol.Position{Source: test.next, SourceEpoch: epoch, ProducerID: testProducer, Sequence: records, Dest: 100 + int64(records), DestEpoch: 3}
			if got := b.position(); got != want {
				t.Errorf("position is %+v, want %+v", got, want)
			}
			b.wantNothingHeld()
		})
	}
}

func TestIntakeHaltsAtABadMessage(t *testing.T) {
	b := newBench(t, nil)
	b.join()
	bad := entry{base: 1, ids: []int64{1}, old: true}.bytes()
	bad[len(bad)-1]++
	log := [][]byte{entry{ids: []int64{0}, old: true}.bytes(), bad, entry{base: 2, ids: []int64{2}, old: true}.bytes()}
	for range damagedReads {
		from, _, generation, _ := b.p.FetchFrom()
		b.respondBytes(generation, 3, log[from:])
	}
	b.ackAll(10)
	b.wantHalted(CauseBadRecord, "message of format v1 at source offset 1: batch crc does not match")
	b.wantNothingHeld()
}

func TestIntakeTransactions(t *testing.T) {
	data := func(base, producer int64) entry {
		return entry{base: base, ids: idRange(base, 2), producer: producer, attrs: transactional | gzipCodec, stamp: 1}
	}
	end := func(base, producer int64, abort bool) entry {
		return entry{base: base, producer: producer, attrs: transactional | control, abort: abort, stamp: 1}
	}
	plain := func(base int64) entry {
		return entry{base: base, ids: idRange(base, 1), producer: -1, attrs: gzipCodec, stamp: 1}
	}
	// Producer 1 aborts what it began at 0, 2 commits, 1 aborts again, 2 aborts; interleaved.
	log := []entry{data(0, 1), data(2, 2), data(4, 1), end(6, 1, true), data(7, 1), end(9, 2, false), data(10, 2), end(12, 1, true), plain(13), end(14, 2, true), data(15, 2), end(17, 2, false)}
	aborted := []Aborted{{1, 0}, {1, 7}, {2, 10}}
	t.Run("one response", func(t *testing.T) {
		b := newBench(t, nil)
		b.join()
		b.feed(log, aborted...)
		b.wantQueued("[[2 3] [13] [15 16]]")
		b.ackAll(50)
		if got := b.position(); got.Source != 18 || got.Sequence != 5 {
			t.Errorf("position is %+v, want source 18, sequence 5", got)
		}
		if got, want := b.p.Status(time.Now()).Counters.RecordsDropped, int64(8); got != want {
			t.Errorf("dropped %d, want %d", got, want)
		}
		b.wantNothingHeld()
	})
	for cut := range log {
		t.Run(fmt.Sprintf("cut before offset %d", log[cut].base), func(t *testing.T) {
			b := newBench(t, nil)
			b.join()
			if cut > 0 {
				b.feed(log[:cut], slices.DeleteFunc(slices.Clone(aborted), func(a Aborted) bool { return a.First >= log[cut].base })...)
			}
			b.ackAll(50)
			next := log[cut].base
			if got := b.position().Source; got != next {
				t.Errorf("position is at %d, want %d: what holds nothing is passed over", got, next)
			}
			// A broker lists what was aborted at or after the offset asked for.
			var rest []Aborted
			for _, a := range aborted {
				for _, e := range log[cut:] {
					if e.abort && e.producer == a.Producer {
						rest = append(rest, a)
						break
					}
				}
			}
			rest = slices.DeleteFunc(rest, func(a Aborted) bool { return a == aborted[0] && next > 6 })
			before := fmt.Sprint(b.position().Sequence)
			b.feed(log[cut:], rest...)
			b.ackAll(60)
			if got := b.position(); got.Source != 18 || got.Sequence != 5 {
				t.Errorf("position is %+v (sequence %s at the cut), want source 18, sequence 5", got, before)
			}
		})
	}
}

func TestIntakePassesOverWhileWaiting(t *testing.T) {
	b := newBench(t, nil)
	b.join()
	marker := entry{base: 2, producer: 1, attrs: transactional | control, stamp: 1}
	b.feed([]entry{{ids: idRange(0, 2), producer: -1, attrs: gzipCodec, stamp: 1}, marker})
	if got := b.position().Source; got != 0 {
		t.Errorf("position is %d with an un-acknowledged batch before it, want 0", got)
	}
	b.ackAll(9)
	if got := b.position(); got.Source != 3 || got.Dest != 11 {
		t.Errorf("position is %+v, want source 3, destination 11", got)
	}
}

// TestIntakeHaltsWhereItStands pins that nothing beyond a bad batch counts, whatever follows it in the response.
func TestIntakeHaltsWhereItStands(t *testing.T) {
	good := entry{ids: idRange(0, 2), producer: -1, stamp: 1}.bytes()
	spoiled := func(e entry, at int) []byte {
		raw := e.bytes()
		raw[at] ^= 1
		return raw
	}
	small := entry{base: 2, ids: idRange(2, 2), producer: -1, stamp: 1}
	zipped := entry{base: 2, ids: idRange(2, 2), producer: -1, attrs: gzipCodec, stamp: 1}
	followers := map[string][]byte{
		"nothing":  nil,
		"a marker": entry{base: 4, producer: 1, attrs: transactional | control}.bytes(),
		"a shell":  entry{base: 4, ids: []int64{}, span: 3, producer: 1}.bytes(),
		"a small":  entry{base: 4, ids: idRange(4, 2), producer: -1, stamp: 1}.bytes(),
		"a zipped": entry{base: 4, ids: idRange(4, 2), producer: -1, attrs: gzipCodec, stamp: 1}.bytes(),
		"an empty": entry{base: 4, ids: idRange(4, 1), attrs: 5, producer: -1, stamp: 1}.bytes(), // unknown codec
	}
	for _, test := range []struct {
		name  string
		bad   []byte
		cause Cause
	}{
		{"crc of a small one", spoiled(small, 70), CauseBadRecord},
		{"crc of a raw one", spoiled(zipped, 70), CauseBadRecord},
		{"unknown codec", entry{base: 2, ids: idRange(2, 2), attrs: 6, producer: -1, stamp: 1}.bytes(), CauseBadRecord},
		{"record too large", entry{base: 2, ids: idRange(2, 2), producer: -1, stamp: 1, pad: 3000}.bytes(), CauseTooLarge},
	} {
		for name, follower := range followers {
			for _, before := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, then %s, good one before: %v", test.name, name, before), func(t *testing.T) {
					b := newBench(t, func(_ *LinkConfig, l *Limits, id *protocol.Identity) {
						l.MaxBatchBytes = 2000
						if !before {
							id.Base.Source = 2
						}
					})
					b.join()
					raw := [][]byte{test.bad}
					if follower != nil {
						raw = append(raw, follower)
					}
					for reads := 0; ; reads++ { // a checksum may be wrong for once
						from, _, generation, appetite := b.p.FetchFrom()
						if appetite != Hungry || reads == damagedReads {
							break
						}
						if from == 0 {
							b.respondBytes(generation, 100, append([][]byte{good}, raw...))
						} else {
							b.respondBytes(generation, 100, raw)
						}
					}
					if before {
						if s := b.p.Status(time.Now()); s.State != StateWaiting || s.InFlight+s.QueuedBytes == 0 {
							t.Errorf("got state %s, %d bytes queued; want it to wait for what stands before", s.State, s.QueuedBytes)
						}
						b.ackAll(10)
					} else {
						b.join() // what the run before has sent must be there by then
					}
					b.wantHalted(test.cause, "source offset")
					if got := b.position().Source; got != 2 {
						t.Errorf("position is %d, want 2", got)
					}
					if lost := b.p.Status(time.Now()).Loss; lost == nil || lost.From != 2 {
						t.Errorf("named %+v, want what begins at offset 2", lost)
					}
					if used := b.budget.Used(); used != 0 {
						t.Errorf("%d bytes of the budget stay with a halted partition", used)
					}
				})
			}
		}
	}
}

func TestIntakeSkipsWhatTheDestinationHas(t *testing.T) {
	zip := func(base int64, n int) entry {
		return entry{base: base, ids: idRange(base, n), producer: -1, attrs: gzipCodec, stamp: 1}
	}
	log := []entry{zip(0, 3), zip(3, 3), {base: 6, producer: 1, attrs: control | transactional}, zip(7, 3), zip(10, 2)}
	tail := func(n int32) protocol.Header {
		return protocol.Header{ProducerID: testProducer, Records: n, Next: 500 + int64(n), MaxTimestamp: 1}
	}
	for n := int32(1); n <= 11; n++ {
		for border := 1; border <= len(log); border++ {
			t.Run(fmt.Sprintf("%d records, response of %d batches", n, border), func(t *testing.T) {
				b := newBench(t, nil)
				b.join(tail(n))
				for rest := log; len(rest) > 0; {
					k := min(border, len(rest))
					_, _, generation, _ := b.p.FetchFrom()
					var raw [][]byte
					for _, e := range rest[:k] {
						raw = append(raw, e.bytes())
					}
					b.respondBytes(generation, 12, raw)
					rest = rest[k:]
				}
				var sent []int64
				for _, ids := range b.queued() {
					sent = append(sent, ids...)
				}
				var want []int64
				for _, e := range log {
					want = append(want, e.ids...)
				}
				if !slices.Equal(sent, want[n:]) {
					t.Errorf("sends %v, want %v", sent, want[n:])
				}
				b.p.mu.Lock()
				at := b.p.position
				b.p.mu.Unlock()
				if at.Sequence > n || at.Dest > 500+int64(n) {
					t.Errorf("position %+v is beyond the %d records that are there", at, n)
				}
				b.ackAll(500 + int64(n))
				if got := b.position(); got.Source != 12 || got.Sequence != 11 || got.Dest != 511 && n < 11 {
					t.Errorf("position is %+v, want source 12, sequence 11, destination 511", got)
				}
			})
		}
	}
}

// TestIntakeResumesFromPositionsWithinASkip takes the position saved at every moment of a skip, and resumes from it.
func TestIntakeResumesFromPositionsWithinASkip(t *testing.T) {
	log := dense(6, 3, gzipCodec, 1)
	const there = 13
	header := protocol.Header{ProducerID: testProducer, Records: there, Next: 500 + there, MaxTimestamp: 1}
	for stop := range log {
		b := newBench(t, nil)
		b.join(header)
		_, _, generation, _ := b.p.FetchFrom()
		var raw [][]byte
		for _, e := range log[:stop+1] {
			raw = append(raw, e.bytes())
		}
		b.respondBytes(generation, 18, raw)
		saved := b.position()

		again := newBench(t, nil)
		again.p.begin(again.id, saved, true)
		again.join(header)
		again.p.mu.Lock()
		next, skip := again.p.next, again.p.skip
		again.p.mu.Unlock()
		if next+skip != there {
			t.Errorf("saved %+v after batch %d: reads from %d and passes over %d, want together %d", saved, stop, next, skip, there)
		}
	}
}

func TestIntakeShortSource(t *testing.T) {
	b := newBench(t, nil)
	b.join(protocol.Header{ProducerID: testProducer, Records: 9, Next: 9})
	_, _, generation, _ := b.p.FetchFrom()
	b.respondBytes(generation, 8, [][]byte{dense(1, 8, gzipCodec, 1)[0].bytes()})
	if s := b.p.Status(time.Now()); s.State != StateWaiting || !strings.Contains(s.Why, "9 records") {
		t.Errorf("got %s, %q; a watermark may lag for a moment", s.State, s.Why)
	}
	b.p.mu.Lock()
	b.p.shortSince = time.Now().Add(-shortSourceGrace)
	b.p.mu.Unlock()
	b.respondBytes(generation, 8, nil)
	b.join(protocol.Header{ProducerID: testProducer, Records: 9, Next: 9}) // calmly: nothing was acknowledged in this run
	b.wantHalted(CauseTruncated, "source ends at 8")
	if s := b.p.Status(time.Now()); s.Loss == nil || s.Loss.Surplus == nil || *s.Loss.Surplus != (Range{8, 9}) {
		t.Errorf("loss %v, want a surplus of 8 to 9", s.Loss)
	}
}

func TestIntakeIgnoresAnOldGeneration(t *testing.T) {
	b := newBench(t, nil)
	b.join()
	_, _, generation, _ := b.p.FetchFrom()
	b.p.mu.Lock()
	b.p.restartAtPosition()
	b.p.mu.Unlock()
	b.respond(generation, dense(2, 2, gzipCodec, 1))
	b.wantQueued("[]")
	b.wantNothingHeld()
}

// TestRecodedBatchesCountAgainstTheBudget pins that what waits in windows is paid for, rewritten or not.
func TestRecodedBatchesCountAgainstTheBudget(t *testing.T) {
	for _, test := range []struct {
		name  string
		attrs uint16
	}{{"raw", gzipCodec}, {"merged", 0}} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.join()
			b.feed(dense(20, 40, test.attrs, 1))
			queued := b.p.Status(time.Now()).QueuedBytes
			if used := b.budget.Used(); queued == 0 || used < int64(queued) {
				t.Errorf("%d bytes are queued, %d of the budget are used", queued, used)
			}
			b.wantNothingHeld()
		})
	}
}

func TestIntakeStopsAtAFullWindow(t *testing.T) {
	b := newBench(t, nil)
	b.join()
	var log []entry
	for i := range int64(10) {
		log = append(log, entry{base: i, ids: idRange(i, 1), producer: -1, stamp: 1, pad: 1_000_000})
	}
	b.feed(log)
	if _, _, _, appetite := b.p.FetchFrom(); appetite != Full {
		t.Errorf("got appetite %d with %d bytes queued", appetite, b.p.Status(time.Now()).QueuedBytes)
	}
	if b.source.woken != 0 {
		t.Errorf("source was woken %d times before there was room", b.source.woken)
	}
	b.ackAll(0)
	if b.source.woken != 1 {
		t.Errorf("source was woken %d times, want once", b.source.woken)
	}
	b.wantNothingHeld()
}

// TestIntakeDoesNotCountAcrossGaps pins that a source which was compacted halts while its records are being counted:
// counting would pass over records that were never copied.
func TestIntakeDoesNotCountAcrossGaps(t *testing.T) {
	zip := func(base int64, n int) entry {
		return entry{base: base, ids: idRange(base, n), producer: -1, attrs: gzipCodec, stamp: 1}
	}
	for _, test := range []struct {
		name string
		log  []entry
	}{
		{"a batch is missing", []entry{zip(0, 2), zip(5, 9)}},
		{"the first is missing", []entry{zip(3, 9)}},
		{"records are missing", []entry{zip(0, 2), {base: 2, ids: []int64{3, 4, 5, 6, 7}, delta: []int32{1, 2, 3, 4, 5}, span: 6, producer: -1}}},
		{"a shell is left", []entry{zip(0, 2), {base: 2, ids: []int64{}, span: 3, producer: 1}, zip(5, 9)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.join(protocol.Header{ProducerID: testProducer, Records: 4, Next: 504})
			_, _, generation, _ := b.p.FetchFrom()
			var raw [][]byte
			for _, e := range test.log {
				raw = append(raw, e.bytes())
			}
			b.respondBytes(generation, 100, raw)
			at := b.position()
			b.join(protocol.Header{ProducerID: testProducer, Sequence: at.Sequence, Records: 4 - at.Sequence, Next: 504})
			b.wantHalted(CausePositionLost, "compacted")
			if s := b.p.Status(time.Now()); s.Loss.From != 4 || s.Loss.Records != -1 {
				t.Errorf("loss is %+v, want from 4", s.Loss)
			}
			if got := b.position(); got.Source > 2 || got.Sequence > 2 {
				t.Errorf("position is %+v, want at most 2 records", got)
			}
		})
	}
}
