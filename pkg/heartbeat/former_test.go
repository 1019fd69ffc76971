package heartbeat

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// live runs a writer for a while, and returns what it had in the log by then. Heartbeats come every ten seconds.
func live(t *testing.T, cfg Config, target *fakeTarget, lasts time.Duration) []Record {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	w := newWriter(cfg, target, snapshot, quiet())
	go func() { ended <- w.run(ctx) }()
	time.Sleep(lasts)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	records := target.records
	target.records = nil
	return records
}

// The last heartbeats of one life of an origin get lost: its next life says how far it went, so that they are missed.
func TestTheEndOfAnIncarnationIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, target := config(t), newFakeTarget(t)
		first := live(t, cfg, target, 35*time.Second)
		second := live(t, cfg, target, 15*time.Second)
		if len(first) != 4 || first[3].Former != nil || len(second) != 2 {
			t.Fatalf("got %+v, then %+v", first, second)
		}
		for _, r := range second {
			if r.Former == nil || r.Former.Incarnation != first[0].Incarnation || r.Former.Next != 4 {
				t.Fatalf("the next life says %+v of the former one", r.Former)
			}
		}
		for lost := range len(first) {
			o := &origin{}
			for i, r := range append(first[:len(first)-lost:len(first)-lost], append(second, second...)...) {
				o.take(r, moment(i), false)
			}
			want := int64(lost)
			if o.settle(moment(600)); o.Lost != want {
				t.Errorf("of the last %d: lost %d", want, o.Lost)
			}
		}
	})
}

// Of a write with an unknown outcome nobody knows whether it is to come, also where it was the last of a life.
func TestAnUnsureEndIsNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, target := config(t), newFakeTarget(t)
		target.next = func() outcome {
			if len(target.records) == 2 {
				return missed
			}
			return acked
		}
		first := live(t, cfg, target, 25*time.Second)
		target.next = nil
		second := live(t, cfg, target, 5*time.Second)
		if len(first) != 2 || len(second) != 1 || second[0].Former == nil || second[0].Former.Next != 3 || len(second[0].Former.Unsure) != 1 {
			t.Fatalf("got %+v, then %+v", first, second)
		}
		o := &origin{}
		for i, r := range append(first, second...) {
			o.take(r, moment(i), false)
		}
		if o.settle(moment(600)); o.Lost != 0 {
			t.Errorf("lost %d, want none", o.Lost)
		}
	})
}

// What comes late was not lost, what was passed over says nothing, and of a life that was never heard nothing is missed.
func TestTheEndOfAnIncarnation(t *testing.T) {
	ends := func(second int, next int64, unsure ...span) Record {
		r := step{second: second, start: 1}.record()
		r.Former = &former{Incarnation: 1000, Next: next, Unsure: unsure}
		return r
	}
	heard := func(sequence int64) Record { return step{sequence: sequence}.record() }
	for _, test := range []struct {
		name   string
		before []Record
		cut    bool // records are passed over then
		after  []Record
		lost   int64
	}{
		{"nothing is missing", []Record{heard(0), heard(1)}, false, []Record{ends(10, 2)}, 0},
		{"two are", []Record{heard(0), heard(1)}, false, []Record{ends(10, 4), ends(20, 4)}, 2},
		{"one of them comes late", []Record{heard(1)}, false, []Record{ends(10, 4), heard(3)}, 1},
		{"one of them was unsure", []Record{heard(1)}, false, []Record{ends(10, 4, span{2, 3})}, 1},
		{"it went further than is known", []Record{heard(9)}, false, []Record{ends(10, 4)}, 0},
		{"records were passed over", []Record{heard(1)}, true, []Record{ends(10, 4)}, 0},
		{"it was never heard", nil, false, []Record{ends(10, 4)}, 0},
		{"a number from nowhere", []Record{heard(1)}, false, []Record{ends(10, maxSequence)}, 0},
	} {
		o := &origin{}
		for _, r := range test.before {
			o.take(r, moment(0), false)
		}
		if test.cut {
			o.discontinue()
		}
		for _, r := range test.after {
			o.take(r, moment(10), false)
		}
		if o.settle(moment(600)); o.Lost != test.lost {
			t.Errorf("%s: lost %d, want %d", test.name, o.Lost, test.lost)
		}
	}
}

// A file that is not as it was written says nothing, and keeps nobody from writing heartbeats that readers take.
func TestWhatWasWrittenIsReadWithDistrust(t *testing.T) {
	good := `{"format":1,"topic":"mirror.heartbeats","last":{"incarnation":1000,"next":9,"unsure":[[3,5]]}}`
	for name, test := range map[string]struct {
		text  string
		known bool
	}{
		"as written":      {good, true},
		"cut":             {good[:40], false},
		"newer":           {strings.Replace(good, `"format":1`, `"format":2`, 1), false},
		"another topic":   {strings.Replace(good, "mirror.heartbeats", "beats", 1), false},
		"of the future":   {strings.Replace(good, "1000", "99999999999999", 1), false},
		"no incarnation":  {strings.Replace(good, "1000", "0", 1), false},
		"a span too far":  {strings.Replace(good, "[3,5]", "[3,50]", 1), false},
		"a negative next": {strings.Replace(good, `"next":9`, `"next":-9`, 1), false},
	} {
		cfg := config(t)
		if err := os.WriteFile(filepath.Join(cfg.StateDir, "heartbeats-written-edge.json"), []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		target := newFakeTarget(t)
		w := newWriter(cfg, target, snapshot, quiet())
		w.beat(t.Context()) // the target fails the test where the record cannot be read
		if len(target.records) != 1 || (target.records[0].Former != nil) != test.known {
			t.Errorf("%s: wrote %+v", name, target.records)
		}
	}
}
