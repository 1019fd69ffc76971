package lag

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tributary/pkg/mirror"
)

// why makes a partition's status say why it waits.
func why(s mirror.PartitionStatus, text string) mirror.PartitionStatus {
	s.Why = text
	return s
}

func TestChangesAreLoggedOnce(t *testing.T) {
	stuck := why(partition(1, waiting, 5, 9), "dial region-1:9093: refused")
	fine := partition(1, copying, 5, 9)
	other := partition(0, copying, 5, 9)
	problem := link(topic("clicks", fine))
	problem.Problem = "no answer"
	topicProblem := topic("clicks", other, fine)
	topicProblem.Problem = "no right"
	type step struct {
		at     int
		status mirror.LinkStatus
		want   string
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"one partition waits and recovers", []step{
			{0, link(topic("clicks", other, fine)), "level=INFO msg=\"mirroring started\" link=up topic=clicks partitions=2"},
			{1, link(topic("clicks", other, stuck)), ""},
			{10, link(topic("clicks", other, stuck)), ""},
			{11, link(topic("clicks", other, stuck)), "level=ERROR msg=\"mirroring waits\" link=up topic=clicks partition=1 for=10s err=\"dial region-1:9093: refused\""},
			{12, link(topic("clicks", other, stuck)), ""},
			{3600, link(topic("clicks", other, why(stuck, "another reason"))), ""},
			{3661, link(topic("clicks", other, fine)), "level=INFO msg=\"mirroring recovered\" link=up topic=clicks partition=1 after=1h1m0s"},
			{3662, link(topic("clicks", other, fine)), ""},
		}},
		{"a short wait is not worth a line", []step{
			{0, link(topic("clicks", fine)), "level=INFO msg=\"mirroring started\" link=up topic=clicks partitions=1"},
			{1, link(topic("clicks", stuck)), ""}, {9, link(topic("clicks", fine)), ""}, {15, link(topic("clicks", stuck)), ""}, {20, link(topic("clicks", fine)), ""},
		}},
		{"catching up is not a change", []step{
			{0, link(topic("clicks", fine)), "level=INFO msg=\"mirroring started\" link=up topic=clicks partitions=1"},
			{1, link(topic("clicks", partition(1, caughtUp, 9, 9))), ""}, {2, link(topic("clicks", fine)), ""},
		}},
		{"starting is not a change, having started is", []step{
			{0, link(topic("clicks", partition(0, mirror.StateStarting, 0, -1), fine)), "level=INFO msg=\"mirroring started\" link=up topic=clicks partition=1"},
			{60, link(topic("clicks", partition(0, mirror.StateStarting, 0, -1), fine)), ""},
			{61, link(topic("clicks", other, fine)), "level=INFO msg=\"mirroring started\" link=up topic=clicks partition=0"},
		}},
		{"a halt is logged where it happens, its end here", []step{
			{0, link(topic("clicks", other, fine)), "level=INFO msg=\"mirroring started\" link=up topic=clicks partitions=2"},
			{1, link(topic("clicks", other, partition(1, halted, 5, -1))), ""}, {90, link(topic("clicks", other, partition(1, halted, 5, -1))), ""},
			{91, link(topic("clicks", other, fine)), "level=INFO msg=\"mirroring recovered\" link=up topic=clicks partition=1 after=1m30s"},
		}},
		{"a whole link is one line", []step{
			{0, link(topic("a", other, fine), topic("b", fine)), "level=INFO msg=\"mirroring started\" link=up partitions=3"},
			{1, link(topic("a", why(partition(0, waiting, 5, 9), "refused"), stuck), topic("b", stuck)), ""},
			{11, link(topic("a", why(partition(0, waiting, 5, 9), "refused"), stuck), topic("b", stuck)),
				"level=ERROR msg=\"mirroring waits\" link=up partitions=3 for=10s err=refused"},
		}},
		{"a topic of several is its own line", []step{
			{0, link(topic("a", other, fine), topic("b", partition(0, mirror.StateStarting, 0, -1))), "level=INFO msg=\"mirroring started\" link=up topic=a partitions=2"},
		}},
		{"a link's own problem", []step{
			{0, link(topic("clicks", fine)), "level=INFO msg=\"mirroring started\" link=up topic=clicks partitions=1"},
			{1, problem, ""}, {11, problem, "level=ERROR msg=\"mirroring waits\" link=up for=10s err=\"no answer\""}, {12, problem, ""},
			{13, link(topic("clicks", fine)), "level=INFO msg=\"mirroring recovered\" link=up after=12s"},
		}},
		{"one trouble is one error a minute, and the next one again", []step{
			{0, link(topic("clicks", other, fine)), "level=INFO msg=\"mirroring started\" link=up topic=clicks partitions=2"},
			{1, link(topic("clicks", other, stuck)), ""},
			{11, link(topic("clicks", why(partition(0, waiting, 5, 9), "x"), why(stuck, "x"))), "level=ERROR msg=\"mirroring waits\" link=up topic=clicks partition=1 for=10s err=x"},
			{21, link(topic("clicks", why(partition(0, waiting, 5, 9), "x"), why(stuck, "x"))), "level=WARN msg=\"mirroring waits\" link=up topic=clicks partition=0 for=10s err=x"},
			{22, link(topic("clicks", other, why(stuck, "x"))), "level=INFO msg=\"mirroring recovered\" link=up topic=clicks partition=0 after=11s"},
			{70, link(topic("clicks", why(partition(0, waiting, 5, 9), "x"), why(stuck, "x"))), ""},
			{80, link(topic("clicks", why(partition(0, waiting, 5, 9), "x"), why(stuck, "x"))), "level=ERROR msg=\"mirroring waits\" link=up topic=clicks partition=0 for=10s err=x"},
			{81, link(topic("clicks", other, fine)), "level=INFO msg=\"mirroring recovered\" link=up topic=clicks partitions=2 after=11s"},
			{84, link(topic("clicks", other, stuck)), ""},
			{94, link(topic("clicks", other, stuck)), "level=WARN msg=\"mirroring waits\" link=up topic=clicks partition=1 for=10s err=\"dial region-1:9093: refused\""},
			{95, link(topic("clicks", other, fine)), "level=INFO msg=\"mirroring recovered\" link=up topic=clicks partition=1 after=11s"},
			{105, link(topic("clicks", other, fine)), ""}, {106, link(topic("clicks", other, stuck)), ""},
			{116, link(topic("clicks", other, stuck)), "level=ERROR msg=\"mirroring waits\" link=up topic=clicks partition=1 for=10s err=\"dial region-1:9093: refused\""},
		}},
		{"a topic's own problem", []step{
			{0, link(topicProblem), "level=INFO msg=\"mirroring started\" link=up topic=clicks partitions=2"},
			{10, link(topicProblem), "level=ERROR msg=\"mirroring waits\" link=up topic=clicks for=10s err=\"no right\""},
			{20, link(topic("clicks", other, fine)), "level=INFO msg=\"mirroring recovered\" link=up topic=clicks after=20s"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &holder{}
			o, log := newObserver(t, h)
			for _, s := range test.steps {
				h.set(s.status)
				o.observe(second(s.at))
				if got := log.take(); got != s.want {
					t.Errorf("second %d: got\n%s\nwant\n%s", s.at, got, s.want)
				}
			}
		})
	}
}

