package consume

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/batch"
)

// recorder is a sink that writes down what the walker says.
type recorder struct {
	lines  []string
	refuse func(partition int32) bool
	open   bool // between partition and finish
	fault  string
}

func (r *recorder) partition(h *partitionHead) bool {
	name := string(h.topic)
	if h.topicID != ([16]byte{}) {
		name = fmt.Sprint("id", h.topicID[0])
	}
	diverging := int64(-1)
	if h.diverging {
		diverging = h.divergesAt
	}
	r.lines = append(r.lines, fmt.Sprintf("%s/%d code %d stable %d start %d aborted %v bytes %d diverging %d", name, h.partition, h.code, h.stable, h.logStart, h.aborted, h.bytes, diverging))
	r.open = r.refuse == nil || !r.refuse(h.partition)
	return r.open
}

func (r *recorder) batch(b batch.Batch) {
	if !r.open {
		r.fault = "a batch outside of its partition"
	}
	sum := fnv.New32a()
	_, _ = sum.Write(b) // of a hash
	r.lines = append(r.lines, fmt.Sprintf("batch %d of %d bytes %x", b.BaseOffset(), len(b), sum.Sum32()))
}

func (r *recorder) message(m batch.Message) {
	if !r.open {
		r.fault = "a message outside of its partition"
	}
	sum := fnv.New32a()
	_, _ = sum.Write(m) // of a hash
	r.lines = append(r.lines, fmt.Sprintf("message %d of %d bytes %x", m.Offset(), len(m), sum.Sum32()))
}

func (r *recorder) broken(err error) { r.lines = append(r.lines, "broken: "+err.Error()) }

func (r *recorder) finish() { r.lines = append(r.lines, "finish") }

// walk feeds a frame in chunks; next gives the size of each.
func walk(frame []byte, version int16, refuse func(int32) bool, next func() int) ([]string, error) {
	var w walker
	r := &recorder{refuse: refuse}
	arriving := make([]byte, len(frame))
	w.begin(arriving, version, 77)
	for w.have < len(frame) {
		k := min(max(1, next()), len(frame)-w.have)
		copy(arriving[w.have:], frame[w.have:w.have+k])
		w.have += k
		if err := w.advance(r); err != nil {
			return r.lines, err
		}
	}
	if !w.done() {
		return r.lines, fmt.Errorf("not done in state %d", w.state)
	}
	if r.fault != "" {
		return r.lines, fmt.Errorf("%s", r.fault)
	}
	return r.lines, nil
}

func concat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// bigResponse has everything in it that brokers answer.
func bigResponse() *kmsg.FetchResponse {
	a, b, c := newBatch(10, 3, 50), newBatch(13, 1, 4000), newBatch(14, 200, 5)
	one, two := [16]byte{1}, [16]byte{2}
	return response(
		part{"clicks", one, 0, 0, concat(a, b, c), nil, 0},
		part{"clicks", one, 1, 0, nil, nil, 0},
		part{"clicks", one, 2, 6, nil, nil, 0},
		part{"clicks", one, 3, 0, concat(a, b[:len(b)-7]), [][2]int64{{5, 40}, {4, 11}, {5, 12}}, 0}, // in order of their ends
		part{"clicks", one, 4, 0, concat(a, b[:30]), nil, 0},
		part{"clicks", one, 5, 0, concat(a, b[:8]), nil, 0},
		part{"views", two, 0, 0, nil, nil, 33},
		part{"views", two, 1, 1, nil, nil, 0},
		part{"views", two, 2, 0, concat(bad(a, 9, 1), b), nil, 0}, // says that it is longer than the rest: cut
		part{"views", two, 3, 0, concat(a, bad(b, 16, 3)), nil, 0},
		part{"views", two, 4, 0, concat(bad(a, 8, 0xff), b), nil, 0},
		part{"views", two, 6, 0, concat(b, c), nil, 0},
		part{"views", two, 7, 0, concat(newMessage(1, ""), newMessage(2, "value"), a), nil, 0},       // a topic whose format was raised
		part{"views", two, 8, 0, newMessage(3, ""), nil, 0},                                          // shorter than the header of a batch
		part{"views", two, 9, 0, concat(newMessage(1, ""), bad(newMessage(2, ""), 11, 200)), nil, 0}, // cut
		part{"views", two, 10, 0, concat(newMessage(1, ""), bad(newMessage(2, ""), 11, 9)), nil, 0},
	)
}

