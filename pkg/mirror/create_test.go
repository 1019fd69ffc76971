package mirror

import (
	"fmt"
	"testing"
)

// TestTopicsAreMadeTogether looks at what one call makes of many, of which some go to the same topic and one is refused.
func TestTopicsAreMadeTogether(t *testing.T) {
	sink := newFakeSink(map[string]TopicInfo{})
	sink.refusals = map[string]error{"bad": errTest}
	l := &Link{sink: sink}
	in := []NewTopic{{Name: "bad", Partitions: 1}, {Name: "shared", Partitions: -1}, {Name: "shared", Partitions: -1}}
	for i := range 3 {
		in = append(in, NewTopic{Name: fmt.Sprint("wide-", i), Partitions: createAtOnce/2 - 1})
	}
	refused, err := l.createAll(t.Context(), in)
	if err != nil || refused["bad"] == nil || refused["shared"] != nil || refused["wide-2"] != nil {
		t.Errorf("got %v, %v; want only bad refused", refused, err)
	}
	var calls []int
	for _, topics := range sink.creations {
		size := 0
		for _, topic := range topics {
			size += max(topic.Partitions, 1)
		}
		calls = append(calls, len(topics))
		if size > createAtOnce {
			t.Errorf("a call makes %d partitions, want %d at most", size, createAtOnce)
		}
	}
	if fmt.Sprint(calls) != "[4 1]" {
		t.Errorf("calls make %v topics, want 4 and 1", calls)
	}
}
