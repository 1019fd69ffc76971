package check

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tributary/pkg/api"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) *time.Time {
	at := now.Add(-d)
	return &at
}

// up makes a report of one link.
func up(topics ...api.Topic) *api.Status {
	return &api.Status{Instance: "ad-17", Version: "v1", Time: *ago(time.Second), Links: []api.Link{{Name: "edge-up", State: "copying",
		Probe: api.Probe{Source: api.Probed{Success: ago(5 * time.Second)}}, Retention: api.Shares{Warn: 0.5, Critical: 0.25}, Topics: topics}}}
}

func healthy(name string) api.Topic {
	return api.Topic{Topic: name, State: "caught_up", LagRecords: new(int64(0)), ReplicatedThrough: ago(time.Second), Speed: new(1.0)}
}

func topicWith(change func(*api.Topic)) api.Topic {
	t := healthy("clicks")
	change(&t)
	return t
}

func linkWith(change func(*api.Link), topics ...api.Topic) *api.Status {
	r := up(topics...)
	change(&r.Links[0])
	return r
}

func TestLag(t *testing.T) {
	late := func(d time.Duration) api.Topic {
		return topicWith(func(t *api.Topic) {
			t.State, t.LagRecords, t.ReplicatedThrough, t.Speed = "waiting", new(int64(900)), ago(d), new(0.0)
			t.Partitions = []api.Partition{{State: "copying"}, {Partition: 3, State: "waiting", Error: "dial region-1:9092:\n i/o timeout | refused"}}
		})
	}
	for _, test := range []struct {
		name   string
		report *api.Status
		o      Options
		want   string
	}{
		{"current", up(healthy("clicks"), healthy("imps")), Options{},
			"MIRROR OK - 2 topics, 1s behind at most (edge-up clicks) | lag=1s;60;300;0 lag_records=0;;;0 topics=2;;;0\n"},
		{"warning", up(late(2 * time.Minute)), Options{},
			"MIRROR WARNING - edge-up clicks: 2m00s behind, waiting: partition 3: dial region-1:9092:  i/o timeout / refused | lag=120s;60;300;0 lag_records=900;;;0 topics=1;;;0\n"},
		{"critical, the worst first", up(healthy("a"), late(41*time.Hour+42*time.Minute), topicWith(func(t *api.Topic) { t.Topic, t.State, t.ReplicatedThrough = "b", "copying", ago(2*time.Minute) })), Options{},
			"MIRROR CRITICAL - edge-up clicks: 41h42m behind, waiting: partition 3: dial region-1:9092:  i/o timeout / refused (and 1 more) | lag=150120s;60;300;0 lag_records=900;;;0 topics=3;;;0\n" +
				"CRITICAL edge-up clicks: 41h42m behind, waiting: partition 3: dial region-1:9092:  i/o timeout / refused\nWARNING edge-up b: 2m00s behind, copying\n"},
		{"thresholds", up(late(7 * time.Second)), Options{Warn: new(5 * time.Second), Critical: new(10 * time.Second)},
			"MIRROR WARNING - edge-up clicks: 7s behind, waiting: partition 3: dial region-1:9092:  i/o timeout / refused | lag=7s;5;10;0 lag_records=900;;;0 topics=1;;;0\n"},
		{"unknown", up(topicWith(func(t *api.Topic) { t.State, t.ReplicatedThrough, t.LagRecords = "starting", nil, nil })), Options{},
			"MIRROR UNKNOWN - edge-up clicks: unknown how far behind, starting | topics=1;;;0\n"},
		{"halted, though current", up(topicWith(func(t *api.Topic) {
			t.State, t.Partitions = "halted", []api.Partition{{Partition: 1, State: "halted", Reason: "retention", Error: "offset out of range", NextStep: "mirror skip edge-up clicks/1 --i-accept-loss"}}
		})), Options{},
			"MIRROR CRITICAL - edge-up clicks: 1s behind, halted: partition 1: retention: offset out of range; next: mirror skip edge-up clicks/1 --i-accept-loss | lag=1s;60;300;0 lag_records=0;;;0 topics=1;;;0\n"},
		{"unowned", up(topicWith(func(t *api.Topic) { t.State, t.ReplicatedThrough, t.Problem = "unowned", nil, "clicks has no owner" })), Options{},
			"MIRROR CRITICAL - edge-up clicks: unknown how far behind, unowned: clicks has no owner | lag_records=0;;;0 topics=1;;;0\n"},
		{"elsewhere", up(topicWith(func(t *api.Topic) { t.State, t.ReplicatedThrough = "elsewhere", nil })), Options{},
			"MIRROR OK - all topics are with other members of the pool | lag_records=0;;;0 topics=0;;;0\n"},
		{"catching up", up(topicWith(func(t *api.Topic) { t.State, t.ReplicatedThrough, t.Speed = "copying", ago(time.Hour), new(5.0) })), Options{},
			"MIRROR OK - 1 topics, 1h00m behind at most (edge-up clicks), 1 catching up | lag=3600s;60;300;0 lag_records=0;;;0 topics=1;;;0\n"},
		{"falling behind", up(topicWith(func(t *api.Topic) { t.State, t.ReplicatedThrough, t.Speed = "copying", ago(time.Hour), new(0.9) })), Options{},
			"MIRROR CRITICAL - edge-up clicks: 1h00m behind, copying | lag=3600s;60;300;0 lag_records=0;;;0 topics=1;;;0\n"},
		{"stopped with the speed of before", up(topicWith(func(t *api.Topic) { t.State, t.ReplicatedThrough, t.Speed = "waiting", ago(time.Hour), new(5.0) })), Options{},
			"MIRROR CRITICAL - edge-up clicks: 1h00m behind, waiting | lag=3600s;60;300;0 lag_records=0;;;0 topics=1;;;0\n"},
		{"pool away, records flow", linkWith(func(l *api.Link) { l.Pool = &api.PoolSummary{State: "suspended", Since: ago(12 * time.Second)} }, healthy("clicks")), Options{},
			"MIRROR WARNING - edge-up: its pool is suspended for 12s: nobody takes over, and old records wait | lag=1s;60;300;0 lag_records=0;;;0 topics=1;;;0\n"},
		{"pool away for a moment", linkWith(func(l *api.Link) { l.Pool = &api.PoolSummary{State: "suspended", Since: ago(2 * time.Second)} }, healthy("clicks")), Options{},
			"MIRROR OK - 1 topics, 1s behind at most (edge-up clicks) | lag=1s;60;300;0 lag_records=0;;;0 topics=1;;;0\n"},
		{"no topics known", linkWith(func(l *api.Link) { l.Problem = "list topics of edge: dial: refused" }), Options{},
			"MIRROR UNKNOWN - edge-up: its topics are not known: list topics of edge: dial: refused | lag_records=0;;;0 topics=0;;;0\n"},
		{"no link", &api.Status{}, Options{}, "MIRROR UNKNOWN - the mirror has no links\n"},
		{"another link", up(), Options{Link: "down"}, "MIRROR UNKNOWN - there is no link \"down\"; the mirror has: edge-up\n"},
	} {
		t.Run(test.name, func(t *testing.T) { requireText(t, Lag(test.report, now, test.o), test.want) })
	}
}