// bad is b with one byte changed.
func bad(b []byte, at int, to byte) []byte {
	b = slices.Clone(b)
	b[at] = to
	return b
}

const wantBig = `T1/0 code 0 stable 800 start 7 aborted [] bytes 6899 diverging -1
batch 10 of 232 bytes
batch 13 of 4070 bytes
batch 14 of 2597 bytes
finish
T1/1 code 0 stable 800 start 7 aborted [] bytes 0 diverging -1
finish
T1/2 code 6 stable 800 start 7 aborted [] bytes 0 diverging -1
finish
T1/3 code 0 stable 800 start 7 aborted [{4 11} {5 12} {5 40}] bytes 4295 diverging -1
batch 10 of 232 bytes
finish
T1/4 code 0 stable 800 start 7 aborted [] bytes 262 diverging -1
batch 10 of 232 bytes
finish
T1/5 code 0 stable 800 start 7 aborted [] bytes 240 diverging -1
batch 10 of 232 bytes
finish
T2/0 code 0 stable 800 start 7 aborted [] bytes 0 diverging 33
finish
T2/1 code 1 stable 800 start 7 aborted [] bytes 0 diverging -1
finish
T2/2 code 0 stable 800 start 7 aborted [] bytes 4302 diverging -1
finish
T2/3 code 0 stable 800 start 7 aborted [] bytes 4302 diverging -1
batch 10 of 232 bytes
broken: batch format is not v2: magic 3
finish
T2/4 code 0 stable 800 start 7 aborted [] bytes 4302 diverging -1
broken: batch length is impossible
finish
T2/6 code 0 stable 800 start 7 aborted [] bytes 6667 diverging -1
batch 13 of 4070 bytes
batch 14 of 2597 bytes
finish
T2/7 code 0 stable 800 start 7 aborted [] bytes 297 diverging -1
message 1 of 30 bytes
message 2 of 35 bytes
batch 10 of 232 bytes
finish
T2/8 code 0 stable 800 start 7 aborted [] bytes 30 diverging -1
message 3 of 30 bytes
finish
T2/9 code 0 stable 800 start 7 aborted [] bytes 60 diverging -1
message 1 of 30 bytes
finish
T2/10 code 0 stable 800 start 7 aborted [] bytes 60 diverging -1
message 1 of 30 bytes
broken: batch length is impossible
finish
`

func TestWalker(t *testing.T) {
	for _, version := range []int16{12, 13} {
		names := strings.NewReplacer("T1", "clicks", "T2", "views")
		if version == 13 {
			names = strings.NewReplacer("T1", "id1", "T2", "id2")
		}
		frame := frameOf(bigResponse(), version, 77)
		whole, err := walk(frame, version, nil, func() int { return len(frame) })
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		want := strings.Split(strings.TrimSuffix(names.Replace(wantBig), "\n"), "\n")
		if len(whole) != len(want) {
			t.Errorf("version %d: got %d lines, want %d:\n%s", version, len(whole), len(want), strings.Join(whole, "\n"))
		}
		for i := range min(len(whole), len(want)) {
			if got := whole[i]; !strings.HasPrefix(got, want[i]) {
				t.Errorf("version %d, line %d: got %q, want %q", version, i, got, want[i])
			}
		}
		for seed := range uint64(200) {
			rnd := rand.New(rand.NewPCG(seed, 5))
			most := 1 + rnd.IntN(1<<rnd.IntN(13))
			got, err := walk(frame, version, nil, func() int { return 1 + rnd.IntN(most) })
			if err != nil || !slices.Equal(got, whole) {
				t.Fatalf("version %d, seed %d: chunks up to %d change the result (%v):\n%s", version, seed, most, err, strings.Join(got, "\n"))
			}
		}
	}
}

