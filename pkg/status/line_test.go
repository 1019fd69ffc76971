package status

import (
	"testing"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

func TestLine(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) *time.Time { then := now.Add(-d); return &then }
	topics := []lag.Topic{{Topic: "orders", ReplicatedThrough: ago(time.Second)}, {Topic: "clicks", ReplicatedThrough: ago(41*time.Hour + 42*time.Minute)}, {Topic: "new"}}
	link := func(name string, state mirror.State, topics ...lag.Topic) lag.Link {
		return lag.Link{Name: name, State: state, Topics: topics}
	}
	for _, test := range []struct {
		name     string
		snapshot *lag.Snapshot
		want     string
	}{
		{"starting", nil, "starting: nothing was observed yet"},
		{"no links", &lag.Snapshot{Time: now}, ""},
		{"hangs", &lag.Snapshot{Time: now.Add(-time.Minute)}, "the last look at the links is 1m0s old: this process hangs"},
		{"one behind", &lag.Snapshot{Time: now, Links: []lag.Link{link("up", mirror.StateWaiting, topics...)}}, "up waiting, 3 topics, clicks 41h42m0s behind"},
		{"none behind to tell of", &lag.Snapshot{Time: now, Links: []lag.Link{link("up", mirror.StateCaughtUp, topics[0]), link("down", mirror.StateStarting)}},
			"up caught_up, 1 topics; down starting, 0 topics"},
		{"many", &lag.Snapshot{Time: now, Links: make([]lag.Link, 7)}, " , 0 topics;  , 0 topics;  , 0 topics;  , 0 topics;  , 0 topics; and 2 more links"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, func() *lag.Snapshot { return test.snapshot })
			if got := s.Line(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