func TestHeadroom(t *testing.T) {
	due := func(left time.Duration, cause string, used *float64) api.Topic {
		return topicWith(func(t *api.Topic) {
			t.LossDeadline, t.LossCause, t.RetentionUsed, t.SourceRetentionSeconds = ago(-left), cause, used, new(172800.0)
		})
	}
	day := Options{Warn: new(24 * time.Hour), Critical: new(12 * time.Hour)}
	for _, test := range []struct {
		name   string
		report *api.Status
		o      Options
		want   string
	}{
		{"plenty", up(due(40*time.Hour, "retention_time", new(0.16))), Options{},
			"MIRROR OK - 1 topics, 40h00m until loss at least (edge-up clicks) | headroom=144000s;14400:;3600: topics=1;;;0\n"},
		{"critical by hours", up(due(6*time.Hour+18*time.Minute, "retention_time", new(0.1))), day,
			"MIRROR CRITICAL - edge-up clicks: 6h18m until loss (retention_time), 1s behind, caught_up | headroom=22680s;86400:;43200: topics=1;;;0\n"},
		{"warning by share", up(due(20*time.Hour, "retention_time", new(0.6))), Options{},
			"MIRROR WARNING - edge-up clicks: 20h00m until loss (retention_time), 1s behind, caught_up | headroom=72000s;14400:;3600: topics=1;;;0\n"},
		{"critical by share", up(due(10*time.Hour, "retention_time", new(0.8))), Options{},
			"MIRROR CRITICAL - edge-up clicks: 10h00m until loss (retention_time), 1s behind, caught_up | headroom=36000s;14400:;3600: topics=1;;;0\n"},
		{"a short retention that is hardly used", up(due(55*time.Minute, "retention_time", new(0.05))), Options{},
			"MIRROR OK - 1 topics, 55m00s until loss at least (edge-up clicks) | headroom=3300s;14400:;3600: topics=1;;;0\n"},
		{"disk full", up(due(30*time.Minute, "disk_full", new(0.05))), Options{},
			"MIRROR CRITICAL - edge-up clicks: 30m00s until loss (disk_full), 1s behind, caught_up | headroom=1800s;14400:;3600: topics=1;;;0\n"},
		{"over", up(due(-time.Minute, "retention_time", new(1.0))), Options{},
			"MIRROR CRITICAL - edge-up clicks: may be lost since 1m00s (retention_time), 1s behind, caught_up | headroom=-60s;14400:;3600: topics=1;;;0\n"},
		{"kept for ever", up(healthy("clicks")), Options{}, "MIRROR OK - nothing is ever removed at the source | topics=1;;;0\n"},
		{"settings refused", up(topicWith(func(t *api.Topic) { t.UnknownCauses = []string{"disk_full", "retention_bytes", "retention_time"} })), Options{},
			"MIRROR UNKNOWN - edge-up clicks: unknown how long until loss, caught_up | topics=1;;;0\n"},
		{"kept for ever, on a disk that is not told of", up(topicWith(func(t *api.Topic) { t.UnknownCauses = []string{"disk_full"} })), Options{}, "MIRROR OK - nothing is ever removed at the source | topics=1;;;0\n"},
		{"a size that is not told", up(func() api.Topic {
			t := due(time.Hour-time.Second, "retention_time", new(0.9))
			t.UnknownCauses = []string{"retention_bytes"}
			return t
		}()), day,
			"MIRROR CRITICAL - edge-up clicks: 59m59s until loss (retention_time), not counting what is unknown (retention_bytes), 1s behind, caught_up | headroom=3599s;86400:;43200: topics=1;;;0\n"},
		{"unknown", up(topicWith(func(t *api.Topic) { t.SourceRetentionSeconds = new(1.0) })), Options{}, "MIRROR UNKNOWN - edge-up clicks: unknown how long until loss, caught_up | topics=1;;;0\n"},
		{"source silent", linkWith(func(l *api.Link) { l.Probe.Source = api.Probed{Success: ago(3 * time.Minute), Problem: "i/o timeout"} }, healthy("clicks")), Options{},
			"MIRROR UNKNOWN - edge-up: the source has not told what is left for 3m00s: i/o timeout | topics=1;;;0\n"},
		{"source silent, and the countdown goes on", linkWith(func(l *api.Link) { l.Probe.Source.Success = ago(3 * time.Minute) }, due(time.Minute, "retention_time", new(0.1))), day,
			"MIRROR CRITICAL - edge-up clicks: 1m00s until loss (retention_time), 1s behind, caught_up (and 1 more) | headroom=60s;86400:;43200: topics=1;;;0\n" +
				"CRITICAL edge-up clicks: 1m00s until loss (retention_time), 1s behind, caught_up\nUNKNOWN edge-up: the source has not told what is left for 3m00s\n"},
		{"no topics", up(), Options{}, "MIRROR UNKNOWN - edge-up: no topic matches yet | topics=0;;;0\n"},
		{"no link", &api.Status{}, Options{}, "MIRROR UNKNOWN - the mirror has no links\n"},
	} {
		t.Run(test.name, func(t *testing.T) { requireText(t, Headroom(test.report, now, test.o), test.want) })
	}
}

