package eligible

import (
	"testing"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

var begin = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func rules() Config {
	return Config{Cluster: "edge", DiskFull: time.Hour, Recover: 0.6, ExtendedOutage: 30 * time.Minute, Dwell: 10 * time.Minute}
}

// seen is a snapshot of one link from the host's Kafka that is well, after the changes.
func seen(now time.Time, changes ...func(*lag.Snapshot, *lag.Link)) *lag.Snapshot {
	s := &lag.Snapshot{Time: now, Links: []lag.Link{{Name: "up", From: "edge", To: "region", State: mirror.StateCopying, Retention: lag.Retention{Warn: 0.5, Critical: 0.25},
		Topics: []lag.Topic{{Topic: "clicks", State: mirror.StateCopying, ReplicatedThrough: new(now.Add(-time.Second)), Outlook: lag.Outlook{Used: new(0.1)}}}}}}
	for _, change := range changes {
		change(s, &s.Links[0])
	}
	return s
}

type fault = func(*lag.Snapshot, *lag.Link)

func diskFull(in time.Duration) fault {
	return func(s *lag.Snapshot, l *lag.Link) {
		l.Disks = []lag.Disk{{Broker: 1, Dir: "/kafka", FullAt: new(s.Time.Add(in))}}
	}
}

func used(share float64) fault {
	return func(_ *lag.Snapshot, l *lag.Link) { l.Topics[0].Used = new(share) }
}

func behind(d time.Duration) fault {
	return func(s *lag.Snapshot, l *lag.Link) { l.Topics[0].ReplicatedThrough = new(s.Time.Add(-d)) }
}

func cutOff(_ *lag.Snapshot, l *lag.Link) { l.Probe.Target.Problem = "i/o timeout" }
func stuck(_ *lag.Snapshot, l *lag.Link)  { l.State = mirror.StateWaiting }
func gone(_ *lag.Snapshot, l *lag.Link) {
	l.Probe.Source.Problem, l.State = "refused", mirror.StateWaiting
}
func missingRights(s *lag.Snapshot, l *lag.Link) {
	asked := lag.Probed{Success: new(s.Time.Add(-10 * time.Second)), Problem: "DESCRIBE on the cluster is missing"}
	l.Probe = lag.Probe{Source: asked, Target: asked}
}
func silent(s *lag.Snapshot, l *lag.Link) {
	l.Probe.Source = lag.Probed{Success: new(s.Time.Add(-time.Minute)), Problem: "i/o timeout"}
}
func refuses(s *lag.Snapshot, _ *lag.Link) {
	s.HeartbeatClusters = []lag.HeartbeatCluster{{Cluster: "edge", Problem: "disk is full"}}
}
func inbound(_ *lag.Snapshot, l *lag.Link) { l.From, l.To = "region", "edge" }

func TestJudge(t *testing.T) {
	others := Peers{Asked: 3, Fine: 2}
	for _, test := range []struct {
		name   string
		faults []fault
		lasts  time.Duration // for which it was so already
		peers  Peers
		change func(*Config)
		want   Reason
		well   bool
	}{
		{name: "well", well: true},
		{name: "disk full soon", faults: []fault{diskFull(59 * time.Minute)}, want: ReasonDiskFull},
		{name: "disk full later", faults: []fault{diskFull(61 * time.Minute)}, well: true},
		{name: "disk full soon, which does not matter", faults: []fault{diskFull(time.Minute)}, change: func(c *Config) { c.DiskFull = 0 }, well: true},
		{name: "disk of another cluster", faults: []fault{diskFull(time.Minute), inbound}},
		{name: "headroom below the link's own threshold", faults: []fault{used(0.76)}, want: ReasonHeadroom},
		{name: "headroom above it", faults: []fault{used(0.74)}},
		{name: "headroom below the configured threshold", faults: []fault{used(0.55)}, change: func(c *Config) { c.Headroom = 0.5 }, want: ReasonHeadroom},
		{name: "headroom that is not enough to recover", faults: []fault{used(0.45)}},
		{name: "headroom unknown", faults: []fault{func(_ *lag.Snapshot, l *lag.Link) { l.Topics[0].Used = nil }}, well: true},
		{name: "a topic of another member", faults: []fault{used(0.9), func(_ *lag.Snapshot, l *lag.Link) { l.Topics[0].Away = true }}, well: true},
		{name: "behind", faults: []fault{behind(2 * time.Minute)}},
		{name: "halted", faults: []fault{func(_ *lag.Snapshot, l *lag.Link) { l.Topics[0].State = mirror.StateHalted }}},
		{name: "source away for a moment", faults: []fault{gone}, lasts: 50 * time.Second},
		{name: "source down", faults: []fault{gone}, lasts: time.Minute, want: ReasonSource},
		{name: "source silent", faults: []fault{silent}, lasts: time.Minute, want: ReasonSource},
		{name: "rights that are missing for ever", faults: []fault{missingRights}, lasts: 24 * time.Hour, peers: others, well: true},
		{name: "source refuses writes", faults: []fault{refuses}, lasts: time.Minute, want: ReasonSource},
		{name: "cut off for long, peers are not", faults: []fault{cutOff}, lasts: 30 * time.Minute, peers: others, want: ReasonOutage},
		{name: "refused for long, peers are not", faults: []fault{stuck}, lasts: 30 * time.Minute, peers: others, want: ReasonOutage},
		{name: "cut off not for long", faults: []fault{cutOff}, lasts: 29 * time.Minute, peers: others},
		{name: "cut off for long, as are peers", faults: []fault{cutOff}, lasts: time.Hour, peers: Peers{Asked: 3, Fine: 1}},
		{name: "cut off for long, without peers", faults: []fault{cutOff}, lasts: time.Hour},
		{name: "cut off for long, which does not matter", faults: []fault{cutOff}, lasts: time.Hour, peers: others, change: func(c *Config) { c.ExtendedOutage = 0 }},
		{name: "no link from here", faults: []fault{inbound}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := rules()
			if test.change != nil {
				test.change(&cfg)
			}
			var w watch
			w.judge(cfg, seen(begin, test.faults...), begin, test.peers)
			now := begin.Add(test.lasts)
			got := w.judge(cfg, seen(now, test.faults...), now, test.peers)
			if got.reason != test.want || got.well != test.well || (got.reason != "") != (got.text != "") {
				t.Errorf("got %+v, want reason %q, well %v", got, test.want, test.well)
			}
		})
	}
}