func TestWalkerPassesOverTheUnwanted(t *testing.T) {
	frame := frameOf(bigResponse(), 13, 77)
	refuse := func(partition int32) bool { return partition != 6 }
	for _, chunk := range []int{1, 100, len(frame)} {
		got, err := walk(frame, 13, refuse, func() int { return chunk })
		if err != nil {
			t.Fatal(err)
		}
		batches := slices.DeleteFunc(slices.Clone(got), func(l string) bool { return !strings.HasPrefix(l, "batch") })
		if len(batches) != 2 {
			t.Errorf("chunks of %d: got %v, want the two batches of views/6", chunk, batches)
		}
	}
}

func TestWalkerTopLevel(t *testing.T) {
	r := response() // a throttled broker answers with no topics
	r.ThrottleMillis, r.ErrorCode = 2000, 70
	var w walker
	frame := frameOf(r, 13, 77)
	w.begin(frame, 13, 77)
	w.have = len(frame)
	if err := w.advance(&recorder{}); err != nil || !w.done() {
		t.Fatalf("got %v, done %v", err, w.done())
	}
	if w.throttle != 2*time.Second || w.code != 70 {
		t.Errorf("throttle %v, code %d", w.throttle, w.code)
	}
}

func TestWalkerRefuses(t *testing.T) {
	frame := frameOf(bigResponse(), 12, 77)
	all := func() int { return len(frame) }
	if _, err := walk(frame[:len(frame)-1], 12, nil, all); err == nil {
		t.Error("a response without its end was taken")
	}
	if _, err := walk(frameOf(bigResponse(), 12, 78), 12, nil, all); err == nil || !strings.Contains(err.Error(), "another request") {
		t.Errorf("a response to another request: %v", err)
	}
}

// TestWalkerForgetsThePartitionBefore pins that nothing of one response or partition shows in the next.
func TestWalkerForgetsThePartitionBefore(t *testing.T) {
	frame := frameOf(response(part{topic: "a", records: newBatch(1, 1, 1), aborted: [][2]int64{{1, 2}}}, part{topic: "b", diverging: 9}, part{topic: "c"}), 12, 77)
	got, err := walk(frame, 12, nil, func() int { return 10 })
	if err != nil {
		t.Fatal(err)
	}
	if last := got[len(got)-2]; !strings.Contains(last, "c/0") || !strings.Contains(last, "aborted []") || !strings.Contains(last, "diverging -1") {
		t.Errorf("got %q", last)
	}
}

// FuzzWalker gives the walker any bytes in any pieces. It must end, stay within them, and hand out whole batches only.
func FuzzWalker(f *testing.F) {
	for _, version := range []int16{12, 13} {
		f.Add(frameOf(bigResponse(), version, 77), version == 13, uint64(1))
	}
	f.Fuzz(func(t *testing.T, frame []byte, byID bool, seed uint64) {
		version := int16(12)
		if byID {
			version = 13
		}
		rnd := rand.New(rand.NewPCG(seed, 6))
		guarded := slices.Clone(frame)[:len(frame):len(frame)] // what lies beyond is out of bounds
		whole, wholeErr := walk(guarded, version, nil, func() int { return len(frame) })
		parts, partsErr := walk(guarded, version, nil, func() int { return 1 + rnd.IntN(64) })
		if (wholeErr == nil) != (partsErr == nil) {
			t.Fatalf("whole: %v, in pieces: %v", wholeErr, partsErr)
		}
		if wholeErr == nil && !slices.Equal(whole, parts) {
			t.Fatalf("pieces change the result:\n%s\n---\n%s", strings.Join(whole, "\n"), strings.Join(parts, "\n"))
		}
	})
}