func TestHeartbeats(t *testing.T) {
	var silent api.Heartbeat
	if err := json.Unmarshal([]byte(`{"origin":"ad-2","time":"2026-11-22T11:50:00Z","lost":3,"summary":{"state":"halted","loss_deadline":"2026-11-22T14:00:00Z","new":1}}`), &silent); err != nil {
		t.Fatal(err)
	}
	well := api.Heartbeat{Origin: "ad-1", Time: *ago(5 * time.Second)}
	for _, test := range []struct {
		name   string
		report *api.Status
		o      Options
		want   string
	}{
		{"well", &api.Status{Heartbeats: []api.Heartbeat{well}}, Options{}, "MIRROR OK - 1 origins, the longest silence is 5s | silence=5s;120;300;0 origins=1;;;0 silent=0;;;0 lost=0;;;0\n"},
		{"silent", &api.Status{Heartbeats: []api.Heartbeat{well, silent}}, Options{},
			"MIRROR CRITICAL - ad-2: silent for 10m00s, was halted, 2h00m until loss | silence=600s;120;300;0 origins=2;;;0 silent=1;;;0 lost=3;;;0\n"},
		{"deaf", &api.Status{Heartbeats: []api.Heartbeat{{Origin: "ad-1", State: "unknown", Time: *ago(time.Hour)}}}, Options{},
			"MIRROR UNKNOWN - ad-1: nothing can be heard here; see: mirror heartbeat | silence=3600s;120;300;0 origins=1;;;0 silent=0;;;0 lost=0;;;0\n"},
		{"too few", &api.Status{Heartbeats: []api.Heartbeat{well}}, Options{Expect: 2},
			"MIRROR CRITICAL - 1 origins are heard of, 2 are expected | silence=5s;120;300;0 origins=1;;;0 silent=0;;;0 lost=0;;;0\n"},
		{"never", &api.Status{}, Options{}, "MIRROR UNKNOWN - no heartbeat was ever read here; see heartbeat.read of the configuration\n"},
	} {
		t.Run(test.name, func(t *testing.T) { requireText(t, Heartbeats(test.report, now, test.o), test.want) })
	}
}

