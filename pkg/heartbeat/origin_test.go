package heartbeat

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/pkg/lag"
)

func TestStatesOfAnOrigin(t *testing.T) {
	for _, test := range []struct {
		name    string
		written int // second; it is read at 0
		now     int
		deaf    string
		summary *lag.HeartbeatSummary
		state   lag.HeartbeatState
		why     string
	}{
		{"fresh", 0, 1, "", nil, lag.HeartbeatOK, ""},
		{"just before it is missed", 0, 59, "", nil, lag.HeartbeatOK, ""},
		{"missed", 0, 60, "", nil, lag.HeartbeatSilent, "nothing was heard for 1m0s"},
		{"nothing can be heard", 0, 60, "refused", nil, lag.HeartbeatUnknown, "nothing can be heard here: refused"},
		{"nothing can be heard, for a moment", 0, 59, "refused", nil, lag.HeartbeatOK, ""},
		{"late", -3600, 1, "", nil, lag.HeartbeatWarn, "its heartbeats come 1h0m1s late"},
		{"its clock is ahead, and it is gone", 86400, 60, "", nil, lag.HeartbeatSilent, "nothing was heard for 1m0s"},
		{"well", 0, 1, "", &lag.HeartbeatSummary{State: "caught_up"}, lag.HeartbeatOK, ""},
		{"without links", 0, 1, "", &lag.HeartbeatSummary{Eligible: new(true)}, lag.HeartbeatOK, ""},
		{"halted", 0, 1, "", &lag.HeartbeatSummary{State: "halted", NotOK: 2}, lag.HeartbeatWarn, "2 of its partitions are not copied, the worst is halted"},
		{"a state that is not known here", 0, 1, "", &lag.HeartbeatSummary{State: "burning"}, lag.HeartbeatWarn, "it is burning"},
		{"drained", 0, 1, "", &lag.HeartbeatSummary{State: "copying", Eligible: new(false)}, lag.HeartbeatWarn, "its host takes no new traffic"},
	} {
		o := &origin{}
		r := step{second: test.written}.record()
		r.Summary = test.summary
		o.take(r, moment(0), false)
		got := o.show("ad-17", moment(test.now), test.deaf)
		if got.State != test.state || got.Why != test.why {
			t.Errorf("%s: got %s %q, want %s %q", test.name, got.State, got.Why, test.state, test.why)
		}
	}
}

// The clock of an origin may be ahead, behind, or set back: it must not seem alive when it is not, nor keep old news.
func TestClocksOfOrigins(t *testing.T) {
	o := &origin{}
	say := func(sequence int64, written, now int, version string) lag.Heartbeat {
		r := step{second: written, sequence: sequence}.record()
		r.Summary = &lag.HeartbeatSummary{Version: version}
		o.take(r, moment(now), true)
		return o.show("ad-17", moment(now), "")
	}
	if h := say(0, 500, 0, "a"); !h.Time.Equal(moment(0)) {
		t.Errorf("ahead: written at %v, want when it was read", h.Time)
	}
	if h := say(1, 10, 10, "b"); !h.Time.Equal(moment(10)) || h.Summary.Version != "b" || h.Sequence != 1 {
		t.Errorf("set right: %+v, %+v", h, h.Summary)
	}
	if h := say(2, -600, 20, "c"); !h.Time.Equal(moment(10)) || h.Summary.Version != "c" || h.Sequence != 2 {
		t.Errorf("set back: %+v, %+v", h, h.Summary)
	}
	if h := say(1, 10, 30, "late"); h.Summary.Version != "c" || h.Sequence != 2 {
		t.Errorf("an old one comes late: %+v, %+v", h, h.Summary)
	}
}

// Of two ways the one that is behind does not bring old news.
func TestTheNewerOfTwoWaysCounts(t *testing.T) {
	o := &origin{}
	for i, s := range []step{{second: 100, sequence: 10}, {second: 20, sequence: 2, cluster: "slow"}, {second: 110, sequence: 11}, {second: 30, sequence: 3, cluster: "slow"}} {
		o.take(s.record(), moment(200+i), false)
	}
	if h := o.show("ad-17", moment(204), ""); !h.Time.Equal(moment(110)) || h.Sequence != 11 || h.Lost != 0 {
		t.Errorf("got %+v", h)
	}
}

func TestLatencyIsOfWhatIsReadAsItComes(t *testing.T) {
	o := &origin{}
	o.take(step{second: 0}.record(), moment(3600), false)
	if o.latency != nil {
		t.Errorf("of the backlog: %v", o.latency)
	}
	o.take(step{second: 3600, sequence: 1}.record(), moment(3602), true)
	if o.latency == nil || *o.latency != 2*time.Second {
		t.Errorf("got %v, want 2s", o.latency)
	}
}

func TestOriginsAreBounded(t *testing.T) {
	l := newLedger()
	take := func(name string, second int) bool {
		r := step{second: second}.record()
		r.Origin = name
		return l.take(r, moment(second), false)
	}
	for i := range maxOrigins {
		if !take(fmt.Sprintf("o%d", i), 0) {
			t.Fatalf("origin %d was refused", i)
		}
	}
	if take("one-more", 0) || l.refused != 1 || l.ignored != 1 || len(l.origins) != maxOrigins {
		t.Errorf("one more: refused %d, ignored %d, %d origins", l.refused, l.ignored, len(l.origins))
	}
	if !take("o7", 1) {
		t.Error("one that is known was refused")
	}
}

func TestTheSilentAreForgottenAfterSevenDays(t *testing.T) {
	l := newLedger()
	for name, second := range map[string]int{"old": 0, "young": 1} {
		r := step{second: second}.record()
		r.Origin = name
		l.take(r, moment(second), false)
	}
	if got := l.settle(moment(7*86400 - 1)); got != nil {
		t.Errorf("a second too early: %v", got)
	}
	if got := l.settle(moment(7 * 86400)); strings.Join(got, " ") != "old" || len(l.origins) != 1 {
		t.Errorf("got %v, %d left", got, len(l.origins))
	}
}

func TestClustersAreMerged(t *testing.T) {
	at := func(origin string, second int, lost int64) lag.Heartbeat {
		return lag.Heartbeat{Origin: origin, Time: moment(second), Lost: lost}
	}
	got := merge([][]lag.Heartbeat{{at("a", 5, 0), at("b", 1, 3)}, {at("a", 4, 2), at("b", 9, 1), at("c", 0, 0)}})
	if want := []lag.Heartbeat{at("a", 5, 2), at("b", 9, 3), at("c", 0, 0)}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
