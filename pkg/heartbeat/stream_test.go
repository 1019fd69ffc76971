package heartbeat

import (
	"reflect"
	"testing"
	"time"
)

func TestSpans(t *testing.T) {
	s := spans(nil).with(3, 3).with(4, 3).with(7, 3).with(9, 3)
	if want := (spans{{3, 5}, {7, 8}, {9, 10}}); !reflect.DeepEqual(s, want) {
		t.Errorf("got %v, want %v", s, want)
	}
	if got, want := s.with(12, 3), (spans{{7, 8}, {9, 10}, {12, 13}}); !reflect.DeepEqual(got, want) {
		t.Errorf("one too many: got %v, want %v", got, want)
	}
	for _, test := range []struct {
		of   span
		want spans
	}{
		{span{0, 3}, spans{{0, 3}}},
		{span{3, 5}, nil},
		{span{4, 8}, spans{{5, 7}}},
		{span{0, 20}, spans{{0, 3}, {5, 7}, {8, 9}, {10, 20}}},
		{span{10, 11}, spans{{10, 11}}},
		{span{5, 5}, nil},
	} {
		if got := s.without(test.of); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: got %v, want %v", test.of, got, test.want)
		}
	}
}

// step is a record that an origin's reader sees, as sequence, at a second. The origin was not sure of some.
type step struct {
	second   int
	sequence int64
	unsure   spans
	start    int    // incarnation
	cluster  string // "" edge
}

func (s step) record() Record {
	r := Record{Origin: "ad-17", Cluster: "edge", Incarnation: 1000 + int64(s.start), Sequence: s.sequence, Time: moment(s.second), Interval: 10 * time.Second, Unsure: s.unsure}
	if s.cluster != "" {
		r.Cluster = s.cluster
	}
	return r
}

func TestGaps(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []step
		lost  int64 // ten minutes after the last
	}{
		{"all come", []step{{0, 0, nil, 0, ""}, {10, 1, nil, 0, ""}, {20, 2, nil, 0, ""}}, 0},
		{"the first that is heard is not the first", []step{{0, 90, nil, 0, ""}, {10, 91, nil, 0, ""}}, 0},
		{"two do not come", []step{{0, 0, nil, 0, ""}, {30, 3, nil, 0, ""}}, 2},
		{"one comes twice", []step{{0, 0, nil, 0, ""}, {1, 0, nil, 0, ""}, {10, 1, nil, 0, ""}, {11, 0, nil, 0, ""}}, 0},
		{"one comes late", []step{{0, 0, nil, 0, ""}, {30, 3, nil, 0, ""}, {31, 1, nil, 0, ""}, {32, 2, nil, 0, ""}}, 0},
		{"one of three comes late", []step{{0, 0, nil, 0, ""}, {40, 4, nil, 0, ""}, {41, 2, nil, 0, ""}}, 2},
		{"one comes later than it is waited for", []step{{0, 0, nil, 0, ""}, {20, 2, nil, 0, ""}, {200, 1, nil, 0, ""}}, 1},
		{"what was unsure did not land", []step{{0, 0, nil, 0, ""}, {30, 3, spans{{1, 3}}, 0, ""}}, 0},
		{"what was unsure did land", []step{{0, 0, nil, 0, ""}, {10, 1, nil, 0, ""}, {20, 2, spans{{1, 2}}, 0, ""}}, 0},
		{"beside what was unsure one is lost", []step{{0, 0, nil, 0, ""}, {30, 3, spans{{1, 2}}, 0, ""}}, 1},
		{"the record that told of unsure ones is lost itself", []step{{0, 0, nil, 0, ""}, {30, 4, spans{{1, 3}}, 0, ""}}, 1},
		{"a new start", []step{{0, 5, nil, 0, ""}, {10, 0, nil, 1, ""}, {20, 1, nil, 1, ""}}, 0},
		{"a new start, whose first two are lost", []step{{0, 5, nil, 0, ""}, {30, 2, nil, 1, ""}}, 2},
		{"a new start, whose first one was unsure", []step{{0, 5, nil, 0, ""}, {10, 1, spans{{0, 1}}, 1, ""}}, 0},
		{"the end of the old start comes after the new one", []step{{0, 5, nil, 0, ""}, {10, 0, nil, 1, ""}, {11, 6, nil, 0, ""}, {20, 1, nil, 1, ""}}, 0},
		{"an older start that was not heard", []step{{0, 5, nil, 1, ""}, {10, 7, nil, 0, ""}}, 0},
		{"two of one name", []step{{0, 5, nil, 0, ""}, {1, 80, nil, 1, ""}, {10, 6, nil, 0, ""}, {11, 81, nil, 1, ""}, {20, 7, nil, 0, ""}}, 80},
		{"two clusters, each with its sequence", []step{{0, 5, nil, 0, ""}, {1, 70, nil, 0, "other"}, {10, 6, nil, 0, ""}, {11, 71, nil, 0, "other"}}, 0},
		{"a sequence from nowhere", []step{{0, 5, nil, 0, ""}, {10, maxSequence - 1, nil, 0, ""}, {20, maxSequence, nil, 0, ""}}, 0},
		{"many starts", []step{{0, 0, nil, 0, ""}, {1, 2, nil, 0, ""}, {2, 0, nil, 1, ""}, {3, 0, nil, 2, ""}, {4, 0, nil, 3, ""}, {5, 0, nil, 4, ""}, {6, 0, nil, 5, ""}}, 1},
	} {
		o := &origin{}
		last := 0
		for _, s := range test.steps {
			o.settle(moment(s.second))
			o.take(s.record(), moment(s.second), false)
			last = s.second
		}
		o.settle(moment(last + 600))
		if o.Lost != test.lost {
			t.Errorf("%s: lost %d, want %d", test.name, o.Lost, test.lost)
		}
		if len(o.Streams) > maxStreams {
			t.Errorf("%s: %d streams", test.name, len(o.Streams))
		}
	}
}