func TestAnOutageIsOneLine(t *testing.T) {
	all := func(state mirror.State) mirror.LinkStatus {
		var topics []mirror.TopicStatus
		for i := range 50 {
			topics = append(topics, topic(fmt.Sprintf("t%02d", i), why(partition(0, state, 5, 9), "refused"), why(partition(1, state, 5, 9), "refused")))
		}
		return link(topics...)
	}
	h := &holder{status: all(copying)}
	o, log := newObserver(t, h)
	o.observe(second(0))
	h.set(all(waiting))
	for at := 1; at < 100; at++ {
		o.observe(second(at))
	}
	h.set(all(copying))
	o.observe(second(100))
	want := `level=INFO msg="mirroring started" link=up partitions=100
level=ERROR msg="mirroring waits" link=up partitions=100 for=10s err=refused
level=INFO msg="mirroring recovered" link=up partitions=100 after=1m39s`
	if got := strings.TrimSpace(log.take()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// noted keeps events.
type noted struct{ events []mirror.Event }

func (n *noted) Record(e mirror.Event) { n.events = append(n.events, e) }

func TestLongWaitsAreEvents(t *testing.T) {
	h, n := &holder{}, &noted{}
	o, _ := newObserver(t, h)
	o.cfg.Events = n
	fine, stuck := partition(1, copying, 5, 9), why(partition(1, waiting, 5, 9), "refused")
	other, stuckToo := partition(0, copying, 5, 9), why(partition(0, waiting, 5, 9), "refused")
	for _, step := range []struct {
		at     int
		status mirror.LinkStatus
	}{
		{0, link(topic("clicks", other, fine))},
		{1, link(topic("clicks", other, stuck))},
		{11, link(topic("clicks", other, stuck))},
		{12, link(topic("clicks", other, stuck))},
		{20, link(topic("clicks", other, fine))},
		{30, link(topic("clicks", stuckToo, stuck))},
		{40, link(topic("clicks", stuckToo, stuck))},
		{50, link(topic("clicks", other, fine))},
	} {
		h.set(step.status)
		o.observe(second(step.at))
	}
	want := []mirror.Event{
		{Time: second(11), Kind: EventWaiting, Link: "up", Topic: "clicks", Partition: 1, Text: "for 10s: refused"},
		{Time: second(20), Kind: EventRecovered, Link: "up", Topic: "clicks", Partition: 1, Text: "after 19s"},
		{Time: second(40), Kind: EventWaiting, Link: "up", Topic: "clicks", Partition: -1, Text: "2 partitions, for 10s: refused"},
		{Time: second(50), Kind: EventRecovered, Link: "up", Topic: "clicks", Partition: -1, Text: "2 partitions, after 20s"},
	}
	if !slices.Equal(n.events, want) {
		t.Errorf("got  %+v\nwant %+v", n.events, want)
	}
}