func TestWhatIsNotKnownSaysNothing(t *testing.T) {
	var w watch
	if got := w.judge(rules(), nil, begin, Peers{}); got != (verdict{}) {
		t.Errorf("no snapshot: %+v", got)
	}
	if got := w.judge(rules(), seen(begin, diskFull(0)), begin.Add(time.Minute), Peers{}); got != (verdict{}) {
		t.Errorf("an old one: %+v", got)
	}
}

// step is what a machine sees, and the state that is wanted after it.
type step struct {
	at     time.Duration
	faults []fault
	mode   Mode // "" nothing
	long   time.Duration
	in     bool
	reason Reason
}

func TestMachine(t *testing.T) {
	full := []fault{diskFull(time.Minute)}
	for _, test := range []struct {
		name  string
		saved *State
		steps []step
	}{
		{"drains at once, and comes back when all was well for ten minutes", nil, []step{
			{0, nil, "", 0, true, ""}, {time.Second, full, "", 0, false, ReasonDiskFull},
			{2 * time.Minute, nil, "", 0, false, ReasonDiskFull},
			{6 * time.Minute, []fault{behind(2 * time.Minute)}, "", 0, false, ReasonDiskFull}, // begins anew
			{7 * time.Minute, nil, "", 0, false, ReasonDiskFull}, {16 * time.Minute, nil, "", 0, false, ReasonDiskFull},
			{17 * time.Minute, nil, "", 0, true, ReasonRecovered},
		}},
		{"stays in for ten minutes before it drains again", nil, []step{
			{0, full, "", 0, false, ReasonDiskFull}, {time.Minute, nil, "", 0, false, ReasonDiskFull}, {11 * time.Minute, nil, "", 0, true, ReasonRecovered},
			{12 * time.Minute, full, "", 0, true, ReasonRecovered}, {21 * time.Minute, full, "", 0, false, ReasonDiskFull},
		}},
		{"headroom between the thresholds changes nothing", nil, []step{
			{0, []fault{used(0.8)}, "", 0, false, ReasonHeadroom}, {20 * time.Minute, []fault{used(0.5)}, "", 0, false, ReasonHeadroom},
			{40 * time.Minute, []fault{used(0.5)}, "", 0, false, ReasonHeadroom}, {50 * time.Minute, []fault{used(0.3)}, "", 0, false, ReasonHeadroom},
			{60 * time.Minute, []fault{used(0.3)}, "", 0, true, ReasonRecovered}, {80 * time.Minute, []fault{used(0.5)}, "", 0, true, ReasonRecovered},
		}},
		{"an operator drains for a while", nil, []step{
			{0, nil, "", 0, true, ""}, {time.Minute, nil, ModeDrain, time.Hour, false, ReasonOperator}, {60 * time.Minute, nil, "", 0, false, ReasonOperator},
			{61 * time.Minute, nil, "", 0, true, ReasonOperator},
		}},
		{"an operator keeps it in", nil, []step{
			{0, full, "", 0, false, ReasonDiskFull}, {time.Minute, full, ModeIn, time.Hour, true, ReasonOperator}, {59 * time.Minute, full, "", 0, true, ReasonOperator},
			{61 * time.Minute, full, "", 0, false, ReasonDiskFull},
		}},
		{"an operator's drain is over when the rules would drain too", nil, []step{
			{0, nil, ModeDrain, time.Hour, false, ReasonOperator}, {time.Minute, full, "", 0, false, ReasonOperator}, {2 * time.Minute, full, ModeAuto, 0, false, ReasonOperator},
		}},
		{"an operator's word outlives the process", &State{In: false, Reason: ReasonOperator, Since: begin.Add(-time.Hour), Mode: ModeDrain, Until: begin.Add(time.Minute)}, []step{
			{0, nil, "", 0, false, ReasonOperator}, {time.Minute, nil, "", 0, true, ReasonOperator},
		}},
		{"and so does a drain", &State{In: false, Reason: ReasonDiskFull, Since: begin.Add(-time.Minute), Mode: ModeAuto}, []step{
			{0, nil, "", 0, false, ReasonDiskFull}, {9 * time.Minute, nil, "", 0, false, ReasonDiskFull}, {10 * time.Minute, nil, "", 0, true, ReasonRecovered},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(rules(), begin, test.saved)
			for _, s := range test.steps {
				now := begin.Add(s.at)
				if s.mode != "" {
					m.set(s.mode, now.Add(s.long), now)
				}
				m.observe(now, m.watch.judge(m.cfg, seen(now, s.faults...), now, Peers{}))
				if m.state.In != s.in || m.state.Reason != s.reason {
					t.Fatalf("after %v: in %v because of %q, want %v because of %q", s.at, m.state.In, m.state.Reason, s.in, s.reason)
				}
			}
		})
	}
}

func TestWhatIsNotKnownKeepsTheState(t *testing.T) {
	for _, in := range []bool{true, false} {
		m := newMachine(rules(), begin, &State{In: in, Reason: ReasonDiskFull, Since: begin.Add(-time.Hour), Mode: ModeAuto})
		for i := range 100 {
			if m.observe(begin.Add(time.Duration(i)*time.Minute), verdict{}) || m.state.In != in {
				t.Errorf("in %v: changed after %d minutes of not knowing", in, i)
			}
		}
	}
}
