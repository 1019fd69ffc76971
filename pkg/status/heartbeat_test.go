package status

import (
	"strings"
	"testing"
	"time"

	"tributary/pkg/lag"
)

func TestMetricsOfHeartbeats(t *testing.T) {
	got := ownMetrics(t, newServer(t, shared))
	for _, want := range []string{`mirror_heartbeat_origin_timestamp_seconds{origin="ad-19"} 1.69999970025e+09`, `mirror_heartbeat_lost_total{origin="ad-18"} 0`,
		`mirror_heartbeat_lost_total{origin="ad-19"} 2`, `mirror_heartbeat_loss_deadline_timestamp_seconds{origin="ad-19"} 1.70000360025e+09`,
		`mirror_heartbeat_expected_origins 2`, `mirror_heartbeat_missing_origins 1`, `mirror_heartbeat_success_timestamp_seconds{cluster="edge",side="produce"} 1.69999999825e+09`,
		`mirror_heartbeat_success_timestamp_seconds{cluster="home",side="read"} 1.69999999925e+09`, `mirror_heartbeat_ignored_total{cluster="home"} 4`} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if never := `mirror_heartbeat_loss_deadline_timestamp_seconds{origin="ad-18"}`; strings.Contains(got, never) {
		t.Errorf("%s is there, and is not known", never)
	}
}

// What cannot be heard here is not missing there.
func TestNobodyIsMissingWhileNothingCanBeHeard(t *testing.T) {
	s := shared()
	s.HeartbeatClusters[1].Current = false
	got := ownMetrics(t, newServer(t, func() *lag.Snapshot { return s }))
	if strings.Contains(got, "\nmirror_heartbeat_missing_origins ") || !strings.Contains(got, "\nmirror_heartbeat_expected_origins 2\n") {
		t.Errorf("got\n%s", got)
	}
	s.HeartbeatClusters = s.HeartbeatClusters[:1] // a process that only writes
	got = ownMetrics(t, newServer(t, func() *lag.Snapshot { return s }))
	if strings.Contains(got, "\nmirror_heartbeat_expected_origins ") || strings.Contains(got, "{origin=") {
		t.Errorf("without a reading cluster got\n%s", got)
	}
}

func TestPageShowsOrigins(t *testing.T) {
	_, body := get(newServer(t, freshly(shared())), "/")
	silent, ok := strings.Index(body, `<td>SILENT</td><td>ad-19</td>`), strings.Index(body, `<td>ok</td><td>ad-18</td>`)
	if silent < 0 || ok < silent {
		t.Errorf("silent at %d, ok at %d in\n%s", silent, ok, body)
	}
	for _, want := range []string{"Heartbeats, worst first: 1 ok, 1 SILENT", "nothing heard for &lt;5m&gt;", "2h0m0s", "Heartbeats: read at home: dial &lt;home-1&gt;: refused", "120ms"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if _, body := get(newServer(t, freshly(full())), "/"); strings.Contains(body, "Heartbeats") {
		t.Error("without heartbeats there is a section of them")
	}
}

func TestTheTimeThatIsLeft(t *testing.T) {
	for _, test := range []struct {
		deadline *time.Time
		want     string
	}{{nil, unknown}, {moment(90), "1m30s"}, {moment(0), "over since 0s"}, {moment(-61), "over since 1m1s"}} {
		if got := left(test.deadline, *moment(0)); got != test.want {
			t.Errorf("%v: got %s, want %s", test.deadline, got, test.want)
		}
	}
}

func TestTheWorstOriginsComeFirst(t *testing.T) {
	with := func(origin string, state lag.HeartbeatState, deadline *time.Time, written int) lag.Heartbeat {
		return lag.Heartbeat{Origin: origin, State: state, Time: *moment(written), Summary: &lag.HeartbeatSummary{LossDeadline: deadline}}
	}
	all := []lag.Heartbeat{with("ok", lag.HeartbeatOK, moment(1), 0), with("never", lag.HeartbeatSilent, nil, -9), with("late", lag.HeartbeatSilent, moment(9), 0),
		with("warn", lag.HeartbeatWarn, nil, 0), with("soon", lag.HeartbeatSilent, moment(5), 0), with("older", lag.HeartbeatSilent, moment(9), -1), with("unknown", lag.HeartbeatUnknown, nil, 0)}
	var got []string
	for _, h := range worstHeartbeats(all) {
		got = append(got, h.Origin)
	}
	if want := "soon older late never unknown warn ok"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
