package lag

import (
	"math/rand/v2"
	"testing"
	"time"

	"tributary/pkg/mirror"
)

const (
	copying  = mirror.StateCopying
	caughtUp = mirror.StateCaughtUp
	waiting  = mirror.StateWaiting
	halted   = mirror.StateHalted
	unset    = -1000 // no watermark
)

// look is one look at a partition and the watermark it is to leave, in seconds.
type look struct {
	at        int
	state     mirror.State
	next, end int64
	want      int
}

func TestWatermark(t *testing.T) {
	for _, test := range []struct {
		name  string
		looks []look
	}{
		{"idle stays current", []look{
			{0, caughtUp, 5, 5, 0}, {1, caughtUp, 5, 5, 1}, {3600, caughtUp, 5, 5, 3600}}},
		{"empty is caught up", []look{{0, caughtUp, 0, 0, 0}, {9, caughtUp, 0, 0, 9}}},
		{"a step for every end that is passed", []look{
			{0, caughtUp, 5, 5, 0}, {1, copying, 5, 7, 0}, {2, copying, 5, 9, 0}, {3, copying, 6, 9, 0},
			{4, copying, 7, 9, 0}, {5, copying, 8, 12, 0}, {6, copying, 9, 12, 1}, {7, caughtUp, 12, 12, 7}}},
		{"stuck stands still", []look{{0, caughtUp, 5, 5, 0}, {1, copying, 5, 6, 0}, {7200, copying, 5, 6, 0}}},
		{"an old backlog is unknown until what was there is passed", []look{
			{0, copying, 0, 1000, unset}, {1, copying, 500, 1010, unset}, {2, copying, 999, 1020, unset}, {3, copying, 1000, 1030, -30}}},
		{"an end nobody refreshed stands still", []look{
			{0, caughtUp, 5, 5, 0}, {40, waiting, 5, -1, 0}, {4000, waiting, 5, -1, 0}}},
		{"it is unknown before it was known", []look{{0, waiting, 5, -1, unset}, {4000, waiting, 5, -1, unset}}},
		{"acknowledgements count while the source is silent", []look{
			{0, caughtUp, 5, 5, 0}, {1, copying, 5, 7, 0}, {2, copying, 5, 9, 0}, {40, waiting, 7, -1, 0}, {41, waiting, 9, -1, 1}}},
		{"an end that was back after silence was named since", []look{
			{0, caughtUp, 5, 5, 0}, {100, waiting, 5, -1, 0}, {101, copying, 5, 50, 0}, {102, copying, 50, 60, 100}}},
		{"an end that stays is current within half a minute", []look{
			{0, caughtUp, 5, 5, 0}, {1, copying, 5, 7, 0}, {100, copying, 5, 7, 0}, {101, copying, 7, 9, 70}}},
		{"without trust in the source all acknowledged is not caught up", []look{
			{0, caughtUp, 5, 5, 0}, {20, waiting, 5, 5, 0}, {60, waiting, 5, 5, 30}}},
		{"halted stands still even beyond the end", []look{{0, caughtUp, 5, 5, 0}, {100, halted, 5, 3, 0}, {200, halted, 5, -1, 0}}},
		{"it goes on after a halt", []look{{0, caughtUp, 5, 5, 0}, {10, halted, 5, 9, 0}, {20, copying, 7, 9, 0}, {30, caughtUp, 9, 9, 30}}},
		{"an end seen while halted is not named anew", []look{
			{0, caughtUp, 5, 5, 0}, {60, halted, 5, 9, 0}, {61, copying, 8, 9, 0}, {62, copying, 9, 10, 31}}},
		{"a cut log takes its ends with it", []look{
			{0, caughtUp, 5, 5, 0}, {1, copying, 5, 99, 0}, {2, copying, 5, 7, 0}, {3, copying, 5, 20, 0}, {4, copying, 9, 20, 0}, {5, copying, 20, 30, 2}}},
		{"it never goes back", []look{{0, caughtUp, 5, 5, 0}, {1, copying, 5, 9, 0}, {2, copying, 9, 12, 0}, {3, copying, 10, 12, 0}}},
		{"a clock set back does not hide a stop", []look{
			{5000, caughtUp, 5, 5, 5000}, {5001, copying, 5, 9, 5000}, {100, copying, 5, 9, 100}, {200, copying, 5, 9, 100}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var w watermark
			for i, l := range test.looks {
				w.observe(second(l.at), partition(0, l.state, l.next, l.end))
				got := unset
				if through := w.time(); through != nil {
					got = int(through.Unix() - second(0).Unix())
				}
				if got != l.want {
					t.Fatalf("look %d %+v: got %d", i, l, got)
				}
			}
		})
	}
}

func TestWatermarkNeedsAPosition(t *testing.T) {
	var w watermark
	s := partition(0, mirror.StateStarting, 0, 0)
	s.Started = false
	w.observe(second(0), s)
	if got := w.time(); got != nil {
		t.Errorf("got %v, want nil", got)
	}
}

// TestWatermarkIsNeverEarly compares with the truth of a source whose end is named at random, up to half a minute late.
func TestWatermarkIsNeverEarly(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var w watermark
		var arrivals []int // second of arrival by offset
		next, end, named, now := int64(0), int64(-1), 0, 0
		for range 2000 {
			now++
			if random.IntN(400) == 0 {
				now += 20 // no look for a while
			}
			for range max(0, random.IntN(5)-2) {
				arrivals = append(arrivals, now)
			}
			if end < 0 || random.IntN(4) == 0 || now-named >= 29 {
				end, named = int64(len(arrivals)), now
			}
			if random.IntN(3) > 0 {
				next = min(end, next+random.Int64N(6))
			}
			state := copying
			if next >= end && named == now {
				state = caughtUp
			}
			w.observe(second(now), partition(0, state, next, end))
			through := w.time()
			if through == nil || next >= int64(len(arrivals)) {
				continue
			}
			if truth := second(arrivals[next]); through.After(truth) {
				t.Fatalf("seed %d, second %d: the watermark is %v, the record at %d came %v", seed, now, through, next, truth)
			}
		}
	}
}

func TestWatermarkHistoryIsBounded(t *testing.T) {
	var w watermark
	start := second(0)
	const days = 12
	end := int64(0)
	for at := time.Duration(0); at < days*24*time.Hour; at += 5 * time.Second {
		end++
		w.observe(start.Add(at), partition(0, copying, 0, end))
		if len(w.ahead) > maxSamples {
			t.Fatalf("%d samples after %v", len(w.ahead), at)
		}
	}
	for _, test := range []struct {
		age  time.Duration // of the record that is acknowledged next
		late time.Duration // by which the watermark may be behind it
	}{
		{5 * 24 * time.Hour, 10*time.Minute + 10*time.Second}, {30 * time.Hour, 10*time.Minute + 10*time.Second}, {5 * time.Hour, time.Minute + 10*time.Second}, {5 * time.Minute, 10 * time.Second},
	} {
		next := end - int64(test.age/(5*time.Second))
		w.pass(next)
		truth := start.Add(time.Duration(next) * 5 * time.Second)
		if got := w.time(); got == nil || got.After(truth) || truth.Sub(*got) > test.late+5*time.Second {
			t.Errorf("%v behind: got %v, want up to %v before %v", test.age, got, test.late, truth)
		}
	}
	w.observe(start.Add(days*24*time.Hour), partition(0, caughtUp, end, end))
	if w.ahead != nil {
		t.Errorf("%d samples are kept of a partition that is caught up", len(w.ahead))
	}
}
