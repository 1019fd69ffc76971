package lag

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestSilenceIsTold(t *testing.T) {
	var all []Heartbeat
	events := &noted{}
	l := &logged{}
	o, err := New(Config{Heartbeats: func(time.Time) ([]Heartbeat, []HeartbeatCluster) { return all, nil }, Events: events}, l.logger())
	if err != nil {
		t.Fatal(err)
	}
	many := func(state HeartbeatState, n int) (out []Heartbeat) {
		for i := range n {
			out = append(out, Heartbeat{Origin: fmt.Sprintf("ad-%d", i), State: state})
		}
		return out
	}
	for i, step := range []struct {
		name string
		all  []Heartbeat
		want string // events
	}{
		{"silent at first sight", many(HeartbeatSilent, 1), ""},
		{"heard", many(HeartbeatOK, 1), "origins_heard ad-0"},
		{"late", many(HeartbeatWarn, 2), ""},
		{"nothing can be heard", many(HeartbeatUnknown, 2), ""},
		{"they were silent", many(HeartbeatSilent, 2), "origins_silent ad-0, ad-1"},
		{"still", many(HeartbeatSilent, 2), ""},
		{"nothing can be heard, again", many(HeartbeatUnknown, 2), ""},
		{"they still are", many(HeartbeatSilent, 2), ""},
		{"one is forgotten, one heard", many(HeartbeatOK, 1), "origins_heard ad-0"},
		{"more come", many(HeartbeatOK, 12), ""},
		{"all fall silent", many(HeartbeatSilent, 12), "origins_silent ad-0, ad-1, ad-2, ad-3, ad-4, ad-5, ad-6, ad-7, ad-8, ad-9 and 2 more"},
	} {
		all, events.events = step.all, nil
		o.observe(second(i))
		var got []string
		for _, e := range events.events {
			if !e.Time.Equal(second(i)) || e.Partition != -1 || e.Link != "" {
				t.Errorf("%s: %+v", step.name, e)
			}
			got = append(got, string(e.Kind)+" "+e.Text)
		}
		if strings.Join(got, "; ") != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
		if lines := l.take(); (lines != "") != (step.want != "") {
			t.Errorf("%s: logged %q", step.name, lines)
		}
		if s := o.Snapshot(); len(s.Heartbeats) != len(step.all) {
			t.Errorf("%s: the snapshot has %d", step.name, len(s.Heartbeats))
		}
	}
}