func TestDaemon(t *testing.T) {
	ready := Readiness{Ready: true}
	for _, test := range []struct {
		name  string
		ready Readiness
		make  func(r *api.Status)
		want  string
	}{
		{"well", ready, func(*api.Status) {}, "MIRROR OK - ad-17, version v1, 1 links | snapshot_age=1s;10;30;0 links=1;;;0\n"},
		{"hangs", ready, func(r *api.Status) { r.Time = *ago(45 * time.Second) }, "MIRROR CRITICAL - the last look at the links is 45s old: the process hangs | snapshot_age=45s;10;30;0 links=1;;;0\n"},
		{"not ready", Readiness{Text: "[+] a\n[-] pool of link up: ZooKeeper is out of reach since 12:00\nnot ready\n"}, func(*api.Status) {},
			"MIRROR CRITICAL - not ready: pool of link up: ZooKeeper is out of reach since 12:00 | snapshot_age=1s;10;30;0 links=1;;;0\n"},
		{"not reloaded", ready, func(r *api.Status) { r.Config = &api.Config{Problem: "line 3: no"} }, "MIRROR WARNING - the configuration was not reloaded: line 3: no | snapshot_age=1s;10;30;0 links=1;;;0\n"},
		{"says no time", ready, func(r *api.Status) { r.Time = time.Time{} }, "MIRROR UNKNOWN - it does not say when it looked at its links | links=1;;;0\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := up()
			test.make(r)
			requireText(t, Daemon(r, test.ready, now, Options{}), test.want)
		})
	}
}