// A gap is waited for before it counts, and counts once.
func TestALossIsToldAfterTheGrace(t *testing.T) {
	o := &origin{}
	o.take(step{sequence: 0}.record(), moment(0), false)
	o.take(step{sequence: 2}.record(), moment(10), false)
	for second, want := range map[int]int64{11: 0, 129: 0} {
		if o.settle(moment(second)); o.Lost != want {
			t.Errorf("after %d s: lost %d, want %d", second, o.Lost, want)
		}
	}
	for range 2 {
		if o.settle(moment(130)); o.Lost != 1 {
			t.Errorf("after the grace: lost %d, want 1", o.Lost)
		}
	}
}

func TestHolesAreBounded(t *testing.T) {
	o := &origin{}
	for i := range int64(3 * maxHoles) {
		o.take(step{sequence: 2 * i}.record(), moment(0), false)
	}
	if n := len(o.Streams[0].Holes); n != maxHoles {
		t.Errorf("%d holes", n)
	}
	if o.settle(moment(600)); o.Lost != 3*maxHoles-1 {
		t.Errorf("lost %d, want %d", o.Lost, 3*maxHoles-1)
	}
}

// What was passed over of one cluster is not made good by what another one brings.
func TestADiscontinuityIsOfEachCluster(t *testing.T) {
	o := &origin{}
	o.take(step{sequence: 0}.record(), moment(0), false)
	o.take(step{sequence: 0, cluster: "other"}.record(), moment(0), false)
	o.discontinue()
	o.take(step{sequence: 1, cluster: "other"}.record(), moment(1), false)
	o.take(step{sequence: 9, start: 1}.record(), moment(2), false) // its first ones were passed over
	o.take(step{sequence: 12, start: 1}.record(), moment(3), false)
	if o.settle(moment(600)); o.Lost != 2 {
		t.Errorf("lost %d, want 2: what came after the first that was heard", o.Lost)
	}
}

// What a reader passed over is not lost, in the old stream and in a new one.
func TestADiscontinuityIsNoLoss(t *testing.T) {
	o := &origin{}
	o.take(step{sequence: 0}.record(), moment(0), false)
	o.take(step{sequence: 2}.record(), moment(1), false)
	o.discontinue()
	o.take(step{sequence: 9}.record(), moment(2), false)
	o.discontinue()
	o.take(step{sequence: 9, start: 1}.record(), moment(3), false)
	o.take(step{sequence: 11, start: 1}.record(), moment(4), false)
	if o.settle(moment(600)); o.Lost != 1 {
		t.Errorf("lost %d, want 1: what came after both", o.Lost)
	}
}