func TestWatchers(t *testing.T) {
	report := func(seen map[string]time.Time) *api.Status {
		return &api.Status{Watchers: seen, WatchersExpected: map[string]float64{"prometheus": 300, "sensu": 600}}
	}
	for _, test := range []struct {
		name   string
		report *api.Status
		o      Options
		want   string
	}{
		{"none expected", &api.Status{}, Options{}, "MIRROR OK - no watcher is expected; name them under watchers in the configuration\n"},
		{"heard of", report(map[string]time.Time{"prometheus": *ago(15 * time.Second), "sensu": *ago(0), "lb": *ago(time.Hour)}), Options{},
			"MIRROR OK - all 2 watchers were heard of | prometheus=15s;300;300;0 sensu=0s;600;600;0\n"},
		{"silent", report(map[string]time.Time{"prometheus": *ago(6 * time.Minute), "sensu": *ago(0)}), Options{},
			"MIRROR CRITICAL - prometheus: was not heard of for 6m00s, at most 5m00s is expected: see whether it works | prometheus=360s;300;300;0 sensu=0s;600;600;0\n"},
		{"asked", report(map[string]time.Time{"prometheus": *ago(15 * time.Second), "sensu": *ago(0)}), Options{Warn: new(10 * time.Second), Critical: new(time.Minute)},
			"MIRROR WARNING - prometheus: was not heard of for 15s, at most 1m00s is expected: see whether it works | prometheus=15s;10;60;0 sensu=0s;10;60;0\n"},
		{"without a stamp", report(map[string]time.Time{"sensu": *ago(0)}), Options{},
			"MIRROR UNKNOWN - prometheus: the mirror does not say when it was heard of | sensu=0s;600;600;0\n"},
	} {
		t.Run(test.name, func(t *testing.T) { requireText(t, Watchers(test.report, now, test.o), test.want) })
	}
}

func TestAReportThatIsTooOldIsUnknown(t *testing.T) {
	r := up(healthy("clicks"))
	if _, is := Stale(r, "lag", now); is {
		t.Error("a report of a second ago is stale")
	}
	got, is := Stale(r, "lag", now.Add(time.Minute))
	if !is {
		t.Fatal("a report of a minute ago is not stale")
	}
	requireText(t, got, "MIRROR UNKNOWN - the mirror looked at its links 1m01s ago, and knows nothing newer; see its log\n")
}

func TestOutputIsBounded(t *testing.T) {
	var topics []api.Topic
	for range 50 {
		topics = append(topics, topicWith(func(t *api.Topic) { t.State, t.Problem = "halted", strings.Repeat("é|", 1000) }))
	}
	lines := strings.Split(strings.TrimRight(Lag(up(topics...), now, Options{}).Text(), "\n"), "\n")
	if len(lines) != maxDetails+2 || lines[maxDetails+1] != "and 30 more; see: mirror status" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
	for _, l := range lines {
		if len(l) > maxText+200 || strings.Count(l, "|") > 1 {
			t.Errorf("a line of %d bytes with %d bars", len(l), strings.Count(l, "|"))
		}
	}
}

func TestSeverityIsTheExitCode(t *testing.T) {
	for s, want := range map[Severity]int{OK: 0, Warning: 1, Critical: 2, Unknown: 3} {
		if got := NewResult("lag", s, ""); got.Code != want {
			t.Errorf("%s: code %d, want %d", s, got.Code, want)
		}
	}
}

func requireText(t *testing.T, got Result, want string) {
	t.Helper()
	if got.Text() != want {
		t.Errorf("got\n%swant\n%s", got.Text(), want)
	}
}
